package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/session"
)

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
		s.WriteError(w, r, malformedForm(err))
		return
	}
	target := s.ReturnTarget(r.PostForm.Get("return_to"))
	src, ok := s.logins.password[r.PostForm.Get("source")]
	if !ok {
		s.WriteError(w, r, unknownSource)
		return
	}
	username := r.PostForm.Get("username")
	answered, err := s.verifyPassword(r, src, username)
	if err == nil {
		err = s.signIn(w, r, answered)
	}
	if err == nil {
		s.redirect(w, r, target, http.StatusSeeOther)
		return
	}
	s.auditLogin(r, src.Name(), username, err)
	s.passwordRefused(w, r, src, signInPage{ReturnTo: target, Username: username}, err)
}

// verifyPassword asks src, unless this client has been refused too often: each guess costs an authority a call, and may
// lock the account of somebody else there.
func (s *Site) verifyPassword(r *http.Request, src session.PasswordLogin, username string) (*session.Session, error) {
	client, _ := CanonicalRequest(r.Context())
	if s.logins.refusals.tooMany(client.ClientIP, s.o.Now()) {
		return nil, session.WithRetryAfter(session.ErrTooMany, refusalWindow)
	}
	answered, err := src.VerifyPassword(r.Context(), username, session.NewSecret(r.PostForm.Get("password")), clientIP(r))
	if errors.Is(err, session.ErrRejected) && !errors.Is(err, session.ErrUnavailable) {
		s.logins.refusals.note(client.ClientIP, s.o.Now())
	}
	return answered, err
}

// passwordRefused shows the form again where that helps. A wrong password and an unknown user look the same.
func (s *Site) passwordRefused(w http.ResponseWriter, r *http.Request, src session.PasswordLogin, data signInPage, err error) {
	status := http.StatusUnauthorized
	switch {
	case errors.Is(err, session.ErrUnavailable):
		s.loginFailed(w, r, src, data.ReturnTo, err)
		return
	case errors.Is(err, session.ErrTooMany):
		wait := max(1, seconds(session.RetryAfter(err)))
		w.Header().Set("Retry-After", strconv.FormatInt(wait, 10))
		status, data.Problem = http.StatusTooManyRequests, fmt.Sprintf("Too many attempts. Please wait %d seconds.", wait)
	case errors.Is(err, session.ErrInsufficient):
		status, data.Problem = http.StatusForbidden, "This account cannot sign in here."
	case errors.Is(err, session.ErrRejected):
		data.Problem = "User name or password is wrong."
	default:
		s.loginFailed(w, r, src, data.ReturnTo, err)
		return
	}
	s.showSignIn(w, r, status, []session.Source{src}, data, "")
}

// malformedForm tells a form that is too large from one that cannot be read.
func malformedForm(err error) Problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Problem{Status: http.StatusRequestEntityTooLarge, Code: "form_too_large", Detail: "The form is too large."}
	}
	return Problem{Status: http.StatusBadRequest, Code: "malformed_form", Detail: "The form could not be read."}
}

// clientIP is the address of the client, "" when it has none.
func clientIP(r *http.Request) string {
	q, _ := CanonicalRequest(r.Context())
	if !q.ClientIP.IsValid() {
		return ""
	}
	return q.ClientIP.String()
}

// signIn makes a session of ours out of what a source answered and gives the browser its cookie. The session the
// browser had before ends: a login is always a new session, and never somebody else's.
func (s *Site) signIn(w http.ResponseWriter, r *http.Request, answered *session.Session) error {
	ctx := r.Context()
	created, cookie, err := s.o.Manager.Create(ctx, answered, session.Device{UserAgent: r.UserAgent(), IP: clientIP(r)})
	if err != nil {
		return err
	}
	old, err := s.ownSession(r)
	if old != nil {
		err = s.o.Manager.End(ctx, old, session.EndReplaced)
	}
	if err != nil {
		s.o.Log.WarnContext(ctx, "the session before this login was not ended", "request_id", RequestID(ctx), "error", err)
	}
	s.setSession(w, cookie.Reveal(), created.ExpiresAt)
	s.auditLogin(r, created.Source, created.Identity.Subject, nil, "session", created.Handle)
	return nil
}

// ownSession returns the session of the cookie r carries, nil when there is none that lives. An error means that there
// may be one all the same: nobody could say, or the request shows two.
func (s *Site) ownSession(r *http.Request) (*session.Session, error) {
	name := s.cookies.SessionName()
	value, ok := gate.Cookie(r.Header, name)
	if !ok {
		return nil, fmt.Errorf("session cookie: came twice with different values: %w", session.ErrMalformed)
	}
	if value == "" {
		return nil, nil
	}
	own, err := s.o.Manager.LookUp(r.Context(), session.Credential{
		Place: session.Place{Kind: session.KindCookie, Name: name}, Value: session.NewSecret(value),
	})
	if err == nil || !errors.Is(err, session.ErrUnavailable) && errors.Is(err, session.ErrRejected) {
		return own, nil
	}
	return nil, err
}

// maxLoggedName bounds, in bytes, what somebody typed as their name in the log.
const maxLoggedName = 128

// auditLogin writes the audit line of a login.
func (s *Site) auditLogin(r *http.Request, source, subject string, err error, more ...any) {
	attrs := append([]any{"request_id", RequestID(r.Context()), "source", source, "subject", subject[:min(len(subject), maxLoggedName)]}, more...)
	if err != nil {
		s.o.Log.WarnContext(r.Context(), "login refused", append(attrs, "error", err)...)
		return
	}
	s.o.Log.InfoContext(r.Context(), "login", attrs...)
}
