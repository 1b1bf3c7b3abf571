package session

import (
	"encoding/json"
	"fmt"
	"time"
)

// recordFormat is the first byte of a decoded record. A record of another format is refused, not guessed at.
const recordFormat = 1

// storedSession is the form a session of ours has inside a sealed record. It exists because Secret refuses to be
// encoded, and so that renaming a field of Session cannot make old records unreadable.
type storedSession struct {
	ID              string            `json:"id"`
	Handle          string            `json:"handle"`
	Source          string            `json:"source"`
	SourceSessionID string            `json:"sid,omitempty"`
	Realm           string            `json:"realm,omitempty"`
	Identity        storedIdentity    `json:"identity"`
	Methods         []storedMethod    `json:"methods,omitempty"`
	AAL             string            `json:"aal,omitempty"`
	ACR             string            `json:"acr,omitempty"`
	Devices         []storedDevice    `json:"devices,omitempty"`
	IssuedAt        time.Time         `json:"issued_at,omitzero"`
	AuthenticatedAt time.Time         `json:"authenticated_at,omitzero"`
	LastAccessAt    time.Time         `json:"last_access_at,omitzero"`
	ExpiresAt       time.Time         `json:"expires_at,omitzero"`
	IdleExpiresAt   time.Time         `json:"idle_expires_at,omitzero"`
	Tokens          storedTokens      `json:"tokens,omitzero"`
	Properties      map[string]string `json:"properties,omitempty"`
	Tokenized       string            `json:"tokenized,omitempty"`
}

type storedIdentity struct {
	Subject       string         `json:"subject"`
	Username      string         `json:"username,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitempty"`
	Name          string         `json:"name,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`
}

type storedMethod struct {
	Method      string    `json:"method"`
	AAL         string    `json:"aal,omitempty"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
}

type storedDevice struct {
	IP          string    `json:"ip,omitempty"`
	UserAgent   string    `json:"user_agent,omitempty"`
	FirstSeenAt time.Time `json:"first_seen_at,omitzero"`
	LastSeenAt  time.Time `json:"last_seen_at,omitzero"`
}

type storedTokens struct {
	Type       string    `json:"type,omitempty"`
	Access     string    `json:"access,omitempty"`
	Refresh    string    `json:"refresh,omitempty"`
	ID         string    `json:"id,omitempty"`
	ObtainedAt time.Time `json:"obtained_at,omitzero"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
}

// encodeSession returns the plain bytes of a record. They hold tokens: seal them.
func encodeSession(s *Session) ([]byte, error) {
	body, err := json.Marshal(storedOf(s))
	if err != nil {
		return nil, fmt.Errorf("session %s: encode: %w: %w", s.Handle, ErrMalformed, err)
	}
	return append([]byte{recordFormat}, body...), nil
}

func storedOf(s *Session) storedSession {
	return storedSession{
		ID: s.ID, Handle: s.Handle, Source: s.Source, SourceSessionID: s.SourceSessionID, Realm: s.Realm,
		Identity: storedIdentity(s.Identity), Methods: convert(s.AuthenticationMethods, toStoredMethod),
		AAL: s.AAL, ACR: s.ACR, Devices: convert(s.Devices, toStoredDevice),
		IssuedAt: s.IssuedAt, AuthenticatedAt: s.AuthenticatedAt, LastAccessAt: s.LastAccessAt,
		ExpiresAt: s.ExpiresAt, IdleExpiresAt: s.IdleExpiresAt,
		Tokens: storedTokens{
			Type: s.Tokens.Type, Access: s.Tokens.Access.Reveal(), Refresh: s.Tokens.Refresh.Reveal(),
			ID: s.Tokens.ID.Reveal(), ObtainedAt: s.Tokens.ObtainedAt, ExpiresAt: s.Tokens.ExpiresAt,
		},
		Properties: s.Properties, Tokenized: s.Tokenized.Reveal(),
	}
}

// decodeSession is the inverse of encodeSession. ErrMalformed when data is anything else.
func decodeSession(data []byte) (*Session, error) {
	if len(data) == 0 || data[0] != recordFormat {
		return nil, fmt.Errorf("session record: unknown format: %w", ErrMalformed)
	}
	var st storedSession
	if err := json.Unmarshal(data[1:], &st); err != nil {
		return nil, fmt.Errorf("session record: decode: %w", ErrMalformed)
	}
	return st.session(), nil
}

func (st storedSession) session() *Session {
	return &Session{
		ID: st.ID, Handle: st.Handle, Source: st.Source, SourceSessionID: st.SourceSessionID, Realm: st.Realm,
		Active: true, Identity: Identity(st.Identity),
		AuthenticationMethods: convert(st.Methods, fromStoredMethod), AAL: st.AAL, ACR: st.ACR,
		Devices:  convert(st.Devices, fromStoredDevice),
		IssuedAt: st.IssuedAt, AuthenticatedAt: st.AuthenticatedAt, LastAccessAt: st.LastAccessAt,
		ExpiresAt: st.ExpiresAt, IdleExpiresAt: st.IdleExpiresAt,
		Tokens: Tokens{
			Type: st.Tokens.Type, Access: NewSecret(st.Tokens.Access), Refresh: NewSecret(st.Tokens.Refresh),
			ID: NewSecret(st.Tokens.ID), ObtainedAt: st.Tokens.ObtainedAt, ExpiresAt: st.Tokens.ExpiresAt,
		},
		Properties: st.Properties, Tokenized: NewSecret(st.Tokenized),
	}
}

func toStoredMethod(m AuthenticationMethod) storedMethod   { return storedMethod(m) }
func fromStoredMethod(m storedMethod) AuthenticationMethod { return AuthenticationMethod(m) }
func toStoredDevice(d Device) storedDevice                 { return storedDevice(d) }
func fromStoredDevice(d storedDevice) Device               { return Device(d) }

func convert[A, B any](in []A, f func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}
