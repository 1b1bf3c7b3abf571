package admin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sessionward/sessionward/session"
)

// loopbackLifetime is how long a person may take to sign in.
const loopbackLifetime = 10 * time.Minute

// LoopbackLogin is the body of POST /sessions/loopback: a login in a browser that comes back to the caller's own machine.
type LoopbackLogin struct {
	Login
	// RedirectURI is http://127.0.0.1:PORT/… or http://[::1]:PORT/… (RFC 8252 §7.3, §8.3).
	RedirectURI string `json:"redirect_uri"`
}

// Loopback is its answer: where to send the browser, and what to finish with. Attempt is sealed: who has it learns nothing.
type Loopback struct {
	AuthorizationURL string    `json:"authorization_url"`
	Attempt          string    `json:"attempt"`
	ExpiresAt        time.Time `json:"expires_at"`
}

// LoopbackAnswer is the body of POST /sessions/loopback/finish: the query the browser came back with, as it was.
type LoopbackAnswer struct {
	Attempt string `json:"attempt"`
	Query   string `json:"query"`
}

// attempt is a login under way. It travels sealed, so that nothing is kept here for one that is never finished, and any
// replica can finish it.
type attempt struct {
	LoopbackLogin
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Began    time.Time `json:"began"`
}

func (t attempt) transaction() session.Transaction {
	return session.Transaction{State: t.State, Nonce: t.Nonce, CodeVerifier: session.NewSecret(t.Verifier), RedirectURI: t.RedirectURI}
}

func (l LoopbackLogin) check() error {
	if err := l.Login.check(); err != nil {
		return err
	}
	if !isLoopback(l.RedirectURI) {
		return fmt.Errorf("redirect_uri: must be http://127.0.0.1:PORT/… or http://[::1]:PORT/…, without query: %w", session.ErrMalformed)
	}
	return nil
}

// isLoopback reports whether a browser that is sent to raw can only reach the machine it runs on. The name localhost may
// lead elsewhere (RFC 8252 §8.3).
func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Path == "" {
		return false
	}
	host, port, err := net.SplitHostPort(u.Host)
	n, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || notNumber != nil || n == 0 || (host != "127.0.0.1" && host != "::1") {
		return false
	}
	return raw == "http://"+net.JoinHostPort(host, strconv.FormatUint(n, 10))+u.EscapedPath() // read in only one way
}

func (a *API) beginLoopback(w http.ResponseWriter, r *http.Request) {
	t := attempt{State: rand.Text(), Nonce: rand.Text() + rand.Text(), Verifier: rand.Text() + rand.Text(), Began: a.o.Now().UTC()}
	err := read(r, &t.LoopbackLogin)
	if err == nil {
		err = t.check()
	}
	var to string
	if err == nil {
		to, err = a.o.Operations.BeginRedirect(r.Context(), t.Source, t.transaction())
	}
	var plain []byte
	if err == nil {
		plain, err = json.Marshal(t)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, Loopback{
		AuthorizationURL: to, ExpiresAt: t.Began.Add(loopbackLifetime),
		Attempt: base64.RawURLEncoding.EncodeToString(a.attempts.Seal(plain, nil)),
	})
}

func (a *API) finishLoopback(w http.ResponseWriter, r *http.Request) {
	var body LoopbackAnswer
	err := read(r, &body)
	var t attempt
	var cb session.Callback
	if err == nil {
		t, cb, err = a.answered(body)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	s, cookie, err := a.o.Operations.FinishRedirect(r.Context(), t.Source, t.transaction(), cb, t.device())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, a.created(r.Context(), s, cookie))
}

// answered returns the attempt an answer belongs to, and spends it. An answer to another attempt spends none.
func (a *API) answered(body LoopbackAnswer) (t attempt, cb session.Callback, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(body.Attempt)
	if err == nil {
		sealed, err = a.attempts.Open(sealed, nil)
	}
	if err != nil || json.Unmarshal(sealed, &t) != nil {
		return t, cb, fmt.Errorf("attempt: was not begun here, or is not whole: %w", session.ErrMalformed)
	}
	params, err := url.ParseQuery(body.Query)
	if err != nil {
		return t, cb, fmt.Errorf("query: cannot be read: %w", session.ErrMalformed)
	}
	if cb, err = session.ReadCallback(params); err != nil {
		return t, cb, err
	}
	now := a.o.Now()
	switch {
	case now.Sub(t.Began) > loopbackLifetime:
		return t, cb, fmt.Errorf("the login took longer than %s; begin it anew: %w", loopbackLifetime, session.ErrRejected)
	case subtle.ConstantTimeCompare([]byte(cb.State), []byte(t.State)) != 1:
		return t, cb, fmt.Errorf("the answer belongs to another login (state): %w", session.ErrRejected)
	case !a.spent.Add(t.State, now):
		return t, cb, fmt.Errorf("the login was finished before; begin it anew: %w", session.ErrRejected)
	}
	return t, cb, nil
}
