package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// clientTimeout bounds one call but a revocation of many, which has no end of its own.
const clientTimeout = 30 * time.Second

// maxAnswer bounds what a client reads of one answer, in bytes.
const maxAnswer = 64 << 20

// ClientOptions say how to reach the API.
type ClientOptions struct {
	// URL is that of the listener: http://127.0.0.1:4181.
	URL   string
	Token session.Secret // "": the client certificate of HTTP is shown
	HTTP  *http.Client   // nil: one with usual settings
}

// Client speaks to an API. An error of the API is a *Problem in the chain.
type Client struct {
	base  string
	token session.Secret
	http  *http.Client
}

// NewClient checks o and returns a client.
func NewClient(o ClientOptions) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("admin URL %q must be such as http://127.0.0.1:4181: %w", o.URL, session.ErrMalformed)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Client{base: strings.TrimRight(o.URL, "/") + "/api/v1", token: o.Token, http: o.HTTP}, nil
}

// do sends one call. body is nil, or encoded as JSON.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("admin: encode: %w", err)
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.send(req)
}

func (c *Client) send(req *http.Request) (*http.Response, error) {
	if !c.token.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	req.Header.Set("User-Agent", "sessionward")
	res, err := c.http.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, fmt.Errorf("admin: asking %s: %w: %w", req.URL.Host, err, session.ErrUnavailable)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	p := &Problem{}
	if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(p) != nil || p.Code == "" {
		return nil, fmt.Errorf("admin: %s answered %d and no reason: is this the admin listener?: %w", req.URL.Host, res.StatusCode, session.ErrUnavailable)
	}
	return nil, fmt.Errorf("admin: %w", p)
}

// call sends one call and reads its answer into out.
func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	return decode(res, out)
}

func decode(res *http.Response, out any) error {
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("admin: the answer cannot be read: %w: %w", err, session.ErrUnavailable)
	}
	return nil
}

func sessionPath(handle, rest string) string { return "/sessions/" + url.PathEscape(handle) + rest }

// List returns one page of the sessions a filter chooses; limit 0: as many as the API likes.
func (c *Client) List(ctx context.Context, filter, cursor string, limit int) (l List, err error) {
	q := url.Values{"filter": {filter}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return l, c.call(ctx, http.MethodGet, "/sessions?"+q.Encode(), nil, &l)
}

// Get returns the session with that handle.
func (c *Client) Get(ctx context.Context, handle string) (e Entry, err error) {
	return e, c.call(ctx, http.MethodGet, sessionPath(handle, ""), nil, &e)
}

// Validate asks the authority of a session whether it still holds.
func (c *Client) Validate(ctx context.Context, handle string) (e Entry, err error) {
	return e, c.call(ctx, http.MethodPost, sessionPath(handle, "/validate"), nil, &e)
}

// Touch uses a session, so that its idle clock begins anew.
func (c *Client) Touch(ctx context.Context, handle string) (e Entry, err error) {
	return e, c.call(ctx, http.MethodPost, sessionPath(handle, "/touch"), nil, &e)
}

// Refresh renews the tokens of a session.
func (c *Client) Refresh(ctx context.Context, handle string) (e Entry, err error) {
	return e, c.call(ctx, http.MethodPost, sessionPath(handle, "/refresh"), nil, &e)
}

// Extend has the authority move the end of a session.
func (c *Client) Extend(ctx context.Context, handle string) (e Entry, err error) {
	return e, c.call(ctx, http.MethodPost, sessionPath(handle, "/extend"), nil, &e)
}

// TTL says how long a session still lasts, and whether that is less than within.
func (c *Client) TTL(ctx context.Context, handle string, within time.Duration) (l Life, err error) {
	return l, c.call(ctx, http.MethodGet, sessionPath(handle, "/ttl?within="+url.QueryEscape(within.String())), nil, &l)
}

// Delete ends a session.
func (c *Client) Delete(ctx context.Context, handle string) (e Ended, err error) {
	return e, c.call(ctx, http.MethodDelete, sessionPath(handle, ""), nil, &e)
}

// Logout ends a session as its user would.
func (c *Client) Logout(ctx context.Context, handle string) (e Ended, err error) {
	return e, c.call(ctx, http.MethodPost, sessionPath(handle, "/logout"), nil, &e)
}

// Devices lists where a session has been used from.
func (c *Client) Devices(ctx context.Context, handle string) (l DeviceList, err error) {
	return l, c.call(ctx, http.MethodGet, sessionPath(handle, "/devices"), nil, &l)
}

// Properties returns the properties of a session.
func (c *Client) Properties(ctx context.Context, handle string) (l PropertyList, err error) {
	return l, c.call(ctx, http.MethodGet, sessionPath(handle, "/properties"), nil, &l)
}

// UpdateProperties changes properties of a session; an empty value removes one.
func (c *Client) UpdateProperties(ctx context.Context, handle string, changes map[string]string) (l PropertyList, err error) {
	return l, c.call(ctx, http.MethodPatch, sessionPath(handle, "/properties"), PropertyList{Properties: changes}, &l)
}

// Tokenize makes a signed JWT of a session.
func (c *Client) Tokenize(ctx context.Context, handle, template string) (t Tokenized, err error) {
	return t, c.call(ctx, http.MethodPost, sessionPath(handle, "/tokenize"), Tokenization{Template: template}, &t)
}

// Create makes a session.
func (c *Client) Create(ctx context.Context, what Creation) (s Created, err error) {
	return s, c.call(ctx, http.MethodPost, "/sessions", what, &s)
}

// LoginOnDevice shows the codes of a login on another device and waits until it is over.
func (c *Client) LoginOnDevice(ctx context.Context, what Login, show func(DeviceCodes)) (s Created, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.do(ctx, http.MethodPost, "/sessions/device", what)
	if err != nil {
		return s, err
	}
	defer func() { _ = res.Body.Close() }()
	for d := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)); ; {
		var step DeviceStep
		if err := d.Decode(&step); err != nil {
			return s, fmt.Errorf("admin: the answer broke off; the login is over: %w: %w", err, session.ErrUnavailable)
		}
		switch {
		case step.Created != nil:
			return *step.Created, nil
		case step.Problem != nil:
			return s, fmt.Errorf("admin: %w", step.Problem)
		case step.Codes != nil:
			show(*step.Codes)
		}
	}
}

// BeginLoopback begins a login in a browser that comes back to the caller's own machine.
func (c *Client) BeginLoopback(ctx context.Context, what LoopbackLogin) (l Loopback, err error) {
	return l, c.call(ctx, http.MethodPost, "/sessions/loopback", what, &l)
}

// FinishLoopback finishes it with what the browser brought.
func (c *Client) FinishLoopback(ctx context.Context, answer LoopbackAnswer) (s Created, err error) {
	return s, c.call(ctx, http.MethodPost, "/sessions/loopback/finish", answer, &s)
}

// Introspect says whether a cookie value opens a session of the gateway's own (RFC 7662).
func (c *Client) Introspect(ctx context.Context, token session.Secret) (i Introspection, err error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	form := url.Values{"token": {token.Reveal()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		return i, fmt.Errorf("admin: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.send(req)
	if err != nil {
		return i, err
	}
	return i, decode(res, &i)
}

// Sources lists the sources and what each can do.
func (c *Client) Sources(ctx context.Context) (l SourceList, err error) {
	return l, c.call(ctx, http.MethodGet, "/sources", nil, &l)
}

// WhoAmI says as whom the API takes this client, and what it may do.
func (c *Client) WhoAmI(ctx context.Context) (who Caller, err error) {
	return who, c.call(ctx, http.MethodGet, "/whoami", nil, &who)
}

// Stats tells how many sessions there are and what happened in the last hour.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	return s, c.call(ctx, http.MethodGet, "/stats", nil, &s)
}

// RevokeUser ends all sessions of a user at the named source's authority.
func (c *Client) RevokeUser(ctx context.Context, source string, user UserRevocation) (u UserRevoked, err error) {
	return u, c.call(ctx, http.MethodPost, "/sources/"+url.PathEscape(source)+"/revoke-user", user, &u)
}

// Revoke ends many sessions and calls told for each as it ends, until told returns false.
func (c *Client) Revoke(ctx context.Context, what Revocation, told func(Ended) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.do(ctx, http.MethodPost, "/sessions/revoke", what)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var e Ended
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			return fmt.Errorf("admin: the answer cannot be read: %w: %w", err, session.ErrUnavailable)
		}
		if e.Handle == "" && e.Error != "" {
			return fmt.Errorf("admin: the rest was not ended: %s: %w", e.Error, session.ErrUnavailable)
		}
		if !told(e) {
			return nil
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("admin: the answer broke off; the rest may not have ended: %w: %w", err, session.ErrUnavailable)
	}
	return nil
}
