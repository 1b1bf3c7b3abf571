package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/sessionward/sessionward/middleware"
	"github.com/sessionward/sessionward/source"
)

// The same with echo. The middleware goes before the router (Pre), so that echo routes by the path that was judged;
// handlers and further middleware find the session in the request's context. See ExampleSite_Session for newSite.
func ExampleSite_EchoSession() {
	key, hash := source.NewAPIKey("billing")
	site, err := newSite(hash)
	if err != nil {
		panic(err)
	}
	e := echo.New()
	e.Pre(site.EchoSession)
	e.GET("/about", func(c echo.Context) error { return c.String(http.StatusOK, "hello stranger") })
	e.GET("/staff/:page", func(c echo.Context) error {
		s, _ := middleware.EchoSessionFrom(c)
		return c.String(http.StatusOK, fmt.Sprintf("page %s for %s", c.Param("page"), s.Identity.Username))
	})
	server := httptest.NewServer(e)
	defer server.Close()

	for _, path := range []string{"/about", "/staff/1", "/st%61ff/2", "/staff", "/_session/me"} {
		fmt.Println(ask(server, path, ""), "|", ask(server, path, key.Reveal())[:12])
	}
	// Output:
	// 200 hello stranger | 200 hello st
	// 401 Unauthorized | 200 page 1 f
	// 401 Unauthorized | 200 page 2 f
	// 401 Unauthorized | 404 Not Foun
	// 401 Unauthorized | 200 {"handle
}
