package middleware

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/session"
)

// keyring is a source with passwords that may have been given none, only keys of programs.
type keyring interface{ HasPasswords() bool }

// logins are the sources people can log in at.
type logins struct {
	redirect map[string]session.RedirectLogin
	external map[string]session.ExternalLogin
	password map[string]session.PasswordLogin
	order    []session.Source
	states   *states
	refusals refusals
}

func newLogins(sources []session.Source, keys *session.KeyRing, now func() time.Time) *logins {
	l := &logins{
		redirect: map[string]session.RedirectLogin{}, external: map[string]session.ExternalLogin{},
		password: map[string]session.PasswordLogin{}, states: newStates(keys, now),
	}
	for _, src := range sources {
		r, isRedirect := src.(session.RedirectLogin)
		p, isPassword := src.(session.PasswordLogin)
		if keys, ok := src.(keyring); ok && !keys.HasPasswords() {
			isPassword = false
		}
		if isRedirect {
			l.redirect[src.Name()] = r
		}
		if isPassword {
			l.password[src.Name()] = p
		}
		e, isExternal := src.(session.ExternalLogin)
		if isExternal = isExternal && e.LoginURL("https://example.com/") != ""; isExternal {
			l.external[src.Name()] = e
		}
		if isRedirect || isPassword || isExternal {
			l.order = append(l.order, src)
		}
	}
	return l
}

func (l *logins) any() bool { return len(l.order) > 0 }

// maxInARow is how many logins may follow from each other before the browser is stopped: something sends it back each
// time, such as a cookie it does not keep.
const maxInARow = 5

var loginLoop = Problem{
	Status: http.StatusBadRequest, Code: "login_loop", SignInAgain: true,
	Detail: "You were signed in several times, and each time the page asked for it again. Your browser may not keep this site's cookies.",
}

// Login serves GET /login: it sends the browser to the one source there is, or shows the choice. Parameters: source,
// return_to, prompt ("login": even with a session), login_hint (an e-mail address, whose domain chooses). POST takes the form of a source with passwords. What a login must
// prove for its target is read from the target's route, never from the link.
func (s *Site) Login(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.passwordLogin(w, r)
		return
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "not_a_navigation", Detail: "A login begins with a person opening this page in a browser."})
		return
	}
	if !s.logins.any() {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "no_login", Detail: "No source here has a login."})
		return
	}
	q := r.URL.Query()
	wish := attempt{ReturnTo: s.ReturnTarget(q.Get("return_to"))}
	if q.Get("prompt") == "login" {
		wish.Prompt = "login"
	}
	sources, ok := s.fitting(r, q.Get("source"), wish.ReturnTo)
	if !ok {
		s.WriteError(w, r, unknownSource)
		return
	}
	if s.needless(r, &wish, q.Get("source")) {
		s.redirect(w, r, wish.ReturnTo, http.StatusFound)
		return
	}
	hint := q.Get("login_hint")
	known := byEmail(sources, hint)
	if known != nil {
		sources = []session.Source{known}
	}
	if len(sources) == 1 && s.leaveFor(w, r, sources[0].Name(), wish) {
		return
	}
	page := signInPage{ReturnTo: wish.ReturnTo, Email: clipText(hint, maxEmail)}
	if hint != "" && known == nil {
		page.Problem = "No login is known for that address. Choose one of these."
	}
	s.showSignIn(w, r, http.StatusOK, sources, page, wish.Prompt)
}

// leaveFor sends the browser to the login of the named source, unless that is a form of ours. A browser that was sent to
// log in time and again is told so instead.
func (s *Site) leaveFor(w http.ResponseWriter, r *http.Request, name string, wish attempt) bool {
	redirect, external := s.logins.redirect[name], s.logins.external[name]
	if redirect == nil && external == nil {
		return false
	}
	wish.InARow = s.loginsInARow(r)
	switch {
	case wish.InARow >= maxInARow && wish.Prompt == "":
		s.WriteError(w, r, loginLoop)
	case redirect != nil:
		s.begin(w, r, redirect, wish)
	default: // nothing comes back here, so that the attempt counts when it begins
		http.SetCookie(w, s.cookies.again(strconv.Itoa(wish.InARow+1)))
		s.redirect(w, r, external.LoginURL(s.absolute(wish.ReturnTo)), http.StatusFound)
	}
	return true
}

var unknownSource = Problem{Status: http.StatusBadRequest, Code: "unknown_source", Detail: "There is no login of that name.", SignIn: true}

// needless reports whether the browser has a session that serves for the target: sent back with one that does not, it
// would come here again at once. It fills in what the target's route wants proved beyond the session there is.
func (s *Site) needless(r *http.Request, wish *attempt, source string) bool {
	if !s.hasSession(r) {
		return false
	}
	to, ok := s.targetRequest(r, wish.ReturnTo)
	if !ok {
		return wish.Prompt == "" && source == ""
	}
	d := s.o.Gate.Decide(r.Context(), to)
	if d.Verdict == gate.StepUp && d.StepUp != nil {
		wish.ACR, wish.MaxAge = d.StepUp.ACR, d.StepUp.MaxAge
	}
	return wish.Prompt == "" && source == "" && d.Verdict != gate.Unauthenticated
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
// all. There is at least one when ok is true.
func (s *Site) fitting(r *http.Request, name, target string) (fit []session.Source, ok bool) {
	if name != "" {
		i := slices.IndexFunc(s.logins.order, func(src session.Source) bool { return src.Name() == name })
		if i < 0 {
			return nil, false
		}
		return s.logins.order[i : i+1], true
	}
	if to, ok := s.targetRequest(r, target); ok {
		for _, src := range s.logins.order {
			if s.o.Gate.AcceptsSource(to.Host, to.Path, src.Name()) {
				fit = append(fit, src)
			}
		}
	}
	if len(fit) == 0 {
		return s.logins.order, true
	}
	return fit, true
}

// begin sends the browser to src with a fresh attempt. Nothing is set in the browser before src knows where to send it.
func (s *Site) begin(w http.ResponseWriter, r *http.Request, src session.RedirectLogin, wish attempt) {
	browser := s.browser(r)
	if browser == "" {
		browser = rand.Text() + rand.Text()
	}
	wish.Source = src.Name()
	a := s.logins.states.begin(wish, browser)
	state, err := s.logins.states.seal(a)
	var to string
	if err == nil {
		t, _ := s.logins.states.transaction(a, browser, state, CallbackURL(s.o.PublicURL, s.o.Prefix, src.Name()))
		to, err = src.AuthorizationURL(r.Context(), t)
	}
	if err != nil {
		s.o.Log.WarnContext(r.Context(), "a login could not begin", "request_id", RequestID(r.Context()), "source", src.Name(), "error", err)
		s.loginFailed(w, r, src, wish.ReturnTo, err)
		return
	}
	http.SetCookie(w, s.cookies.login(browser, attemptLifetime))
	if wish.stray {
		http.SetCookie(w, s.cookies.again(strayMark))
	}
	s.redirect(w, r, to, http.StatusFound)
}

// loginFailed answers a login that came to nothing. Trying again begins anew: what came back from the authority is good
// for one use and stays out of the page.
func (s *Site) loginFailed(w http.ResponseWriter, r *http.Request, src session.Source, target string, err error) {
	p := problemOfError(err)
	p.retry = s.loginURL(url.Values{"source": {src.Name()}}, target)
	s.WriteError(w, r, p)
}

// browser returns the value of the login cookie, "" when there is none of the right shape.
func (s *Site) browser(r *http.Request) string {
	value, ok := gate.Cookie(r.Header, s.cookies.LoginName())
	if !ok || len(value) != 2*len(rand.Text()) || strings.ContainsFunc(value, func(c rune) bool { return !(c >= 'A' && c <= 'Z' || c >= '2' && c <= '7') }) {
		return ""
	}
	return value
}

// strayMark is in the cookie of a browser that was sent to log in again for want of a state.
const strayMark = "s"

// loginsInARow is what the last login left in the browser, for a minute.
func (s *Site) loginsInARow(r *http.Request) int {
	value, _ := gate.Cookie(r.Header, s.cookies.againName())
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
