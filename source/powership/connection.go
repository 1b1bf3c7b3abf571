package powership

// ConnectionInfo is where a session is used from, as session documents hold it.
type ConnectionInfo struct {
	IP        string
	UserAgent string
	// Extra are further texts an application keeps with it.
	Extra map[string]string
}
