package secretserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// clockSkew is taken off the lifetime of a token, which the server counts from its own moment of issue.
const clockSkew = 5 * time.Second

// token asks the token endpoint and returns tokens of which the access token is known to work until the returned time.
// No Authorization header goes with it, and no redirect is followed.
func (s *Source) token(ctx context.Context, form url.Values) (t issued, until time.Time, err error) {
	began := s.now().UTC()
	r, err := s.client.CallWith(ctx, s.spender, authority.Question{
		Method: http.MethodPost, URL: s.base + tokenPath, Body: []byte(form.Encode()),
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err != nil {
		return issued{}, time.Time{}, err
	}
	if err := s.tokenRefusal(r, form); err != nil {
		return issued{}, time.Time{}, err
	}
	if t, err = parseTokens(r.Body); err != nil {
		return issued{}, time.Time{}, s.client.Nonsense("the answer with tokens is " + err.Error())
	}
	s.client.Understood()
	return t, began.Add(t.lifetime - min(clockSkew, t.lifetime/2)), nil
}

// tokenRefusal reads how the token endpoint says no, nil when it does not. The vendor publishes neither the status of a
// failed login nor that of a refresh too many: its own clients take 400, 401 and 403 alike for a refusal. Only one that
// says why in JSON is believed. A 403 about rights is no word on a refresh token.
func (s *Source) tokenRefusal(r authority.Reply, form url.Values) error {
	reason := notTheirs(r)
	if r.Status == http.StatusOK && reason == "" {
		return nil
	}
	if reason == "" && !slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, r.Status) {
		reason = "its token endpoint answered " + strconv.Itoa(r.Status)
	}
	if reason != "" {
		return s.client.Nonsense(reason)
	}
	word, err := parseRefusal(r.Body)
	if err != nil {
		return s.client.Nonsense("a refusal of its token endpoint is " + err.Error())
	}
	s.client.Understood()
	said := quote(word, form)
	switch {
	case slices.Contains([]string{"unsupported_grant_type", "invalid_client", "unauthorized_client"}, word):
		return authority.Unavailable("its token endpoint does not do this for anybody: " + said)
	case r.Status == http.StatusForbidden && form.Has("refresh_token") && !isExpired(word):
		return authority.Unavailable("its token endpoint forbids to ask: " + said)
	}
	return authority.Rejected(said)
}

// maxSaid bounds, in bytes, what is repeated of a refusal.
const maxSaid = 120

// quote repeats a server's word for people, unless it holds anything of what it was sent that is secret.
func quote(word string, form url.Values) string {
	for _, name := range []string{"password", "refresh_token"} {
		if secret := form.Get(name); secret != "" && strings.Contains(word, secret) {
			return "it says what must not be repeated"
		}
	}
	return "it says " + strconv.QuoteToASCII(word[:min(len(word), maxSaid)])
}

// refreshesLeft is the property that counts them: the server does not say.
const refreshesLeft = "refreshes_left"

// tokens are what a session holds of t. Its refresh token is kept only while the server would take it: without one the
// session runs to the end of its access token instead of failing before.
func tokens(t issued, until time.Time, left int) session.Tokens {
	out := session.Tokens{Type: TypeBearer, Access: t.access, Refresh: t.refresh, ExpiresAt: until}
	if left <= 0 {
		out.Refresh = session.Secret{}
	}
	return out
}

// left returns how often s can still be refreshed.
func (s *Source) left(old *session.Session) int {
	n, err := strconv.Atoi(old.Properties[refreshesLeft])
	if err != nil {
		return s.o.maxRefreshes()
	}
	return n
}

// unrefreshable says why the tokens of old cannot be exchanged, nil when they can.
func unrefreshable(old *session.Session) error {
	switch old.Tokens.Type {
	case TypeExternal, TypeSDK, TypeWindows:
		return authority.Unsupported(fmt.Sprintf("a session of type %s has no refresh token", old.Tokens.Type))
	}
	if !old.Tokens.Renewable() {
		return authority.Unsupported("the session has no refresh token, or none that the server would take")
	}
	return nil
}
