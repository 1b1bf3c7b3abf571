package middleware

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
)

var crossSite = Problem{Status: http.StatusForbidden, Code: "cross_site", Detail: "This can only be done from a page of this site."}

// sameOrigin reports whether a request that changes something was made by a page of this site. Browsers say so in
// Sec-Fetch-Site or Origin; a request with neither comes from no browser of the last years, and carries no user along.
func (s *Site) sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return strings.ToLower(origin) == s.origin
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || (site == "none" && r.Method == http.MethodGet)
}

// signOutPage is the data of sign_out.html and signed_out.html.
type signOutPage struct{ Action, ReturnTo, User, SignInURL string }

// Logout serves /logout. POST from a page of this site ends the session, here and then at its authority; so does a GET
// that a link on this site made. Any other GET asks first, so that no foreign page can log people out.
func (s *Site) Logout(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && !s.sameOrigin(r) {
		s.WriteError(w, r, crossSite)
		return
	}
	target := s.logoutTarget(w, r)
	own := s.ownSession(r)
	if r.Method != http.MethodPost && r.Header.Get("Sec-Fetch-Site") != "same-origin" && own != nil {
		s.askLogout(w, r, own, target)
		return
	}
	if own == nil {
		s.forget(w)
		s.redirect(w, r, s.signedOutURL(target), http.StatusSeeOther)
		return
	}
	if err := s.o.Manager.End(r.Context(), own, session.EndLogout); err != nil {
		s.o.Log.ErrorContext(r.Context(), "a logout failed", "request_id", RequestID(r.Context()), "handle", own.Handle, "error", err)
		s.WriteError(w, r, problemOfError(err))
		return
	}
	s.forget(w)
	s.o.Log.InfoContext(r.Context(), "logout", "request_id", RequestID(r.Context()), "source", own.Source, "subject", own.Identity.Subject, "session", own.Handle)
	s.redirect(w, r, s.afterLogout(r, own, target), http.StatusSeeOther)
}

// logoutTarget reads return_to from the query or the form; "" means the signed-out page.
func (s *Site) logoutTarget(w http.ResponseWriter, r *http.Request) string {
	raw := r.URL.Query().Get("return_to")
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err == nil && r.PostForm.Has("return_to") {
			raw = r.PostForm.Get("return_to")
		}
	}
	if raw == "" {
		return ""
	}
	return s.ReturnTarget(raw)
}

// askLogout shows the confirm page. Its form may lead on to the authority's own logout, which the page's policy must
// allow.
func (s *Site) askLogout(w http.ResponseWriter, r *http.Request, own *session.Session, target string) {
	user := own.Identity.Username
	for _, name := range []string{own.Identity.Name, own.Identity.Email, own.Identity.Subject} {
		if user == "" {
			user = name
		}
	}
	formAction := s.origins[1:]
	if to, err := url.Parse(s.afterLogout(r, own, target)); err == nil && to.Host != "" {
		formAction = append(slices.Clone(formAction), to.Scheme+"://"+to.Host)
	}
	ownHeaders(w.Header(), strings.Join(formAction, " "))
	back := target
	if back == "" {
		back = "/"
	}
	s.pages.write(w, s, r, http.StatusOK, "sign_out", "Sign out", signOutPage{Action: s.path("logout"), ReturnTo: back, User: user})
}

// afterLogout is where the browser goes next: to the authority, so that the login there ends too, or to target.
func (s *Site) afterLogout(r *http.Request, own *session.Session, target string) string {
	for _, src := range s.o.Sources {
		e, ok := src.(session.EndSession)
		if !ok || src.Name() != own.Source {
			continue
		}
		to, err := e.EndSessionURL(r.Context(), own, s.url("signed-out", nil), s.sealTarget(target))
		if err != nil {
			s.o.Log.WarnContext(r.Context(), "the authority's logout is not known just now", "source", own.Source, "error", err)
		}
		if err == nil && to != "" {
			return to
		}
	}
	return s.signedOutURL(target)
}

func (s *Site) signedOutURL(target string) string {
	if target != "" {
		return target
	}
	return s.path("signed-out")
}

// sealTarget hides target in the state parameter of RP-Initiated Logout, which comes back with the browser.
func (s *Site) sealTarget(target string) string {
	if target == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.o.Keys.Sealer("logout-state").Seal([]byte(target), nil))
}

// SignedOut serves GET /signed-out: the browser comes back from the authority's logout. A state that is not ours counts
// for nothing.
func (s *Site) SignedOut(w http.ResponseWriter, r *http.Request) {
	sealed, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("state"))
	if target, oerr := s.o.Keys.Sealer("logout-state").Open(sealed, nil); err == nil && oerr == nil {
		s.redirect(w, r, s.ReturnTarget(string(target)), http.StatusSeeOther)
		return
	}
	ownHeaders(w.Header(), "")
	data := signOutPage{}
	if s.logins.any() {
		data.SignInURL = s.loginURL("/")
	}
	s.pages.write(w, s, r, http.StatusOK, "signed_out", "Signed out", data)
}

// forget has the browser forget the session cookie. Only a logout does that: an outage never does.
func (s *Site) forget(w http.ResponseWriter) {
	http.SetCookie(w, cleared(s.cookies.session("", s.o.Now())))
}
