package policy

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// The schemes a Request can have.
const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// Request is the one meaning of a request. It is a value; copies share Header, which nobody may change.
type Request struct {
	// Method is as received. Methods are case-sensitive (RFC 9110 §9.1).
	Method string
	// Scheme is "http" or "https", as the client used it.
	Scheme string
	// Host is lower-case, without default port and trailing dot; other ports are kept. See Hostname.
	Host string
	// Path is RawPath decoded. It begins with '/', save for "*" of an OPTIONS request.
	Path string
	// RawPath is the path to forward and to log: percent escapes of unreserved bytes decoded, all other escapes in
	// upper case, bytes that a path cannot hold escaped (RFC 3986 §6.2.2). It always decodes to Path.
	RawPath string
	// RawQuery is everything after the first '?', as received. Nothing here parses it.
	RawQuery string
	// ClientIP is the client's address, never an IPv4-mapped IPv6 one and without zone. It is not valid when the
	// peer has none, as with a unix socket.
	ClientIP netip.Addr
	// Header is as received.
	Header http.Header
	// TLS says whether the connection to this process was encrypted. A proxy in front may have ended TLS: see
	// Scheme for what the client used.
	TLS bool
}

// Hostname returns Host without its port; an IPv6 address keeps its brackets.
func (q Request) Hostname() string {
	if i := strings.LastIndexByte(q.Host, ':'); i >= 0 && strings.IndexByte(q.Host[i:], ']') < 0 {
		return q.Host[:i]
	}
	return q.Host
}

// RequestOptions say which requests are understood, and whose word about them is taken. The zero value believes
// nobody and refuses everything that two servers could read in two ways.
type RequestOptions struct {
	// TrustedProxies lists addresses and networks whose X-Forwarded-For, -Proto and -Host are believed. Danger:
	// whoever is in it chooses the client address, scheme and host that rules see.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// MergeSlashes joins runs of '/' in the path, for what is judged and what is forwarded alike, instead of
	// refusing them.
	MergeSlashes bool `yaml:"merge_slashes"`
	// AllowEncodedSlash admits %2F in the path. Such a path is matched twice, once with %2F as a separator and
	// once as an ordinary byte; it has a route only when both readings find the same one.
	AllowEncodedSlash bool `yaml:"allow_encoded_slash"`
	// AllowSemicolon admits ';' in the path. Such a path is matched twice, with and without its matrix
	// parameters; it has a route only when both readings find the same one.
	AllowSemicolon bool `yaml:"allow_semicolon"`
	// AllowDoubleEncoding admits %25 followed by two hexadecimal digits. Danger: an upstream that decodes twice
	// then sees a path that was not judged.
	AllowDoubleEncoding bool `yaml:"allow_double_encoding"`
}

// Canonicalizer makes Requests. The zero value is ready and as strict as the zero RequestOptions. It is immutable and
// safe for concurrent use.
type Canonicalizer struct {
	o       RequestOptions
	trusted []netip.Prefix // o.TrustedProxies
}

// NewCanonicalizer checks o and returns the Canonicalizer it describes.
func NewCanonicalizer(o RequestOptions) (*Canonicalizer, error) {
	trusted, err := ParsePrefixes(o.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies%w", err)
	}
	return &Canonicalizer{o: o, trusted: trusted}, nil
}

// Request returns the canonical form of a request a net/http server received, or a *BadRequestError. The target is
// taken from r.RequestURI, which no router rewrites; a request that no server received has none and is refused. r is
// not changed; its header becomes the Request's.
func (c *Canonicalizer) Request(r *http.Request) (Request, error) {
	for _, h := range r.Header["Host"] {
		// net/http moves the field to r.Host. One that is left came beside an :authority (RFC 9113 §8.3.1).
		if !equalFold(h, r.Host) {
			return Request{}, bad("host_conflict", "the request names more than one host")
		}
	}
	o := Original{
		Method:   r.Method,
		Scheme:   schemeHTTP,
		Host:     r.Host,
		Target:   r.RequestURI,
		ClientIP: peerAddr(r.RemoteAddr),
		Header:   r.Header,
		TLS:      r.TLS != nil,
	}
	if o.TLS {
		o.Scheme = schemeHTTPS
	}
	if o.Host == "" {
		return Request{}, errNoHost()
	}
	publicHost, err := c.believe(&o)
	if err != nil {
		return Request{}, err
	}
	q, err := c.Original(o)
	if err != nil || publicHost == "" {
		return q, err
	}
	q.Host, err = canonicalHost(publicHost, q.Scheme)
	return q, asForwardedHost(err)
}

// Original is a request as another server tells of it: what a forward-auth or ext_authz question asks about.
type Original struct {
	Method string
	// Scheme and Host may be "" when Target is in absolute form. Where both speak, they must agree.
	Scheme string
	Host   string
	// Target is the request target in origin or absolute form, as its client sent it (RFC 9112 §3.2).
	Target   string
	ClientIP netip.Addr
	Header   http.Header
	TLS      bool
}

// Original returns the canonical form of o by the same rules as Request, or a *BadRequestError. It believes o: the
// caller has checked that whoever told it is trusted (see Trusted), and that nothing in it was told twice.
func (c *Canonicalizer) Original(o Original) (Request, error) {
	t, err := splitTarget(o.Method, o.Target)
	if err != nil {
		return Request{}, err
	}
	if err := checkMethod(o.Method, o.Header); err != nil {
		return Request{}, err
	}
	q := Request{Method: o.Method, RawQuery: t.query, ClientIP: o.ClientIP.Unmap().WithZone(""), Header: o.Header, TLS: o.TLS}
	if q.Scheme, err = agreeScheme(o.Scheme, t.scheme); err != nil {
		return Request{}, err
	}
	if q.Host, err = agreeHost(o.Host, t.authority, q.Scheme); err != nil {
		return Request{}, err
	}
	if t.path == asterisk {
		q.Path, q.RawPath = asterisk, asterisk
		return q, nil
	}
	if q.Path, q.RawPath, err = c.path(t.path); err != nil {
		return Request{}, err
	}
	return q, nil
}

// agreeScheme returns the one scheme that was told, in lower case (RFC 3986 §3.1).
func agreeScheme(told, inTarget string) (string, error) {
	s := knownScheme(cmp.Or(told, inTarget))
	if s == "" || inTarget != "" && knownScheme(inTarget) != s {
		return "", bad("scheme", "the scheme must be http or https, and the same everywhere")
	}
	return s, nil
}

// knownScheme returns "http", "https" or "".
func knownScheme(s string) string {
	switch {
	case equalFold(s, schemeHTTP):
		return schemeHTTP
	case equalFold(s, schemeHTTPS):
		return schemeHTTPS
	default:
		return ""
	}
}

// agreeHost returns the one host that was told.
func agreeHost(told, authority, scheme string) (string, error) {
	told = cmp.Or(told, authority)
	host, err := canonicalHost(told, scheme)
	if err != nil || authority == "" || authority == told {
		return host, err
	}
	other, err := canonicalHost(authority, scheme)
	if err != nil {
		return "", err
	}
	if other != host {
		return "", bad("host_conflict", "the target names another host than the request")
	}
	return host, nil
}
