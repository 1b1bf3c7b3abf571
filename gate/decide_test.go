package gate

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

const sid = "__Host-sid"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// scripted is a source that answers by the value of the credential.
type scripted struct {
	answers map[string]error
	session session.Session
	asked   int
}

func (s *scripted) Name() string { return "corp" }
func (s *scripted) Kind() string { return "scripted" }
func (s *scripted) Places() []session.Place {
	return []session.Place{{Kind: session.KindCookie, Name: sid}, {Kind: session.KindBearer}, {Kind: session.KindHeader, Name: "X-Api-Key"}}
}

func (s *scripted) Resolve(_ context.Context, c session.Credential) (*session.Session, error) {
	s.asked++
	err, known := s.answers[c.Value.Reveal()]
	if !known {
		return nil, session.ErrNotMine
	}
	if err != nil {
		return nil, err
	}
	return s.session.Clone(), nil
}

func newScripted() *scripted {
	return &scripted{
		answers: map[string]error{
			"good": nil, "no": session.ErrRejected,
			"weak": session.WithLoginURL(session.ErrInsufficient, "https://id.example/more"),
			"down": session.WithRetryAfter(session.ErrUnavailable, 7*time.Second),
			"busy": session.WithRetryAfter(session.ErrTooMany, 9*time.Second),
			"bug":  errors.New("a class nobody knows"),
		},
		session: session.Session{
			ID: "1", Handle: "h1", Source: "corp", Active: true, AAL: "aal1",
			Identity:        session.Identity{Subject: "alice", Groups: []string{"staff"}},
			IssuedAt:        noon.Add(-2 * time.Hour),
			AuthenticatedAt: noon.Add(-2 * time.Hour),
			LastAccessAt:    noon.Add(-30 * time.Minute),
			ExpiresAt:       noon.Add(time.Hour),
		},
	}
}

func newGate(t testing.TB, src *scripted, lifetimes map[int]session.Lifetime, routes ...policy.RouteOptions) *Gate {
	t.Helper()
	table, err := policy.NewTable(routes)
	require.NoError(t, err)
	now := func() time.Time { return noon }
	v, err := session.NewValidator(session.ValidatorOptions{Resolvers: []session.Resolver{src}, Now: now})
	require.NoError(t, err)
	t.Cleanup(v.Close)
	g, err := New(Options{Table: table, Validator: v, Lifetimes: lifetimes, Now: now})
	require.NoError(t, err)
	return g
}

func ask(path string, h http.Header) policy.Request {
	return policy.Request{Method: "GET", Scheme: "https", Host: "gw.example", Path: path, RawPath: path, Header: h, ClientIP: netip.MustParseAddr("192.0.2.7")}
}

var routes = []policy.RouteOptions{
	{Name: "public", Paths: []string{"/public"}, Access: policy.Public},
	{Name: "optional", Paths: []string{"/optional"}, Access: policy.Optional},
	{Name: "required", Paths: []string{"/required"}},
}

// TestDecide is every access against every outcome of the question whose session it is, for every kind of credential.
func TestDecide(t *testing.T) {
	show := map[session.Kind]func(value string) http.Header{
		session.KindCookie: func(v string) http.Header { return header("Cookie", sid+"="+v) },
		session.KindBearer: func(v string) http.Header { return header("Authorization", "Bearer "+v) },
		session.KindHeader: func(v string) http.Header { return header("X-Api-Key", v) },
	}
	type want struct {
		verdict Verdict
		code    string
		session bool
	}
	ended := map[session.Kind]map[policy.Access]want{
		session.KindCookie: {policy.Optional: {Pass, "ok", false}, policy.Required: {Unauthenticated, "session_ended", false}},
		session.KindBearer: {policy.Optional: {Unauthenticated, "invalid_token", false}, policy.Required: {Unauthenticated, "invalid_token", false}},
		session.KindHeader: {policy.Optional: {Unauthenticated, "invalid_token", false}, policy.Required: {Unauthenticated, "invalid_token", false}},
	}
	unknown := want{Unavailable, "session_unknown", false}
	for kind, headers := range show {
		for _, access := range []policy.Access{policy.Public, policy.Optional, policy.Required} {
			rows := map[string]want{
				"good": {Pass, "ok", true}, "no": ended[kind][access], "nobody's": ended[kind][access],
				"down": unknown, "bug": unknown, "busy": {TooMany, "too_many_attempts", false},
			}
			for value, w := range rows {
				if access == policy.Public {
					w = want{Pass, "ok", false}
				}
				t.Run(string(kind)+"/"+string(access)+"/"+value, func(t *testing.T) {
					src := newScripted()
					d := newGate(t, src, nil, routes...).Decide(t.Context(), ask("/"+string(access), headers(value)))
					require.Equal(t, w, want{d.Verdict, d.Code, d.Session != nil}, "%v", d.Err)
					require.Equal(t, string(access), d.Route.Name)
					if access == policy.Public {
						require.Zero(t, src.asked, "a public route looks at no session")
						require.Empty(t, d.Place.Kind)
						return
					}
					require.Equal(t, kind, d.Place.Kind)
				})
			}
		}
	}
}

func TestDecideWithoutCredential(t *testing.T) {
	g := newGate(t, newScripted(), nil, routes...)
	for path, want := range map[string]Decision{
		"/public":   {Verdict: Pass, Code: "ok"},
		"/optional": {Verdict: Pass, Code: "ok"},
		"/required": {Verdict: Unauthenticated, Code: "no_session"},
	} {
		d := g.Decide(t.Context(), ask(path, header()))
		require.Equal(t, want.Verdict, d.Verdict, path)
		require.Equal(t, want.Code, d.Code, path)
		require.Nil(t, d.Session)
	}
}

// TestRejectWhatNoRouteTakes: nothing matched is no, with a session and without, and nobody is asked.
func TestRejectWhatNoRouteTakes(t *testing.T) {
	src := newScripted()
	g := newGate(t, src, nil, routes...)
	for _, path := range []string{"/", "/requiredx", "/Required", "/public.", "/elsewhere"} {
		d := g.Decide(t.Context(), ask(path, header("Cookie", sid+"=good")))
		require.Equal(t, NoRoute, d.Verdict, path)
		require.Equal(t, "no_route", d.Code)
		require.Nil(t, d.Route)
	}
	require.Zero(t, src.asked)
}

// TestRejectTwoCredentialsOfOneKind: on optional routes too, because somebody behind us may look at the other one.
func TestRejectTwoCredentialsOfOneKind(t *testing.T) {
	src := newScripted()
	g := newGate(t, src, nil, routes...)
	for _, h := range []http.Header{
		header("Cookie", sid+"=good; "+sid+"=other"), header("Authorization", "Bearer good", "Authorization", "Bearer good"),
		header("X-Api-Key", "good", "X-Api-Key", "good"), header("Authorization", "Bearer good,Bearer other"),
	} {
		for _, path := range []string{"/optional", "/required"} {
			d := g.Decide(t.Context(), ask(path, h))
			require.Equal(t, Malformed, d.Verdict, h)
			require.ErrorIs(t, d.Err, session.ErrMalformed)
			require.Nil(t, d.Session)
		}
	}
	require.Zero(t, src.asked)
}

// TestRejectBadTokenBesideGoodCookie: the first credential decides, and is not rescued by another one.
func TestRejectBadTokenBesideGoodCookie(t *testing.T) {
	g := newGate(t, newScripted(), nil, routes...)
	for _, path := range []string{"/optional", "/required"} {
		d := g.Decide(t.Context(), ask(path, header("Authorization", "Bearer no", "Cookie", sid+"=good")))
		require.Equal(t, Unauthenticated, d.Verdict)
		require.Equal(t, "invalid_token", d.Code)
	}
}

// TestRejectOutageAsDenial: what nobody could say is 503 with advice, at every route that asks, and never a redirect
// to a login, a 401 or an anonymous pass.
func TestRejectOutageAsDenial(t *testing.T) {
	g := newGate(t, newScripted(), nil, routes...)
	for _, path := range []string{"/optional", "/required"} {
		for _, h := range []http.Header{header("Cookie", sid+"=down"), header("Authorization", "Bearer down")} {
			d := g.Decide(t.Context(), ask(path, h))
			require.Equal(t, Unavailable, d.Verdict)
			require.Equal(t, 7*time.Second, d.RetryAfter)
			require.ErrorIs(t, d.Err, session.ErrUnavailable)
		}
	}
	d := g.Decide(t.Context(), ask("/required", header("Cookie", sid+"=busy")))
	require.Equal(t, 9*time.Second, d.RetryAfter)
}

func TestDecideRules(t *testing.T) {
	strict := []policy.RouteOptions{
		{Name: "group", Paths: []string{"/group"}, Require: policy.RuleOptions{AnyGroup: []string{"admins"}}},
		{Name: "both", Paths: []string{"/both"}, Require: policy.RuleOptions{AnyGroup: []string{"admins"}, AAL: "aal2"}},
		{Name: "aal", Paths: []string{"/aal"}, Require: policy.RuleOptions{AAL: "aal2", ACR: []string{"gold"}, MaxAge: 3 * time.Hour}},
		{Name: "age", Paths: []string{"/age"}, Require: policy.RuleOptions{MaxAge: time.Hour}},
		{Name: "net", Paths: []string{"/net"}, Access: policy.Public, Require: policy.RuleOptions{Networks: []string{"10.0.0.0/8"}}},
		{Name: "maybe", Paths: []string{"/maybe"}, Access: policy.Optional, Require: policy.RuleOptions{AnyGroup: []string{"admins"}}},
	}
	g := newGate(t, newScripted(), nil, strict...)
	cookie := header("Cookie", sid+"=good")
	for path, want := range map[string]struct {
		verdict Verdict
		code    string
	}{
		"/group": {Forbidden, "group_required"}, "/both": {Forbidden, "group_required"}, "/aal": {StepUp, "aal_required"},
		"/age": {StepUp, "max_age_exceeded"}, "/net": {Forbidden, "network_not_allowed"}, "/maybe": {Forbidden, "group_required"},
	} {
		d := g.Decide(t.Context(), ask(path, cookie))
		require.Equal(t, want.verdict, d.Verdict, path)
		require.Equal(t, want.code, d.Code, path)
		require.NotEmpty(t, d.Reason)
	}
	d := g.Decide(t.Context(), ask("/aal", cookie))
	require.Equal(t, &policy.StepUp{AAL: "aal2", ACR: []string{"gold"}, MaxAge: 3 * time.Hour}, d.StepUp)
	require.Equal(t, Unauthenticated, g.Decide(t.Context(), ask("/group", header())).Verdict, "who, before what")
	require.Equal(t, Pass, g.Decide(t.Context(), ask("/maybe", header())).Verdict)
}

func TestDeniedLoginNeeded(t *testing.T) {
	d := Decision{}.Denied(&policy.Denial{Code: "session_required", Status: policy.LoginNeeded})
	require.Equal(t, Unauthenticated, d.Verdict)
}

// TestRouteLifetimes: a route can shorten the two clocks of a session and never lengthen them.
func TestRouteLifetimes(t *testing.T) {
	for name, tc := range map[string]struct {
		life   session.Lifetime
		change func(*session.Session)
		code   string
	}{
		"no limit":            {life: session.Lifetime{}, code: "ok"},
		"within both":         {life: session.Lifetime{IdleTimeout: 31 * time.Minute, MaxLifetime: 3 * time.Hour}, code: "ok"},
		"too old":             {life: session.Lifetime{MaxLifetime: 2 * time.Hour}, code: "session_too_old"},
		"a moment before":     {life: session.Lifetime{MaxLifetime: 2*time.Hour + 1}, code: "ok"},
		"idle":                {life: session.Lifetime{IdleTimeout: 30 * time.Minute}, code: "session_idle"},
		"idle, a moment less": {life: session.Lifetime{IdleTimeout: 30*time.Minute + 1}, code: "ok"},
		"longer than its own": {
			life:   session.Lifetime{IdleTimeout: 24 * time.Hour, MaxLifetime: 24 * time.Hour},
			change: func(s *session.Session) { s.ExpiresAt = noon }, code: "session_ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := newScripted()
			if tc.change != nil {
				tc.change(&src.session)
			}
			g := newGate(t, src, map[int]session.Lifetime{2: tc.life, 1: tc.life}, routes...)
			d := g.Decide(t.Context(), ask("/required", header("Cookie", sid+"=good")))
			require.Equal(t, tc.code, d.Code)
			require.Equal(t, tc.code == "ok", d.Verdict == Pass && d.Session != nil)
			d = g.Decide(t.Context(), ask("/optional", header("Cookie", sid+"=good")))
			require.Equal(t, Pass, d.Verdict)
			require.Equal(t, tc.code == "ok", d.Session != nil, "an optional route serves it as a stranger")
		})
	}
}

func TestGateSession(t *testing.T) {
	g := newGate(t, newScripted(), nil)
	s, found, err := g.Session(t.Context(), ask("/", header("Cookie", sid+"=good")))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "alice", s.Identity.Subject)
	for _, h := range []http.Header{header(), header("Cookie", sid+"=no")} {
		_, found, err = g.Session(t.Context(), ask("/", h))
		require.NoError(t, err)
		require.False(t, found)
	}
	_, _, err = g.Session(t.Context(), ask("/", header("Cookie", sid+"=down")))
	require.ErrorIs(t, err, session.ErrUnavailable)
	_, _, err = g.Session(t.Context(), ask("/", header("Cookie", sid+"=a; "+sid+"=b")))
	require.ErrorIs(t, err, session.ErrMalformed)
}

func TestAcceptsSource(t *testing.T) {
	g := newGate(t, newScripted(), nil,
		policy.RouteOptions{Name: "corp", Paths: []string{"/corp"}, Require: policy.RuleOptions{Sources: []string{"corp"}}},
		policy.RouteOptions{Name: "host", Hosts: []string{"app.example"}})
	require.True(t, g.AcceptsSource("gw.example", "/corp/x", "corp"))
	require.False(t, g.AcceptsSource("gw.example", "/corp/x", "other"))
	require.True(t, g.AcceptsSource("app.example:8443", "/any", "other"))
	require.False(t, g.AcceptsSource("gw.example", "/nowhere", "corp"), "a page no route takes accepts none")
}

func TestStatus(t *testing.T) {
	s := &session.Session{}
	require.Equal(t, identity.StatusNone, Decision{}.Status())
	require.Equal(t, identity.StatusStale, Decision{Session: s, Freshness: session.Stale}.Status())
	require.Equal(t, identity.StatusValid, Decision{Session: s, Freshness: session.Hit}.Status())
}

func TestGateOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	require.ErrorIs(t, err, session.ErrMalformed)
}

// TestZeroDecisionPassesNothing: whoever forgets to fill in a decision has let nobody in.
func TestZeroDecisionPassesNothing(t *testing.T) { require.NotEqual(t, Pass, Decision{}.Verdict) }

func TestCookieNamesAreTheCallersOwn(t *testing.T) {
	g := newGate(t, newScripted(), nil)
	names := g.CookieNames()
	require.Equal(t, []string{sid}, names)
	names[0] = "changed"
	require.Equal(t, []string{sid}, g.CookieNames())
}

// BenchmarkDecide is what one request with a remembered session costs.
func BenchmarkDecide(b *testing.B) {
	g := newGate(b, newScripted(), nil, routes...)
	for name, h := range map[string]http.Header{
		"cookie": header("Cookie", "theme=dark; "+sid+"=good"), "bearer": header("Authorization", "Bearer good"),
	} {
		q := ask("/required/page", h)
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if g.Decide(ctx, q).Verdict != Pass {
					b.Fatal("refused")
				}
			}
		})
	}
}

// TestDecideAllocatesLittle: a hit costs the secret that holds the credential, the text of the client's address, and
// nothing else.
func TestDecideAllocatesLittle(t *testing.T) {
	g := newGate(t, newScripted(), nil, routes...)
	q := ask("/required/page", header("Cookie", "theme=dark; "+sid+"=good"))
	g.Decide(t.Context(), q)
	ctx := context.Background()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { g.Decide(ctx, q) }), 2.0)
}

// TestInsufficientIsNeitherDeniedNorUnknown: the session is good, and its authority wants more proof.
func TestInsufficientIsNeitherDeniedNorUnknown(t *testing.T) {
	g := newGate(t, newScripted(), nil, policy.RouteOptions{Name: "optional", Paths: []string{"/optional"}, Access: policy.Optional}, policy.RouteOptions{Name: "app", Paths: []string{"/"}})
	ask := func(path string) Decision {
		return g.Decide(t.Context(), policy.Request{Method: "GET", Scheme: "https", Host: "a", Path: path, RawPath: path, Header: http.Header{"Cookie": {sid + "=weak"}}})
	}
	d := ask("/")
	require.Equal(t, Forbidden, d.Verdict)
	require.Equal(t, "insufficient_session", d.Code)
	require.Equal(t, "https://id.example/more", d.LoginURL)
	require.Nil(t, d.Session)
	d = ask("/optional")
	require.Equal(t, Pass, d.Verdict)
	require.Nil(t, d.Session)
	_, found, err := g.Session(t.Context(), policy.Request{Header: http.Header{"Cookie": {sid + "=weak"}}})
	require.ErrorIs(t, err, session.ErrInsufficient, "somebody is signed in")
	require.False(t, found)
}
