package session

import "time"

// Document is a session as it may be shown to its user and to operators, as JSON: no tokens, no id, no cookie.
type Document struct {
	Handle                string           `json:"handle"`
	Source                string           `json:"source"`
	Realm                 string           `json:"realm,omitempty"`
	Active                bool             `json:"active"`
	Identity              DocumentIdentity `json:"identity"`
	AuthenticationMethods []DocumentMethod `json:"authentication_methods,omitempty"`
	AAL                   string           `json:"aal,omitempty"`
	ACR                   string           `json:"acr,omitempty"`
	Devices               []DocumentDevice `json:"devices,omitempty"`
	IssuedAt              time.Time        `json:"issued_at,omitzero"`
	AuthenticatedAt       time.Time        `json:"authenticated_at,omitzero"`
	LastAccessAt          time.Time        `json:"last_access_at,omitzero"`
	ExpiresAt             time.Time        `json:"expires_at,omitzero"`
	IdleExpiresAt         time.Time        `json:"idle_expires_at,omitzero"`
	TokenExpiresAt        time.Time        `json:"token_expires_at,omitzero"`
}

// DocumentIdentity is Identity in a Document.
type DocumentIdentity struct {
	Subject       string         `json:"subject"`
	Username      string         `json:"username,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified"`
	Name          string         `json:"name,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`
}

// DocumentMethod is AuthenticationMethod in a Document.
type DocumentMethod struct {
	Method      string    `json:"method"`
	AAL         string    `json:"aal,omitempty"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
}

// DocumentDevice is Device in a Document.
type DocumentDevice struct {
	IP          string    `json:"ip,omitempty"`
	UserAgent   string    `json:"user_agent,omitempty"`
	FirstSeenAt time.Time `json:"first_seen_at,omitzero"`
	LastSeenAt  time.Time `json:"last_seen_at,omitzero"`
}

// DocumentOf returns what may be shown of s. It is for reading only.
func DocumentOf(s *Session) Document {
	d := Document{
		Handle: s.Handle, Source: s.Source, Realm: s.Realm, Active: s.Active, Identity: DocumentIdentity(s.Identity),
		AAL: s.AAL, ACR: s.ACR, IssuedAt: s.IssuedAt, AuthenticatedAt: s.AuthenticatedAt, LastAccessAt: s.LastAccessAt,
		ExpiresAt: s.ExpiresAt, IdleExpiresAt: s.IdleExpiresAt, TokenExpiresAt: s.Tokens.ExpiresAt,
	}
	for _, m := range s.AuthenticationMethods {
		d.AuthenticationMethods = append(d.AuthenticationMethods, DocumentMethod(m))
	}
	for _, dev := range s.Devices {
		d.Devices = append(d.Devices, DocumentDevice(dev))
	}
	return d
}
