package proxy

import (
	"net/http"
	"net/http/httputil"

	"github.com/sessionward/sessionward/session"
)

// rewrite makes the outgoing request. It runs after the hop-by-hop headers are gone, so that no Connection header of
// a client reaches what is written here.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	out := pr.Out
	out.URL = &x.target
	out.Host = ""
	if p.options.PassHostHeader {
		out.Host = x.passage.Host
	}
	p.strip(x, out.Header)
	p.stripTrailer(out)
	setForwarded(out.Header, &x.passage)
	for name, values := range x.identity {
		out.Header[name] = values
	}
	if x.body != nil {
		x.body.to = out.Trailer
	}
}

// strip removes what only looks like ours, and what is ours alone.
func (p *Proxy) strip(x *exchange, h http.Header) {
	p.deps.Strip.Strip(h)
	p.own.strip(h)
	delete(h, "Http2-Settings")
	if p.options.KeepAuthorization {
		return
	}
	for _, name := range p.deps.Credentials {
		h.Del(name)
	}
	switch x.passage.Place.Kind {
	case session.KindBearer:
		delete(h, "Authorization")
	case session.KindHeader:
		h.Del(x.passage.Place.Name)
	}
}

// stripTrailer does the same for the trailers a client has announced, before their values are known. Credentials have
// no place in trailers at all (RFC 9110 §6.5.1).
func (p *Proxy) stripTrailer(out *http.Request) {
	p.deps.Strip.Strip(out.Trailer)
	delete(out.Trailer, "Authorization")
	delete(out.Trailer, "Cookie")
	if len(out.Trailer) == 0 {
		out.Trailer = nil
	}
}

// setForwarded says where the request came from: one value each, the client's own are gone.
func setForwarded(h http.Header, p *Passage) {
	values := make([]string, 0, 3) // one allocation for the three lists
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if p.ClientIP.IsValid() {
		set("X-Forwarded-For", p.ClientIP.Unmap().WithZone("").String())
	}
	if p.Host != "" {
		set("X-Forwarded-Host", p.Host)
	}
	set("X-Forwarded-Proto", p.Scheme)
}
