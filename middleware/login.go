package middleware

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// labelled is a source that knows what people call it.
type labelled interface{ DisplayName() string }

// logins are the sources people can log in at.
type logins struct {
	redirect map[string]session.RedirectLogin
	password map[string]session.PasswordLogin
	order    []session.Source
	states   *states
}

func newLogins(sources []session.Source, keys *session.KeyRing, now func() time.Time) *logins {
	l := &logins{redirect: map[string]session.RedirectLogin{}, password: map[string]session.PasswordLogin{}, states: newStates(keys, now)}
	for _, src := range sources {
		r, isRedirect := src.(session.RedirectLogin)
		p, isPassword := src.(session.PasswordLogin)
		if isRedirect {
			l.redirect[src.Name()] = r
		}
		if isPassword {
			l.password[src.Name()] = p
		}
		if isRedirect || isPassword {
			l.order = append(l.order, src)
		}
	}
	return l
}

func (l *logins) any() bool { return len(l.order) > 0 }

func label(src session.Source) string {
	if d, ok := src.(labelled); ok && d.DisplayName() != "" {
		return d.DisplayName()
	}
	return src.Name()
}

// signInPage is the data of sign_in.html.
type signInPage struct {
	Action, ReturnTo, Username, Problem string
	Forms                               []signInForm
	Links                               []signInLink
}

type signInForm struct{ Name string }

type signInLink struct{ Label, URL string }

// Login serves GET /login: it sends the browser to the one source there is, or shows the choice. Parameters: source,
// return_to, prompt ("login": even with a session). POST takes the form of a source with passwords.
func (s *Site) Login(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.passwordLogin(w, r)
		return
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "not_a_navigation", Detail: "A login begins with a person opening this page in a browser."})
		return
	}
	q := r.URL.Query()
	target := s.ReturnTarget(q.Get("return_to"))
	if !s.logins.any() {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "no_login", Detail: "No source here has a login."})
		return
	}
	if q.Get("prompt") == "" && q.Get("source") == "" && s.hasSession(r) {
		s.redirect(w, r, target, http.StatusFound)
		return
	}
	sources, ok := s.fitting(q.Get("source"), target)
	if !ok {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "unknown_source", Detail: "There is no login of that name.", SignIn: true})
		return
	}
	if len(sources) == 1 {
		if src, redirects := s.logins.redirect[sources[0].Name()]; redirects {
			s.begin(w, r, src, target, 0, q.Get("prompt"))
			return
		}
	}
	s.showSignIn(w, r, http.StatusOK, sources, signInPage{ReturnTo: target})
}

func (s *Site) hasSession(r *http.Request) bool {
	q, ok := CanonicalRequest(r.Context())
	if !ok {
		return false
	}
	_, found, err := s.o.Gate.Session(r.Context(), q)
	return found && err == nil
}

// fitting returns the sources a login for target can choose from: the named one, those the target's route accepts, or
// all.
func (s *Site) fitting(name, target string) ([]session.Source, bool) {
	if name != "" {
		i := slices.IndexFunc(s.logins.order, func(src session.Source) bool { return src.Name() == name })
		if i < 0 {
			return nil, false
		}
		return s.logins.order[i : i+1], true
	}
	host, path := s.hostAndPath(target)
	var fit []session.Source
	for _, src := range s.logins.order {
		if s.o.Gate.AcceptsSource(host, path, src.Name()) {
			fit = append(fit, src)
		}
	}
	if len(fit) == 0 {
		return s.logins.order, true
	}
	return fit, true
}

// hostAndPath splits a checked return target.
func (s *Site) hostAndPath(target string) (host, path string) {
	u, err := url.Parse(target)
	if err != nil {
		return s.o.PublicURL.Host, "/"
	}
	if u.Host == "" {
		u.Host = s.o.PublicURL.Host
	}
	return strings.ToLower(u.Host), u.Path
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, status int, sources []session.Source, data signInPage) {
	data.Action = s.path("login")
	for _, src := range sources {
		if _, ok := s.logins.password[src.Name()]; ok {
			data.Forms = append(data.Forms, signInForm{Name: src.Name()})
			continue
		}
		q := url.Values{"source": {src.Name()}, "return_to": {data.ReturnTo}}
		data.Links = append(data.Links, signInLink{Label: label(src), URL: s.path("login") + "?" + q.Encode()})
	}
	ownHeaders(w.Header(), strings.Join(s.origins[1:], " "))
	s.pages.write(w, s, r, status, "sign_in", "Sign in", data)
}

// begin sends the browser to src with a fresh attempt.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, src session.RedirectLogin, target string, restarts int, prompt string) {
	browser := s.browser(r)
	if browser == "" {
		browser = rand.Text() + rand.Text()
	}
	a := s.logins.states.begin(src.Name(), target, browser, restarts)
	state, err := s.logins.states.seal(a)
	if err != nil {
		s.WriteError(w, r, problemOfError(err))
		return
	}
	t, _ := s.logins.states.transaction(a, browser, state, CallbackURL(s.o.PublicURL, s.o.Prefix, src.Name()))
	if prompt == "login" {
		t.Prompt = prompt
	}
	to, err := src.AuthorizationURL(r.Context(), t)
	if err != nil {
		s.o.Log.WarnContext(r.Context(), "a login could not begin", "request_id", RequestID(r.Context()), "source", src.Name(), "error", err)
		s.WriteError(w, r, problemOfError(err))
		return
	}
	http.SetCookie(w, s.cookies.login(browser, attemptLifetime))
	s.redirect(w, r, to, http.StatusFound)
}

// browser returns the value of the login cookie, "" when there is none of the right shape.
func (s *Site) browser(r *http.Request) string {
	ck, err := r.Cookie(s.cookies.LoginName())
	if err != nil || len(ck.Value) != 2*len(rand.Text()) {
		return ""
	}
	return ck.Value
}

// maxForm bounds the body of a form of ours.
const maxForm = 16 << 10

// passwordLogin takes the form of a source with passwords.
func (s *Site) passwordLogin(w http.ResponseWriter, r *http.Request) {
	if !s.sameOrigin(r) {
		s.WriteError(w, r, crossSite)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "malformed_form", Detail: "The form could not be read."})
		return
	}
	target := s.ReturnTarget(r.PostForm.Get("return_to"))
	src, ok := s.logins.password[r.PostForm.Get("source")]
	if !ok {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "unknown_source", Detail: "There is no login of that name.", SignIn: true})
		return
	}
	username := r.PostForm.Get("username")
	q, _ := CanonicalRequest(r.Context())
	answered, err := src.VerifyPassword(r.Context(), username, session.NewSecret(r.PostForm.Get("password")), q.ClientIP.String())
	if err == nil {
		err = s.signIn(w, r, answered)
	}
	if err == nil {
		s.redirect(w, r, target, http.StatusSeeOther)
		return
	}
	s.auditLogin(r, src.Name(), username, err)
	p := problemOfError(err)
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusBadRequest {
		s.WriteError(w, r, p)
		return
	}
	message := "User name or password is wrong."
	if p.Status == http.StatusTooManyRequests {
		message = "Too many attempts. Please wait " + p.RetryAfter.Round(time.Second).String() + "."
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())+1))
	} else {
		p.Status = http.StatusUnauthorized
	}
	s.showSignIn(w, r, p.Status, []session.Source{src}, signInPage{ReturnTo: target, Username: username, Problem: message})
}

// signIn makes a session of ours out of what a source answered and gives the browser its cookie. The session the
// browser had before ends: a login is always a new session, and never somebody else's.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request, answered *session.Session) error {
	ctx := r.Context()
	q, _ := CanonicalRequest(ctx)
	device := session.Device{UserAgent: r.UserAgent()}
	if q.ClientIP.IsValid() {
		device.IP = q.ClientIP.String()
	}
	created, cookie, err := s.o.Manager.Create(ctx, answered, device)
	if err != nil {
		return err
	}
	if old := s.ownSession(r); old != nil {
		if err := s.o.Manager.End(ctx, old, session.EndReplaced); err != nil {
			s.o.Log.WarnContext(ctx, "the session before this login was not ended", "handle", old.Handle, "error", err)
		}
	}
	s.setSession(w, cookie.Reveal(), created.ExpiresAt)
	s.auditLogin(r, created.Source, created.Identity.Subject, nil, "session", created.Handle)
	return nil
}

// ownSession returns the session of the cookie r carries, nil when there is none.
func (s *Site) ownSession(r *http.Request) *session.Session {
	ck, err := r.Cookie(s.cookies.SessionName())
	if err != nil {
		return nil
	}
	own, err := s.o.Manager.Resolve(r.Context(), session.Credential{
		Place: session.Place{Kind: session.KindCookie, Name: s.cookies.SessionName()}, Value: session.NewSecret(ck.Value),
	})
	if err != nil {
		return nil
	}
	return own
}

// auditLogin writes the audit line of a login.
func (s *Site) auditLogin(r *http.Request, source, subject string, err error, more ...any) {
	attrs := append([]any{"request_id", RequestID(r.Context()), "source", source, "subject", subject}, more...)
	if err != nil {
		s.o.Log.WarnContext(r.Context(), "login refused", append(attrs, "error", err)...)
		return
	}
	s.o.Log.InfoContext(r.Context(), "login", attrs...)
}
