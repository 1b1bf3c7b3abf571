package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// AuthorizationURL implements session.RedirectLogin. The request always carries state, nonce and an S256 challenge,
// whatever the provider says it supports. session.ErrMalformed when t lacks one of them.
func (o *OIDC) AuthorizationURL(ctx context.Context, t session.Transaction) (_ string, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "begin login")
	if t.State == "" || t.Nonce == "" || t.CodeVerifier.Empty() || o.redirectURI(t) == "" {
		return "", fmt.Errorf("%w: state, nonce, code verifier and redirect URI are all needed", session.ErrMalformed)
	}
	meta, err := o.meta.get(ctx)
	if err != nil {
		return "", err
	}
	params := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", t.Nonce),
		oauth2.S256ChallengeOption(t.CodeVerifier.Reveal()),
	}
	set := func(name, value string) {
		if value != "" {
			params = append(params, oauth2.SetAuthURLParam(name, value))
		}
	}
	for name, value := range o.opts.AuthorizationParameters {
		set(name, value)
	}
	set("prompt", cmp.Or(t.Prompt, o.opts.Prompt))
	acr := t.ACRValues
	if len(acr) == 0 {
		acr = o.opts.ACRValues
	}
	set("acr_values", strings.Join(acr, " "))
	if t.MaxAge > 0 {
		set("max_age", fmt.Sprint(int64(t.MaxAge/time.Second)))
	}
	return o.oauth(meta, t).AuthCodeURL(t.State, params...), nil
}

// Exchange implements session.RedirectLogin. The session has no ID, Handle, IssuedAt and ExpiresAt yet: it is the
// manager's to keep.
func (o *OIDC) Exchange(ctx context.Context, t session.Transaction, cb session.Callback) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "exchange code")
	meta, err := o.meta.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.checkCallback(meta, t, cb); err != nil {
		return nil, err
	}
	token, err := o.oauth(meta, t).Exchange(o.withClient(ctx), cb.Code, oauth2.VerifierOption(t.CodeVerifier.Reveal()))
	if err != nil {
		return nil, o.tokenError(ctx, meta, err)
	}
	return o.loggedIn(ctx, meta, token, func(claims map[string]any) error { return o.checkLogin(claims, t) })
}

// loggedIn makes a session of the tokens a login ended with. check holds the verified claims against what was asked for.
func (o *OIDC) loggedIn(ctx context.Context, meta *metadata, token *oauth2.Token, check func(claims map[string]any) error) (*session.Session, error) {
	tokens, err := o.readTokens(token)
	if err != nil {
		return nil, err
	}
	claims, err := o.verifyIDToken(ctx, tokens.ID, tokens.Access)
	if err != nil {
		return nil, err
	}
	if err := check(claims); err != nil {
		return nil, err
	}
	if claims, err = o.withUserinfo(ctx, meta, claims, tokens.Access); err != nil {
		return nil, err
	}
	return o.session(claims, tokens), nil
}

// checkCallback holds the provider's answer against the transaction before anything is asked. iss comes first: an
// answer of another provider says nothing, not even that there was an error (RFC 9207 §2.4, mix-up).
func (o *OIDC) checkCallback(meta *metadata, t session.Transaction, cb session.Callback) error {
	switch {
	case cb.Issuer != "" && cb.Issuer != meta.Issuer:
		return authority.Rejected("the answer is another provider's (iss)")
	case cb.Issuer == "" && meta.PromisesIssuer:
		return authority.Rejected("the answer lacks iss, which the provider promises")
	case slices.Contains([]string{"temporarily_unavailable", "server_error"}, cb.Error):
		return authority.Unavailable("the provider reported " + cb.Error)
	case cb.Error != "":
		return authority.Rejected("the provider refused the login (" + oauthCode(cb.Error) + ")")
	case cb.Code == "":
		return authority.Rejected("the answer lacks a code")
	case t.Nonce == "" || t.CodeVerifier.Empty() || o.redirectURI(t) == "":
		return fmt.Errorf("%w: nonce, code verifier and redirect URI are all needed", session.ErrMalformed)
	}
	return nil
}

// session maps verified claims.
func (o *OIDC) session(claims map[string]any, tokens session.Tokens) *session.Session {
	t, _ := readTimes(claims)
	return &session.Session{
		Source:                o.name,
		SourceSessionID:       authority.Text(claims["sid"]),
		Active:                true,
		Identity:              o.opts.Claims.identity(claims),
		AuthenticationMethods: methods(claims),
		ACR:                   authority.Text(claims["acr"]),
		AuthenticatedAt:       t.auth,
		Tokens:                tokens,
	}
}
