package middleware

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sessionward/sessionward/session"
)

// newEndpoints returns our own endpoints, on a router of echo.
func (s *Site) newEndpoints() http.Handler {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // nothing a client sends says who it is
	read, change := []string{http.MethodGet, http.MethodHead}, []string{http.MethodGet, http.MethodHead, http.MethodPost}
	g := e.Group(s.o.Prefix)
	g.Match(change, "/login", plain(s.Login))
	g.Match(change, "/logout", plain(s.Logout))
	g.Match(read, "/signed-out", plain(s.SignedOut))
	g.Match(read, "/me", plain(s.Me))
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
	e.RouteNotFound("/*", plain(func(w http.ResponseWriter, r *http.Request) {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this address."})
	}))
	e.HTTPErrorHandler = func(_ error, c echo.Context) { // a method an endpoint does not have
		s.WriteError(c.Response(), c.Request(), Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "This address does not take that method."})
	}
	return e
}

// plain turns a handler of net/http into echo's.
func plain(serve http.HandlerFunc) echo.HandlerFunc { return echo.WrapHandler(serve) }

// EchoSession is Session as middleware of echo: e.Use(site.EchoSession).
func (s *Site) EchoSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var err error
		s.Session(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.SetRequest(r)
			c.SetResponse(echo.NewResponse(w, c.Echo()))
			err = next(c)
		})).ServeHTTP(c.Response(), c.Request())
		return err
	}
}

// EchoSessionFrom is SessionFrom for handlers of echo.
func EchoSessionFrom(c echo.Context) (*session.Session, bool) {
	return SessionFrom(c.Request().Context())
}
