package source

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// shownAs is a credential, where the endpoint is shown it, and the cookies that belong to it.
type shownAs struct {
	place      session.Place
	credential session.Secret
	companions []session.Companion
}

// ask shows the endpoint one credential and reads whose it is. The session has no name yet.
func (h *HTTP) ask(ctx context.Context, c shownAs) (*session.Session, error) {
	r, err := h.show(ctx, h.opts.Method, h.opts.URL, c)
	if err != nil {
		return nil, err
	}
	if err := h.readStatus(r); err != nil {
		return nil, err
	}
	s, err := h.opts.read(r.Body)
	if errors.Is(err, session.ErrUnavailable) {
		return nil, h.client.Nonsense(withoutClass(err))
	}
	h.client.Understood()
	if err != nil {
		return nil, err
	}
	now := h.client.Now()
	if s.Ended(now) {
		return nil, authority.Rejected("the session has ended, by the times the endpoint tells")
	}
	return s, nil
}

// read maps the body of a 200. session.ErrRejected is the no of an endpoint that says it with a 200.
func (o *HTTPOptions) read(body []byte) (*session.Session, error) {
	d, err := parseDocument(body)
	if err != nil {
		return nil, err
	}
	if o.Active != "" {
		v, ok := literal(d.at(o.Active))
		switch {
		case !ok:
			return nil, authority.Unavailable("the answer has no text, number or boolean at " + o.Active)
		case v != o.ActiveValue:
			return nil, authority.Rejected("the endpoint says that there is no session (" + o.Active + ")")
		}
	}
	s, err := o.Fields.read(d)
	switch {
	case err != nil:
		return nil, err
	case s == nil && o.AnonymousWithoutSubject:
		return nil, authority.Rejected("the endpoint says that nobody is signed in")
	case s == nil:
		return nil, authority.Unavailable("the answer has nothing at " + o.Fields.Subject)
	}
	return s, nil
}

// readStatus returns nil for a 200 alone, and session.ErrRejected for what was configured to mean that.
func (h *HTTP) readStatus(r authority.Reply) error {
	switch {
	case r.Status == http.StatusOK:
		return nil
	case slices.Contains(h.opts.RejectedStatuses, r.Status):
		if isPage(r) && !h.opts.RejectedHTML {
			return h.client.Nonsense(fmt.Sprintf("a page came with status %d: if the application itself writes it, set rejected_html", r.Status))
		}
		h.client.Understood()
		return authority.Rejected(fmt.Sprintf("the endpoint answered %d", r.Status))
	case r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed || r.Status < http.StatusBadRequest:
		return h.client.Nonsense(fmt.Sprintf("the endpoint answered %d: compare url and method", r.Status))
	}
	return h.unavailable(h.opts.URL, r)
}

// isPage reports whether an answer is made for people.
func isPage(r authority.Reply) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (media == "text/html" || media == "application/xhtml+xml")
}

// noLonger reports whether err is the endpoint's word that a session is not.
func noLonger(err error) bool {
	return errors.Is(err, session.ErrRejected) && !errors.Is(err, session.ErrUnavailable)
}

func (h *HTTP) unavailable(address string, r authority.Reply) error {
	u, err := url.Parse(address)
	if err != nil {
		return authority.Unavailable("the address to ask is not a URL")
	}
	return r.Unavailable(u.Host, h.client.Now())
}

// show asks address with the configured headers and one credential. A credential that could be read as more than one in
// its place is shown to nobody.
func (h *HTTP) show(ctx context.Context, method, address string, c shownAs) (authority.Reply, error) {
	header := http.Header{"Accept": {"application/json"}}
	for _, own := range h.opts.Headers {
		header.Set(own.Name, own.Value.Reveal())
	}
	if !c.carry(header) {
		return authority.Reply{}, authority.Rejected("has characters no credential of this place has")
	}
	return h.client.Call(ctx, authority.Question{Method: method, URL: address, Header: header})
}

// carry puts the credential where it belongs. The characters that could end it there are refused: a bearer token with
// "; admin=1" in it must not become a second cookie.
func (c shownAs) carry(header http.Header) (ok bool) {
	value := c.credential.Reveal()
	var cookies []string
	switch c.place.Kind {
	case session.KindCookie:
		ok = cookieValue(value)
		cookies = append(cookies, c.place.Name+"="+value)
	case session.KindBearer:
		ok = cookieValue(value)
		header.Set("Authorization", "Bearer "+value)
	case session.KindHeader:
		ok = printable(value)
		header.Set(c.place.Name, value)
	}
	for _, along := range c.companions {
		ok = ok && cookieValue(along.Value.Reveal())
		cookies = append(cookies, along.Name+"="+along.Value.Reveal())
	}
	if len(cookies) > 0 {
		header.Set("Cookie", strings.Join(cookies, "; "))
	}
	return ok
}

// cookieValue reports whether text is made of the characters of a cookie's value (RFC 6265 §4.1.1).
func cookieValue(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '"' || r == ',' || r == ';' || r == '\\'
	})
}
