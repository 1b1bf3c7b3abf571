package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Ended is what became of one session that was to be ended.
type Ended struct {
	Handle string `json:"handle"`
	// Here is true when the gateway refuses it from now on.
	Here bool `json:"here"`
	// AtAuthority is what its authority said: ended; asked, where it is asked in the background; or why not.
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
	case e.Asked:
		out.AtAuthority = "asked"
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
// million of them take no memory. When the caller goes away it ends: who breaks off a revocation wants no more of it.
func (a *API) revokeMany(w http.ResponseWriter, r *http.Request) {
	var given struct { // Keep: whether it is there at all
		Revocation
		Keep *string `json:"keep"`
	}
	var filter session.Filter
	if !a.took(w, r, &given, func() (err error) {
		if given.Revocation.Keep, err = narrowing("keep", given.Keep); err == nil {
			filter, err = given.Revocation.check()
		}
		if err == nil && given.Keep != nil {
			_, err = a.o.Operations.Get(r.Context(), *given.Keep) // a misspelt one would end the session that was to stay
		}
		return err
	}) {
		return
	}
	var err error
	body, out := given.Revocation, &lines{w: w}
	if len(body.Handles) > 0 {
		a.revokeHandles(r.Context(), body.Handles, out)
	} else if err = a.o.Operations.RevokeMatching(r.Context(), filter, body.Keep, session.EndRevoked, out.told); err != nil && !out.begun {
		a.fail(w, r, err)
		return
	}
	out.finish(err)
	if out.gone || r.Context().Err() != nil {
		a.o.Log.WarnContext(r.Context(), "a revocation of many was broken off: its caller is gone", "filter", filter.String(), "handles", len(body.Handles), "ended", out.ended)
	}
}

func (a *API) revokeHandles(ctx context.Context, handles []string, out *lines) {
	for _, handle := range handles {
		e, err := a.o.Operations.Revoke(ctx, handle, session.EndRevoked)
		if !out.told(e, err) {
			return
		}
	}
}

// narrowing is the value of a member that has less end than without it. Given and empty it is a variable nobody has set, and
// more would end than was meant.
func narrowing(name string, value *string) (string, error) {
	switch {
	case value == nil:
		return "", nil
	case strings.TrimSpace(*value) == "":
		return "", fmt.Errorf("%s: is empty; leave it out if nothing is meant: %w", name, session.ErrMalformed)
	}
	return *value, nil
}

func (b Revocation) check() (session.Filter, error) {
	switch {
	case (len(b.Handles) > 0) == (b.Filter != ""), b.Filter != "" && strings.TrimSpace(b.Filter) == "":
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
	gone  bool // nobody reads any more
	ended int  // sessions that ended here
}

func (l *lines) begin() {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/x-ndjson")
		l.w.WriteHeader(http.StatusOK)
	}
}

// told writes what became of one session, and reports whether there is anybody to go on for.
func (l *lines) told(e session.Ended, err error) bool {
	if e.Here {
		l.ended++
	}
	l.write(endedOf(e, err))
	return !l.gone
}

func (l *lines) write(line any) {
	l.begin()
	control := http.NewResponseController(l.w)
	_ = control.SetWriteDeadline(time.Now().Add(lineTimeout)) // of this line: the whole may take as long as it takes
	if json.NewEncoder(l.w).Encode(line) != nil {
		l.gone = true
		return
	}
	err := control.Flush()
	l.gone = err != nil && !errors.Is(err, http.ErrNotSupported)
}

// finish writes, where there is one, why not all were ended.
func (l *lines) finish(err error) {
	if err != nil {
		l.write(Ended{Error: err.Error()})
		return
	}
	l.begin()
}

// UserRevocation is the body of POST /sources/{source}/revoke-user: who, as the authority knows users.
type UserRevocation struct {
	Subject  string `json:"subject,omitempty"`
	Username string `json:"username,omitempty"`
	Realm    string `json:"realm,omitempty"`
}

// UserRevoked is its answer: how many sessions the authority ended, -1 when it does not say, and how many of those the
// gateway knew it refuses from now on.
type UserRevoked struct {
	Ended int `json:"ended"`
	Here  int `json:"here"`
}

func (a *API) revokeUser(w http.ResponseWriter, r *http.Request) {
	var given struct { // Realm: likewise
		UserRevocation
		Realm *string `json:"realm"`
	}
	if !a.took(w, r, &given, func() (err error) {
		if given.Subject == "" && given.Username == "" {
			return fmt.Errorf("give subject or username: %w", session.ErrMalformed)
		}
		given.UserRevocation.Realm, err = narrowing("realm", given.Realm)
		return err
	}) {
		return
	}
	user := given.UserRevocation
	n, err := a.o.Operations.RevokeUserAtAuthority(r.Context(), r.PathValue("source"), session.Query{Subject: user.Subject, Username: user.Username, Realm: user.Realm})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, UserRevoked{Ended: n.AtAuthority, Here: n.Here})
}
