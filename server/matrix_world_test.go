package server_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
)

// The matrix tests do every operation of the API and of the command line on sessions of six kinds of authority, and look
// for the effect at the gateway and at the authority.

// matrixWorld is a gateway before one authority, and what that authority tells of its sessions, which are all alice's.
type matrixWorld struct {
	*world
	kind, source string

	// Of sessions that live at the authority. begin is nil where the gateway recognises none of them.
	begin    func() (credential string) // as a client elsewhere does
	show     func(credential string) []string
	alive    func(credential string) bool
	prolongs func(act func(h held)) // begins a session, acts, and wants it to last longer than it would have
	touches  func(act func(h held)) // the same of its idle clock
	byName   string                 // why the authority ends no session by the name the gateway noted; "": it does
	template string                 // of a token of the authority's; "": it makes none
	signer   any                    // the key that verifies such a token

	login   func() *http.Client // makes a session of ours
	renewed func() int          // how often the authority renewed sessions of ours
	// theirsStays is true where a session of ours is made of a token that goes on without it.
	theirsStays bool

	living   func() int                       // sessions at the authority
	endAll   func()                           // of alice's, at the authority
	asked    func() int                       // questions to the authority
	endKnown bool                             // of a session that lives there
	property string                           // one that may be changed
	proofs   func() map[string]admin.Creation // the password, a token and an assertion; what it does not take is made up
}

// matrixSettings are those with which every operation works that can.
const matrixSettings = "session: {touch_every: 1ms}\nsession_properties: [theme]\n"

// newMatrixWorld starts the gateway. stanza is the source.
func newMatrixWorld(t *testing.T, kind, source, stanza string) *matrixWorld {
	t.Helper()
	return &matrixWorld{kind: kind, source: source, property: "theme", world: newWorld(t, worldOptions{
		noStart: kind == "kratos", sources: stanza, admin: tokens(), extra: matrixSettings,
	})}
}

// held is one session of a matrix.
type held struct {
	own        bool
	handle     string
	entry      admin.Entry
	credential string
	browser    *http.Client
	before     int // sessions at the authority before this one
}

// sideOf is where sessions of ours, or those of their authority, stand in a matrix.
func sideOf(own bool) string {
	if own {
		return ofOurs
	}
	return ofTheirs
}

// make makes a session, uses it once, and finds it.
func (w *matrixWorld) make(own bool) held {
	w.t.Helper()
	h := held{own: own, before: w.living()}
	if own {
		h.browser = w.login()
	} else {
		h.browser, h.credential = w.browser(), w.begin()
	}
	return w.find(h)
}

// find uses h and waits until it can be found by its handle.
func (w *matrixWorld) find(h held) held {
	w.t.Helper()
	told := w.seen(w.use(h)).Header
	require.Equal(w.t, "alice", told.Get("X-Forwarded-Preferred-Username"))
	h.handle = told.Get("X-Sessionward-Handle")
	require.Eventually(w.t, func() bool { // foreign ones are noted in the background
		var err error
		h.entry, err = w.operator().Get(w.t.Context(), h.handle)
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	require.Equal(w.t, w.source, h.entry.Source)
	require.Equal(w.t, !h.own, h.entry.Foreign)
	return h
}

// use asks for a page with h.
func (w *matrixWorld) use(h held) *http.Response {
	w.t.Helper()
	headers := []string{"Accept", "application/json"}
	if !h.own {
		headers = append(headers, w.show(h.credential)...)
	}
	return w.do(h.browser, http.MethodGet, "/x", nil, headers...)
}

func (w *matrixWorld) entries() []admin.Entry {
	w.t.Helper()
	list, err := w.operator().List(w.t.Context(), "true", "", 1000)
	require.NoError(w.t, err)
	require.Empty(w.t, list.Next)
	return list.Sessions
}

// holds wants h to open the application.
func (w *matrixWorld) holds(h held) {
	w.t.Helper()
	require.Equal(w.t, http.StatusOK, w.use(h).StatusCode)
}

// ended wants h to be refused on the next request, and its authority to have ended it: one of ours soon, as it is told in the
// background.
func (w *matrixWorld) ended(h held) {
	w.t.Helper()
	require.Equal(w.t, http.StatusUnauthorized, w.use(h).StatusCode, "the very next request")
	if !h.own {
		require.False(w.t, w.alive(h.credential), "ended at its authority as well")
		return
	}
	if !w.theirsStays {
		require.Eventually(w.t, func() bool { return w.living() <= h.before }, 10*time.Second, 5*time.Millisecond, "its authority is told")
	}
}

// withCookie is a browser that has the cookie of a session.
func (w *matrixWorld) withCookie(c admin.Cookie) *http.Client {
	w.t.Helper()
	b := w.browser()
	at, err := url.Parse(w.url)
	require.NoError(w.t, err)
	b.Jar.SetCookies(at, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/"}})
	return b
}

// cookie is the value of the gateway's cookie in b.
func (w *matrixWorld) cookie(b *http.Client) string {
	w.t.Helper()
	at, err := url.Parse(w.url)
	require.NoError(w.t, err)
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == "sessionward" {
			return c.Value
		}
	}
	require.Fail(w.t, "no cookie of the gateway's")
	return ""
}

// form makes a session of ours with the form of the gateway's.
func (w *matrixWorld) form(username, password string) func() *http.Client {
	return func() *http.Client {
		w.t.Helper()
		b := w.browser()
		require.Equal(w.t, http.StatusSeeOther, w.signInAt(b, w.source, username, password).StatusCode, "%s", w.output)
		return b
	}
}

// refusal is the reason of a 501, and "" of nil. Everything else fails.
func (w *matrixWorld) refusal(err error, h held) string {
	w.t.Helper()
	if err == nil {
		return ""
	}
	p, ok := errors.AsType[*admin.Problem](err)
	require.True(w.t, ok, "%v", err)
	require.Equal(w.t, http.StatusNotImplemented, p.Status, "%v", err)
	require.Equal(w.t, "unsupported", p.Code)
	return w.sentence(p.Detail, h)
}
