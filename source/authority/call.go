package authority

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/sessionward/sessionward/session"
)

// Question is one call of an authority. Its header carries exactly one credential, or none.
type Question struct {
	Method string // "": GET
	URL    string
	Header http.Header
	Body   []byte
}

// Call asks q and reads the whole answer. It follows no redirect: a credential goes to the address that was configured
// and no further. A status that says nothing about what was asked (3xx, 408, 429 and 5xx but 501) is session.ErrUnavailable with
// the authority's Retry-After; every other status is the caller's to read.
func (c *Client) Call(ctx context.Context, q Question) (Reply, error) {
	return c.CallWith(ctx, c.http, q)
}

// CallWith is Call through another client, such as a patient one.
func (c *Client) CallWith(ctx context.Context, through *http.Client, q Question) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, q.Method, q.URL, bytes.NewReader(q.Body))
	if err != nil {
		return Reply{}, Unavailable("the address to ask is not a URL")
	}
	for name, values := range q.Header {
		req.Header[name] = values
	}
	direct := *through
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := c.send(&direct, req)
	if err != nil {
		return Reply{}, err
	}
	if saysNothing(r.Status) {
		if r.Status < http.StatusBadRequest {
			c.markNonsense(fmt.Errorf("%w: %s answered %d: a redirect is not followed", session.ErrUnavailable, req.URL.Host, r.Status))
		}
		return Reply{}, r.Unavailable(req.URL.Host, c.now())
	}
	return r, nil
}

func saysNothing(status int) bool {
	return status < http.StatusOK || (status >= 300 && status < 400) || status == http.StatusRequestTimeout ||
		status == http.StatusTooManyRequests || status >= http.StatusInternalServerError && status != http.StatusNotImplemented
}

// Object reads the answer as one JSON object (see DecodeObject). What is none is session.ErrUnavailable, and Health says
// so until an answer makes sense again.
func (c *Client) Object(r Reply) (map[string]any, error) {
	object, err := DecodeObject(r.Body)
	if err != nil {
		return nil, c.Nonsense("the answer is " + err.Error())
	}
	c.Understood()
	return object, nil
}

// Nonsense is the error for an answer that cannot be understood: unknown, and not denied. Health returns it until
// Understood is called. reason must hold nothing of the answer that could be secret.
func (c *Client) Nonsense(reason string) error {
	err := Unavailable(reason)
	c.markNonsense(err)
	return err
}

// Understood notes that the last answer made sense.
func (c *Client) Understood() { c.markNonsense(nil) }

func (c *Client) markNonsense(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nonsense = err
}
