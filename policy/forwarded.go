package policy

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Trusted reports whether the TCP peer of r is one whose word about a request is taken. Only then may anything in
// the headers that describes another request be read.
func (c *Canonicalizer) Trusted(r *http.Request) bool { return c.trusts(peerAddr(r.RemoteAddr)) }

// ForwardedClient returns the client's address: the peer's, or what trusted proxies say it is (X-Forwarded-For from
// right to left, over trusted hops). A *BadRequestError when a trusted peer's list cannot be read.
func (c *Canonicalizer) ForwardedClient(r *http.Request) (netip.Addr, error) {
	return c.client(peerAddr(r.RemoteAddr), r.Header["X-Forwarded-For"])
}

func (c *Canonicalizer) trusts(a netip.Addr) bool { return contains(c.trusted, a) }

// peerAddr returns the address of a RemoteAddr, the zero Addr when it has none.
func peerAddr(s string) netip.Addr {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// believe writes into o what a trusted peer says of client and scheme, and returns the host it says the client
// asked for, "" when it says none. From any other peer nothing is read.
func (c *Canonicalizer) believe(o *Original) (publicHost string, err error) {
	if !c.trusts(o.ClientIP) {
		return "", nil
	}
	if o.ClientIP, err = c.client(o.ClientIP, o.Header["X-Forwarded-For"]); err != nil {
		return "", err
	}
	proto, ok := one(o.Header["X-Forwarded-Proto"])
	if !ok || proto != "" && knownScheme(proto) == "" {
		return "", bad("forwarded_proto", "X-Forwarded-Proto must be http or https, once")
	}
	if proto != "" {
		o.Scheme = proto
	}
	if publicHost, ok = one(o.Header["X-Forwarded-Host"]); !ok {
		return "", errForwardedHost()
	}
	return publicHost, nil
}

// one returns the only value of a field, "" when there is no field; false when it came twice or empty.
func one(values []string) (string, bool) {
	if len(values) == 0 {
		return "", true
	}
	return values[0], len(values) == 1 && values[0] != ""
}

func errForwardedHost() error {
	return bad("forwarded_host", "X-Forwarded-Host must be one valid host, once")
}

// asForwardedHost gives a refused host the code of the field it came from.
func asForwardedHost(err error) error {
	if _, ok := errors.AsType[*BadRequestError](err); ok {
		return errForwardedHost()
	}
	return err
}

// client walks the list from right to left for as long as the hop that wrote the next entry is trusted. What stands
// left of the first untrusted hop is that hop's invention and not even looked at.
func (c *Canonicalizer) client(peer netip.Addr, lines []string) (netip.Addr, error) {
	hop := peer
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; {
			if !c.trusts(hop) {
				return hop, nil
			}
			entry := line
			comma := strings.LastIndexByte(line, ',')
			if more = comma >= 0; more {
				line, entry = line[:comma], line[comma+1:]
			}
			var ok bool
			if hop, ok = forwardedAddr(strings.Trim(entry, " \t")); !ok {
				return netip.Addr{}, bad("forwarded_for", "X-Forwarded-For must be a list of addresses")
			}
		}
	}
	return hop, nil
}

// forwardedAddr reads an address with or without port.
func forwardedAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		p, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = p.Addr()
	}
	return a.Unmap(), a.Zone() == ""
}
