package powership

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// maxBody bounds a question, in bytes.
const maxBody = 64 << 10

// Peer is the application as an http.Handler, under its panel. It is safe for concurrent use and starts no goroutines.
type Peer struct {
	o       Options
	panel   *panel.Panel
	handler http.Handler

	mu        sync.Mutex
	secret    string
	accounts  map[string]User      // by cursor
	documents map[string]*Document // by cursor
	refreshed int
}

// New checks o and returns an application in which nobody is logged in. Errors name the field that is wrong.
func New(o Options) (*Peer, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Peer{o: o, panel: panel.New(), secret: o.Secret, accounts: map[string]User{}, documents: map[string]*Document{}}
	for _, u := range o.Users {
		p.accounts[accountCursor(u.AccountID)] = u
	}
	if p.o.Now == nil {
		p.o.Now = p.panel.Now
	}
	p.handler = p.panel.Wrap(p.routes())
	return p, nil
}

// Panel turns the peer's clock and how it answers, and shows what it was asked.
func (p *Peer) Panel() *panel.Panel { return p.panel }

// ServeHTTP implements http.Handler.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Peer) routes() http.Handler {
	mux := http.NewServeMux()
	for method, answer := range map[string]func([]byte) (any, error){
		"handle-request":      p.handleRequest,
		"try-set-session":     p.trySetSession,
		"refresh-tokens":      p.refreshTokens,
		"login":               p.passwordLogin,
		"logout":              p.logout,
		"invalidate-sessions": p.invalidateSessions,
		"connection-info":     p.connectionInfo,
	} {
		mux.Handle("POST /sessions/"+method, p.route(answer))
	}
	return mux
}

// route answers one method of the library over HTTP.
func (p *Peer) route(answer func([]byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.o.Bearer != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+p.o.Bearer)) != 1 {
			reply(w, http.StatusUnauthorized, failure(unauthorized))
			return
		}
		var raw json.RawMessage
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&raw) != nil {
			reply(w, http.StatusBadRequest, failure(invalidRequest))
			return
		}
		p.mu.Lock()
		result, err := answer(raw)
		p.mu.Unlock()
		if err != nil {
			code, _ := errors.AsType[accountError](err)
			reply(w, code.status(), failure(code))
			return
		}
		reply(w, http.StatusOK, result)
	})
}

// status is the status of the bridge for a code: the library itself defines none.
func (e accountError) status() int {
	switch e {
	case unauthorized, tokenVerificationFailed, invalidSession, sessionNotFound, userNotFound, authenticationFailed:
		return http.StatusUnauthorized
	case userDeactivated:
		return http.StatusForbidden
	case invalidRequest, invalidIP, invalidUserAgent:
		return http.StatusBadRequest
	default:
		return http.StatusInternalServerError
	}
}

// failure is the body of an answer that is none.
func failure(code accountError) map[string]string {
	return map[string]string{"code": string(code), "message": string(code)}
}

func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"code":"InvalidRequest","message":"`+err.Error()+`"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
