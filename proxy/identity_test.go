package proxy

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/session"
)

// A client must not be able to remove, replace or double an identity header, whatever it writes into Connection.
func TestRejectHopByHopRemovesIdentity(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	for name, lines := range map[string]string{
		"plain":               "Connection: X-Forwarded-User\n",
		"lower case":          "connection: x-forwarded-user\n",
		"upper case":          "CONNECTION: X-FORWARDED-USER\n",
		"with close":          "Connection: close, X-Forwarded-User\n",
		"several lines":       "Connection: keep-alive\nConnection: X-Forwarded-User\nConnection: X-Forwarded-Email\n",
		"first line empty":    "Connection:\nConnection: X-Forwarded-User\n",
		"blanks and tabs":     "Connection: , ,\tX-Forwarded-User ,\n",
		"proxy-connection":    "Proxy-Connection: X-Forwarded-User\n",
		"keep-alive":          "Keep-Alive: X-Forwarded-User\nConnection: keep-alive\n",
		"with own value":      "Connection: X-Forwarded-User\nX-Forwarded-User: root\n",
		"te":                  "TE: trailers, X-Forwarded-User\nConnection: TE, X-Forwarded-User\n",
		"forwarding headers":  "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host\n",
		"everything at once":  "Connection: X-Forwarded-User, X-Forwarded-Email, Host, Cookie, Connection\n",
		"underscore spelling": "Connection: X_Forwarded_User\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := g.ask("GET / HTTP/1.1\nHost: app.example\n" + lines + "\n")
			require.Equal(t, []string{"alice"}, got.Header["X-Forwarded-User"])
			require.Equal(t, []string{"alice@corp.example"}, got.Header["X-Forwarded-Email"])
			require.Equal(t, []string{"203.0.113.7"}, got.Header["X-Forwarded-For"])
			require.Equal(t, []string{"http"}, got.Header["X-Forwarded-Proto"])
			require.Equal(t, []string{"app.example"}, got.Header["X-Forwarded-Host"])
			require.NotContains(t, got.Header, "Connection")
			require.NotContains(t, got.Header, "Keep-Alive")
			require.NotContains(t, got.Header, "Proxy-Connection")
		})
	}
}

func TestRejectIdentityAliases(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	for _, name := range []string{
		"X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X.Forwarded.User", "XForwardedUser", "X-Forwarded_User",
		"X-Forwarded-Groups", "X_Forwarded_Groups", "Remote-User", "Remote_User", "X-Auth-Request-User", "X-WEBAUTH-USER",
	} {
		t.Run(name, func(t *testing.T) {
			got := g.ask("GET / HTTP/1.1\nHost: app.example\n" + name + ": root\n" + name + ": admins\n\n")
			require.Equal(t, []string{"alice"}, got.Header["X-Forwarded-User"])
			for key, values := range got.Header {
				require.NotContains(t, values, "root", key)
				require.NotContains(t, values, "admins", key)
			}
		})
	}
}

// What the session does not say must be absent, not the client's.
func TestRejectIdentityWhereSessionHasNone(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) { p.Session, p.Status = nil, identity.StatusNone }
	})
	got := g.ask("GET / HTTP/1.1\nHost: app.example\nX-Forwarded-User: root\nX_Forwarded_Groups: admins\n\n")
	for name := range got.Header {
		require.NotContains(t, strings.ToLower(name), "user", name+" of a request without a session")
		require.NotContains(t, strings.ToLower(name), "groups", name)
	}
}

func TestRejectIdentityInTrailers(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	got := g.ask("POST / HTTP/1.1\nHost: app.example\nTransfer-Encoding: chunked\n" +
		"Trailer: X-Forwarded-User, X_Forwarded_Groups, x-forwarded-for, Cookie, Authorization, X-Checksum\n\n" +
		"2\nhi\n0\nX-Forwarded-User: root\nX_Forwarded_Groups: admins\nX-Forwarded-For: 10.0.0.1\n" +
		"Cookie: " + ownCookie + "=secret\nAuthorization: Bearer secret\nX-Checksum: abc\nRemote-User: unannounced\n\n")
	require.Equal(t, "hi", got.Body)
	require.Equal(t, http.Header{"X-Checksum": {"abc"}}, got.Trailer)
	require.Equal(t, []string{"alice"}, got.Header["X-Forwarded-User"])
}

func TestRejectForgedForwarding(t *testing.T) {
	g := newGateway(t, newUpstream(t, echo), nil)
	got := g.ask("GET / HTTP/1.1\nHost: app.example\nX-Forwarded-For: 10.0.0.1\nX-Forwarded-For: 10.0.0.2\n" +
		"X-Real-IP: 10.0.0.1\nForwarded: for=10.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil.example\n" +
		"X_Forwarded_Host: evil.example\nX-Original-URL: /admin\nX-Forwarded-Prefix: /evil\nX-Forwarded-Port: 1\n\n")
	require.Equal(t, []string{"203.0.113.7"}, got.Header["X-Forwarded-For"])
	require.Equal(t, []string{"http"}, got.Header["X-Forwarded-Proto"])
	require.Equal(t, []string{"app.example"}, got.Header["X-Forwarded-Host"])
	for _, name := range []string{"X-Real-Ip", "Forwarded", "X_forwarded_host", "X-Original-Url", "X-Forwarded-Prefix", "X-Forwarded-Port"} {
		require.NotContains(t, got.Header, name)
	}
	require.NotContains(t, got.Header, "Via")
}

func TestForwardedAddress(t *testing.T) {
	for addr, want := range map[string][]string{
		"::ffff:192.0.2.1": {"192.0.2.1"},
		"fe80::1%eth0":     {"fe80::1"},
		"":                 nil,
	} {
		h := http.Header{}
		p := Passage{Scheme: "https", Host: "app.example"}
		if addr != "" {
			require.NoError(t, p.ClientIP.UnmarshalText([]byte(addr)))
		}
		setForwarded(h, &p)
		require.Equal(t, want, h["X-Forwarded-For"], addr)
		require.Equal(t, []string{"https"}, h["X-Forwarded-Proto"])
	}
}

func TestRejectOversizedIdentity(t *testing.T) {
	calls := 0
	g := newGateway(t, newUpstream(t, func(http.ResponseWriter, *http.Request) { calls++ }), func(s *setup) {
		s.passage = func(_ *http.Request, p *Passage) {
			p.Session = p.Session.Clone()
			p.Session.Identity.Email = strings.Repeat("a", 1<<20) + "@corp.example"
		}
	})
	g.refused("GET / HTTP/1.1\nHost: app.example\n\n", IdentityFailed)
	require.ErrorIs(t, g.errors()[0], identity.ErrTooLarge)
	require.Zero(t, calls)
}

// The invariants of an outgoing request hold for whatever bytes a server can read as a request.
func FuzzOutgoingRequest(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Forwarded-User\r\nX_Forwarded_User: root\r\n\r\n")
	f.Add("POST /x?a;b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Remote-User\r\n\r\n0\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; __Host-session=s;;b=2\r\nAuthorization: Bearer t\r\n\r\n")
	f.Add("GET / HTTP/1.0\r\nconnection: cookie, authorization\r\nTe: x\r\nUpgrade: websocket\r\n\r\n")
	g := newGateway(f, "http://127.0.0.1:1", nil)
	var out *http.Request
	g.reverse.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		out = r
		return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	f.Fuzz(func(t *testing.T, raw string) {
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil || strings.HasPrefix(in.RequestURI, "http") {
			return
		}
		out = nil
		g.deps.Passage = func(context.Context) (Passage, bool) {
			p := defaultPassage(in)
			p.Place.Kind = session.KindBearer
			return p, true
		}
		g.deps.OnError = func(http.ResponseWriter, *http.Request, error) {}
		g.ServeHTTP(httptest.NewRecorder(), in)
		if out == nil {
			return
		}
		checkOutgoing(t, g, in, out)
	})
}

func checkOutgoing(t *testing.T, g *gateway, in, out *http.Request) {
	want := map[string]string{"X-Forwarded-User": "alice", "X-Forwarded-Email": "alice@corp.example",
		"X-Forwarded-Preferred-Username": "alice", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
	if in.Host != "" {
		want["X-Forwarded-Host"] = in.Host
	}
	for name, value := range want {
		require.Equal(t, []string{value}, out.Header[name])
	}
	for name := range out.Header {
		_, ours := want[name]
		require.True(t, ours || !g.deps.Strip.Matches(name), name)
	}
	for name := range out.Trailer {
		require.False(t, g.deps.Strip.Matches(name), name)
	}
	for _, c := range out.Cookies() {
		require.NotEqual(t, ownCookie, c.Name)
	}
	require.NotContains(t, out.Header, "Authorization")
	require.Equal(t, in.RequestURI, out.URL.RequestURI())
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestIdentityErrorKeepsItsClass(t *testing.T) {
	e := &Error{Reason: IdentityFailed, Err: session.ErrMalformed}
	require.ErrorIs(t, e, session.ErrMalformed)
	require.Equal(t, http.StatusInternalServerError, e.HTTPStatus())
}
