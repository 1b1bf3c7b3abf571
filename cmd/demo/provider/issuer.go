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
	d := op.CreateDiscoveryConfig(op.ContextWithIssuer(r.Context(), p.issuer), p.op, p.store)
	d.ResponseTypesSupported = []string{string(oidc.ResponseTypeCode)}
	d.ResponseModesSupported = []string{string(oidc.ResponseModeQuery)}
	d.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
	d.IntrospectionEndpointAuthMethodsSupported = []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost}
	httphelper.MarshalJSON(w, struct {
		*oidc.DiscoveryConfiguration
		IssParameter bool `json:"authorization_response_iss_parameter_supported"`
	}{d, true})
}

// issuerWriter adds iss to an authorization response that leaves as a redirect (RFC 9207 §2), on success and on error
// alike. Redirects to the sign-in page are no authorization responses and stay as they are.
type issuerWriter struct {
	http.ResponseWriter
	issuer string
}

// WriteHeader implements http.ResponseWriter.
func (w *issuerWriter) WriteHeader(status int) {
	if u, err := url.Parse(w.Header().Get("Location")); err == nil {
		if q := u.Query(); q.Has("code") || q.Has("error") {
			q.Set("iss", w.issuer)
			u.RawQuery = q.Encode()
			w.Header().Set("Location", u.String())
		}
	}
	w.ResponseWriter.WriteHeader(status)
}
