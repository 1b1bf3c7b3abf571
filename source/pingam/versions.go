package pingam

// The actions of the sessions resource, as they are written in requests, its query, and the resource people log in at.
const (
	getSessionInfo          = "getSessionInfo"
	resetIdleTime           = "getSessionInfoAndResetIdleTime"
	validate                = "validate"
	refresh                 = "refresh"
	logout                  = "logout"
	logoutByHandle          = "logoutByHandle"
	logoutByUser            = "logoutByUser"
	getSessionProperties    = "getSessionProperties"
	updateSessionProperties = "updateSessionProperties"
	query                   = "query"
	authenticate            = "authenticate"
)

// actions lists the names versions can be set for.
func actions() []string {
	return []string{
		getSessionInfo, resetIdleTime, validate, refresh, logout, logoutByHandle, logoutByUser, getSessionProperties,
		updateSessionProperties, query, authenticate,
	}
}

// version returns the resource version an action is asked for with (Accept-API-Version). It is always sent: without it
// the answer depends on the server's settings, and its CSRF filter may refuse the request. The versions are those of the
// vendor's examples ("Manage sessions using REST"); OpenAM has validate in 1.2 alone and the rest in 2.0.
func (o *Options) version(action string) string {
	if v := o.APIVersions[action]; v != "" {
		return v
	}
	if o.openAM() {
		if action == validate {
			return "1.2"
		}
		return "2.0"
	}
	switch action {
	case getSessionInfo, resetIdleTime:
		return "4.0"
	case validate:
		return "3.0"
	case logoutByUser:
		return "5.1"
	case authenticate:
		return "2.0"
	}
	return "3.1"
}
