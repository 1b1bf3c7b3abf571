package source

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

const (
	defaultTimeout      = 5 * time.Second
	defaultTokenTimeout = 15 * time.Second
	maxReply            = 1 << 20   // bytes of a reply, after decompression
	maxReplyHeader      = 64 << 10  // bytes of a reply's header
	maxRedirects        = 3         // all of them on the same origin
	maxConns            = 32        // per authority
	maxRetryAfter       = time.Hour // what an authority may ask for at most
	userAgent           = "sessionward"
)

// clientOptions are the settings of the one bounded client for authorities.
type clientOptions struct {
	CAFile       string
	Timeout      time.Duration
	InsecureHTTP bool
}

// client is the one way from this package to an authority. It limits time and size, follows no redirect to another
// origin, speaks TLS 1.2 or newer, and remembers how the last contact went.
type client struct {
	http *http.Client
	now  func() time.Time

	mu   sync.Mutex
	last error // of the last contact, nil when it worked
}

// reply is an authority's answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// newClient makes a client with a transport of its own. It reads CAFile.
func newClient(o clientOptions, now func() time.Time) (*client, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pool, err := readCAs(o.CAFile)
		if err != nil {
			return nil, err
		}
		tlsConfig.RootCAs = pool
	}
	timeout := cmp.Or(o.Timeout, defaultTimeout) // never negative: see checkCommon
	c := &client{now: now}
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

// patient returns the same client with another timeout.
func (c *client) patient(timeout time.Duration) *http.Client {
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

// get asks for rawURL. A status other than 200 is an error with the authority's Retry-After.
func (c *client) get(ctx context.Context, rawURL string, header http.Header) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return reply{}, unavailable("the address to ask is not a URL")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	r, err := c.do(req)
	if err != nil {
		return reply{}, err
	}
	if r.status != http.StatusOK {
		return reply{}, r.unavailable(req.URL.Host, c.now())
	}
	return r, nil
}

// do sends req and reads the whole answer, whatever its status. Its error never shows more of the URL than the host.
func (c *client) do(req *http.Request) (reply, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, contactError(req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.note(req.Context(), err)
		return reply{}, contactError(req.URL.Host, err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// unavailable is the error for an answer that says nothing, with its Retry-After.
func (r reply) unavailable(host string, now time.Time) error {
	err := fmt.Errorf("%w: %s answered %d", session.ErrUnavailable, host, r.status)
	return session.WithRetryAfter(err, retryAfter(r.header, now))
}

// contactError classes a failure to reach host.
func contactError(host string, err error) error {
	return fmt.Errorf("%w: asking %s: %w", session.ErrUnavailable, host, withoutURL(err))
}

// withoutURL leaves out the URL a *url.Error carries: it may hold a secret.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// note remembers how a contact went. That a caller went away says nothing about the authority.
func (c *client) note(ctx context.Context, err error) {
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

// health returns how the last contact went, nil before the first.
func (c *client) health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return nil
	}
	return fmt.Errorf("%w: last contact: %w", session.ErrUnavailable, withoutURL(c.last))
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

// retryAfter reads Retry-After as seconds or as a date (RFC 9110 §10.2.3), zero when absent or unreadable, at most an
// hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
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
