package middleware

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sessionward/sessionward/session"
)

// newEndpoints returns our own endpoints, on a router of echo.
func (s *Site) newEndpoints() http.Handler {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // nothing a client sends says who it is
	e.Use(sealed)
	read, change := []string{http.MethodGet, http.MethodHead}, []string{http.MethodGet, http.MethodPost}
	g := e.Group(s.o.Prefix)
	g.Match(append(read, http.MethodPost), "/login", plain(s.Login))
	g.Match(change, "/logout", plain(s.Logout))
	g.Match(read, "/signed-out", plain(s.SignedOut))
	g.Match(read, "/me", plain(s.Me))
	g.Match(read, "", plain(s.Sessions))
	g.Match(read, "/", plain(s.Sessions))
	g.POST("/sessions/end", plain(s.EndSessions))
	g.Match(change, "/callback/:source", func(c echo.Context) error {
		s.Callback(c.Response(), c.Request(), c.Param("source"))
		return nil
	})
	g.Match(read, "/static/:name", func(c echo.Context) error {
		s.serveAsset(c.Response(), c.Request(), c.Param("name"))
		return nil
	})
	if s.o.JWKS != nil {
		g.Match(read, "/jwks.json", plain(s.o.JWKS.ServeHTTP))
	}
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		p := Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this address."}
		if errors.Is(err, echo.ErrMethodNotAllowed) {
			p = Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "This address does not take that method."}
		}
		s.WriteError(c.Response(), c.Request(), p)
	}
	return e
}

// sealed gives every reply of our endpoints our headers. Echo would answer OPTIONS by itself, also for paths it merely
// takes for one of ours; none of ours takes it.
func sealed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ownHeaders(c.Response().Header(), "")
		if c.Request().Method != http.MethodOptions {
			return next(c)
		}
		if allow, ok := c.Get(echo.ContextKeyHeaderAllow).(string); ok {
			c.Response().Header().Set(echo.HeaderAllow, allow)
		}
		return echo.ErrMethodNotAllowed
	}
}

// plain turns a handler of net/http into echo's.
func plain(serve http.HandlerFunc) echo.HandlerFunc { return echo.WrapHandler(serve) }

// EchoSession is Session as middleware of echo. Give it to e.Pre: echo then routes by the canonical path, the one that
// was judged. With e.Use it judges the same, after echo has chosen a handler by the path as it came. Either way nothing
// goes round it: no route, no 404, no method that echo has no word for.
//
// The error of a handler is answered by e.HTTPErrorHandler, inside, so that the log line tells what the client got.
func (s *Site) EchoSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		outer := c.Response()
		s.Session(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.SetRequest(r)
			c.SetResponse(echo.NewResponse(w, c.Echo()))
			if err := next(c); err != nil {
				c.Error(err)
			}
		})).ServeHTTP(outer, c.Request())
		c.SetResponse(outer) // it saw all that was written
		return nil
	}
}

// EchoSessionFrom is SessionFrom for handlers of echo.
func EchoSessionFrom(c echo.Context) (*session.Session, bool) {
	return SessionFrom(c.Request().Context())
}
