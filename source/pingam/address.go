package pingam

import (
	"net/url"
	"strings"
)

// realmPath is how a realm stands in the path of a request: /alpha/beta is realms/root/realms/alpha/realms/beta.
func realmPath(realm string) string {
	var b strings.Builder
	b.WriteString("realms/root")
	for name := range strings.SplitSeq(strings.Trim(realm, "/"), "/") {
		if name != "" {
			b.WriteString("/realms/" + url.PathEscape(name))
		}
	}
	return b.String()
}

// address is the URL of a resource in a realm.
func (o *Options) address(realm, resource string, q url.Values) string {
	raw := strings.TrimRight(o.URL, "/") + "/json/" + realmPath(realm) + "/" + resource
	if len(q) > 0 {
		raw += "?" + strings.ReplaceAll(q.Encode(), "+", "%20") // a plus is a space to forms alone
	}
	return raw
}

// within reports whether realm is parent or below it. Names of realms are unique whatever their case.
func within(realm, parent string) bool {
	realm, parent = strings.ToLower(realm), strings.ToLower(parent)
	return parent == rootRealm || realm == parent || strings.HasPrefix(realm, parent+"/")
}

// filter is a _queryFilter: the fields that are not "" joined by and, true when there are none.
func filter(username, realm string) string {
	var parts []string
	if username != "" {
		parts = append(parts, "username eq "+quote(username))
	}
	if realm != "" {
		parts = append(parts, "realm eq "+quote(realm))
	}
	if len(parts) == 0 {
		return "true"
	}
	return strings.Join(parts, " and ")
}

// quote writes a value of a filter: in double quotes, with a backslash before each quote and backslash in it.
func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
