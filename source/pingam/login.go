package pingam

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// HasPasswords reports whether people log in with a form of the gateway's.
func (s *Source) HasPasswords() bool { return s.o.PasswordLogin }

// VerifyPassword implements session.PasswordLogin with the authenticate endpoint of the realm. session.ErrInsufficient,
// with the page to go to, when the authority wants further steps: those are walked in a browser.
func (s *Source) VerifyPassword(ctx context.Context, username string, password session.Secret, _ string) (_ *session.Session, err error) {
	defer authority.Wrap(&err, s.subject(), "log in")
	if username == "" || password.Empty() {
		return nil, authority.Rejected("name or password is empty")
	}
	token, err := s.authenticate(ctx, s.o.realm(), username, password)
	if err != nil {
		return nil, err
	}
	made, err := s.lookUp(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("after logging in: %w", err)
	}
	return s.ours(made), nil
}

// ours leaves to the manager what is the manager's: id, handle and clocks.
func (s *Source) ours(made *session.Session) *session.Session {
	n := made.Clone()
	n.ID, n.Handle = "", ""
	n.ExpiresAt, n.IdleExpiresAt, n.LastAccessAt = time.Time{}, time.Time{}, time.Time{}
	if n.AuthenticatedAt.IsZero() {
		n.AuthenticatedAt = s.client.Now().UTC()
	}
	if len(n.AuthenticationMethods) == 0 {
		n.AuthenticationMethods = []session.AuthenticationMethod{{Method: "pwd", CompletedAt: n.AuthenticatedAt}}
	}
	return n
}

// authenticate logs in with name and password in one step and returns the token. session.ErrRejected when they are
// wrong, session.ErrInsufficient when the authority asks for more.
func (s *Source) authenticate(ctx context.Context, realm, username string, password session.Secret) (session.Secret, error) {
	r, err := s.client.Call(ctx, authority.Question{
		Method: http.MethodPost,
		URL:    s.o.address(realm, "authenticate", nil),
		Header: http.Header{
			"X-Openam-Username": {headerText(username)}, "X-Openam-Password": {headerText(password.Reveal())},
			"Accept-Api-Version": {"resource=" + s.o.version(authenticate) + ", protocol=1.0"},
			"Content-Type":       {"application/json"},
		},
		Body: []byte("{}"),
	})
	if err != nil {
		return session.Secret{}, err
	}
	if r.Status == http.StatusUnauthorized {
		if err := s.refusal(r); !errors.Is(err, session.ErrRejected) {
			return session.Secret{}, err
		}
		return session.Secret{}, authority.Rejected("name or password is wrong")
	}
	if r.Status != http.StatusOK {
		return session.Secret{}, s.unknown(r)
	}
	t, err := parseTicket(r.Body)
	if err := s.understood(err); err != nil {
		return session.Secret{}, err
	}
	return s.ticket(t, r.Header)
}

// ticket takes the token out of the answer to a login. Authorities that keep it from scripts leave it in the cookie alone.
func (s *Source) ticket(t ticket, header http.Header) (session.Secret, error) {
	if t.steps {
		err := fmt.Errorf("%w: the login has further steps", session.ErrInsufficient)
		return session.Secret{}, session.WithLoginURL(err, s.LoginURL(""))
	}
	if !t.token.Empty() {
		return t.token, nil
	}
	for _, c := range (&http.Response{Header: header}).Cookies() {
		if c.Name == s.o.cookieName() && c.Value != "" {
			return session.NewSecret(c.Value), nil
		}
	}
	return session.Secret{}, s.client.Nonsense("the answer to a login has no token, neither in its body nor in the cookie " + s.o.cookieName())
}

// headerText writes text as a header value: as it is where that is safe, in encoded words otherwise (RFC 2047 §2).
func headerText(text string) string {
	plain := !strings.Contains(text, "=?") && strings.TrimSpace(text) == text
	for _, c := range []byte(text) {
		plain = plain && c >= ' ' && c < 0x7f
	}
	if plain {
		return text
	}
	var words []string
	for text != "" {
		n := min(45, len(text)) // 75 characters of an encoded word at most
		for n < len(text) && n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		words = append(words, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte(text[:max(n, 1)]))+"?=")
		text = text[max(n, 1):]
	}
	return strings.Join(words, " ")
}
