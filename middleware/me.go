package middleware

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
)

// sessionDocument is a session as its user may see it: no tokens, no id, no cookie.
type sessionDocument struct {
	Handle                string           `json:"handle"`
	Source                string           `json:"source"`
	Realm                 string           `json:"realm,omitempty"`
	Active                bool             `json:"active"`
	Identity              identityDocument `json:"identity"`
	AuthenticationMethods []methodDocument `json:"authentication_methods,omitempty"`
	AAL                   string           `json:"aal,omitempty"`
	ACR                   string           `json:"acr,omitempty"`
	Devices               []deviceDocument `json:"devices,omitempty"`
	IssuedAt              time.Time        `json:"issued_at,omitzero"`
	AuthenticatedAt       time.Time        `json:"authenticated_at,omitzero"`
	LastAccessAt          time.Time        `json:"last_access_at,omitzero"`
	ExpiresAt             time.Time        `json:"expires_at,omitzero"`
	IdleExpiresAt         time.Time        `json:"idle_expires_at,omitzero"`
	TokenExpiresAt        time.Time        `json:"token_expires_at,omitzero"`
}

type identityDocument struct {
	Subject       string         `json:"subject"`
	Username      string         `json:"username,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified"`
	Name          string         `json:"name,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`
}

type methodDocument struct {
	Method      string    `json:"method"`
	AAL         string    `json:"aal,omitempty"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
}

type deviceDocument struct {
	IP          string    `json:"ip,omitempty"`
	UserAgent   string    `json:"user_agent,omitempty"`
	FirstSeenAt time.Time `json:"first_seen_at,omitzero"`
	LastSeenAt  time.Time `json:"last_seen_at,omitzero"`
}

func documentOf(s *session.Session) sessionDocument {
	d := sessionDocument{
		Handle: s.Handle, Source: s.Source, Realm: s.Realm, Active: s.Active, Identity: identityDocument(s.Identity),
		AAL: s.AAL, ACR: s.ACR, IssuedAt: s.IssuedAt, AuthenticatedAt: s.AuthenticatedAt, LastAccessAt: s.LastAccessAt,
		ExpiresAt: s.ExpiresAt, IdleExpiresAt: s.IdleExpiresAt, TokenExpiresAt: s.Tokens.ExpiresAt,
	}
	for _, m := range s.AuthenticationMethods {
		d.AuthenticationMethods = append(d.AuthenticationMethods, methodDocument(m))
	}
	for _, dev := range s.Devices {
		d.Devices = append(d.Devices, deviceDocument(dev))
	}
	return d
}

// Me serves GET /me: the session of whoever asks, without secrets; 401 when there is none.
func (s *Site) Me(w http.ResponseWriter, r *http.Request) {
	q, _ := CanonicalRequest(r.Context())
	own, found, err := s.o.Gate.Session(r.Context(), q)
	switch {
	case err != nil:
		s.WriteError(w, r, problemOfError(err))
	case !found:
		s.WriteError(w, r, Problem{Status: http.StatusUnauthorized, Code: "no_session", Detail: "Nobody is signed in.", SignIn: true, challenge: "Bearer"})
	default:
		reissue(w.Header(), own)
		ownHeaders(w.Header(), "")
		s.allowOrigin(w.Header(), r)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(documentOf(own))
	}
}
