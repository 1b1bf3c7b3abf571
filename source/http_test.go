package source

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	"github.com/sessionward/sessionward/cmd/peers/whoami"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/session/sessiontest"
	"github.com/sessionward/sessionward/source/authority"
)

// legacy is an application with a session endpoint, under a panel.
type legacy struct {
	*whoami.Peer
	t    *testing.T
	url  string
	logs *syncBuffer
}

func newLegacy(t *testing.T, o whoami.Options) *legacy {
	p, err := whoami.New(o)
	require.NoError(t, err)
	srv := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		srv.Close()
	})
	return &legacy{Peer: p, t: t, url: srv.URL, logs: &syncBuffer{}}
}

// open opens a source that takes the application's cookie.
func (l *legacy) open(change ...func(*HTTPOptions)) *HTTP {
	o := &HTTPOptions{
		URL: l.url + whoami.MePath, Credentials: authority.Credentials{Cookie: "app_session"},
		Fields: HTTPFields{
			Subject: "user.id", Username: "user.login", Email: "user.mail.address", EmailVerified: "user.mail.verified",
			Name: "user.display_name", Groups: "user.roles", AAL: "session.assurance", Realm: "session.tenant",
			SessionID: "session.id", IssuedAt: "session.started_at", ExpiresAt: "session.expires_at",
			IdleExpiresAt: "session.idle_expires_at", Claims: map[string]string{"first_role": "user.role_objects.0.name", "none": "user.none"},
		},
	}
	o.Timeout = 2 * time.Second
	for _, c := range change {
		c(o)
	}
	s, err := Open(Options{Name: "legacy", HTTP: o}, Deps{Now: l.Panel().Now, Log: testLog(l.logs)})
	require.NoError(l.t, err)
	return s.(*HTTP)
}

func (l *legacy) login() string {
	token, err := l.Login("alice")
	require.NoError(l.t, err)
	return token
}

func appCookie(value string) session.Credential {
	return session.Credential{Place: session.Place{Kind: session.KindCookie, Name: "app_session"}, Value: session.NewSecret(value)}
}

func TestHTTPConforms(t *testing.T) {
	for name, o := range map[string]whoami.Options{"401": {}, "soft no": {SoftNo: true, UnixTimes: true}} {
		t.Run(name, func(t *testing.T) {
			sessiontest.TestSource(t, func(t *testing.T) sessiontest.SourceFixture { return httpFixture(t, o) })
		})
	}
}

func httpFixture(t *testing.T, peer whoami.Options) sessiontest.SourceFixture {
	l := newLegacy(t, peer)
	good := l.login()
	set := func(m panel.Mode) func(*testing.T) { return func(*testing.T) { l.Panel().Set(m) } }
	nonsense := map[string]func(*testing.T){"drip": set(panel.Drip), "failing": set(panel.Failing)}
	for _, m := range panel.Nonsense() {
		nonsense[string(m)] = set(m)
	}
	return sessiontest.SourceFixture{
		Source: l.open(func(o *HTTPOptions) {
			o.Passive, o.Active = true, "authenticated"
			o.LogoutURL, o.LoginURL = l.url+whoami.LogoutPath, l.url+whoami.LoginPath+"?lang=en"
		}),
		Good: func(*testing.T) session.Credential { return appCookie(good) },
		Bad:  func(*testing.T) session.Credential { return appCookie("planted-bad") },
		Foreign: func(*testing.T) []session.Credential {
			other := appCookie(good)
			other.Name = "other"
			return []session.Credential{appCookie(""), appCookie("swk_a_b"), other, bearer(good)}
		},
		Asked: l.Panel().Asked, Down: set(panel.Down), Stall: set(panel.Stall), Nonsense: nonsense, Up: set(panel.Up),
		End:     func(_ *testing.T, c session.Credential) { l.End(c.Value.Reveal()) },
		Secrets: func() []string { return []string{good, "planted-bad"} },
		Logs:    l.logs.String,
	}
}

func TestHTTPMapsTheSession(t *testing.T) {
	for name, o := range map[string]whoami.Options{"RFC 3339": {}, "Unix": {UnixTimes: true}} {
		l := newLegacy(t, o)
		token := l.login()
		got, err := l.open().Resolve(t.Context(), appCookie(token))
		require.NoError(t, err, name)
		now := l.Panel().Now()
		for at, want := range map[*time.Time]time.Time{
			&got.IssuedAt: now, &got.ExpiresAt: now.Add(8 * time.Hour), &got.IdleExpiresAt: now.Add(30 * time.Minute), &got.Tokens.ExpiresAt: now.Add(8 * time.Hour),
		} {
			require.WithinDuration(t, want, *at, 5*time.Second, name)
			require.Equal(t, time.UTC, at.Location())
			*at = time.Time{}
		}
		require.NotEmpty(t, got.SourceSessionID)
		got.SourceSessionID = ""
		want := &session.Session{
			ID: authority.SessionID("legacy", session.NewSecret(token)), Handle: got.Handle, Source: "legacy", Realm: "acme", Active: true,
			AAL: "aal1",
			Identity: session.Identity{
				Subject: "1001", Username: "alice", Name: "Alice Liddell", Email: "alice@example.com", EmailVerified: true,
				Groups: []string{"staff", "readers"}, Claims: map[string]any{"first_role": "staff"},
			},
			Tokens:     session.Tokens{Type: "cookie", Access: session.NewSecret(token)},
			Properties: map[string]string{},
		}
		require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(session.Session{})), name)
		require.Regexp(t, "^http-[0-9a-f]{16}$", got.Handle)
	}
}

// TestBigNumbersStayApart: two ids that are one as a float are two users.
func TestBigNumbersStayApart(t *testing.T) {
	subject := func(id string) string {
		o := &HTTPOptions{Fields: HTTPFields{Subject: "id"}}
		s, err := o.read([]byte(`{"id":` + id + `}`))
		require.NoError(t, err)
		return s.Identity.Subject
	}
	require.Equal(t, "9007199254740993", subject("9007199254740993"))
	require.NotEqual(t, subject("9007199254740992"), subject("9007199254740993"))
}

func TestHTTPShowsTheOneCredential(t *testing.T) {
	l := newLegacy(t, whoami.Options{ServiceKey: "planted-key"})
	token := l.login()
	key := HTTPHeader{Name: "x-service-key", Value: session.NewSecret("planted-key")}
	at := map[string]session.Place{
		"cookie": {Kind: session.KindCookie, Name: "app_session"},
		"header": {Kind: session.KindHeader, Name: "X-App-Session"},
		"bearer": {Kind: session.KindBearer},
	}
	all := authority.Credentials{Cookie: "app_session", Header: "x-app-session", Bearer: true, Prefix: "app_"}
	shown := map[string]string{"cookie": "Cookie: app_session=" + token, "header": "X-App-Session: " + token, "bearer": "Authorization: Bearer " + token}
	as := map[string]HTTPCarrier{"cookie": {Cookie: "app_session"}, "header": {Header: "x-app-session"}, "bearer": {Bearer: true}, "": {}}
	for came, place := range at {
		for goes, carrier := range as {
			for _, method := range []string{"GET", "POST"} {
				s := l.open(func(o *HTTPOptions) {
					o.Credentials, o.As, o.Headers, o.Method = all, carrier, []HTTPHeader{key}, method
				})
				_, err := s.Resolve(t.Context(), session.Credential{Place: place, Value: session.NewSecret(token), UserAgent: "planted-agent", RemoteIP: "192.0.2.7"})
				require.NoError(t, err)
				all := l.Panel().Shown()
				last := all[len(all)-1]
				want := goes
				if want == "" {
					want = came
				}
				require.True(t, strings.HasPrefix(last, method+" "), last)
				require.Contains(t, last, shown[want])
				require.Equal(t, 1, strings.Count(last, token), "once: %s", last)
				require.NotContains(t, last, "planted-agent")
				require.NotContains(t, last, "192.0.2.7")
				require.Contains(t, last, "X-Service-Key: planted-key")
			}
		}
	}
}

// TestCompanionCookiesComeAlong: those that are named, and no others; they are part of what the session is.
func TestCompanionCookiesComeAlong(t *testing.T) {
	l := newLegacy(t, whoami.Options{TenantCookie: "tenant"})
	token := l.login()
	s := l.open(func(o *HTTPOptions) { o.CompanionCookies = []string{"tenant", "lang"} })
	require.Equal(t, []string{"tenant", "lang"}, s.CompanionCookies())
	resolve := func(c session.Credential, companions ...string) (*session.Session, error) {
		for i := 0; i < len(companions); i += 2 {
			c.Companions = append(c.Companions, session.Companion{Name: companions[i], Value: session.NewSecret(companions[i+1])})
		}
		return s.Resolve(t.Context(), c)
	}
	first, err := resolve(appCookie(token), "other", "planted-other", "tenant", "acme", "tenant", "twice", "lang", "")
	require.NoError(t, err)
	shown := l.Panel().Shown()
	require.Contains(t, shown[len(shown)-1], "Cookie: app_session="+token+"; tenant=acme\r\n")
	again, err := resolve(appCookie(token), "tenant", "acme")
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	german, err := resolve(appCookie(token), "tenant", "acme", "lang", "de")
	require.NoError(t, err)
	require.NotEqual(t, first.ID, german.ID)
	require.NotEqual(t, first.Handle, german.Handle)
	_, err = resolve(appCookie(token))
	require.ErrorIs(t, err, session.ErrRejected)
	asked := l.Panel().Asked()
	_, err = resolve(appCookie(token), "tenant", "acme; app_session=x")
	require.ErrorIs(t, err, session.ErrRejected)
	require.Equal(t, asked, l.Panel().Asked(), "shown to nobody")

	s = l.open(func(o *HTTPOptions) { o.CompanionCookies, o.As = []string{"tenant"}, HTTPCarrier{Bearer: true} })
	_, err = resolve(appCookie(token), "tenant", "acme")
	require.NoError(t, err)
	shown = l.Panel().Shown()
	require.Contains(t, shown[len(shown)-1], "Cookie: tenant=acme\r\n")
}

// TestACredentialCannotBecomeTwo: what would end it in its place is shown to nobody.
func TestACredentialCannotBecomeTwo(t *testing.T) {
	l := newLegacy(t, whoami.Options{})
	token := l.login()
	for name, value := range map[string]string{
		"second cookie": "x;app_session=" + token, "and with a space": "x; app_session=" + token, "comma": "x,app_session=" + token, "quote": `"x`, "backslash": `x\`, "space": "x y",
		"line": "x\r\nX-App-Session: " + token, "not ASCII": "\u00fc",
	} {
		for _, carrier := range []HTTPCarrier{{Cookie: "app_session"}, {Bearer: true}} {
			s := l.open(func(o *HTTPOptions) { o.Credentials, o.As = authority.Credentials{Header: "X-App"}, carrier })
			_, err := s.Resolve(t.Context(), session.Credential{Place: session.Place{Kind: session.KindHeader, Name: "X-App"}, Value: session.NewSecret(value)})
			require.ErrorIs(t, err, session.ErrRejected, name)
		}
	}
	for _, value := range []string{"x\r\ny: z", "\x00", "\u00fc"} {
		s := l.open(func(o *HTTPOptions) { o.Credentials = authority.Credentials{Header: "X-App"} })
		_, err := s.Resolve(t.Context(), session.Credential{Place: session.Place{Kind: session.KindHeader, Name: "X-App"}, Value: session.NewSecret(value)})
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.Zero(t, l.Panel().Asked())
}

func TestHTTPForbidden(t *testing.T) {
	l := newLegacy(t, whoami.Options{})
	token := l.login()
	require.NoError(t, l.Change("alice", func(u *whoami.User) { u.Locked = true }))
	_, err := l.open().Resolve(t.Context(), appCookie(token))
	require.ErrorIs(t, err, session.ErrUnavailable, "403 may be about us")
	_, err = l.open(func(o *HTTPOptions) { o.RejectedStatuses = []int{401, 403} }).Resolve(t.Context(), appCookie(token))
	require.ErrorIs(t, err, session.ErrRejected, "unless it is said to be about the user")
	_, err = l.open(func(o *HTTPOptions) { o.RejectedStatuses = []int{403} }).Resolve(t.Context(), appCookie("wrong"))
	require.ErrorIs(t, err, session.ErrUnavailable, "the list replaces the default")
}

// httpAnswer asks a source whose endpoint answers c.
func (c *canned) http(t *testing.T, change ...func(*HTTPOptions)) (*session.Session, *HTTP, error) {
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	o := &HTTPOptions{
		URL: srv.URL + "/me", LogoutURL: srv.URL + "/logout", Credentials: authority.Credentials{Cookie: "app_session"},
		Fields: HTTPFields{
			Subject: "id", SessionID: "sid", ExpiresAt: "ends", IdleExpiresAt: "idle", IssuedAt: "began", AAL: "aal", Email: "mail", EmailVerified: "verified",
		},
	}
	for _, f := range change {
		f(o)
	}
	s, err := Open(Options{Name: "legacy", HTTP: o}, Deps{Now: sessiontest.NewClock(startOfTest()).Now})
	require.NoError(t, err)
	got, err := s.(*HTTP).Resolve(t.Context(), appCookie("planted-token"))
	return got, s.(*HTTP), err
}

// TestHTTPAnswers: one row for each kind of answer.
func TestHTTPAnswers(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	active := func(o *HTTPOptions) { o.Active = "state.ok" }
	value := func(o *HTTPOptions) { o.Active, o.ActiveValue = "state.code", "7" }
	anonymous := func(o *HTTPOptions) { o.AnonymousWithoutSubject = true }
	html := func(o *HTTPOptions) { o.RejectedHTML = true }
	for name, tt := range map[string]struct {
		answer *canned
		change func(*HTTPOptions)
		want   error
	}{
		"good":                    {&canned{status: 200, body: `{"id":"a"}`}, nil, nil},
		"a number":                {&canned{status: 200, body: `{"id":7}`}, nil, nil},
		"401":                     {&canned{status: 401}, nil, session.ErrRejected},
		"401 with JSON":           {&canned{status: 401, body: `{"error":"x"}`}, nil, session.ErrRejected},
		"401 with a page":         {&canned{status: 401, header: page, body: "<html>"}, nil, session.ErrUnavailable},
		"401 with a page, known":  {&canned{status: 401, header: page, body: "<html>"}, html, session.ErrRejected},
		"403":                     {&canned{status: 403}, nil, session.ErrUnavailable},
		"404":                     {&canned{status: 404}, nil, session.ErrUnavailable},
		"204":                     {&canned{status: 204}, nil, session.ErrUnavailable},
		"302":                     {&canned{status: 302, header: http.Header{"Location": {"/login"}}}, nil, session.ErrUnavailable},
		"429":                     {&canned{status: 429}, nil, session.ErrUnavailable},
		"500":                     {&canned{status: 500, body: `{"id":"a"}`}, nil, session.ErrUnavailable},
		"a page":                  {&canned{status: 200, header: page, body: "<html>"}, html, session.ErrUnavailable},
		"empty":                   {&canned{status: 200}, anonymous, session.ErrUnavailable},
		"half":                    {&canned{status: 200, body: `{"id":"a"`}, nil, session.ErrUnavailable},
		"two":                     {&canned{status: 200, body: `{"id":"a"},"x":{"id":"b"}`}, nil, session.ErrUnavailable},
		"a member twice":          {&canned{status: 200, body: `{"id":"a","id":"b"}`}, nil, session.ErrUnavailable},
		"no subject":              {&canned{status: 200, body: `{}`}, nil, session.ErrUnavailable},
		"no subject, known":       {&canned{status: 200, body: `{}`}, anonymous, session.ErrRejected},
		"null, known":             {&canned{status: 200, body: `null`}, anonymous, session.ErrRejected},
		"null subject, known":     {&canned{status: 200, body: `{"id":null}`}, anonymous, session.ErrRejected},
		"subject is an object":    {&canned{status: 200, body: `{"id":{"a":1}}`}, anonymous, session.ErrUnavailable},
		"subject is a boolean":    {&canned{status: 200, body: `{"id":true}`}, anonymous, session.ErrUnavailable},
		"subject is a fraction":   {&canned{status: 200, body: `{"id":1.5}`}, anonymous, session.ErrUnavailable},
		"subject with exponent":   {&canned{status: 200, body: `{"id":1e3}`}, anonymous, session.ErrUnavailable},
		"active":                  {&canned{status: 200, body: `{"id":"a","state":{"ok":true}}`}, active, nil},
		"active as text":          {&canned{status: 200, body: `{"id":"a","state":{"ok":"true"}}`}, active, nil},
		"inactive":                {&canned{status: 200, body: `{"id":"a","state":{"ok":false}}`}, active, session.ErrRejected},
		"active not told":         {&canned{status: 200, body: `{"id":"a","state":{}}`}, active, session.ErrUnavailable},
		"active is null":          {&canned{status: 200, body: `{"id":"a","state":{"ok":null}}`}, active, session.ErrUnavailable},
		"active by value":         {&canned{status: 200, body: `{"id":"a","state":{"code":7}}`}, value, nil},
		"inactive by value":       {&canned{status: 200, body: `{"id":"a","state":{"code":70}}`}, value, session.ErrRejected},
		"ended":                   {&canned{status: 200, body: `{"id":"a","ends":"2026-11-23T12:00:00Z"}`}, nil, session.ErrRejected},
		"ended by idleness":       {&canned{status: 200, body: `{"id":"a","idle":1700000000}`}, nil, session.ErrRejected},
		"an end with a zone":      {&canned{status: 200, body: `{"id":"a","ends":"2026-11-23T13:00:01+01:00"}`}, nil, nil},
		"an end in milliseconds":  {&canned{status: 200, body: `{"id":"a","ends":1795435200000}`}, nil, session.ErrUnavailable},
		"an end without a zone":   {&canned{status: 200, body: `{"id":"a","ends":"2026-11-23T13:00:00"}`}, nil, session.ErrUnavailable},
		"an end that is a number": {&canned{status: 200, body: `{"id":"a","ends":1795435200.5}`}, nil, session.ErrUnavailable},
		"an odd beginning":        {&canned{status: 200, body: `{"id":"a","began":true}`}, nil, session.ErrUnavailable},
		"a null end":              {&canned{status: 200, body: `{"id":"a","ends":null}`}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*HTTPOptions)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			got, _, err := tt.answer.http(t, change...)
			require.ErrorIs(t, err, tt.want)
			if tt.want == nil {
				require.NotEmpty(t, got.Identity.Subject)
				return
			}
			other := map[error]error{session.ErrRejected: session.ErrUnavailable, session.ErrUnavailable: session.ErrRejected}[tt.want]
			require.NotErrorIs(t, err, other)
			require.NotContains(t, err.Error(), "planted")
		})
	}
}

func TestHTTPFieldsThatAreNotTold(t *testing.T) {
	got, _, err := (&canned{status: 200, body: `{"id":"a","aal":"gold","verified":true}`}).http(t)
	require.NoError(t, err)
	require.Empty(t, got.AAL, "a level nobody knows is none")
	require.False(t, got.Identity.EmailVerified, "no address, nothing verified")
	require.True(t, got.ExpiresAt.IsZero() && got.IdleExpiresAt.IsZero() && got.IssuedAt.IsZero())
	got, _, err = (&canned{status: 200, body: `{"id":"a","aal":"aal2","mail":"a@b.example","verified":"yes"}`}).http(t)
	require.NoError(t, err)
	require.Equal(t, "aal2", got.AAL)
	require.False(t, got.Identity.EmailVerified, "only true is true")
}

// TestTheCredentialIsNoName: applications that tell it as the session's id would have it shown in lists and logs.
func TestTheCredentialIsNoName(t *testing.T) {
	got, _, err := (&canned{status: 200, body: `{"id":"a","sid":"sess:planted-token"}`}).http(t)
	require.NoError(t, err)
	require.Empty(t, got.SourceSessionID)
	require.NotContains(t, got.Handle, "planted")
	got, _, err = (&canned{status: 200, body: `{"id":"a","sid":17}`}).http(t)
	require.NoError(t, err)
	require.Equal(t, "17", got.SourceSessionID)
}

func TestHTTPHealthTellsAWrongAddress(t *testing.T) {
	_, s, _ := (&canned{status: 404}).http(t)
	require.ErrorContains(t, s.Health(), "compare url")
	_, s, _ = (&canned{status: 403}).http(t)
	require.NoError(t, s.Health(), "who shows odd credentials must not take the gateway out of service")
	c := &canned{status: 404}
	_, s, _ = c.http(t)
	c.mu.Lock()
	c.status = 401
	c.mu.Unlock()
	_, err := s.Resolve(t.Context(), appCookie("planted-token"))
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, s.Health(), "a no is an answer, too")
}

// TestHTTPLogsOut: whatever a logout answers, its endpoint knows whether the session has ended.
func TestHTTPLogsOut(t *testing.T) {
	for name, tt := range map[string]struct {
		logout, me int
		want       error
	}{
		"204":                       {204, 200, nil},
		"401: gone before":          {401, 200, nil},
		"redirect, and gone":        {302, 401, nil},
		"redirect, and still there": {302, 200, session.ErrUnavailable},
		"405, and still there":      {405, 200, session.ErrUnavailable},
		"500, and gone":             {500, 401, nil},
		"500, and unknown":          {500, 500, session.ErrUnavailable},
	} {
		var me atomic.Int64
		me.Store(http.StatusOK)
		mux := http.NewServeMux()
		mux.HandleFunc("POST /logout", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(tt.logout)
			me.Store(int64(tt.me))
		})
		mux.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(me.Load()))
			_, _ = w.Write([]byte(`{"id":"a"}`))
		})
		srv := httptest.NewServer(mux)
		o := &HTTPOptions{URL: srv.URL + "/me", LogoutURL: srv.URL + "/logout", Credentials: authority.Credentials{Cookie: "app_session"}, Fields: HTTPFields{Subject: "id"}}
		s, err := Open(Options{Name: "legacy", HTTP: o}, Deps{})
		require.NoError(t, err)
		got, err := s.(*HTTP).Resolve(t.Context(), appCookie("c"))
		require.NoError(t, err)
		require.ErrorIs(t, s.(*HTTP).Revoke(t.Context(), got), tt.want, name)
		srv.Close()
	}
}

func TestHTTPLogsOutItsOwnSessionsAlone(t *testing.T) {
	l := newLegacy(t, whoami.Options{})
	s := l.open(func(o *HTTPOptions) { o.LogoutURL = l.url + whoami.LogoutPath })
	got, err := s.Resolve(t.Context(), appCookie(l.login()))
	require.NoError(t, err)
	require.ErrorIs(t, l.open().Revoke(t.Context(), got), session.ErrUnsupported, "no logout_url")
	asked := l.Panel().Asked()
	foreign := got.Clone()
	foreign.Source = "corp"
	require.ErrorIs(t, s.Revoke(t.Context(), foreign), session.ErrUnsupported)
	require.Equal(t, asked, l.Panel().Asked())
	require.NoError(t, s.Revoke(t.Context(), got))
	require.Zero(t, l.Sessions())
}

// TestHTTPIsAKeeperOnlyWhenPassive: the peer's idle clock is moved by questions, so that a stream alone must ask none.
func TestHTTPIsAKeeperOnlyWhenPassive(t *testing.T) {
	l := newLegacy(t, whoami.Options{})
	s := l.open()
	got, err := s.Resolve(t.Context(), appCookie(l.login()))
	require.NoError(t, err)
	asked := l.Panel().Asked()
	_, err = s.Current(t.Context(), got)
	require.ErrorIs(t, err, session.ErrNotMine)
	require.Equal(t, asked, l.Panel().Asked())
}

func TestHTTPLoginURL(t *testing.T) {
	l := newLegacy(t, whoami.Options{})
	require.Empty(t, l.open().LoginURL("https://gateway.example/"))
	s := l.open(func(o *HTTPOptions) {
		o.LoginURL, o.ReturnParameter = "https://app.example/login?lang=en", "next"
	})
	u, err := url.Parse(s.LoginURL("https://gateway.example/a?b=c&d=e"))
	require.NoError(t, err)
	require.Equal(t, url.Values{"lang": {"en"}, "next": {"https://gateway.example/a?b=c&d=e"}}, u.Query())
	require.Equal(t, "app.example", u.Host)
	require.Equal(t, "legacy", s.DisplayName())
}

func TestFieldPaths(t *testing.T) {
	d, err := parseDocument([]byte(`{"a":{"b":{"c":"deep"}},"a.b":"whole","list":[{"n":"x","more":["p","q"]},{"n":"y"},{"o":1}],"nested":[["u","v"]],"t":true}`))
	require.NoError(t, err)
	for path, want := range map[string]any{
		"":             nil,
		"a.b":          "whole",
		"a.b.c":        "deep",
		"list.0.n":     "x",
		"list.1":       map[string]any{"n": "y"},
		"list.n":       []any{"x", "y"},
		"list.more":    []any{"p", "q"},
		"list.more.1":  []any{"q"},
		"list.9":       nil,
		"list.-1":      nil,
		"list.missing": nil,
		"nested.0.1":   "v",
		"t.x":          nil,
		"list.2.o":     json.Number("1"),
	} {
		require.Equal(t, want, d.at(path), path)
	}
	require.Equal(t, []string{"x", "y"}, d.texts("list.n"))
	require.Equal(t, []string{"deep"}, d.texts("a.b.c"))
	require.Nil(t, d.texts("t"))
}

func TestKeptClaimsAreAsOfJSON(t *testing.T) {
	d, err := parseDocument([]byte(`{"n":1.5,"big":9007199254740993,"l":[1,{"x":2}],"s":"t","b":false,"z":null}`))
	require.NoError(t, err)
	f := HTTPFields{Claims: map[string]string{"n": "n", "big": "big", "l": "l", "s": "s", "b": "b", "z": "z", "gone": "gone"}}
	require.Equal(t, map[string]any{
		"n": 1.5, "big": "9007199254740993", "l": []any{1.0, map[string]any{"x": 2.0}}, "s": "t", "b": false,
	}, f.claims(d))
}

func FuzzHTTPAnswer(f *testing.F) {
	for _, body := range []string{
		`{"user":{"id":1,"roles":["a"]},"ok":true,"ends":"2030-01-01T00:00:00Z"}`, `{"user":[{"id":"x"},{"id":"y"}],"ok":true}`, `null`, `[]`,
		`{"ok":false}`, `{"user":{"id":1e999},"ok":true}`, `{"a":1},"b":{}`, `[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]`, `{"user":{"id":"\ud800"},"ok":true}`,
	} {
		f.Add([]byte(body), "user.id")
	}
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		o := &HTTPOptions{Active: "ok", ActiveValue: "true", Fields: HTTPFields{
			Subject: path, Groups: "user.roles", ExpiresAt: "ends", Claims: map[string]string{"all": path},
		}}
		s, err := o.read(body)
		if err != nil {
			require.NotEqual(t, errors.Is(err, session.ErrRejected), errors.Is(err, session.ErrUnavailable), "one class, and no other")
			require.Nil(t, s)
			return
		}
		require.NotEmpty(t, s.Identity.Subject)
		require.False(t, slices.Contains(s.Identity.Groups, ""))
		_, err = json.Marshal(s.Identity.Claims)
		require.NoError(t, err)
	})
}
