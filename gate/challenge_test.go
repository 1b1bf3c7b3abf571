package gate

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const (
	chrome  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

// TestChallenge is the table by which a redirect to the login or a 401 is chosen, for every door.
func TestChallenge(t *testing.T) {
	auto := policy.Auto
	rows := []struct {
		name   string
		method string
		header http.Header
		route  policy.Unauthenticated
		place  session.Kind
		want   Challenge
	}{
		{"Chrome navigates", "GET", header("Accept", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), auto, "", Redirect},
		{"Firefox navigates", "GET", header("Accept", firefox, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), auto, "", Redirect},
		{"an old browser without Sec-Fetch", "GET", header("Accept", firefox), auto, "", Redirect},
		{"HEAD of a page", "HEAD", header("Accept", chrome), auto, "", Redirect},
		{"navigation with a cookie that ended", "GET", header("Accept", chrome), auto, session.KindCookie, Redirect},
		{"a frame", "GET", header("Accept", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), auto, "", Redirect},
		{"XHTML only", "GET", header("Accept", "application/xhtml+xml"), auto, "", Redirect},
		{"HTML and JSON alike", "GET", header("Accept", "text/html, application/json"), auto, "", Redirect},
		{"HTML before JSON by weight", "GET", header("Accept", "application/json;q=0.5, text/html"), auto, "", Redirect},
		{"Accept in two lines", "GET", header("Accept", "image/png", "Accept", "text/html"), auto, "", Redirect},
		{"upper-case media type", "GET", header("Accept", "TEXT/HTML"), auto, "", Redirect},
		{"media type with parameters", "GET", header("Accept", "text/html;charset=utf-8;q=0.9"), auto, "", Redirect},
		{"typed address", "GET", header("Accept", chrome, "Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"), auto, "", Redirect},

		{"fetch()", "GET", header("Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"), auto, "", Unauthorized},
		{"fetch() that says it likes HTML", "GET", header("Accept", "text/html", "Sec-Fetch-Mode", "cors"), auto, "", Unauthorized},
		{"fetch() same-origin", "GET", header("Accept", "text/html", "Sec-Fetch-Mode", "same-origin"), auto, "", Unauthorized},
		{"no-cors subresource", "GET", header("Accept", "image/avif,*/*", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"), auto, "", Unauthorized},
		{"script", "GET", header("Accept", "*/*", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), auto, "", Unauthorized},
		{"EventSource", "GET", header("Accept", "text/event-stream", "Sec-Fetch-Mode", "cors"), auto, "", Unauthorized},
		{"WebSocket", "GET", header("Accept", "text/html", "Upgrade", "websocket", "Connection", "Upgrade"), auto, "", Unauthorized},
		{"WebSocket of a browser", "GET", header("Sec-Fetch-Mode", "websocket", "Upgrade", "websocket"), auto, "", Unauthorized},
		{"navigate mode without a page", "GET", header("Accept", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "empty"), auto, "", Unauthorized},
		{"XMLHttpRequest of jQuery", "GET", header("Accept", "text/html", "X-Requested-With", "XMLHttpRequest"), auto, "", Unauthorized},
		{"curl", "GET", header("Accept", "*/*"), auto, "", Unauthorized},
		{"no Accept", "GET", header(), auto, "", Unauthorized},
		{"JSON", "GET", header("Accept", "application/json"), auto, "", Unauthorized},
		{"JSON before HTML by weight", "GET", header("Accept", "text/html;q=0.5, application/json"), auto, "", Unauthorized},
		{"problem+json before HTML", "GET", header("Accept", "application/problem+json, text/html;q=0.1"), auto, "", Unauthorized},
		{"HTML refused by weight 0", "GET", header("Accept", "text/html;q=0, */*"), auto, "", Unauthorized},
		{"HTML with a weight that is no number", "GET", header("Accept", "text/html;q=high"), auto, "", Unauthorized},
		{"HTML with a weight above 1", "GET", header("Accept", "text/html;q=7"), auto, "", Unauthorized},
		{"HTML with weight NaN", "GET", header("Accept", "text/html;q=NaN"), auto, "", Unauthorized},
		{"something that only begins like HTML", "GET", header("Accept", "text/htmlx"), auto, "", Unauthorized},
		{"form post of a browser", "POST", header("Accept", chrome, "Sec-Fetch-Mode", "navigate"), auto, "", Unauthorized},
		{"PUT", "PUT", header("Accept", chrome), auto, "", Unauthorized},
		{"DELETE", "DELETE", header("Accept", chrome), auto, "", Unauthorized},
		{"OPTIONS preflight", "OPTIONS", header("Accept", "*/*", "Access-Control-Request-Method", "PUT"), auto, "", Unauthorized},
		{"gRPC", "POST", header("Content-Type", "application/grpc"), auto, "", Unauthorized},
		{"gRPC-Web over GET", "GET", header("Content-Type", "application/grpc-web", "Accept", "text/html"), auto, "", Unauthorized},
		{"prefetch", "GET", header("Accept", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch;prerender"), auto, "", Unauthorized},
		{"a bearer token that is not valid", "GET", header("Accept", chrome), auto, session.KindBearer, Unauthorized},
		{"an API key that is not valid", "GET", header("Accept", chrome), auto, session.KindHeader, Unauthorized},

		{"route says always redirect", "POST", header("Accept", "application/json"), policy.Redirect, session.KindBearer, Redirect},
		{"route says never redirect", "GET", header("Accept", chrome), policy.Unauthorized, "", Unauthorized},
	}
	require.GreaterOrEqual(t, len(rows), 40)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			q := policy.Request{Method: r.method, Header: r.header}
			d := Decision{Route: &policy.Route{Unauthenticated: r.route}, Place: session.Place{Kind: r.place}}
			require.Equal(t, r.want, ChallengeFor(q, d))
		})
	}
}
