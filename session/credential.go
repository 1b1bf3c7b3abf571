package session

// Kind says where in a request a credential is carried.
type Kind string

// The kinds of credential.
const (
	KindCookie Kind = "cookie" // Cookie: name=value
	KindBearer Kind = "bearer" // Authorization: Bearer value (RFC 6750)
	KindHeader Kind = "header" // a header of its own, such as X-Api-Key
)

// Place is where credentials are found: a kind, and for cookies and headers the exact name. A source that accepts
// credentials says so by its places; a credential found elsewhere is never shown to it.
type Place struct {
	Kind Kind
	Name string // cookie name or canonical header name; "" for KindBearer
}

// Credential is what a client shows.
type Credential struct {
	Place
	Value Secret

	// UserAgent and RemoteIP describe the client, for authorities that bind sessions to them. They are not part of
	// the identity of the credential.
	UserAgent string
	RemoteIP  string

	// Companions are further cookies without which the authority does not find the session, of those a source at this
	// place asks for (CompanionCookies). They are part of the identity of the credential.
	Companions []Companion
}

// Companion is a cookie that comes along with a credential.
type Companion struct {
	Name  string
	Value Secret
}
