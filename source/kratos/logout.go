package kratos

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Revoke implements session.Revoker: the logout for programs or the one for browsers, by what the client showed.
func (s *Source) Revoke(ctx context.Context, held *session.Session) (err error) {
	defer authority.Wrap(&err, "kratos "+s.name, "logout")
	if !s.made(held) {
		return notMade()
	}
	if held.Tokens.Type == typeCookie {
		return s.logOutBrowser(ctx, proofOf(held))
	}
	return s.logOutToken(ctx, proofOf(held))
}

// logOutToken is one call (DELETE /self-service/logout/api). It shows the token in the body and nowhere else.
func (s *Source) logOutToken(ctx context.Context, p proof) error {
	body, err := json.Marshal(map[string]string{"session_token": p.value.Reveal()})
	if err != nil {
		return authority.Unavailable("the token cannot be written as JSON")
	}
	r, err := s.public.Call(ctx, authority.Question{
		Method: http.MethodDelete, URL: base(s.o.URL) + "/self-service/logout/api", Body: body,
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}},
	})
	if err != nil {
		return err
	}
	return s.gone(r, http.StatusForbidden) // a token nobody knows
}

// logoutURL is where the logout of a browser begins.
func (s *Source) logoutURL() string { return base(s.o.URL) + "/self-service/logout/browser" }

// logOutBrowser is two calls: one for a token against forged logouts, one that spends it.
func (s *Source) logOutBrowser(ctx context.Context, p proof) error {
	r, err := s.public.Call(ctx, authority.Question{URL: s.logoutURL(), Header: s.header(p)})
	if err != nil {
		return err
	}
	if r.Status != http.StatusOK {
		return s.gone(r, http.StatusUnauthorized)
	}
	o, err := s.public.Object(r)
	if err != nil {
		return err
	}
	token := object(o).text("logout_token")
	if token == "" {
		return s.public.Nonsense("the logout carries no token")
	}
	r, err = s.public.Call(ctx, authority.Question{
		URL: base(s.o.URL) + "/self-service/logout?" + url.Values{"token": {token}}.Encode(), Header: s.header(p),
	})
	if err != nil {
		return err
	}
	return s.gone(r, http.StatusUnauthorized)
}

// gone understands an answer that leaves the session ended: 204, or a refusal that says it is not there.
func (s *Source) gone(r authority.Reply, missing int) error {
	if r.Status == http.StatusNoContent {
		s.public.Understood()
		return nil
	}
	f, err := s.fault(s.public, r)
	if err == nil && f.code != missing {
		return r.Unavailable("Kratos", s.public.Now())
	}
	return err
}

var _ session.Revoker = (*Source)(nil)
