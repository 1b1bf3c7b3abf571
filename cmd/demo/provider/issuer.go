package provider

import (
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	httphelper "github.com/zitadel/oidc/v3/pkg/http"
)

// discovery is the provider's description of itself (OpenID Connect Discovery 1.0 §3): the library's, reduced to what
// is really offered, with the promise of an iss parameter (RFC 9207 §3).
func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	d := op.CreateDiscoveryConfig(p.context(r), p.op, p.store)
	d.ResponseTypesSupported = []string{string(oidc.ResponseTypeCode)}
	d.ResponseModesSupported = []string{string(oidc.ResponseModeQuery)}
	d.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	d.DeviceAuthorizationEndpoint = ""
	d.IntrospectionEndpointAuthMethodsSupported = []oidc.AuthMethod{oidc.AuthMethodBasic}
	httphelper.MarshalJSON(w, struct {
		*oidc.DiscoveryConfiguration
		IssParameter bool `json:"authorization_response_iss_parameter_supported"`
	}{d, true})
}

// hookWriter lets a handler change the headers of an answer at the moment it is sent.
type hookWriter struct {
	http.ResponseWriter
	before func(status int, h http.Header)
}

// WriteHeader calls the hook and sends the status.
func (w *hookWriter) WriteHeader(status int) {
	w.before(status, w.Header())
	w.ResponseWriter.WriteHeader(status)
}

// addIssuer returns w such that an authorization response that leaves as a redirect carries iss (RFC 9207 §2), on
// success and on error alike. Redirects to the sign-in page are no authorization responses and stay as they are.
func (p *Provider) addIssuer(w http.ResponseWriter) http.ResponseWriter {
	return &hookWriter{w, func(_ int, h http.Header) {
		u, err := url.Parse(h.Get("Location"))
		if err != nil {
			return
		}
		q := u.Query()
		if !q.Has("code") && !q.Has("error") {
			return
		}
		q.Set("iss", p.issuer)
		u.RawQuery = q.Encode()
		h.Set("Location", u.String())
	}}
}
