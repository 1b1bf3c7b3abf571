package provider

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// loopbackPath is where a browser is sent back to on its own machine.
const loopbackPath = "/callback"

// redirectKey finds in a context where an authorization request wants the browser to be sent back to.
type redirectKey struct{}

// withRedirect lets storage see the redirect URI of r.
func withRedirect(r *http.Request) context.Context {
	return context.WithValue(r.Context(), redirectKey{}, r.FormValue("redirect_uri"))
}

// comingBack is c, which may have the browser come back to the machine it runs on, whatever the port (RFC 8252 §7.3). The
// library compares with a list and with patterns, and a pattern for a port also fits http://127.0.0.1:80@elsewhere/.
func (c *client) comingBack(ctx context.Context) *client {
	uri, _ := ctx.Value(redirectKey{}).(string)
	if !c.LoopbackRedirects || !isLoopback(uri) {
		return c
	}
	more := *c
	more.Client.RedirectURIs = append(slices.Clone(c.Client.RedirectURIs), uri)
	return &more
}

func isLoopback(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if host := u.Hostname(); err != nil || (host != "127.0.0.1" && host != "::1") {
		return false
	}
	return uri == "http://"+net.JoinHostPort(u.Hostname(), strconv.FormatUint(port, 10))+loopbackPath
}
