package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// HTTP recognises the sessions of an application that has an endpoint of its own for that. A question may be a use of the
// session there, so that nobody asks but for a request, unless the endpoint is passive.
type HTTP struct {
	name   string
	opts   HTTPOptions // with defaults filled in
	client *authority.Client
}

func openHTTP(o Options, d Deps) (session.Source, error) {
	opts := *o.HTTP
	c, err := authority.NewClient(opts.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("http.%w", err)
	}
	opts.Method = cmp.Or(opts.Method, http.MethodGet)
	opts.LogoutMethod = cmp.Or(opts.LogoutMethod, http.MethodPost)
	opts.ActiveValue = cmp.Or(opts.ActiveValue, "true")
	if len(opts.RejectedStatuses) == 0 {
		opts.RejectedStatuses = []int{http.StatusUnauthorized}
	}
	return &HTTP{name: o.Name, opts: opts, client: c}, nil
}

// Name implements session.Source.
func (h *HTTP) Name() string { return h.name }

// Kind implements session.Source.
func (h *HTTP) Kind() string { return "http" }

// DisplayName returns what people see where they choose where to sign in.
func (h *HTTP) DisplayName() string { return cmp.Or(h.opts.DisplayName, h.name) }

// Places implements session.Resolver.
func (h *HTTP) Places() []session.Place { return h.opts.Credentials.Places() }

// Resolve implements session.Resolver. ErrRejected: a configured status, value or missing subject by which the endpoint
// says that nobody is signed in.
func (h *HTTP) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	if !h.mine(c) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "http "+h.name, "ask whose a session is")
	ours := h.ours(c.Companions)
	s, err := h.ask(ctx, shownAs{h.as(c.Place), c.Value, ours})
	if err != nil {
		return nil, err
	}
	s = h.named(s, session.Tokens{Type: string(c.Kind), Access: c.Value})
	if len(ours) > 0 {
		s.ID = companionID(s.ID, ours)
		s.Handle = authority.Handle("http", s.ID)
	}
	return s, nil
}

// CompanionCookies implements session.CompanionCookies.
func (h *HTTP) CompanionCookies() []string { return slices.Clone(h.opts.CompanionCookies) }

// ours are the cookies this source asked for, each once, of those that came along: other sources may have asked for
// others.
func (h *HTTP) ours(all []session.Companion) []session.Companion {
	var out []session.Companion
	for _, name := range h.opts.CompanionCookies {
		i := slices.IndexFunc(all, func(c session.Companion) bool { return c.Name == name && !c.Value.Empty() })
		if i >= 0 {
			out = append(out, all[i])
		}
	}
	return out
}

// companionID tells sessions apart that one credential opens beside different cookies.
func companionID(id string, companions []session.Companion) string {
	for _, c := range companions {
		id = authority.SessionID(id+"\x00"+c.Name, c.Value)
	}
	return id
}

// Current implements session.Keeper. session.ErrNotMine unless the endpoint is passive: a question could keep a session
// alive that nobody uses.
func (h *HTTP) Current(ctx context.Context, s *session.Session) (_ *session.Session, err error) {
	place, ok := h.placeOf(s)
	if !ok || !h.opts.Passive {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, "http "+h.name, "ask about a session")
	now, err := h.ask(ctx, shownAs{place: place, credential: s.Tokens.Access})
	if err != nil {
		return nil, err
	}
	return h.named(now, s.Tokens), nil
}

// mine decides by the credential's place and first characters. Keys of the gateway's own are shown to nobody.
func (h *HTTP) mine(c session.Credential) bool {
	return h.opts.Credentials.Mine(c) && !strings.HasPrefix(c.Value.Reveal(), keyPrefix)
}

// named gives the session what makes it one of this source. An application that tells the credential itself as the name
// of the session tells no name: names are shown.
func (h *HTTP) named(s *session.Session, t session.Tokens) *session.Session {
	s.ID = authority.SessionID(h.name, t.Access)
	s.Handle = authority.Handle("http", s.ID)
	s.Source = h.name
	if strings.Contains(s.SourceSessionID, t.Access.Reveal()) {
		s.SourceSessionID = ""
	}
	s.Tokens = session.Tokens{Type: t.Type, Access: t.Access, ExpiresAt: s.ExpiresAt}
	return s
}

// as returns where the endpoint is shown a credential that was found at p.
func (h *HTTP) as(p session.Place) session.Place {
	switch {
	case h.opts.As.Cookie != "":
		return session.Place{Kind: session.KindCookie, Name: h.opts.As.Cookie}
	case h.opts.As.Header != "":
		return session.Place{Kind: session.KindHeader, Name: http.CanonicalHeaderKey(h.opts.As.Header)}
	case h.opts.As.Bearer:
		return session.Place{Kind: session.KindBearer}
	}
	return p
}

// LoginURL implements session.ExternalLogin.
func (h *HTTP) LoginURL(returnTo string) string {
	u, err := url.Parse(h.opts.LoginURL)
	if err != nil || h.opts.LoginURL == "" {
		return ""
	}
	q := u.Query()
	q.Set(h.opts.returnParameter(), returnTo)
	u.RawQuery = q.Encode()
	return u.String()
}

// Revoke implements session.Revoker. Applications answer a logout in many ways, a redirect to a page among them; where
// the answer does not say it, their endpoint does. session.ErrUnsupported without a logout_url.
func (h *HTTP) Revoke(ctx context.Context, s *session.Session) (err error) {
	defer authority.Wrap(&err, "http "+h.name, "log out")
	if h.opts.LogoutURL == "" {
		return authority.Unsupported("no logout_url is configured")
	}
	place, ok := h.placeOf(s)
	if !ok {
		return authority.Unsupported("the session has no credential of this source")
	}
	r, err := h.show(ctx, h.opts.LogoutMethod, h.opts.LogoutURL, shownAs{place: place, credential: s.Tokens.Access})
	if err == nil && (r.Status < http.StatusMultipleChoices || slices.Contains(h.opts.RejectedStatuses, r.Status)) {
		return nil
	}
	if ctx.Err() == nil {
		_, after := h.ask(ctx, shownAs{place: place, credential: s.Tokens.Access})
		if noLonger(after) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return h.unavailable(h.opts.LogoutURL, r)
}

// placeOf returns how the endpoint is shown the credential of s; false when s is not of this source.
func (h *HTTP) placeOf(s *session.Session) (session.Place, bool) {
	if s.Source != h.name || s.Tokens.Access.Empty() || s.ID != authority.SessionID(h.name, s.Tokens.Access) {
		return session.Place{}, false
	}
	for _, p := range h.Places() {
		if string(p.Kind) == s.Tokens.Type {
			return h.as(p), true
		}
	}
	return session.Place{}, false
}

// Health implements session.HealthChecker.
func (h *HTTP) Health() error {
	if err := h.client.Health(); err != nil {
		return fmt.Errorf("http %s: %w", h.name, err)
	}
	return nil
}

var (
	_ session.Resolver         = (*HTTP)(nil)
	_ session.CompanionCookies = (*HTTP)(nil)
	_ session.Keeper           = (*HTTP)(nil)
	_ session.Revoker          = (*HTTP)(nil)
	_ session.ExternalLogin    = (*HTTP)(nil)
	_ session.HealthChecker    = (*HTTP)(nil)
)
