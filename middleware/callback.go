package middleware

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/session"
)

// Callback serves GET and POST /callback/{source}: the browser comes back from a login. What the authority is asked,
// it is asked only after the answer was found to be one to an attempt of this very browser, and only once.
func (s *Site) Callback(w http.ResponseWriter, r *http.Request, source string) {
	src, ok := s.logins.redirect[source]
	if !ok {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "unknown_source", Detail: "There is no login of that name.", SignIn: true})
		return
	}
	cb, err := answer(w, r)
	if err != nil {
		p := Problem{Status: http.StatusBadRequest, Code: "malformed_answer", Detail: "The answer of the login cannot be read in only one way.", SignIn: true}
		if large := malformedForm(err); large.Status == http.StatusRequestEntityTooLarge {
			p = large
		}
		s.WriteError(w, r, p)
		return
	}
	browser := s.browser(r)
	a, ours := s.logins.states.open(cb.State)
	switch {
	case !ours:
		s.strayAnswer(w, r, src, browser)
		return
	case a.Source != source:
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "wrong_source", Detail: "The answer came from another login than the one that was asked.", SignIn: true})
		return
	case s.logins.states.expired(a):
		s.restart(w, r, src, a)
		return
	case !a.of(browser):
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "other_browser", Detail: "This login was not begun in this browser, or the browser does not keep our cookie.", SignIn: true})
		return
	}
	s.answered(w, r, src, a, browser, cb)
}

// answered has the source turn the answer into a session.
func (s *Site) answered(w http.ResponseWriter, r *http.Request, src session.RedirectLogin, a attempt, browser string, cb session.Callback) {
	client, _ := CanonicalRequest(r.Context())
	if s.logins.refusals.tooMany(client.ClientIP, s.o.Now()) {
		s.WriteError(w, r, problemOfError(session.WithRetryAfter(session.ErrTooMany, refusalWindow)))
		return
	}
	if !s.logins.states.spend(a) {
		if s.hasSession(r) { // the back button, or a page loaded twice
			s.redirect(w, r, a.ReturnTo, http.StatusSeeOther)
			return
		}
		s.restart(w, r, src, a)
		return
	}
	t, ok := s.logins.states.transaction(a, browser, cb.State, CallbackURL(s.o.PublicURL, s.o.Prefix, src.Name()))
	if !ok { // its key has left the ring
		s.restart(w, r, src, a)
		return
	}
	answered, err := src.Exchange(r.Context(), t, cb)
	if err == nil {
		err = s.signIn(w, r, answered)
	}
	if errors.Is(err, session.ErrRejected) {
		s.logins.refusals.note(client.ClientIP, s.o.Now())
	}
	if err != nil {
		s.auditLogin(r, src.Name(), "", err)
		s.loginFailed(w, r, src, a.ReturnTo, err)
		return
	}
	http.SetCookie(w, s.cookies.again(strconv.Itoa(a.InARow+1)))
	s.redirect(w, r, a.ReturnTo, http.StatusSeeOther)
}

// restart begins the login again, once, for a browser that took too long; then it explains.
func (s *Site) restart(w http.ResponseWriter, r *http.Request, src session.RedirectLogin, a attempt) {
	if a.Restarts > 0 {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "login_expired", Detail: "The login took longer than ten minutes, twice, or its answer came twice. Please begin again.", SignIn: true})
		return
	}
	a.Restarts++
	s.begin(w, r, src, a)
}

// strayAnswer handles an answer whose state is missing or not ours. A browser that has begun a login with us gets one
// fresh start, which a cookie marks for a minute; then it is told.
func (s *Site) strayAnswer(w http.ResponseWriter, r *http.Request, src session.RedirectLogin, browser string) {
	marked, ok := gate.Cookie(r.Header, s.cookies.againName())
	if browser == "" || !ok || marked == strayMark {
		s.WriteError(w, r, Problem{Status: http.StatusBadRequest, Code: "unknown_state", Detail: "The answer belongs to no login that was begun here. Please begin again.", SignIn: true})
		return
	}
	s.begin(w, r, src, attempt{ReturnTo: "/", Restarts: 1, stray: true})
}

// answer reads the parameters of an answer from the query, or from the form of a POST, never from both.
func answer(w http.ResponseWriter, r *http.Request) (session.Callback, error) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return session.Callback{}, err
	}
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return session.Callback{}, err
		}
		params = r.PostForm
	}
	return session.ReadCallback(params)
}
