package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// maxMetadataAge is how long a discovery document is used before it is asked for again. An old one stays in use while
// no newer can be had.
const maxMetadataAge = time.Hour

// metadata is what we use of a provider's discovery document (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
type metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	// DeviceAuthorizationEndpoint is RFC 8628 §4.
	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint"`
	// PromisesIssuer: every authorization response carries iss (RFC 9207 §3).
	PromisesIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// newDiscovery returns the lazily fetched metadata of issuer. login demands the endpoints a login needs; without it
// the key set is enough.
func newDiscovery(c *authority.Client, issuer string, insecureHTTP, login bool) *latest[*metadata] {
	url := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	fetch := func(ctx context.Context) (*metadata, time.Duration, error) {
		r, err := c.Get(ctx, url, http.Header{"Accept": {"application/json"}})
		if err != nil {
			return nil, 0, fmt.Errorf("discovery: %w", err)
		}
		m := &metadata{}
		if json.Unmarshal(r.Body, m) != nil {
			return nil, 0, authority.Unavailable("discovery: the document is not JSON of the expected shape")
		}
		if err := m.check(issuer, insecureHTTP, login); err != nil {
			return nil, 0, fmt.Errorf("discovery: %w", err)
		}
		return m, maxMetadataAge, nil
	}
	return &latest[*metadata]{fetch: fetch, now: c.Now, timeout: c.Timeout()}
}

// keyAddress returns how to find the key set of a discovered issuer.
func keyAddress(meta *latest[*metadata]) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		m, err := meta.get(ctx)
		if err != nil {
			return "", err
		}
		return m.JWKSURI, nil
	}
}

// check refuses metadata of another issuer (Discovery 1.0 §4.3) and endpoints that could not be asked safely.
func (m *metadata) check(issuer string, insecureHTTP, login bool) error {
	if m.Issuer != issuer {
		return authority.Unavailable("the document is another issuer's: compare issuer in the configuration, letter by letter")
	}
	endpoints := []struct {
		name, url string
		needed    bool
	}{
		{"authorization_endpoint", m.AuthorizationEndpoint, login},
		{"token_endpoint", m.TokenEndpoint, login},
		{"jwks_uri", m.JWKSURI, true},
		{"userinfo_endpoint", m.UserinfoEndpoint, false},
		{"revocation_endpoint", m.RevocationEndpoint, false},
		{"end_session_endpoint", m.EndSessionEndpoint, false},
		{"device_authorization_endpoint", m.DeviceAuthorizationEndpoint, false},
	}
	for _, e := range endpoints {
		if e.url == "" && !e.needed {
			continue
		}
		if err := authority.CheckURL(e.url, insecureHTTP, true); err != nil {
			return fmt.Errorf("%w: the document's %s: %w", session.ErrUnavailable, e.name, err)
		}
	}
	return nil
}
