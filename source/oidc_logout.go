package source

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Revoke implements session.Revoker: it takes back the refresh token and then the access token (RFC 7009). A token the
// provider does not know is not an error. session.ErrUnsupported when the provider names no revocation endpoint.
func (o *OIDC) Revoke(ctx context.Context, s *session.Session) (err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "revoke")
	meta, err := o.meta.get(ctx)
	if err != nil {
		return err
	}
	if meta.RevocationEndpoint == "" {
		return fmt.Errorf("%w: the provider names no revocation_endpoint", session.ErrUnsupported)
	}
	if err := o.revokeToken(ctx, meta, s.Tokens.Refresh, "refresh_token"); err != nil {
		return err
	}
	return o.revokeToken(ctx, meta, s.Tokens.Access, "access_token")
}

func (o *OIDC) revokeToken(ctx context.Context, meta *metadata, token session.Secret, hint string) error {
	if token.Empty() {
		return nil
	}
	req, err := o.clientRequest(ctx, meta.RevocationEndpoint, url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}})
	if err != nil {
		return err
	}
	r, err := o.client.Do(req)
	if err != nil {
		return err
	}
	switch r.Status {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusBadRequest:
		if body, err := authority.DecodeObject(r.Body); err == nil && body["error"] == "unsupported_token_type" {
			return nil // the provider takes back refresh tokens only (RFC 7009 §2.2.1)
		}
	}
	return r.Unavailable(req.URL.Host, o.now())
}

// clientRequest is a form post with which the client proves who it is (RFC 6749 §2.3.1).
func (o *OIDC) clientRequest(ctx context.Context, endpoint string, form url.Values) (*http.Request, error) {
	if o.opts.AuthMethod == authPost || o.opts.AuthMethod == authNone {
		form.Set("client_id", o.opts.ClientID)
	}
	if o.opts.AuthMethod == authPost {
		form.Set("client_secret", o.secret.Reveal())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, authority.Unavailable("the endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.opts.AuthMethod == "" || o.opts.AuthMethod == authBasic {
		req.SetBasicAuth(url.QueryEscape(o.opts.ClientID), url.QueryEscape(o.secret.Reveal()))
	}
	return req, nil
}

// EndSessionURL implements session.EndSession (OpenID Connect RP-Initiated Logout 1.0 §2). The URL holds the ID token
// as a hint: send the browser there, log it nowhere.
func (o *OIDC) EndSessionURL(ctx context.Context, s *session.Session, postLogoutRedirectURI, state string) (_ string, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "end session")
	meta, err := o.meta.get(ctx)
	if err != nil {
		return "", err
	}
	if meta.EndSessionEndpoint == "" {
		return "", nil
	}
	u, err := url.Parse(meta.EndSessionEndpoint)
	if err != nil {
		return "", authority.Unavailable("the endpoint is not a URL")
	}
	q := u.Query()
	for name, value := range map[string]string{
		"client_id":                o.opts.ClientID,
		"id_token_hint":            s.Tokens.ID.Reveal(),
		"post_logout_redirect_uri": postLogoutRedirectURI,
		"state":                    state,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}
