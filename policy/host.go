package policy

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxHost  = 253 // bytes of a host name (RFC 1035 §2.3.4, without the root's dot)
	maxLabel = 63  // bytes of one of its labels
)

func errNoHost() error { return bad("host_missing", "the request names no host") }

func errHost() error { return bad("host_invalid", "the host is not a valid name or address") }

// canonicalHost returns host[:port] in lower case, without the scheme's default port and without a trailing dot. A
// host that is canonical already is returned as it is, without allocating.
func canonicalHost(s, scheme string) (string, error) {
	if s == "" {
		return "", errNoHost()
	}
	name, port, err := splitPort(s)
	if err != nil {
		return "", err
	}
	host, err := canonicalName(name)
	if err != nil {
		return "", err
	}
	switch {
	case port == "" || port == "80" && scheme == schemeHTTP || port == "443" && scheme == schemeHTTPS:
		return host, nil
	case host == name:
		return s, nil
	default:
		return host + ":" + port, nil
	}
}

// splitPort cuts a port off; an IPv6 address keeps its brackets (RFC 3986 §3.2.2).
func splitPort(s string) (name, port string, err error) {
	end := strings.LastIndexByte(s, ':')
	if end < 0 || strings.IndexByte(s[end:], ']') >= 0 {
		return s, "", nil
	}
	name, port = s[:end], s[end+1:]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || port[0] == '0' {
		return "", "", bad("host_port", "the port is not a number from 1 to 65535")
	}
	return name, port, nil
}

// canonicalName returns a host name or address in its one spelling.
func canonicalName(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return canonicalIPv6(s)
	}
	name := strings.TrimSuffix(s, ".")
	if name == "" || len(name) > maxHost {
		return "", errHost()
	}
	last := ""
	for rest, more := name, true; more; {
		last, rest, more = strings.Cut(rest, ".")
		if err := checkLabel(last); err != nil {
			return "", err
		}
	}
	name = strings.ToLower(name) // only now: it would turn the Kelvin sign into a k
	if !endsInNumber(strings.ToLower(last)) {
		return name, nil
	}
	if a, err := netip.ParseAddr(name); err != nil || !a.Is4() {
		return "", errHost() // 127.1, 0x7f.1, 010.0.0.1: every parser reads another address
	}
	return name, nil
}

func canonicalIPv6(s string) (string, error) {
	if !strings.HasSuffix(s, "]") {
		return "", errHost()
	}
	a, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", errHost()
	}
	return "[" + a.String() + "]", nil
}

// checkLabel refuses labels that DNS cannot hold, and A-labels that spell plain ASCII in a second way: a Punycode
// text without delta digits ends with its delimiter (RFC 3492 §3.1).
func checkLabel(s string) error {
	if s == "" || len(s) > maxLabel {
		return errHost()
	}
	for i := range len(s) {
		if b := s[i]; !isAlphanumeric(b) && b != '-' && b != '_' {
			return errHost()
		}
	}
	if len(s) >= 4 && equalFold(s[:4], "xn--") && s[len(s)-1] == '-' {
		return bad("host_punycode", "the host has an xn-- label that spells plain ASCII")
	}
	if s[0] == '-' || s[len(s)-1] == '-' {
		return errHost()
	}
	return nil
}

// endsInNumber reports whether a URL parser would take a name with this last label for an IPv4 address.
func endsInNumber(last string) bool {
	if strings.HasPrefix(last, "0x") {
		return strings.Trim(last[2:], "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
