package middleware

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sessionward/sessionward/session"
)

// Mount adds our own endpoints to e. Whatever else is asked below the prefix is answered with 404 here and reaches no
// application.
func (s *Site) Mount(e *echo.Echo) {
	endpoints := []struct {
		name    string
		methods []string
		serve   http.HandlerFunc
	}{
		{"login", []string{http.MethodGet, http.MethodHead, http.MethodPost}, s.Login},
		{"logout", []string{http.MethodGet, http.MethodPost}, s.Logout},
		{"signed-out", []string{http.MethodGet, http.MethodHead}, s.SignedOut},
		{"me", []string{http.MethodGet, http.MethodHead}, s.Me},
	}
	g := e.Group(s.o.Prefix)
	for _, ep := range endpoints {
		g.Match(ep.methods, "/"+ep.name, s.handler(ep.serve))
	}
	g.Match([]string{http.MethodGet, http.MethodPost}, "/callback/:source", func(c echo.Context) error {
		s.visited(func(w http.ResponseWriter, r *http.Request) { s.Callback(w, r, c.Param("source")) }).ServeHTTP(c.Response(), c.Request())
		return nil
	})
	g.Match([]string{http.MethodGet, http.MethodHead}, "/static/:name", func(c echo.Context) error {
		s.visited(func(w http.ResponseWriter, r *http.Request) { s.serveAsset(w, r, c.Param("name")) }).ServeHTTP(c.Response(), c.Request())
		return nil
	})
	if s.o.JWKS != nil {
		g.GET("/jwks.json", s.handler(s.o.JWKS.ServeHTTP))
	}
	nothing := s.handler(func(w http.ResponseWriter, r *http.Request) {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this address."})
	})
	e.Any(s.o.Prefix, nothing)
	g.Any("/*", nothing)
}

// Endpoints serves what Mount mounts, for servers on net/http: mux.Handle(prefix+"/", site.Endpoints()).
func (s *Site) Endpoints() http.Handler {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect() // nothing a client sends says who it is
	s.Mount(e)
	return e
}

// handler turns one of ours into echo's, with Visit around it where that is missing.
func (s *Site) handler(serve http.HandlerFunc) echo.HandlerFunc {
	h := s.visited(serve)
	return func(c echo.Context) error {
		h.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

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
