package pingam

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The resource versions of sessions, oldest first.
var (
	versionsPingAM = []string{"3.0", "3.1", "4.0", "5.0", "5.1"}
	versionsOpenAM = []string{"1.1", "1.2", "2.0"}
)

// since is the first resource version with an action, by its name in lower case. query stands for the query.
var since = map[string]string{
	"validate": "3.0", "refresh": "3.1", "logout": "3.1", "logoutbyhandle": "3.1", "getsessionproperties": "3.1",
	"updatesessionproperties": "3.1", "query": "3.1", "getsessioninfo": "4.0", "getsessioninfoandresetidletime": "4.0",
	"logoutbyuser": "5.1",
}

// only is the one resource version with an action in OpenAM. logout is in all.
var only = map[string]string{
	"getsessioninfo": "2.0", "refresh": "2.0", "logoutbyhandle": "2.0", "getsessionproperties": "2.0",
	"updatesessionproperties": "2.0", "query": "2.0", "validate": "1.2", "isactive": "1.2", "gettimeleft": "1.2",
	"getidle": "1.2", "getmaxidle": "1.2", "getmaxsessiontime": "1.2", "getproperty": "1.2", "setproperty": "1.2",
	"deleteproperty": "1.2", "getpropertynames": "1.2",
}

// version reads Accept-API-Version ("resource=4.0, protocol=1.0") and answers what cannot be served.
func (p *Peer) version(w http.ResponseWriter, r *http.Request, known []string) (string, bool) {
	asked := ""
	for part := range strings.SplitSeq(r.Header.Get("Accept-API-Version"), ",") {
		if name, value, found := strings.Cut(strings.TrimSpace(part), "="); found && name == "resource" {
			asked = value
		}
	}
	if asked == "" && p.o.NoDefaultVersion {
		fail(w, http.StatusBadRequest, "No requested version specified and behavior set to NONE.")
		return "", false
	}
	if asked == "" {
		asked = known[len(known)-1]
	}
	if !slices.Contains(known, asked) {
		fail(w, http.StatusNotFound, fmt.Sprintf("Accept-API-Version: Requested version %q does not match any routes.", asked))
		return "", false
	}
	w.Header().Set("Content-API-Version", "protocol=1.0,resource="+asked)
	return asked, true
}

// offers reports whether the resource of that version has the action, given in lower case.
func (p *Peer) offers(action, version string) bool {
	if p.o.Profile == OpenAM {
		return action == "logout" || only[action] == version
	}
	first, known := since[action]
	return known && version >= first && (action != "logoutbyuser" || !p.o.NoLogoutByUser)
}

// versions lists the resource versions of sessions.
func (p *Peer) versions() []string {
	if p.o.Profile == OpenAM {
		return versionsOpenAM
	}
	return versionsPingAM
}
