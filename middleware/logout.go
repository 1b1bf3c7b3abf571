package middleware

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
)

var crossSite = Problem{Status: http.StatusForbidden, Code: "cross_site", Detail: "This can only be done from a page of this site."}

// sameOrigin reports whether a request that changes something was made by a page of this site. Browsers say so in
// Sec-Fetch-Site or Origin, and what they say must not be contradicted by the other; a request with neither comes from
// no browser of the last years, and carries no user along. "Origin: null" alone proves nothing: a page with the referrer
// policy no-referrer sends it to its own site, a foreign one in a sandbox to ours.
func (s *Site) sameOrigin(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), strings.ToLower(r.Header.Get("Origin"))
	switch {
	case site != "" && site != "same-origin":
		return false
	case origin == "" || origin == s.origin:
		return true
	default:
		return site == "same-origin" && (origin == "null" || slices.Contains(s.origins, origin))
	}
}

// ownLink reports whether a person followed a link on a page of this site. Pictures in a page and what the browser
// fetches ahead are no persons.
func ownLink(r *http.Request) bool {
	h := r.Header
	mode := h.Get("Sec-Fetch-Mode")
	return r.Method == http.MethodGet && h.Get("Sec-Fetch-Site") == "same-origin" && (mode == "" || mode == "navigate") &&
		!strings.Contains(h.Get("Sec-Purpose"), "prefetch")
}

// signOutPage is the data of sign_out.html and signed_out.html. ReturnTo is where to go after signing out, "" for the
// signed-out page: any page behind a login would begin one at once.
type signOutPage struct{ Action, ReturnTo, StayURL, User, SessionsURL, SignInURL string }

// Logout serves /logout. POST from a page of this site ends the session, here and then at its authority; so does a GET
// that a link on this site made. Any other GET asks first, so that no foreign page can log people out.
func (s *Site) Logout(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && !s.sameOrigin(r) {
		s.WriteError(w, r, crossSite)
		return
	}
	target, err := s.logoutTarget(w, r)
	if err != nil {
		s.WriteError(w, r, malformedForm(err))
		return
	}
	current, end, err := s.signedIn(r)
	switch {
	case err != nil: // somebody may be signed in: saying otherwise would be a lie, and taking the cookie would hide it
		s.logoutFailed(w, r, err)
		return
	case current == nil:
		s.forget(w)
		s.redirect(w, r, s.signedOutURL(target), http.StatusSeeOther)
		return
	case r.Method != http.MethodPost && !ownLink(r):
		s.askLogout(w, r, current, target)
		return
	}
	s.leave(w, r, current, end, target)
}

// leave ends current by end and sends the browser on: to the authority's own logout where there is one, or to target.
func (s *Site) leave(w http.ResponseWriter, r *http.Request, current *session.Session, end func(context.Context, *session.Session) error, target string) {
	if err := end(r.Context(), current); err != nil {
		s.logoutFailed(w, r, err)
		return
	}
	s.forget(w)
	s.o.Log.InfoContext(r.Context(), "logout", "request_id", RequestID(r.Context()), "source", current.Source, "subject", current.Identity.Subject, "session", current.Handle)
	s.redirect(w, r, s.afterLogout(r, current, target), http.StatusSeeOther)
}

// signedIn returns the session of whoever sent r and how it is ended: one of ours, or one of an authority whose
// credential the request shows. nil when there is none.
func (s *Site) signedIn(r *http.Request) (current *session.Session, end func(context.Context, *session.Session) error, err error) {
	current, err = s.ownSession(r)
	if current != nil || err != nil {
		return current, s.endOwn, err
	}
	q, _ := CanonicalRequest(r.Context())
	current, _, err = s.o.Gate.Session(r.Context(), q)
	return current, s.endForeign, err
}

func (s *Site) endOwn(ctx context.Context, own *session.Session) error {
	return s.o.Manager.End(ctx, own, session.EndLogout)
}

// endForeign ends a session where it lives, and then here until its own end. An authority without such a call keeps it.
func (s *Site) endForeign(ctx context.Context, foreign *session.Session) error {
	for _, src := range s.o.Sources {
		r, ok := src.(session.Revoker)
		if !ok || src.Name() != foreign.Source {
			continue
		}
		if err := r.Revoke(ctx, foreign); err != nil && !errors.Is(err, session.ErrUnsupported) {
			return err
		}
	}
	return s.o.Operations.EndForeign(ctx, foreign)
}

func (s *Site) logoutFailed(w http.ResponseWriter, r *http.Request, err error) {
	s.o.Log.ErrorContext(r.Context(), "a logout failed", "request_id", RequestID(r.Context()), "error", err)
	p := problemOfError(err)
	if errors.Is(err, session.ErrMalformed) {
		p.Code, p.Detail = "duplicate_cookie", "The session cookie came twice with different values. Please clear this site's cookies."
	}
	p.retry = s.path("logout")
	s.WriteError(w, r, p)
}

// logoutTarget reads return_to from the query or the form; "" means the signed-out page.
func (s *Site) logoutTarget(w http.ResponseWriter, r *http.Request) (string, error) {
	raw := r.URL.Query().Get("return_to")
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return "", err
		}
		if r.PostForm.Has("return_to") {
			raw = r.PostForm.Get("return_to")
		}
	}
	if raw == "" {
		return "", nil
	}
	return s.ReturnTarget(raw), nil
}

// askLogout shows the confirm page.
func (s *Site) askLogout(w http.ResponseWriter, r *http.Request, own *session.Session, target string) {
	s.logoutHeaders(w.Header(), r, own, target)
	data := signOutPage{Action: s.path("logout"), ReturnTo: target, StayURL: target, User: userName(own), SessionsURL: s.path("")}
	if target == "" {
		data.StayURL = "/"
	}
	s.pages.write(w, s, r, http.StatusOK, "sign_out", "Sign out", data)
}

// logoutHeaders are formHeaders for a page with a form that logs own out. That may lead on to the authority's own logout,
// which the page's policy must allow.
func (s *Site) logoutHeaders(h http.Header, r *http.Request, own *session.Session, target string) {
	formAction := s.origins[1:]
	if to, err := url.Parse(s.afterLogout(r, own, target)); err == nil && to.Host != "" {
		formAction = append(slices.Clone(formAction), to.Scheme+"://"+to.Host)
	}
	formHeaders(h, strings.Join(formAction, " "))
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
	return base64.RawURLEncoding.EncodeToString(s.logoutStates.Seal([]byte(target), nil))
}

// SignedOut serves GET /signed-out: the browser comes back from the authority's logout. A state that is not ours counts
// for nothing.
func (s *Site) SignedOut(w http.ResponseWriter, r *http.Request) {
	sealed, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("state"))
	if target, oerr := s.logoutStates.Open(sealed, nil); err == nil && oerr == nil {
		s.redirect(w, r, s.ReturnTarget(string(target)), http.StatusSeeOther)
		return
	}
	ownHeaders(w.Header(), "")
	data := signOutPage{}
	if s.logins.any() {
		data.SignInURL = s.loginURL(url.Values{}, "/")
	}
	s.pages.write(w, s, r, http.StatusOK, "signed_out", "Signed out", data)
}

// forget has the browser forget the session cookie, and how it came by it. Only a logout does that: an outage never does.
func (s *Site) forget(w http.ResponseWriter) {
	http.SetCookie(w, cleared(s.cookies.session("", 0)))
	http.SetCookie(w, cleared(s.cookies.again("")))
}
