package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Ended is what became of one session that was to be ended.
type Ended struct {
	Handle string `json:"handle"`
	// Here is true when the gateway refuses it from now on.
	Here bool `json:"here"`
	// AtAuthority is what its authority said: ended, or why not.
	AtAuthority string `json:"at_authority,omitempty"`
	// Error is why it did not end here; "" when it did.
	Error string `json:"error,omitempty"`
}

func endedOf(e session.Ended, err error) Ended {
	out := Ended{Handle: e.Handle, Here: e.Here}
	switch {
	case err != nil:
		out.Error = err.Error()
	case e.AtAuthority != nil:
		out.AtAuthority = e.AtAuthority.Error()
	default:
		out.AtAuthority = "ended"
	}
	return out
}

func (a *API) end(w http.ResponseWriter, r *http.Request, why session.EndReason) {
	e, err := a.o.Operations.Revoke(r.Context(), r.PathValue("handle"), why)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, endedOf(e, nil))
}

func (a *API) remove(w http.ResponseWriter, r *http.Request) { a.end(w, r, session.EndRevoked) }
func (a *API) logout(w http.ResponseWriter, r *http.Request) { a.end(w, r, session.EndLogout) }

// Revocation is the body of POST /sessions/revoke: Handles, or Filter ("true" for all) without the session Keep.
type Revocation struct {
	Handles []string `json:"handles,omitempty"`
	Filter  string   `json:"filter,omitempty"`
	Keep    string   `json:"keep,omitempty"`
}

// maxHandles bounds one revocation by handles.
const maxHandles = 1000

// revokeMany answers with one line of JSON (Ended) for each session, as it ends: a caller sees how far it is, and a
// million of them take no memory.
func (a *API) revokeMany(w http.ResponseWriter, r *http.Request) {
	var body Revocation
	err := read(r, &body)
	var filter session.Filter
	if err == nil {
		filter, err = body.check()
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := &lines{w: w}
	if len(body.Handles) > 0 {
		for _, handle := range body.Handles {
			e, err := a.o.Operations.Revoke(r.Context(), handle, session.EndRevoked)
			if !out.write(endedOf(e, err)) {
				return
			}
		}
		return
	}
	err = a.o.Operations.RevokeMatching(r.Context(), filter, body.Keep, session.EndRevoked, func(e session.Ended, err error) bool {
		return out.write(endedOf(e, err))
	})
	switch {
	case err != nil && !out.begun:
		a.fail(w, r, err)
	case err != nil:
		out.write(Ended{Error: err.Error()})
	default:
		out.begin()
	}
}

func (b Revocation) check() (session.Filter, error) {
	switch {
	case (len(b.Handles) > 0) == (b.Filter != ""):
		return session.Filter{}, fmt.Errorf(`give handles or filter; filter "true" means all sessions: %w`, session.ErrMalformed)
	case len(b.Handles) > maxHandles:
		return session.Filter{}, fmt.Errorf("handles: at most %d at once: %w", maxHandles, session.ErrMalformed)
	case b.Keep != "" && len(b.Handles) > 0:
		return session.Filter{}, fmt.Errorf("keep goes with filter: %w", session.ErrMalformed)
	}
	return session.ParseFilter(b.Filter)
}

// lineTimeout is how long a caller may take to read one line.
const lineTimeout = 30 * time.Second

// lines writes JSON line by line (application/x-ndjson).
type lines struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.WriteHeader(http.StatusOK)
	}
}

// write reports whether there is anybody to go on for.
func (l *lines) write(e Ended) bool {
	l.begin()
	control := http.NewResponseController(l.w)
	_ = control.SetWriteDeadline(time.Now().Add(lineTimeout)) // of this line: the whole may take as long as it takes
	if json.NewEncoder(l.w).Encode(e) != nil {
		return false
	}
	err := control.Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// UserRevocation is the body of POST /sources/{source}/revoke-user: who, as the authority knows users.
type UserRevocation struct {
	Subject  string `json:"subject,omitempty"`
	Username string `json:"username,omitempty"`
	Realm    string `json:"realm,omitempty"`
}

// UserRevoked is its answer: how many sessions the authority ended, -1 when it does not say.
type UserRevoked struct {
	Ended int `json:"ended"`
}

func (a *API) revokeUser(w http.ResponseWriter, r *http.Request) {
	var body UserRevocation
	err := read(r, &body)
	if err == nil && body.Subject == "" && body.Username == "" {
		err = fmt.Errorf("give subject or username: %w", session.ErrMalformed)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	n, err := a.o.Operations.RevokeUserAtAuthority(r.Context(), r.PathValue("source"), session.Query{Subject: body.Subject, Username: body.Username, Realm: body.Realm})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, UserRevoked{Ended: n})
}
