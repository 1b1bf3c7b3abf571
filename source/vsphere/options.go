package vsphere

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

// sessionHeader carries a session id; below /rest a cookie of that name does as well (vSphere Automation API).
const sessionHeader = "vmware-api-session-id"

// The ways to make a session with the gateway's own form.
const (
	loginBasic = "basic" // the password goes to the session service
	loginSAML  = "saml"  // the password goes to the token service, its token to the session service
	loginNone  = "none"
)

const (
	defaultIdleTimeout    = 30 * time.Minute // of a vCenter's API endpoint
	defaultTokenLifetime  = 5 * time.Minute  // the most a vCenter gives a bearer token, unless it is set otherwise
	defaultHolderLifetime = 8 * time.Hour
)

// Options configure one vCenter.
type Options struct {
	// URL is the base of the vCenter, such as https://vcenter.example.com. Mandatory.
	URL string `yaml:"url"`
	// Credentials say where session ids are carried; default the header vmware-api-session-id.
	Credentials authority.Credentials `yaml:"credentials"`
	DisplayName string                `yaml:"display_name"` // on the sign-in page; default the name of the source

	// Login is how the gateway's form makes a session: "basic" (default), "saml" or "none".
	Login string `yaml:"login"`
	// LookupURL is the lookup service; default URL/lookupservice/sdk.
	LookupURL string `yaml:"lookup_url"`
	// STSURL is the token service. Default: what the lookup service says, and URL/sts/STSService when it does not answer.
	STSURL string `yaml:"sts_url"`
	// DiscoverAPI asks the lookup service where the session service is. Default: at URL. Session ids are then sent to the
	// host it names, which must show a certificate it names.
	DiscoverAPI bool `yaml:"discover_api"`
	// CertificateFile and KeyFile (PEM, RSA) make tokens that hold for this key alone (holder-of-key), and can be renewed.
	CertificateFile string `yaml:"certificate_file"`
	KeyFile         string `yaml:"key_file"`
	// TokenLifetime is asked for; the token service may give less. Default 5m, with a certificate 8h.
	TokenLifetime time.Duration `yaml:"token_lifetime"`

	// IdleTimeout and MaxLifetime are what the vCenter is configured for: it does not tell. Defaults 30m and unknown.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	MaxLifetime time.Duration `yaml:"max_lifetime"`

	authority.ClientOptions `yaml:",inline"`
}

// Check notes everything that is wrong with o.
func (o *Options) Check(p *authority.Problems) {
	if o.URL == "" {
		p.Add("vsphere.url", "is missing", "write the base URL of the vCenter, such as https://vcenter.example.com")
	} else {
		o.checkURL(p, "url", o.URL)
	}
	for key, value := range map[string]string{"lookup_url": o.LookupURL, "sts_url": o.STSURL} {
		if value != "" {
			o.checkURL(p, key, value)
		}
	}
	switch o.Login {
	case "", loginBasic, loginSAML, loginNone:
	default:
		p.Add("vsphere.login", fmt.Sprintf("%q is not known", o.Login), "use basic, saml or none")
	}
	if (o.CertificateFile == "") != (o.KeyFile == "") {
		p.Add("vsphere.certificate_file", "and key_file belong together", "set both or neither")
	}
	if o.TokenLifetime < 0 {
		p.Add("vsphere.token_lifetime", "is negative", "leave it out for the default")
	}
	if o.IdleTimeout < 0 || o.MaxLifetime < 0 {
		p.Add("vsphere.idle_timeout", "and max_lifetime must not be negative", "leave them out for 30m and unknown")
	}
	o.Takes().Check(p, "vsphere.credentials")
	o.ClientOptions.Check(p, "vsphere")
}

func (o *Options) checkURL(p *authority.Problems, key, value string) {
	if err := authority.CheckURL(value, o.InsecureHTTP, false); err != nil {
		p.Add("vsphere."+key, err.Error(), "write an address such as https://vcenter.example.com")
	}
}

// Takes returns the credentials that are this source's.
func (o *Options) Takes() authority.Credentials {
	if o.Credentials.Zero() {
		return authority.Credentials{Header: sessionHeader}
	}
	return o.Credentials
}

func (o Options) withDefaults() Options {
	o.Credentials = o.Takes()
	o.Login = cmp.Or(o.Login, loginBasic)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, defaultIdleTimeout)
	if o.CertificateFile != "" {
		o.TokenLifetime = cmp.Or(o.TokenLifetime, defaultHolderLifetime)
	}
	o.TokenLifetime = cmp.Or(o.TokenLifetime, defaultTokenLifetime)
	return o
}
