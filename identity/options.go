package identity

import (
	"cmp"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Defaults of Options and AssertionOptions.
const (
	DefaultMaxBytes        = 8192
	DefaultAssertionHeader = "X-Sessionward-Assertion"
	// MaxAssertionTTL is the default and the greatest life of an assertion.
	MaxAssertionTTL = 60 * time.Second
)

// maxHeaderName bounds configured header names, well within what every server accepts.
const maxHeaderName = 100

// Options says which identity headers applications receive. The zero value is the x-forwarded family alone.
type Options struct {
	// Families are the presets to send: "x-forwarded" (the default), "x-auth-request", "remote", "x-sessionward",
	// or "none" alone for nothing but Headers and Assertion. See the Family constants.
	Families []string `yaml:"families"`
	// Headers are further headers, each with one value of the session.
	Headers []HeaderOptions `yaml:"headers"`
	// Assertion adds a signed statement of the identity, which applications can verify for themselves. nil: none.
	Assertion *AssertionOptions `yaml:"assertion"`
	// ForwardAccessToken and ForwardIDToken add the authority's tokens as <family>-Access-Token and
	// <family>-Id-Token, in the families x-forwarded, x-auth-request and x-sessionward. Whoever can read the
	// application's headers can then act as the user at the authority.
	ForwardAccessToken bool `yaml:"forward_access_token"`
	ForwardIDToken     bool `yaml:"forward_id_token"`
	// MaxBytes bounds all identity headers of one request together, names included. 0: DefaultMaxBytes. A session
	// that needs more is refused with ErrTooLarge; nothing is cut short.
	MaxBytes int `yaml:"max_bytes"`
}

// HeaderOptions sends one value of the session under a name of its own.
type HeaderOptions struct {
	// Name of the header. Two names that some server could take for one another are refused.
	Name string `yaml:"name"`
	// Value is a path into the session: "identity.subject", "identity.groups", "identity.claims.address.country",
	// "properties.x", "aal", … A claim or property whose name has a dot or bracket in it is written in brackets
	// and quotes: identity.claims["https://corp.example/roles"].
	Value string `yaml:"value"`
	// Encode says how the value is written. "" is text for a single value, and join for identity.groups and amr.
	// "join" writes a list of single values with Separator between them; "json" writes anything as ASCII JSON;
	// "base64" writes the bytes of a single value. A claim that turns out to be a list or object where its
	// encoding has no form for one is an ErrValue.
	Encode string `yaml:"encode"`
	// Separator of "join": one of , ; | : / with or without one space after it, or one space. "": a comma.
	Separator string `yaml:"separator"`
}

// AssertionOptions sets up the signed assertion.
type AssertionOptions struct {
	// Header that carries it. "": DefaultAssertionHeader.
	Header string `yaml:"header"`
	// Audience (aud) of the assertion. "": the name of the route, so that one application cannot use at another
	// what it was given.
	Audience string `yaml:"audience"`
	// TTL is the life of an assertion, 1s to MaxAssertionTTL. 0: MaxAssertionTTL. One assertion serves all
	// requests of its session and audience until half of it is over.
	TTL time.Duration `yaml:"ttl"`
}

// New checks o and returns its Headers. signer may be nil when o has no Assertion. Errors are session.ErrMalformed
// and name the field and what to write there.
func New(o Options, signer *Signer) (*Headers, error) {
	if o.MaxBytes < 0 {
		return nil, malformed("max_bytes", "%d must not be negative; leave it out for %d", o.MaxBytes, DefaultMaxBytes)
	}
	h := &Headers{maxBytes: cmp.Or(o.MaxBytes, DefaultMaxBytes), rendered: newMemo[*rendering]()}
	if err := h.addFamilies(o); err != nil {
		return nil, err
	}
	for i, ho := range o.Headers {
		f, err := newField(fmt.Sprintf("headers[%d]", i), ho)
		if err != nil {
			return nil, err
		}
		h.fields = append(h.fields, f)
	}
	if err := h.addAssertion(o.Assertion, signer); err != nil {
		return nil, err
	}
	if err := h.collectNames(); err != nil {
		return nil, err
	}
	return h, nil
}

func newField(place string, o HeaderOptions) (field, error) {
	name, err := headerName(place+".name", o.Name)
	if err != nil {
		return field{}, err
	}
	v, err := parsePath(o.Value)
	if err != nil {
		return field{}, malformed(place+".value", "%w", err)
	}
	encode, err := newEncoder(place, o, v.list)
	if err != nil {
		return field{}, err
	}
	return field{name: name, value: v.get, encode: encode}, nil
}

func (h *Headers) addAssertion(o *AssertionOptions, signer *Signer) error {
	if o == nil {
		return nil
	}
	if signer == nil {
		return malformed("assertion", "needs keys to sign with; configure the key ring or leave assertion out")
	}
	if o.TTL != 0 && (o.TTL < time.Second || o.TTL > MaxAssertionTTL) {
		return malformed("assertion.ttl", "%v must be between 1s and %v", o.TTL, MaxAssertionTTL)
	}
	header, err := headerName("assertion.header", cmp.Or(o.Header, DefaultAssertionHeader))
	if err != nil {
		return err
	}
	h.assertion = &assertion{header: header, audience: o.Audience, ttl: cmp.Or(o.TTL, MaxAssertionTTL), signer: signer}
	return nil
}

// collectNames lists the names and makes sure that no two of them are one to a server that folds names.
func (h *Headers) collectNames() error {
	for _, f := range h.fields {
		h.names = append(h.names, f.name)
	}
	if h.status != "" {
		h.names = append(h.names, h.status)
	}
	if h.assertion != nil {
		h.names = append(h.names, h.assertion.header)
	}
	seen := make(map[string]string, len(h.names))
	for _, name := range h.names {
		if other, ok := seen[folded(name)]; ok {
			return malformed("headers", "%q and %q are the same header to many servers; rename or remove one", other, name)
		}
		seen[folded(name)] = name
	}
	return nil
}

// reservedNames are headers that frame or negotiate the message, carry credentials, trace it or say where it came
// from. An identity header in their place would break requests or mislead, and its name would be stripped from all.
func reservedNames() []string {
	return append(ForwardingNames(),
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Host", "Expect", "Via", "Http2-Settings",
		"Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-Range",
		"Content-Disposition", "Content-Digest", "Content-Security-Policy",
		"Accept", "Accept-*", "Access-Control-*", "Cache-Control", "Pragma", "Range", "If-Match", "If-None-Match",
		"If-Modified-Since", "If-Unmodified-Since", "If-Range", "Sec-Fetch-*", "Sec-Websocket-*", "Sec-Ch-*",
		"Authorization", "Www-Authenticate", "Cookie", "Set-Cookie", "Origin", "Referer", "Location", "User-Agent",
		"Date", "Server", "Vary", "Etag", "X-Request-Id", "Traceparent", "Tracestate", "Baggage")
}

// headerName checks a configured name and returns it in canonical form.
func headerName(place, name string) (string, error) {
	switch {
	case name == "":
		return "", malformed(place, "is missing; write the header's name, such as X-Tenant")
	case len(name) > maxHeaderName || strings.ContainsFunc(name, notToken) || folded(name) == "":
		return "", malformed(place, "%q must be 1 to %d letters, digits and dashes", name, maxHeaderName)
	case newStripper(reservedNames()).Matches(name):
		return "", malformed(place, "%q is not free for identity; choose a name such as X-Tenant", name)
	}
	return textproto.CanonicalMIMEHeaderKey(name), nil
}

// notToken reports whether r cannot stand in a header name (RFC 9110 §5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func malformed(place, format string, args ...any) error {
	return fmt.Errorf("identity: %s: %w: %w", place, fmt.Errorf(format, args...), session.ErrMalformed)
}
