package pingam

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The profiles: which of the two products is asked.
const (
	ProfilePingAM = "pingam"
	ProfileOpenAM = "openam"
)

// The actions a session can be looked up with.
const (
	LookUpInfo     = "info"     // getSessionInfo: identity, clocks and properties, and no use of the session
	LookUpValidate = "validate" // validate with refresh=false: who it is and no more
)

const (
	defaultCookie = "iPlanetDirectoryPro" // the product's default; it should be changed in production
	rootRealm     = "/"
)

// Options configure one PingAM or OpenAM.
type Options struct {
	URL     string `yaml:"url"`     // with the context path, such as https://id.example.com/am. Mandatory.
	Profile string `yaml:"profile"` // ProfilePingAM (default) or ProfileOpenAM
	Realm   string `yaml:"realm"`   // whose sessions pass, with the realms below it; default /, all
	// CookieName is what the session cookie is called at the authority (Global Services, Platform). The header that
	// carries tokens to it has the same name. Default iPlanetDirectoryPro.
	CookieName string `yaml:"cookie_name"`
	// Credentials are where clients carry their tokens; default the cookie and the header called CookieName.
	Credentials authority.Credentials `yaml:"credentials"`
	LookUp      string                `yaml:"look_up"` // LookUpInfo (default) or LookUpValidate
	// KeepAliveBefore is how long before it idles out a session that is in use is kept alive, at most once a minute; 0:
	// when half of its idle time is gone. Negative: never.
	KeepAliveBefore time.Duration `yaml:"keep_alive_before"`

	Administrator AdministratorOptions `yaml:"administrator"`

	// PasswordLogin lets people log in with a form of the gateway's: name and password go to the authenticate endpoint.
	PasswordLogin bool   `yaml:"password_login"`
	DisplayName   string `yaml:"display_name"` // where people choose a login; default the name
	// LoginURL is where browsers log in; default /XUI/ below URL. realm and goto are added.
	LoginURL string `yaml:"login_url"`

	AuthLevels AuthLevelsOptions `yaml:"auth_levels"`
	// APIVersions are resource versions other than those of the profile, by action ("getSessionInfo": "4.0").
	APIVersions map[string]string `yaml:"api_versions"`

	authority.ClientOptions `yaml:",inline"`
}

// AdministratorOptions are whose rights sessions of others are listed and ended with. With an administrator sessions are
// looked up in its name too; without one each user's own token asks about itself.
type AdministratorOptions struct {
	Username string         `yaml:"username"`
	Password session.Secret `yaml:"password"`
	Realm    string         `yaml:"realm"` // where the administrator logs in; default /
	// Token is a token of an administrator, instead of name and password. Nothing renews it.
	Token session.Secret `yaml:"token"`
	// Bearer says that Token is an OAuth 2.0 access token (PingOne Advanced Identity Cloud, scope fr:am:*).
	Bearer bool `yaml:"bearer"`
}

// AuthLevelsOptions say from which AuthLevel on a session has which assurance; 0: never. The authority must show the
// property AuthLevel in session queries.
type AuthLevelsOptions struct {
	AAL2 int `yaml:"aal2"`
	AAL3 int `yaml:"aal3"`
}

// Zero reports whether there is no administrator.
func (o AdministratorOptions) Zero() bool { return o.Username == "" && o.Token.Empty() }

// Check notes what is wrong with o.
func (o *Options) Check(p *authority.Problems) {
	if o.URL == "" {
		p.Add("pingam.url", "is missing", "write the address with the context path, such as https://id.example.com/am")
	} else if err := authority.CheckURL(o.URL, o.InsecureHTTP, false); err != nil {
		p.Add("pingam.url", err.Error(), "write the address with the context path, such as https://id.example.com/am")
	}
	oneOf(p, "pingam.profile", o.Profile, ProfilePingAM, ProfileOpenAM)
	oneOf(p, "pingam.look_up", o.LookUp, LookUpInfo, LookUpValidate)
	checkRealm(p, "pingam.realm", o.Realm)
	if o.CookieName != "" && (strings.ContainsAny(o.CookieName, ":;=, ") || owned(o.CookieName)) {
		p.Add("pingam.cookie_name", "cannot be the name of a cookie and a header", "use what the authority's Platform service says")
	}
	o.Takes().Check(p, "pingam.credentials")
	if o.LoginURL != "" {
		if err := authority.CheckURL(o.LoginURL, true, true); err != nil {
			p.Add("pingam.login_url", err.Error(), "write where browsers log in, such as https://id.example.com/am/XUI/")
		}
	}
	o.Administrator.check(p)
	o.AuthLevels.check(p)
	o.checkVersions(p)
	o.ClientOptions.Check(p, "pingam")
}

func (o AdministratorOptions) check(p *authority.Problems) {
	const at = "pingam.administrator"
	checkRealm(p, at+".realm", o.Realm)
	switch {
	case o.Username != "" && o.Password.Empty():
		p.Add(at+".password", "is missing", "write the password of "+o.Username+", or leave the administrator out")
	case o.Username == "" && !o.Password.Empty():
		p.Add(at+".username", "is missing", "write whose password it is")
	}
	if o.Username != "" && !o.Token.Empty() {
		p.Add(at+".token", "stands beside username", "keep one of them")
	}
	if o.Bearer && o.Token.Empty() {
		p.Add(at+".bearer", "says what token is, and there is none", "set token, or leave bearer out")
	}
}

func (o AuthLevelsOptions) check(p *authority.Problems) {
	if o.AAL2 < 0 || o.AAL3 < 0 {
		p.Add("pingam.auth_levels", "must not be negative", "leave out what levels say nothing of")
	}
	if o.AAL3 > 0 && o.AAL3 <= o.AAL2 {
		p.Add("pingam.auth_levels.aal3", "must be above aal2", "use a higher level")
	}
}

func (o *Options) checkVersions(p *authority.Problems) {
	for action, version := range o.APIVersions {
		if !slices.Contains(actions(), action) {
			p.Add("pingam.api_versions", "there is no action "+action, "use one of "+strings.Join(actions(), ", "))
		}
		if version == "" || strings.Trim(version, "0123456789.") != "" {
			p.Add("pingam.api_versions", "the version of "+action+" is not a number", "write one such as \"4.0\"")
		}
	}
}

// checkRealm refuses what is no path of realm names. Names are path segments of requests.
func checkRealm(p *authority.Problems, key, realm string) {
	if realm == "" || realm == rootRealm {
		return
	}
	rest, absolute := strings.CutPrefix(realm, "/")
	if !absolute || slices.ContainsFunc(strings.Split(rest, "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
		p.Add(key, "is not the path of a realm", "write / or a path such as /alpha")
	}
}

func oneOf(p *authority.Problems, key, value string, words ...string) {
	if value != "" && !slices.Contains(words, value) {
		p.Add(key, "is not known", "use "+strings.Join(words, " or "))
	}
}

// owned reports whether a header has rules of its own.
func owned(header string) bool {
	return slices.Contains([]string{"Authorization", "Cookie", "Host", "Connection", "Content-Type", "Accept-Api-Version"}, http.CanonicalHeaderKey(header))
}

// Takes returns the places of tokens with defaults filled in.
func (o *Options) Takes() authority.Credentials {
	c := o.Credentials
	if len(c.Places()) == 0 {
		c.Cookie, c.Header = o.cookieName(), o.cookieName()
	}
	return c
}

func (o *Options) cookieName() string { return cmp.Or(o.CookieName, defaultCookie) }
func (o *Options) realm() string      { return cmp.Or(o.Realm, rootRealm) }
func (o *Options) openAM() bool       { return o.Profile == ProfileOpenAM }
