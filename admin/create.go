package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Creation is the body of POST /sessions: exactly one proof, and for whom the session is.
type Creation struct {
	Source string `json:"source"`
	// Token is a credential of the source; Cookie or Header says where it is usually carried, otherwise it is a bearer
	// token.
	Token  string `json:"token,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	Header string `json:"header,omitempty"`
	// Username and Password are checked by the source.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// Assertion is a SAML 2.0 assertion, as it is.
	Assertion string `json:"assertion,omitempty"`
	// IP and UserAgent are those of the client the session is for.
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Created is the answer of POST /sessions and of logins: the session and the cookie that opens it. Whoever has the cookie is the user.
type Created struct {
	Session Entry  `json:"session"`
	Cookie  Cookie `json:"cookie"`
}

// Cookie is a session cookie to be set at the gateway's host.
type Cookie struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (c Creation) proof() session.Proof {
	p := session.Proof{
		Token: session.NewSecret(c.Token), Assertion: session.NewSecret(c.Assertion),
		Username: c.Username, Password: session.NewSecret(c.Password),
	}
	switch {
	case c.Cookie != "":
		p.Place = session.Place{Kind: session.KindCookie, Name: c.Cookie}
	case c.Header != "":
		p.Place = session.Place{Kind: session.KindHeader, Name: http.CanonicalHeaderKey(c.Header)}
	}
	return p
}

// check refuses what would be ignored, or written down as it is.
func (c Creation) check() error {
	_, err := netip.ParseAddr(c.IP)
	switch {
	case c.Source == "":
		return fmt.Errorf("source: is missing: %w", session.ErrMalformed)
	case c.Cookie != "" && c.Header != "":
		return fmt.Errorf("give cookie or header, not both: %w", session.ErrMalformed)
	case c.Token == "" && (c.Cookie != "" || c.Header != ""):
		return fmt.Errorf("cookie and header go with token: %w", session.ErrMalformed)
	case c.IP != "" && err != nil:
		return fmt.Errorf("ip: must be an IP address: %w", session.ErrMalformed)
	}
	return nil
}

func (a *API) create(w http.ResponseWriter, r *http.Request) {
	var body Creation
	if !a.took(w, r, &body, func() error { return body.check() }) {
		return
	}
	s, value, err := a.o.Operations.Create(r.Context(), body.Source, body.proof(), session.Device{IP: body.IP, UserAgent: body.UserAgent})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, a.created(r.Context(), s, value))
}

// created notes that s was made and returns it with what opens it.
func (a *API) created(ctx context.Context, s *session.Session, cookie session.Secret) Created {
	a.o.Log.InfoContext(ctx, "a session was created for an operator", "source", s.Source, "subject", s.Identity.Subject, "session", s.Handle)
	return Created{
		Session: entryOf(session.Entry{Session: s, Active: true}),
		Cookie:  Cookie{Name: a.o.Operations.CookieName(), Value: cookie.Reveal()},
	}
}

// Tokenization is the body of POST /sessions/{handle}/tokenize, Tokenized its answer.
type Tokenization struct {
	Template string `json:"template"`
}

func (t Tokenization) check() error {
	if t.Template == "" {
		return fmt.Errorf("template: is missing: %w", session.ErrMalformed)
	}
	return nil
}

// Tokenized is a signed JWT of a session.
type Tokenized struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

func (a *API) tokenize(w http.ResponseWriter, r *http.Request) {
	var body Tokenization
	if !a.took(w, r, &body, func() error { return body.check() }) {
		return
	}
	handle := r.PathValue("handle")
	token, end, err := a.o.Operations.Tokenize(r.Context(), handle, body.Template)
	if errors.Is(err, session.ErrUnsupported) && !errors.Is(err, session.ErrUnavailable) && a.o.Tokenize != nil {
		token, end, err = a.tokenizeHere(r.Context(), handle, body.Template)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, Tokenized{Token: token.Reveal(), ExpiresAt: end})
}

// tokenizeHere signs for a session only after its authority, where it has one to ask, has said that it holds: what was noted
// of a foreign session when it was last shown is no proof.
func (a *API) tokenizeHere(ctx context.Context, handle, template string) (session.Secret, time.Time, error) {
	e, err := a.o.Operations.Validate(ctx, handle)
	if err != nil {
		return session.Secret{}, time.Time{}, fmt.Errorf("a token is made of a session whose authority has just said that it holds: %w", err)
	}
	return a.o.Tokenize(e.Session, template)
}

// Introspection is the answer of POST /introspect (RFC 7662 §2.2).
type Introspection struct {
	Active    bool   `json:"active"`
	Subject   string `json:"sub,omitempty"`
	Username  string `json:"username,omitempty"`
	Issuer    string `json:"iss,omitempty"` // the source
	TokenType string `json:"token_type,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	SessionID string `json:"sid,omitempty"` // the handle
	ACR       string `json:"acr,omitempty"`
}

// introspect takes a cookie value of ours as the parameter token of a form.
func (a *API) introspect(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || len(r.PostForm["token"]) != 1 {
		refusal := fmt.Errorf("the body must be a form with one token (RFC 7662 §2.1): %w", session.ErrMalformed)
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			refusal = unreadable(err)
		}
		a.fail(w, r, refusal)
		return
	}
	s, err := a.o.Operations.Introspect(r.Context(), session.NewSecret(r.PostForm.Get("token")))
	if errors.Is(err, session.ErrRejected) && !errors.Is(err, session.ErrUnavailable) {
		writeJSON(w, http.StatusOK, Introspection{})
		return
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	answer := Introspection{Active: true, Subject: s.Identity.Subject, Username: s.Identity.Username, Issuer: s.Source, TokenType: "session_cookie", SessionID: s.Handle, ACR: s.ACR}
	if !s.IssuedAt.IsZero() {
		answer.IssuedAt = s.IssuedAt.Unix()
	}
	if end := s.EndsAt(); !end.IsZero() {
		answer.ExpiresAt = end.Unix()
	}
	writeJSON(w, http.StatusOK, answer)
}

// SourceList is the answer of GET /sources.
type SourceList struct {
	Sources []SourceEntry `json:"sources"`
}

// SourceEntry is one source: how it is, and which powers it has over its sessions.
type SourceEntry struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Health string   `json:"health,omitempty"` // "" when it is well
	Powers []string `json:"powers"`
}

func (a *API) sources(w http.ResponseWriter, _ *http.Request) {
	list := SourceList{Sources: []SourceEntry{}}
	for _, src := range a.o.Sources {
		e := SourceEntry{Name: src.Name(), Kind: src.Kind(), Powers: session.Powers(src)}
		if h, ok := src.(session.HealthChecker); ok {
			if err := h.Health(); err != nil {
				e.Health = err.Error()
			}
		}
		list.Sources = append(list.Sources, e)
	}
	writeJSON(w, http.StatusOK, list)
}
