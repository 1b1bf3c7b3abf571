package kratos

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// secondFactorNeeded is the id of the error whoami answers with when the session has not shown the assurance level that
// session.whoami.required_aal of Kratos' configuration asks for.
const secondFactorNeeded = "session_aal2_required"

// undecided is the reason of a 401 that is no refusal: Kratos found the session and then failed to look up which second
// factors its user has.
const undecided = "Unable to determine AAL."

// fault is Kratos' error envelope.
type fault struct {
	code       int
	id, reason string
	redirectTo string // where a browser can put it right
}

// readFault understands an error envelope; false when o is none.
func readFault(o object) (fault, bool) {
	e := o.object("error")
	code, ok := e["code"].(float64)
	if e == nil || !ok {
		return fault{}, false
	}
	to := o.text("redirect_browser_to")
	if to == "" {
		to = e.object("details").text("redirect_browser_to")
	}
	return fault{code: int(code), id: e.text("id"), reason: e.text("reason"), redirectTo: to}, true
}

// fault reads what is not a success. Only an envelope of Kratos' own that repeats the status is Kratos' word: a proxy in
// front of it can answer 401 as well.
func (s *Source) fault(c *authority.Client, r authority.Reply) (fault, error) {
	o, err := c.Object(r)
	if err != nil {
		return fault{}, err
	}
	f, ok := readFault(o)
	if !ok || f.code != r.Status {
		return fault{}, c.Nonsense("an error that is not Kratos' own")
	}
	return f, nil
}

// denied is what an error means for the session p was shown for.
func (s *Source) denied(ctx context.Context, p proof, r authority.Reply) error {
	f, err := s.fault(s.public, r)
	switch {
	case err != nil:
		return err
	case f.code == http.StatusUnauthorized && f.reason == undecided:
		return authority.Unavailable("Kratos could not look up the assurance level")
	case f.code == http.StatusUnauthorized:
		return s.confirmed(ctx, p)
	case f.code == http.StatusForbidden && f.id == secondFactorNeeded:
		return s.insufficient("a second factor is needed", f.redirectTo)
	}
	return r.Unavailable("Kratos", s.public.Now())
}

// confirmed is what a 401 means once Kratos has been asked in another way. v1.3.1 answers 401, in the same words, when it
// cannot read its database; the beginning of a logout tells the two apart (500), and changes nothing.
func (s *Source) confirmed(ctx context.Context, p proof) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.logoutURL(), nil)
	if err != nil {
		return authority.Unavailable("the address to ask is not a URL")
	}
	req.Header = s.header(p)
	direct := *s.public.HTTP()
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := direct.Do(req)
	if err != nil {
		return authority.ContactError(req.URL.Host, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection is used again; what it says is for the logout
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK || resp.StatusCode >= http.StatusInternalServerError {
		return authority.Unavailable("Kratos refuses a session that it cannot say has ended: look at its database")
	}
	return authority.Rejected("no active session")
}

// insufficient is for a session that holds and must prove more, at page or at the login for that.
func (s *Source) insufficient(reason, page string) error {
	if authority.CheckURL(page, true, true) != nil {
		page = withQuery(s.o.loginURL(), "aal", "aal2")
	}
	return session.WithLoginURL(fmt.Errorf("%w: %s", session.ErrInsufficient, reason), page)
}
