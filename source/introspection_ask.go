package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// introspectionEndpoints is what we use of an authorization server's metadata (RFC 8414 §2).
type introspectionEndpoints struct {
	Issuer        string `json:"issuer"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
}

// discoverIntrospection returns the lazily fetched metadata of issuer.
func discoverIntrospection(c *authority.Client, issuer string, insecureHTTP bool) *latest[introspectionEndpoints] {
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	fetch := func(ctx context.Context) (introspectionEndpoints, time.Duration, error) {
		r, err := c.Get(ctx, address, http.Header{"Accept": {"application/json"}})
		if err != nil {
			return introspectionEndpoints{}, 0, fmt.Errorf("discovery: %w", err)
		}
		e, err := parseEndpoints(r.Body, issuer, insecureHTTP)
		return e, maxMetadataAge, err
	}
	return &latest[introspectionEndpoints]{fetch: fetch, now: c.Now, timeout: c.Timeout()}
}

// parseEndpoints refuses metadata of another issuer (RFC 8414 §3.3) and endpoints that could not be asked safely. Its
// errors are session.ErrUnavailable.
func parseEndpoints(body []byte, issuer string, insecureHTTP bool) (introspectionEndpoints, error) {
	var e introspectionEndpoints
	switch {
	case json.Unmarshal(body, &e) != nil:
		return e, authority.Unavailable("discovery: the document is not JSON of the expected shape")
	case e.Issuer != issuer:
		return e, authority.Unavailable("discovery: the document is another issuer's: compare issuer in the configuration, letter by letter")
	case e.Introspection == "":
		return e, authority.Unavailable("discovery: the document names no introspection_endpoint: set url")
	}
	for name, endpoint := range map[string]string{"introspection_endpoint": e.Introspection, "revocation_endpoint": e.Revocation} {
		if endpoint == "" {
			continue
		}
		if err := authority.CheckURL(endpoint, insecureHTTP, true); err != nil {
			return introspectionEndpoints{}, fmt.Errorf("%w: discovery: the document's %s: %w", session.ErrUnavailable, name, err)
		}
	}
	return e, nil
}

// endpoints returns the configured ones, and for what is not configured the discovered ones.
func (i *Introspection) endpoints(ctx context.Context) (introspectionEndpoints, error) {
	e := introspectionEndpoints{Introspection: i.opts.URL, Revocation: i.opts.RevocationURL}
	if i.meta == nil {
		return e, nil
	}
	found, err := i.meta.get(ctx)
	if err != nil {
		return e, err
	}
	if e.Revocation != "" {
		found.Revocation = e.Revocation
	}
	return found, nil
}

// ask puts the question of RFC 7662 §2.1.
func (i *Introspection) ask(ctx context.Context, token session.Secret) (introspected, error) {
	e, err := i.endpoints(ctx)
	if err != nil {
		return introspected{}, err
	}
	r, err := i.post(ctx, e.Introspection, token, i.opts.TokenTypeHint)
	if err != nil {
		return introspected{}, err
	}
	if r.Status != http.StatusOK {
		return introspected{}, i.refusal(e.Introspection, r)
	}
	answer, err := parseIntrospection(r.Header.Get("Content-Type"), r.Body)
	if err != nil {
		return introspected{}, i.client.Nonsense(withoutClass(err))
	}
	i.client.Understood()
	return answer, nil
}

// withoutClass is what err says behind its class.
func withoutClass(err error) string {
	return strings.TrimPrefix(err.Error(), session.ErrUnavailable.Error()+": ")
}

// refusal is the error for an answer that is about the question, not about the token. 401 and 403 are about our own
// credentials (RFC 7662 §2.3): nobody is logged out for them, and health tells.
func (i *Introspection) refusal(endpoint string, r authority.Reply) error {
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return i.client.Nonsense(fmt.Sprintf("the endpoint refuses the gateway's own credentials (%d): compare client_id and client_secret", r.Status))
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return i.client.Nonsense(fmt.Sprintf("there is no such endpoint (%d): compare url", r.Status))
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return authority.Unavailable("the endpoint is not a URL")
	}
	return r.Unavailable(u.Host, i.now())
}

// post sends token to an endpoint with the proof of who asks, and that proof alone.
func (i *Introspection) post(ctx context.Context, endpoint string, token session.Secret, hint string) (authority.Reply, error) {
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	switch i.opts.AuthMethod {
	case authPost:
		form.Set("client_id", i.opts.ClientID)
		form.Set("client_secret", i.opts.ClientSecret.Reveal())
	case authBearer:
		header.Set("Authorization", "Bearer "+i.opts.BearerToken.Reveal())
	default: // RFC 6749 §2.3.1: both are form-encoded first
		basic := http.Request{Header: header}
		basic.SetBasicAuth(url.QueryEscape(i.opts.ClientID), url.QueryEscape(i.opts.ClientSecret.Reveal()))
	}
	return i.client.Call(ctx, authority.Question{Method: http.MethodPost, URL: endpoint, Header: header, Body: []byte(form.Encode())})
}

// Revoke implements session.Revoker (RFC 7009): it takes the token back. A token the server does not know is not an
// error. session.ErrUnsupported when there is no revocation endpoint, or when the server lets only the client a token
// was made for take it back (§2.1) and that is not this gateway.
func (i *Introspection) Revoke(ctx context.Context, s *session.Session) (err error) {
	defer authority.Wrap(&err, "introspection "+i.name, "revoke")
	if !i.made(s) {
		return authority.Unsupported("the session has no token of this source")
	}
	e, err := i.endpoints(ctx)
	if err != nil {
		return err
	}
	if e.Revocation == "" {
		return authority.Unsupported("no revocation_url is configured or discovered")
	}
	r, err := i.post(ctx, e.Revocation, s.Tokens.Access, "access_token")
	switch {
	case err != nil:
		return err
	case r.Status == http.StatusOK || r.Status == http.StatusNoContent:
		return nil
	case r.Status == http.StatusBadRequest:
		if body, err := authority.DecodeObject(r.Body); err == nil {
			return refusedRevocation(authority.Text(body["error"]), i.refusal(e.Revocation, r))
		}
	}
	return i.refusal(e.Revocation, r)
}

// refusedRevocation reads the error code of a 400 (RFC 7009 §2.2.1, RFC 6749 §5.2); otherwise is the error for codes that
// say nothing about the token.
func refusedRevocation(code string, otherwise error) error {
	switch code {
	case "unsupported_token_type":
		return authority.Unsupported("the authorization server does not take such tokens back")
	case "unauthorized_client", "access_denied":
		return authority.Unsupported("the authorization server lets only the token's own client take it back")
	default:
		return otherwise
	}
}
