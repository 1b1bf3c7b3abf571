package kratos

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Where Kratos expects credentials, and how its session tokens begin.
const (
	defaultCookie = "ory_kratos_session"
	tokenHeader   = "X-Session-Token"
	tokenPrefix   = "ory_st_"
)

// Options configure one Kratos, self-hosted or a project of the Ory Network.
type Options struct {
	URL string `yaml:"url"` // of the public listener (port 4433). Mandatory.
	// AdminURL is where the administrators' listener is (port 4434), without the /admin that its paths begin with.
	// Without it sessions are neither extended nor listed for others than their own user. Nothing there asks who calls:
	// it must be reachable for the gateway and nobody else.
	AdminURL string `yaml:"admin_url"`
	// AdminToken is shown there as a bearer token: an API key of the Ory Network, or of what guards the listener.
	AdminToken session.Secret `yaml:"admin_token"`
	// Credentials are where clients carry theirs; default the cookie ory_kratos_session, the header X-Session-Token and
	// bearer tokens. Prefix is how tokens in the header and bearer tokens begin, default ory_st_; cookies have none.
	Credentials authority.Credentials `yaml:"credentials"`
	// LoginURL is where browsers log in; default /self-service/login/browser below URL, or as Kratos is known to
	// browsers when that is elsewhere. return_to is added.
	LoginURL    string        `yaml:"login_url"`
	DisplayName string        `yaml:"display_name"` // where people choose a login; default the name
	Identity    FieldsOptions `yaml:"identity"`
	// ExtendBefore is how long before its end a session that is in use is extended; 0: never. It needs AdminURL. More
	// than Kratos' session.earliest_possible_extend makes attempts that have no effect.
	ExtendBefore time.Duration `yaml:"extend_before"`
	// TokenizeAs is the tokenizer template (Kratos: session.whoami.tokenizer.templates) of the JWT that sessions carry
	// along; "": none.
	TokenizeAs string `yaml:"tokenize_as"`

	authority.ClientOptions `yaml:",inline"`
}

// FieldsOptions say which members of Kratos' identity become which fields. Each is a path such as traits.email.
type FieldsOptions struct {
	Username string `yaml:"username"` // default traits.username
	Email    string `yaml:"email"`    // default traits.email
	Name     string `yaml:"name"`     // default traits.name; a text, or an object with first and last
	// Groups is an array of texts; default metadata_public.groups. Traits can be changed by the user: groups read from
	// there are whatever the user likes.
	Groups string `yaml:"groups"`
}

func (o FieldsOptions) withDefaults() FieldsOptions {
	return FieldsOptions{
		Username: cmp.Or(o.Username, "traits.username"),
		Email:    cmp.Or(o.Email, "traits.email"),
		Name:     cmp.Or(o.Name, "traits.name"),
		Groups:   cmp.Or(o.Groups, "metadata_public.groups"),
	}
}

// Check notes what is wrong with o.
func (o *Options) Check(p *authority.Problems) {
	if o.URL == "" {
		p.Add("kratos.url", "is missing", "write the address of Kratos' public listener, such as http://127.0.0.1:4433")
	} else if err := authority.CheckURL(o.URL, o.InsecureHTTP, false); err != nil {
		p.Add("kratos.url", err.Error(), "write the address of Kratos' public listener")
	}
	o.checkAdmin(p)
	o.Takes().Check(p, "kratos.credentials")
	if o.LoginURL != "" {
		if err := authority.CheckURL(o.LoginURL, true, true); err != nil {
			p.Add("kratos.login_url", err.Error(), "write where browsers begin to log in, such as https://id.example.com/self-service/login/browser")
		}
	}
	if o.TokenizeAs != "" && !validTemplate(o.TokenizeAs) {
		p.Add("kratos.tokenize_as", "is not the name of a template", "use one of session.whoami.tokenizer.templates of Kratos' configuration")
	}
	o.Identity.check(p)
	o.ClientOptions.Check(p, "kratos")
}

func (o FieldsOptions) check(p *authority.Problems) {
	for _, f := range []struct{ key, path string }{{"username", o.Username}, {"email", o.Email}, {"name", o.Name}, {"groups", o.Groups}} {
		if f.path != "" && !strings.HasPrefix(f.path, "traits.") && !strings.HasPrefix(f.path, "metadata_public.") {
			p.Add("kratos.identity."+f.key, "is neither in traits nor in metadata_public", "write a path such as traits."+f.key)
		}
	}
}

func (o *Options) checkAdmin(p *authority.Problems) {
	if o.AdminURL != "" {
		if err := authority.CheckURL(o.AdminURL, o.InsecureHTTP, false); err != nil {
			p.Add("kratos.admin_url", err.Error(), "write the address of Kratos' administrators' listener")
		}
		if strings.HasSuffix(strings.TrimRight(o.AdminURL, "/"), "/admin") {
			p.Add("kratos.admin_url", "ends with /admin, which is added", "leave /admin away")
		}
	} else if !o.AdminToken.Empty() {
		p.Add("kratos.admin_token", "is shown to nobody without admin_url", "set admin_url, or leave admin_token out")
	}
	switch {
	case o.ExtendBefore < 0:
		p.Add("kratos.extend_before", "is negative", "leave it out to never extend")
	case o.ExtendBefore > 0 && o.AdminURL == "":
		p.Add("kratos.extend_before", "needs admin_url", "set admin_url: only administrators can extend a session")
	}
}

// Takes returns the places of credentials with defaults filled in. Its prefix is that of tokens alone: see mine.
func (o *Options) Takes() authority.Credentials {
	c := o.Credentials
	if len(c.Places()) == 0 {
		c.Cookie, c.Header, c.Bearer = defaultCookie, tokenHeader, true
	}
	c.Prefix = cmp.Or(c.Prefix, tokenPrefix)
	return c
}

// mine reports whether c is for this Kratos. Cookies are told by their name alone: they are sealed.
func (o *Options) mine(c session.Credential) bool {
	takes := o.Takes()
	if c.Kind == session.KindCookie {
		takes.Prefix = ""
	}
	return takes.Mine(c)
}

// base is raw without a slash at its end.
func base(raw string) string { return strings.TrimRight(raw, "/") }

// loginURL is where browsers log in.
func (o *Options) loginURL() string {
	return cmp.Or(o.LoginURL, base(o.URL)+"/self-service/login/browser")
}

// withQuery adds a parameter to raw, which has been checked.
func withQuery(raw, name, value string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// validTemplate reports whether name can be that of a tokenizer template.
func validTemplate(name string) bool { return madeOf(name, "-_.", 128) }

// madeOf reports whether s has 1 to most bytes, all of them ASCII letters, digits or among others.
func madeOf(s, others string, most int) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= most
}
