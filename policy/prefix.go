package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParsePrefixes reads addresses and CIDR networks. An address is a network of one. IPv4-mapped IPv6 forms
// (::ffff:10.0.0.0/104) become the IPv4 network they mean, as the addresses they are compared with do. The error
// begins with the place: "[2] "10.0.0.1/8": …".
func ParsePrefixes(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, len(list))
	for i, s := range list {
		p, err := parsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("[%d] %q: %w", i, s, err)
		}
		prefixes[i] = p
	}
	return prefixes, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("not an IP address or network; write 192.0.2.1, 10.0.0.0/8 or fd00::/8")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("not a network; write 10.0.0.0/8 or fd00::/8")
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("reaches beyond IPv4-mapped addresses; list the IPv4 and IPv6 networks on their own")
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		return netip.Prefix{}, fmt.Errorf("has bits set behind its mask; write %s or %s", m, p.Addr())
	}
	return p, nil
}

// contains reports whether a is in one of the networks; an address that is not valid is in none.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
