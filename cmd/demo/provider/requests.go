package provider

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	requestTTL  = 10 * time.Minute // from the authorization request to the sign-in
	codeTTL     = time.Minute      // from the code to its exchange
	maxRequests = 10_000           // sign-ins under way; anybody can begin one
)

// grant is what a user has allowed a client: the part that code, access and refresh tokens have in common.
type grant struct {
	clientID string
	subject  string
	sid      string // of the browser session it was given in
	familyID string // of the refresh tokens that come of it
	scopes   []string
	authTime time.Time
	amr      []string // RFC 8176
}

func (g grant) GetAMR() []string       { return slices.Clone(g.amr) }
func (g grant) GetAudience() []string  { return []string{g.clientID} } // tokens are for nobody else
func (g grant) GetAuthTime() time.Time { return g.authTime }
func (g grant) GetClientID() string    { return g.clientID }
func (g grant) GetScopes() []string    { return slices.Clone(g.scopes) }
func (g grant) GetSubject() string     { return g.subject }
func (g grant) allowed() grant         { return g }

// expiring is what everything kept here has in common: it ends by itself.
type expiring struct{ expiresAt time.Time }

func (e expiring) ended(now time.Time) bool { return !now.Before(e.expiresAt) }

// authRequest is one sign-in under way.
type authRequest struct {
	grant
	expiring
	id        string
	in        oidc.AuthRequest // as the client sent it
	browser   string           // the browser it began in
	done      bool
	codeGiven bool
	codeUsed  bool
}

func (a *authRequest) GetID() string                      { return a.id }
func (a *authRequest) GetACR() string                     { return "" }
func (a *authRequest) GetNonce() string                   { return a.in.Nonce }
func (a *authRequest) GetRedirectURI() string             { return a.in.RedirectURI }
func (a *authRequest) GetResponseType() oidc.ResponseType { return a.in.ResponseType }
func (a *authRequest) GetResponseMode() oidc.ResponseMode { return a.in.ResponseMode }
func (a *authRequest) GetState() string                   { return a.in.State }
func (a *authRequest) Done() bool                         { return a.done }
func (a *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: a.in.CodeChallenge, Method: a.in.CodeChallengeMethod}
}

// accepts reports whether a running browser session is enough, or the client wants the user to sign in anew
// (OpenID Connect Core §3.1.2.1: prompt and max_age).
func (a *authRequest) accepts(b browserSession, now time.Time) bool {
	if slices.Contains(a.in.Prompt, oidc.PromptLogin) || slices.Contains(a.in.Prompt, oidc.PromptSelectAccount) {
		return false
	}
	return a.in.MaxAge == nil || now.Sub(b.authTime) < time.Duration(*a.in.MaxAge)*time.Second
}

// browserKey finds in a context the browser an authorization request comes from.
type browserKey struct{}

// CreateAuthRequest implements op.AuthStorage. PKCE with S256 is mandatory (RFC 9700 §2.1.1), and the answer goes into
// the query only, where the iss parameter is added.
func (s *storage) CreateAuthRequest(ctx context.Context, in *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if in.CodeChallenge == "" || in.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge with code_challenge_method S256 is required")
	}
	if in.ResponseMode != "" && in.ResponseMode != oidc.ResponseModeQuery {
		return nil, oidc.ErrInvalidRequest().WithDescription("only response_mode query is supported")
	}
	browser, _ := ctx.Value(browserKey{}).(string)
	now := s.o.Now()
	a := &authRequest{
		grant:    grant{clientID: in.ClientID, familyID: rand.Text(), scopes: slices.Clone(in.Scopes)},
		expiring: expiring{now.Add(requestTTL)},
		id:       rand.Text(),
		in:       *in,
		browser:  browser,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	if len(s.requests) >= maxRequests {
		return nil, oidc.ErrServerError().WithDescription("too many sign-ins under way")
	}
	s.requests[a.id] = a
	c := *a
	return &c, nil
}

// requestOf returns the sign-in with this id if it began in this browser: nobody can have another person finish a
// sign-in for them.
func (s *storage) requestOf(browser, id string) (*authRequest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.requests[id]
	if !ok || browser == "" || a.browser != browser || a.ended(s.o.Now()) {
		return nil, false
	}
	c := *a
	return &c, true
}

// finish notes who signed in.
func (s *storage) finish(id string, b browserSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.requests[id]; ok {
		a.done, a.subject, a.sid, a.authTime, a.amr = true, b.subject, b.sid, b.authTime, b.amr
	}
}

// AuthRequestByID implements op.AuthStorage.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.requests[id]
	if !ok || a.ended(s.o.Now()) {
		return nil, oidc.ErrInvalidRequest().WithDescription("unknown or expired sign-in")
	}
	c := *a
	return &c, nil
}

// SaveAuthCode implements op.AuthStorage. A sign-in gives one code, however often its callback is called.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.requests[id]
	if !ok || a.codeGiven {
		return oidc.ErrInvalidRequest().WithDescription("this sign-in has been answered already")
	}
	a.codeGiven, a.expiresAt = true, s.o.Now().Add(codeTTL)
	s.codes[code] = a
	return nil
}

// AuthRequestByCode implements op.AuthStorage. A code is spent by the first attempt to use it; a second attempt ends
// what the first one was given (RFC 6749 §4.1.2).
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.codes[code]
	if !ok || a.ended(s.o.Now()) {
		return nil, errUnknown
	}
	if a.codeUsed {
		s.endFamily(a.familyID)
		return nil, errUnknown
	}
	a.codeUsed = true
	c := *a
	return &c, nil
}

// DeleteAuthRequest implements op.AuthStorage. The code stays known until it expires, so that its reuse is noticed.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

var _ op.AuthRequest = (*authRequest)(nil)
