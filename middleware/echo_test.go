package middleware

import (
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

// echoHouse serves h's site through an echo with a handler, mounted by e.Pre or by e.Use.
func echoHouse(h *house, mount func(*echo.Echo) func(...echo.MiddlewareFunc)) *echo.Echo {
	e := echo.New()
	mount(e)(h.site.EchoSession)
	e.GET("/app", func(c echo.Context) error {
		s, ok := EchoSessionFrom(c)
		if !ok {
			return c.String(http.StatusOK, "nobody")
		}
		return c.String(http.StatusOK, s.Identity.Subject)
	})
	e.GET("/app/fails", func(echo.Context) error { return echo.NewHTTPError(http.StatusTeapot, "short and stout") })
	e.GET("/app/breaks", func(echo.Context) error { return errors.New("planted-inside") })
	e.GET("/app/panics", func(echo.Context) error { panic("planted") })
	h.handler = e
	return e
}

var mounts = map[string]func(*echo.Echo) func(...echo.MiddlewareFunc){
	"Pre": func(e *echo.Echo) func(...echo.MiddlewareFunc) { return e.Pre },
	"Use": func(e *echo.Echo) func(...echo.MiddlewareFunc) { return e.Use },
}

func TestEchoSession(t *testing.T) {
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, houseOptions{})
			echoHouse(h, mount)
			b := h.browser()
			b.login("alice", "/app") // our own endpoints are served through it
			require.Equal(t, "alice", text(b.get("/app")))
			require.EqualValues(t, 200, h.requestLine()["status"])
			require.Equal(t, "svc", text(b.do("GET", "/app", nil, "Authorization", "Bearer good")))
			require.Equal(t, "nosniff", b.get("/_session/me").Header.Get("X-Content-Type-Options"))
		})
	}
}

// TestRejectUnmatchedEchoRoutes (S-159): what echo has no route or no word for does not skip the gate.
func TestRejectUnmatchedEchoRoutes(t *testing.T) {
	for name, mount := range mounts {
		h := newHouse(t, houseOptions{})
		echoHouse(h, mount)
		for _, path := range []string{"/app/unknown", "/unknown", "/app/", "/admin"} {
			require.Equal(t, http.StatusUnauthorized, h.browser().do("GET", path, nil).StatusCode, "%s %s", name, path)
		}
		for _, method := range []string{"POST", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MADEUP"} {
			require.Equal(t, http.StatusUnauthorized, h.browser().do(method, "/app", nil).StatusCode, "%s %s", name, method)
			require.Contains(t, []int{404, 405}, h.browser().do(method, "/_session/me", nil).StatusCode, "%s %s", name, method)
		}
		for _, path := range []string{"/_session/unknown", "/_session/sessions"} {
			require.Equal(t, http.StatusNotFound, h.browser().do("GET", path, nil).StatusCode, "%s %s", name, path)
		}
		require.Equal(t, http.StatusMethodNotAllowed, h.browser().do("MADEUP", "/app", nil, "Authorization", "Bearer good").StatusCode)
		require.Equal(t, http.StatusBadRequest, h.browser().do("GET", "/app/..%2f", nil).StatusCode)
	}
}

// TestEchoHandlerErrors: echo's own error handler answers them, outer middleware and the log see what was answered.
func TestEchoHandlerErrors(t *testing.T) {
	h := newHouse(t, houseOptions{})
	e := echoHouse(h, mounts["Use"])
	var outer int
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			outer = c.Response().Status
			return err
		}
	})
	for path, want := range map[string]int{"/app/fails": 418, "/app/breaks": 500, "/app/panics": 500, "/app/unknown": 404, "/app": 200} {
		res := h.browser().do("GET", path, nil, "Authorization", "Bearer good")
		require.Equal(t, want, res.StatusCode, path)
		require.Equal(t, want, outer, path)
		require.EqualValues(t, want, h.requestLine()["status"], path)
		require.NotContains(t, text(res), "planted", path)
	}
	e.HTTPErrorHandler = func(_ error, c echo.Context) { _ = c.String(http.StatusConflict, "mine") }
	require.Equal(t, "mine", text(h.browser().do("GET", "/app/fails", nil, "Authorization", "Bearer good")))
}

// TestEchoRoutesByCanonicalPath: with Pre, echo's handler is that of the path that was judged.
func TestEchoRoutesByCanonicalPath(t *testing.T) {
	h := newHouse(t, houseOptions{})
	echoHouse(h, mounts["Pre"])
	require.Equal(t, "svc", text(h.browser().do("GET", "/%61pp", nil, "Authorization", "Bearer good")))
}

func BenchmarkEchoSession(b *testing.B) {
	h := newHouse(b, houseOptions{change: func(o *Options) { o.Log = nil }})
	echoHouse(h, mounts["Pre"])
	client := h.browser()
	b.ReportAllocs()
	for b.Loop() {
		client.do("GET", "/app", nil, "Authorization", "Bearer good")
	}
}
