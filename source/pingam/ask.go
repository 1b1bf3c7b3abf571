package pingam

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// question is one call of the sessions resource.
type question struct {
	action  string
	realm   string         // in the path; "": the configured one
	caller  session.Secret // whose rights; empty: the administrator's
	subject session.Secret // whose session; empty: the caller's
	params  url.Values
	body    map[string]any
}

// ask puts q to the authority as its caller. A 401 about the administrator is answered by logging in again once. What is
// then still a 401 is session.ErrUnavailable: it says nothing about any user. Statuses of the caller's own token are the
// reader's to class (see refusal).
func (s *Source) ask(ctx context.Context, q question) (authority.Reply, error) {
	if !q.caller.Empty() {
		return s.send(ctx, q, s.tokenHeader(q.caller))
	}
	if s.admin == nil {
		return authority.Reply{}, authority.Unsupported("no administrator is configured")
	}
	held, err := s.admin.held(ctx)
	if err != nil {
		return authority.Reply{}, err
	}
	r, err := s.send(ctx, q, s.adminHeader(held))
	if err != nil {
		return r, err
	}
	if r.Status != http.StatusUnauthorized {
		return s.asAdministrator(r)
	}
	if err := s.aboutSubject(ctx, q, held); err != nil {
		return authority.Reply{}, err
	}
	if held, err = s.admin.anew(ctx, held); err != nil {
		return authority.Reply{}, err
	}
	r, err = s.send(ctx, q, s.adminHeader(held))
	switch {
	case err != nil:
		return r, err
	case r.Status == http.StatusUnauthorized:
		return authority.Reply{}, s.admin.refused("the administrator is not accepted")
	}
	return s.asAdministrator(r)
}

// asAdministrator notes that the administrator is accepted. What it may not do is a fault of the configuration, and no
// word about any user.
func (s *Source) asAdministrator(r authority.Reply) (authority.Reply, error) {
	s.admin.accepted()
	if r.Status == http.StatusForbidden {
		return authority.Reply{}, s.client.Nonsense("the administrator may not do that")
	}
	return r, nil
}

// aboutSubject finds out whether a 401 is about the subject: some versions answer so about a dead one. Only validate
// tells the two apart, and only its word that the subject is not valid counts.
func (s *Source) aboutSubject(ctx context.Context, q question, held session.Secret) error {
	if q.subject.Empty() || q.action == validate {
		return nil
	}
	r, err := s.send(ctx, question{action: validate, subject: q.subject, params: url.Values{"refresh": {"false"}}}, s.adminHeader(held))
	if err != nil || r.Status != http.StatusOK {
		return err
	}
	if v, err := parseValidity(r.Body); err == nil && !v.valid {
		return s.dead()
	}
	return nil
}

// send puts q to the authority with the header that makes its caller.
func (s *Source) send(ctx context.Context, q question, header http.Header) (authority.Reply, error) {
	if q.realm == "" {
		q.realm = s.o.realm()
	}
	params := maps.Clone(q.params)
	if params == nil {
		params = url.Values{}
	}
	header.Set("Accept-API-Version", "resource="+s.o.version(q.action)+", protocol=1.0")
	header.Set("Accept", "application/json")
	if q.action == query {
		return s.client.Call(ctx, authority.Question{URL: s.o.address(q.realm, "sessions", params), Header: header})
	}
	params.Set("_action", q.action)
	body := maps.Clone(q.body)
	if body == nil {
		body = map[string]any{}
	}
	switch {
	case q.subject.Empty():
	case s.o.openAM():
		params.Set("tokenId", q.subject.Reveal())
	default:
		body["tokenId"] = q.subject.Reveal()
	}
	data, err := json.Marshal(body)
	if err != nil {
		return authority.Reply{}, fmt.Errorf("%w: the body cannot be written", session.ErrMalformed)
	}
	header.Set("Content-Type", "application/json")
	asked := authority.Question{Method: http.MethodPost, URL: s.o.address(q.realm, "sessions", params), Header: header, Body: data}
	if q.action == logoutByUser {
		return s.tentative(ctx, asked)
	}
	return s.client.Call(ctx, asked)
}

// tentative puts a question that the authority may be too old for: it answers 501 then, which is no outage.
func (s *Source) tentative(ctx context.Context, asked authority.Question) (authority.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, asked.Method, asked.URL, bytes.NewReader(asked.Body))
	if err != nil {
		return authority.Reply{}, authority.Unavailable("the address to ask is not a URL")
	}
	req.Header = asked.Header
	r, err := s.client.Do(req)
	if err != nil || r.Status == http.StatusNotImplemented {
		return r, err
	}
	if r.Status >= 500 || (r.Status >= 300 && r.Status < 400) || r.Status == http.StatusRequestTimeout || r.Status == http.StatusTooManyRequests {
		return authority.Reply{}, r.Unavailable(req.URL.Host, s.client.Now())
	}
	return r, nil
}

// tokenHeader makes the owner of token the caller. A token in the cookie would be subject to the authority's CSRF filter.
func (s *Source) tokenHeader(token session.Secret) http.Header {
	h := http.Header{}
	h.Set(s.o.cookieName(), token.Reveal())
	return h
}

// adminHeader makes the administrator the caller.
func (s *Source) adminHeader(held session.Secret) http.Header {
	if s.o.Administrator.Bearer {
		return http.Header{"Authorization": {"Bearer " + held.Reveal()}}
	}
	return s.tokenHeader(held)
}

// refusal classes an answer other than 200. A 401 gets here from questions of a user's own token alone: see ask. A 403
// says that the caller lacks a right, which ends nothing.
func (s *Source) refusal(r authority.Reply) error {
	if _, err := parseFault(r.Body); err != nil {
		return s.client.Nonsense(fmt.Sprintf("a status %d is %s", r.Status, err))
	}
	s.client.Understood()
	switch r.Status {
	case http.StatusUnauthorized:
		return s.dead()
	case http.StatusForbidden:
		return fmt.Errorf("%w: the authority forbids it", session.ErrInsufficient)
	case http.StatusBadRequest:
		return fmt.Errorf("%w: the authority refuses the question", session.ErrMalformed)
	}
	return s.client.Nonsense(fmt.Sprintf("a status %d: is the version of the interface or the realm another?", r.Status))
}

// unknown is refusal for questions whose only possible no is a 401: what else goes wrong is ours or the authority's
// fault, and denies nobody anything.
func (s *Source) unknown(r authority.Reply) error {
	if r.Status == http.StatusUnauthorized {
		return s.refusal(r)
	}
	return s.client.Nonsense(fmt.Sprintf("a status %d where a session was asked for", r.Status))
}

// understood notes whether an answer could be read.
func (s *Source) understood(err error) error {
	if err != nil {
		return s.client.Nonsense("the answer is " + err.Error())
	}
	s.client.Understood()
	return nil
}

func (s *Source) dead() error { return authority.Rejected("the session has ended") }
