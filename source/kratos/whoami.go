package kratos

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// whoami asks whose p is (GET /sessions/whoami) and makes the answer a session.
func (s *Source) whoami(ctx context.Context, p proof) (*session.Session, error) {
	a, r, err := s.askWhoami(ctx, p, s.o.TokenizeAs)
	if err != nil {
		return nil, err
	}
	out := s.session(a)
	out.Tokens.Type, out.Tokens.Access = p.kind, p.value
	out.Reissue = s.reissued(r.Header)
	out.FreshUntil = s.freshUntil(r.Header)
	if s.o.TokenizeAs == "" {
		return out, nil
	}
	end, err := s.tokenEnd(a)
	if err != nil {
		return nil, err
	}
	out.Tokenized = session.NewSecret(a.tokenized)
	out.Tokens.ObtainedAt = s.public.Now().UTC()
	out.Tokens.ExpiresAt = earlier(end, out.ExpiresAt)
	return out, nil
}

// askWhoami returns the answer for an active session whose user Kratos shows, with a JWT made by template unless that
// is "".
func (s *Source) askWhoami(ctx context.Context, p proof, template string) (answer, authority.Reply, error) {
	address := base(s.o.URL) + "/sessions/whoami"
	if template != "" {
		address += "?" + url.Values{"tokenize_as": {template}}.Encode()
	}
	r, err := s.public.Call(ctx, authority.Question{URL: address, Header: s.header(p)})
	if err != nil {
		return answer{}, r, err
	}
	if r.Status != http.StatusOK {
		return answer{}, r, s.denied(ctx, p, r)
	}
	o, err := s.public.Object(r)
	if err != nil {
		return answer{}, r, err
	}
	a, err := readAnswer(o)
	switch {
	case err != nil:
		return answer{}, r, s.public.Nonsense(err.Error())
	case !a.active:
		return answer{}, r, authority.Rejected("the session is not active")
	case a.identity == nil: // hidden until a second factor has been shown
		return answer{}, r, s.insufficient("Kratos does not show whose session it is", "")
	}
	return a, r, nil
}

// session maps what Kratos says of a session that has an identity or, in lists, may have none.
func (s *Source) session(a answer) *session.Session {
	id := s.id(a.id)
	out := &session.Session{
		ID: id, Handle: authority.Handle("kratos", id), Source: s.name, SourceSessionID: a.id,
		Active: a.active, AAL: a.aal, IssuedAt: a.issuedAt, AuthenticatedAt: a.authenticatedAt, ExpiresAt: a.expiresAt,
		Tokens: session.Tokens{ExpiresAt: a.expiresAt},
	}
	for _, m := range a.methods {
		out.AuthenticationMethods = append(out.AuthenticationMethods, session.AuthenticationMethod{Method: m.name, AAL: m.aal, CompletedAt: m.completedAt})
	}
	for _, d := range a.devices {
		out.Devices = append(out.Devices, session.Device{IP: d.ip, UserAgent: d.userAgent})
	}
	if a.identity != nil {
		s.fields.fill(out, a.identity)
	}
	return out
}

// reissued returns the session cookie Kratos wrote anew, as it does once after a session has been extended. Other cookies
// are Kratos' own business with the browser.
func (s *Source) reissued(h http.Header) []session.ReplyHeader {
	var out []session.ReplyHeader
	for _, line := range h.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err == nil && c.Name == s.o.Takes().Cookie && c.Value != "" && c.MaxAge >= 0 {
			out = append(out, session.ReplyHeader{Name: "Set-Cookie", Value: session.NewSecret(line)})
		}
	}
	return out
}

// cacheFor is for how many seconds whoami's answer may be remembered (feature flag cacheable_sessions).
const cacheFor = "Ory-Session-Cache-For"

// freshUntil reads it; zero when Kratos does not say.
func (s *Source) freshUntil(h http.Header) time.Time {
	seconds, err := strconv.ParseUint(h.Get(cacheFor), 10, 31)
	if err != nil {
		return time.Time{}
	}
	return s.public.Now().UTC().Add(time.Duration(seconds) * time.Second)
}

// earlier returns the earlier of two times; zero is no time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
