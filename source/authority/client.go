package authority

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// DefaultTokenTimeout is the timeout of calls whose answer cannot be had again, such as those that spend a code.
const DefaultTokenTimeout = 15 * time.Second

const (
	defaultTimeout = 5 * time.Second
	maxReply       = 1 << 20   // bytes of a reply, after decompression
	maxReplyHeader = 64 << 10  // bytes of a reply's header
	maxRedirects   = 3         // all of them on the same origin
	maxConns       = 32        // per authority
	maxRetryAfter  = time.Hour // what an authority may ask for at most
	userAgent      = "sessionward"
)

// ClientOptions are the settings of the one bounded client for authorities.
type ClientOptions struct {
	CAFile  string        `yaml:"ca_file"` // PEM certificates to trust instead of the system's
	Timeout time.Duration `yaml:"timeout"` // of one call; default 5s
	// InsecureHTTP allows plain http to hosts other than this one. Credentials then travel in the clear.
	InsecureHTTP bool `yaml:"insecure_http"`
}

// Check notes what is wrong with o, whose keys stand below at.
func (o ClientOptions) Check(p *Problems, at string) {
	if o.Timeout < 0 || o.Timeout > time.Minute {
		p.Add(at+".timeout", "must be between 0 and 1m", "leave it out for 5s")
	}
}

// Client is the one way to an authority. It limits time and size, follows no redirect to another
// origin, speaks TLS 1.2 or newer, and remembers how the last contact went.
type Client struct {
	http *http.Client
	now  func() time.Time

	mu       sync.Mutex
	last     error // of the last contact, nil when it worked
	nonsense error // what the last answer was that made no sense, nil when it did make sense
}

// Reply is an authority's answer, read whole.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewClient makes a client with a transport of its own. It reads CAFile.
func NewClient(o ClientOptions, now func() time.Time) (*Client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pool, err := readCAs(o.CAFile)
		if err != nil {
			return nil, err
		}
		tlsConfig.RootCAs = pool
	}
	timeout := cmp.Or(o.Timeout, defaultTimeout) // never negative: see checkCommon
	c := &Client{now: now}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: maxReplyHeader,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
	c.http = &http.Client{
		Timeout:       timeout,
		CheckRedirect: sameOriginOnly,
		Transport:     &guard{next: transport, insecureHTTP: o.InsecureHTTP, note: c.note},
	}
	return c, nil
}

// Now is the clock of the source.
func (c *Client) Now() time.Time { return c.now() }

// Timeout is that of one call.
func (c *Client) Timeout() time.Duration { return c.http.Timeout }

// HTTP returns the client for libraries that want a plain one. It is bounded like every other call.
func (c *Client) HTTP() *http.Client { return c.http }

// Patient returns the same client with another timeout.
func (c *Client) Patient(timeout time.Duration) *http.Client {
	p := *c.http
	p.Timeout = timeout
	return &p
}

func readCAs(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no PEM certificate: %w", path, session.ErrMalformed)
	}
	return pool, nil
}

// Get asks for rawURL. A status other than 200 is an error with the authority's Retry-After.
func (c *Client) Get(ctx context.Context, rawURL string, header http.Header) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return Reply{}, Unavailable("the address to ask is not a URL")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	r, err := c.Do(req)
	if err != nil {
		return Reply{}, err
	}
	if r.Status != http.StatusOK {
		return Reply{}, r.Unavailable(req.URL.Host, c.now())
	}
	return r, nil
}

// Do sends req and reads the whole answer, whatever its status. Its error never shows more of the URL than the host.
func (c *Client) Do(req *http.Request) (Reply, error) { return c.send(c.http, req) }

func (c *Client) send(through *http.Client, req *http.Request) (Reply, error) {
	resp, err := through.Do(req)
	if err != nil {
		return Reply{}, ContactError(req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.note(req.Context(), err)
		return Reply{}, ContactError(req.URL.Host, err)
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Unavailable is the error for an answer that says nothing, with its Retry-After.
func (r Reply) Unavailable(host string, now time.Time) error {
	err := fmt.Errorf("%w: %s answered %d", session.ErrUnavailable, host, r.Status)
	return session.WithRetryAfter(err, RetryAfter(r.Header, now))
}

// ContactError classes a failure to reach host.
func ContactError(host string, err error) error {
	return fmt.Errorf("%w: asking %s: %w", session.ErrUnavailable, host, WithoutURL(err))
}

// WithoutURL leaves out the URL a *url.Error carries: it may hold a secret.
func WithoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// note remembers how a contact went. That a caller went away says nothing about the authority.
func (c *Client) note(ctx context.Context, err error) {
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

// Health returns how the last contact went, nil before the first: an error as well when something answered that made
// no sense.
func (c *Client) Health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil {
		return fmt.Errorf("%w: last contact: %w", session.ErrUnavailable, WithoutURL(c.last))
	}
	return c.nonsense
}

// sameOriginOnly lets a GET be redirected within its origin only. Everything else carries credentials of ours, or
// would let the authority choose whom we ask next.
func sameOriginOnly(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return errors.New("redirected too often")
	}
	if req.URL.Scheme != first.URL.Scheme || !strings.EqualFold(req.URL.Host, first.URL.Host) {
		return errors.New("redirected to another host: not followed")
	}
	return nil
}

// guard is the transport around every call: no plain HTTP, no endless body, our User-Agent, a note of the outcome.
type guard struct {
	next         http.RoundTripper
	insecureHTTP bool
	note         func(context.Context, error)
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkScheme(req.URL, g.insecureHTTP); err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		g.note(req.Context(), err)
		return nil, err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		g.note(req.Context(), fmt.Errorf("%s answered %d", req.URL.Host, resp.StatusCode))
	} else {
		g.note(req.Context(), nil)
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxReply}
	return resp, nil
}

// boundedBody fails instead of reading more than it may.
type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, fmt.Errorf("reply is larger than %d bytes", maxReply)
	}
	return n, err
}

// RetryAfter reads Retry-After as seconds or as a date (RFC 9110 §10.2.3), zero when absent or unreadable, at most an
// hour.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(v, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
