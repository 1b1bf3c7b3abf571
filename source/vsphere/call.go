package vsphere

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The paths of the session resource.
const (
	apiPath  = "/api/session"                 // 7.0 U2 and later
	restPath = "/rest/com/vmware/cis/session" // 6.5 and later
)

// action is what is done with a session.
type action int

const (
	create action = iota
	show
	end
)

// proof returns the header that proves who asks. It is made for one request: some proofs are signatures over it.
type proof func(method string, target *url.URL) (http.Header, error)

// byID is the proof of whoever has a session.
func byID(id session.Secret) proof {
	return func(string, *url.URL) (http.Header, error) {
		return http.Header{http.CanonicalHeaderKey(sessionHeader): {id.Reveal()}}, nil
	}
}

// call does a with the session resource. A vCenter that answers 404 at /api/session is asked at /rest, and from then on
// only there. The answer's status says what the vCenter thinks; 5xx and the like are session.ErrUnavailable already.
func (s *Source) call(ctx context.Context, a action, by proof) (authority.Reply, generation, error) {
	at := s.endpoint(ctx)
	old := s.old.Load()
	if !old {
		r, err := s.ask(ctx, at, a, generation{}, by)
		if err != nil || r.Status != http.StatusNotFound {
			return r, generation{}, err
		}
	}
	g := generation{wrapped: true}
	r, err := s.ask(ctx, at, a, g, by)
	if err != nil {
		return r, g, err
	}
	if r.Status == http.StatusNotFound {
		s.old.Store(false) // it may be starting, or a newer one by now
		return r, g, s.client.Nonsense("there is no session service at either of its paths")
	}
	s.old.Store(true)
	return r, g, nil
}

// request returns how a is asked for.
func (g generation) request(a action) (method, path string) {
	path = apiPath
	if g.wrapped {
		path = restPath
	}
	switch {
	case a == create:
		return http.MethodPost, path
	case a == end:
		return http.MethodDelete, path
	case g.wrapped:
		return http.MethodPost, path + "?~action=get"
	}
	return http.MethodGet, path
}

func (s *Source) ask(ctx context.Context, at place, a action, g generation, by proof) (authority.Reply, error) {
	method, path := g.request(a)
	target, err := url.Parse(at.url + path)
	if err != nil {
		return authority.Reply{}, authority.Unavailable("the address of the session service is not a URL")
	}
	header, err := by(method, target)
	if err != nil {
		return authority.Reply{}, err
	}
	header.Set("Accept", "application/json")
	if a == create {
		header.Set("vmware-use-header-authn", "true") // no cookie below /rest
	}
	q := authority.Question{Method: method, URL: target.String(), Header: header}
	if at.through == nil {
		return s.client.Call(ctx, q)
	}
	r, err := s.client.CallWith(ctx, at.through, q)
	if err != nil && ctx.Err() == nil {
		s.find.forget()
		_ = s.client.Nonsense("the session service the lookup service names cannot be asked")
	}
	return r, err
}

// endpoint is where the session service is.
func (s *Source) endpoint(ctx context.Context) place {
	here := place{url: s.base}
	if !s.opts.DiscoverAPI {
		return here
	}
	return s.find.place(ctx, sessionAPI(), here)
}

// judge classes an answer that is no success. Only 401 in a form the API knows says that a session or a password is not
// good: what ends a session is never guessed.
func (s *Source) judge(r authority.Reply) error {
	kind, err := parseError(r.Body)
	switch {
	case err != nil:
		return s.client.Nonsense(fmt.Sprintf("status %d with a body that is %s", r.Status, err))
	case r.Status == http.StatusUnauthorized && (kind == "" || kind == "UNAUTHENTICATED"):
		s.client.Understood()
		return authority.Rejected("the vCenter does not know it")
	case r.Status == http.StatusForbidden && kind != "":
		s.client.Understood()
		return fmt.Errorf("%w: the vCenter refuses this user", session.ErrInsufficient)
	}
	return s.client.Nonsense(fmt.Sprintf("status %d, which says nothing about a session", r.Status))
}

// look asks for the session with that id, which is use of it.
func (s *Source) look(ctx context.Context, id session.Secret) (info, error) {
	r, g, err := s.call(ctx, show, byID(id))
	if err != nil {
		return info{}, err
	}
	if r.Status != http.StatusOK {
		return info{}, s.judge(r)
	}
	i, err := g.parseSession(r.Body)
	if err != nil {
		return info{}, s.client.Nonsense("the answer is " + err.Error())
	}
	s.client.Understood()
	return i, nil
}

// make makes a session and returns its id.
func (s *Source) make(ctx context.Context, by proof) (session.Secret, error) {
	r, g, err := s.call(ctx, create, by)
	if err != nil {
		return session.Secret{}, err
	}
	if r.Status != http.StatusOK && r.Status != http.StatusCreated {
		return session.Secret{}, s.judge(r)
	}
	id, err := g.parseID(r.Body)
	if err != nil {
		return session.Secret{}, s.client.Nonsense("the answer is " + err.Error())
	}
	s.client.Understood()
	return session.NewSecret(id), nil
}

// remove ends the session with that id. One that the vCenter does not know is gone already.
func (s *Source) remove(ctx context.Context, id session.Secret) error {
	r, _, err := s.call(ctx, end, byID(id))
	if err != nil {
		return err
	}
	if r.Status == http.StatusOK || r.Status == http.StatusNoContent {
		if body := bytes.TrimSpace(r.Body); len(body) > 0 && !json.Valid(body) {
			return s.client.Nonsense("the answer is not the API's")
		}
		s.client.Understood()
		return nil
	}
	if err := s.judge(r); !errors.Is(err, session.ErrRejected) {
		return err
	}
	return nil
}
