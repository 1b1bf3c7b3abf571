package kratos

import (
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// fill writes the user into out. Of Kratos' identity the traits and metadata_public go further; credentials, addresses
// and metadata_admin, which administrators' answers carry, do not.
func (o FieldsOptions) fill(out *session.Session, identity object) {
	out.Identity = session.Identity{
		Subject:  identity.text("id"),
		Username: authority.Text(authority.LookUp(identity, o.Username)),
		Email:    authority.Text(authority.LookUp(identity, o.Email)),
		Name:     fullName(authority.LookUp(identity, o.Name)),
		Groups:   authority.Texts(authority.LookUp(identity, o.Groups)),
		Claims:   map[string]any{},
	}
	out.Identity.EmailVerified = verified(identity, out.Identity.Email)
	for _, name := range []string{"traits", "metadata_public", "schema_id", "organization_id", "external_id"} {
		if v := identity[name]; v != nil {
			out.Identity.Claims[name] = v
		}
	}
	out.Realm = identity.text("schema_id")
	if organization := identity.text("organization_id"); organization != "" {
		out.Realm = organization
	}
	out.Properties = properties(identity.object("metadata_public"))
}

// fullName reads a name that is one text, or an object of first and last as Ory's preset schemas write it.
func fullName(v any) string {
	if parts, ok := v.(map[string]any); ok {
		return strings.TrimSpace(authority.Text(parts["first"]) + " " + authority.Text(parts["last"]))
	}
	return authority.Text(v)
}

// verified reports whether Kratos has verified the address. It writes addresses in lower case.
func verified(identity object, email string) bool {
	if email == "" {
		return false
	}
	for _, a := range identity.list("verifiable_addresses") {
		if a.text("via") == "email" && a["verified"] == true && strings.EqualFold(a.text("value"), email) {
			return true
		}
	}
	return false
}

// properties are the members of metadata_public that are a text, a number or a truth.
func properties(public object) map[string]string {
	out := map[string]string{}
	for name, v := range public {
		switch v := v.(type) {
		case string:
			out[name] = v
		case bool:
			out[name] = strconv.FormatBool(v)
		case float64:
			out[name] = strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
