package source

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// tokenMarks are what names of cookies and headers may hold beside letters and digits (RFC 9110 §5.6.2).
const tokenMarks = "!#$%&'*+-.^_`|~"

// HTTPOptions configure an application's own session endpoint: it is shown a credential and says in JSON whose it is.
type HTTPOptions struct {
	URL    string `yaml:"url"`    // of the endpoint. Mandatory
	Method string `yaml:"method"` // GET (default) or POST

	// Credentials say which cookie, header or bearer token is one of the application's. Mandatory.
	Credentials authority.Credentials `yaml:"credentials"`
	// As is how the endpoint is shown the credential; default: the way it came. The endpoint gets that, the
	// CompanionCookies and nothing else of the client's request.
	As HTTPCarrier `yaml:"as"`
	// CompanionCookies are further cookies without which the application does not find the session, by name. They make
	// one credential together with it.
	CompanionCookies []string `yaml:"companion_cookies"`
	// Headers are sent with every question, such as a key that proves who asks.
	Headers []HTTPHeader `yaml:"headers"`

	// RejectedStatuses are the answers by which the endpoint says that nobody is signed in; default 401 alone. Of 4xx
	// all but 407, 408, 421, 425, 426, 429 and 431 can be one. Whatever is neither that nor 200 says nothing.
	RejectedStatuses []int `yaml:"rejected_statuses"`
	// RejectedHTML takes those statuses for an answer also when a page comes with them: containers write one. Without
	// it such an answer may be that of something in between, and says nothing.
	RejectedHTML bool `yaml:"rejected_html"`
	// Active is a path and ActiveValue what must stand there (default true) for a 200 to mean that there is a session.
	// Another value means that there is none; nothing there says nothing.
	Active      string `yaml:"active"`
	ActiveValue string `yaml:"active_value"`
	// Passive says that a question is no use of a session: it moves no idle clock there. Sessions of streams are then
	// looked after as well.
	Passive bool `yaml:"passive"`
	// AnonymousWithoutSubject takes a 200 with JSON and without the subject for a no.
	AnonymousWithoutSubject bool `yaml:"anonymous_without_subject"`

	Fields HTTPFields `yaml:"fields"`

	DisplayName string `yaml:"display_name"` // shown where people choose where to sign in; default the source's name
	// LoginURL is the page people sign in at. It is given the address to come back to as the parameter ReturnParameter
	// (default return_to).
	LoginURL        string `yaml:"login_url"`
	ReturnParameter string `yaml:"return_parameter"`
	// LogoutURL ends the session it is shown by LogoutMethod: POST (default), DELETE, PUT or GET.
	LogoutURL    string `yaml:"logout_url"`
	LogoutMethod string `yaml:"logout_method"`

	authority.ClientOptions `yaml:",inline"`
}

// HTTPCarrier is one way to carry a credential. At most one is set.
type HTTPCarrier struct {
	Cookie string `yaml:"cookie"` // name of the cookie
	Header string `yaml:"header"` // name of the header
	Bearer bool   `yaml:"bearer"` // Authorization: Bearer
}

// HTTPHeader is a header with a value of the operator's.
type HTTPHeader struct {
	Name  string         `yaml:"name"`
	Value session.Secret `yaml:"value"`
}

// takes returns the credentials that are this source's.
func (o *HTTPOptions) takes() authority.Credentials { return o.Credentials }

func (o *HTTPOptions) check(p *authority.Problems) {
	if o.URL == "" {
		p.Add("http.url", "is missing", "set it to the endpoint that says whose a session is")
	}
	for name, address := range map[string]string{"url": o.URL, "logout_url": o.LogoutURL, "login_url": o.LoginURL} {
		if address == "" {
			continue
		}
		if err := authority.CheckURL(address, o.InsecureHTTP, true); err != nil {
			p.Add("http."+name, err.Error(), "write an absolute URL")
		}
	}
	o.checkMethods(p)
	o.Credentials.Check(p, "http.credentials")
	o.As.check(p)
	o.checkCompanions(p)
	o.checkHeaders(p)
	o.checkAnswers(p)
	checkCommon(p, "http", nil, 0, o.Timeout)
}

func (o *HTTPOptions) checkMethods(p *authority.Problems) {
	if !slices.Contains([]string{"", http.MethodGet, http.MethodPost}, o.Method) {
		p.Add("http.method", fmt.Sprintf("%q is not accepted", o.Method), "use GET or POST")
	}
	if !slices.Contains([]string{"", http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodGet}, o.LogoutMethod) {
		p.Add("http.logout_method", fmt.Sprintf("%q is not accepted", o.LogoutMethod), "use POST, DELETE, PUT or GET")
	}
	if o.LogoutMethod != "" && o.LogoutURL == "" {
		p.Add("http.logout_url", "is missing beside logout_method", "set it, or remove logout_method")
	}
	if o.ReturnParameter != "" && o.LoginURL == "" {
		p.Add("http.login_url", "is missing beside return_parameter", "set it, or remove return_parameter")
	}
	if u, err := url.Parse(o.LoginURL); err == nil && u.Query().Has(o.returnParameter()) {
		p.Add("http.login_url", "has the return_parameter already", "remove it there: it is added to each login")
	}
}

func (o *HTTPOptions) returnParameter() string {
	if o.ReturnParameter == "" {
		return "return_to"
	}
	return o.ReturnParameter
}

// checkCompanions refuses what has to ask without a request: there are no companions then.
func (o *HTTPOptions) checkCompanions(p *authority.Problems) {
	for i, name := range o.CompanionCookies {
		at := fmt.Sprintf("http.companion_cookies[%d]", i)
		if !madeOf(name, tokenMarks, 64) {
			p.Add(at, "is not the name of a cookie", "use the name the application gives its cookie")
		}
		if name == o.Credentials.Cookie || name == o.As.Cookie || slices.Contains(o.CompanionCookies[:i], name) {
			p.Add(at, "is sent already", "remove it")
		}
	}
	if len(o.CompanionCookies) > 0 && o.Passive {
		p.Add("http.passive", "is set beside companion_cookies, which come with requests alone", "remove one of them")
	}
	if len(o.CompanionCookies) > 0 && o.LogoutURL != "" {
		p.Add("http.logout_url", "is set beside companion_cookies, which come with requests alone", "remove one of them")
	}
}

// check wants names like those of credentials, and one way alone.
func (c HTTPCarrier) check(p *authority.Problems) {
	if c == (HTTPCarrier{}) {
		return
	}
	as := authority.Credentials{Cookie: c.Cookie, Header: c.Header, Bearer: c.Bearer}
	if len(as.Places()) > 1 {
		p.Add("http.as", "names more than one way", "keep one: the endpoint is shown one credential")
	}
	as.Check(p, "http.as")
}

func (o *HTTPOptions) checkHeaders(p *authority.Problems) {
	for i, h := range o.Headers {
		at := fmt.Sprintf("http.headers[%d]", i)
		if !madeOf(h.Name, tokenMarks, 64) {
			p.Add(at+".name", "is not the name of a header", "use a name such as X-Service-Key")
		}
		if o.owned(h.Name) {
			p.Add(at+".name", "is set by the gateway itself", "remove it, or carry the credential in another way (as)")
		}
		if h.Value.Empty() || !printable(h.Value.Reveal()) {
			p.Add(at+".value", "is empty or has characters a header cannot have", "write printable ASCII")
		}
	}
}

// owned reports whether a header is about the connection, or the one by which the endpoint is shown the credential.
func (o *HTTPOptions) owned(name string) bool {
	owned := []string{
		"Cookie", "Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Expect",
		"User-Agent", "Accept-Encoding", "Proxy-Authorization",
	}
	if o.As.Bearer || o.As == (HTTPCarrier{}) && o.Credentials.Bearer {
		owned = append(owned, "Authorization")
	}
	if o.As == (HTTPCarrier{}) {
		owned = append(owned, http.CanonicalHeaderKey(o.Credentials.Header))
	}
	return slices.Contains(append(owned, http.CanonicalHeaderKey(o.As.Header)), http.CanonicalHeaderKey(name))
}

func (o *HTTPOptions) checkAnswers(p *authority.Problems) {
	for _, s := range o.RejectedStatuses {
		// 407, 421 and 426 are about the connection, 408, 425 and 429 about the moment, 431 about the size.
		if s < 400 || s > 499 || slices.Contains([]int{407, 408, 421, 425, 426, 429, 431}, s) {
			p.Add("http.rejected_statuses", fmt.Sprintf("%d says nothing about a session", s), "use statuses such as 401, 403 and 404")
		}
	}
	if o.Fields.Subject == "" {
		p.Add("http.fields.subject", "is missing", "set it to the path of the user's id in the answer, such as user.id")
	}
	if o.ActiveValue != "" && o.Active == "" {
		p.Add("http.active", "is missing beside active_value", "set it to the path of that value")
	}
}

// printable reports whether text can be the value of a header: visible ASCII and spaces (RFC 9110 §5.5).
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f })
}
