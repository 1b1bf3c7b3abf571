package secretserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Paths below the address of Secret Server.
const (
	apiPath   = "/api/v1"
	tokenPath = "/oauth2/token"

	currentPath   = "/users/current"
	sessionsPath  = "/users/sessions"
	terminatePath = "/users/sessions/terminate"
	expirePath    = "/oauth-expiration"
	versionPath   = "/version"
)

// call asks the REST API with one token and returns the answer to a question that was understood and granted. Otherwise:
// session.ErrRejected: the token has ended. session.ErrInsufficient: it is good, and its user may not do this.
// session.ErrUnsupported: this version has no such call. session.ErrMalformed: the question makes no sense to it.
// session.ErrUnavailable: nothing is known.
func (s *Source) call(ctx context.Context, method, path string, token session.Secret, body any) (authority.Reply, error) {
	q := s.question(method, path, token)
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
		q.Body, _ = json.Marshal(body) // of numbers alone
	}
	r, err := s.client.Call(ctx, q)
	if err != nil {
		return authority.Reply{}, err
	}
	v, reason := judge(r)
	if v == nonsense {
		return authority.Reply{}, s.client.Nonsense(reason)
	}
	s.client.Understood()
	return r, refusal(v, path)
}

// question carries one token and nothing else of the client's.
func (s *Source) question(method, path string, token session.Secret) authority.Question {
	return authority.Question{Method: method, URL: s.base + apiPath + path, Header: http.Header{
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + token.Reveal()},
	}}
}

// refusal is the error for an answer that was understood, nil when it grants what was asked for. What the server wrote
// stays here: a fault's text is none of a client's business.
func refusal(v verdict, path string) error {
	path, _, _ = strings.Cut(path, "?")
	switch v {
	case ended:
		return authority.Rejected("the token is unknown, has expired or was ended")
	case forbidden:
		return fmt.Errorf("%w: the token is good, and its user may not use %s", session.ErrInsufficient, path)
	case absent:
		return authority.Unsupported("this version of Secret Server has no " + path)
	case badRequest:
		return fmt.Errorf("%w: %s refuses the question", session.ErrMalformed, path)
	}
	return nil
}

// whoIs asks whose token it is, which is also the question whether it still holds. It is no use of anything: Secret Server
// has no idle clock.
func (s *Source) whoIs(ctx context.Context, token session.Secret) (user, error) {
	r, err := s.call(ctx, http.MethodGet, currentPath, token, nil)
	if errors.Is(err, session.ErrUnsupported) || errors.Is(err, session.ErrMalformed) {
		return user{}, s.client.Nonsense("there is no " + currentPath + ": check the address")
	}
	if err != nil {
		return user{}, err
	}
	u, err := parseUser(r.Body)
	if err != nil {
		return user{}, s.client.Nonsense("the answer about the user is " + err.Error())
	}
	return u, nil
}

// properties are what Secret Server's own clients know of a session beyond its tokens.
func (s *Source) properties(ctx context.Context, token session.Secret) map[string]string {
	p := map[string]string{"api_url": s.base + apiPath, "take": strconv.Itoa(pageSize)}
	if v := s.serverVersion(ctx, token); v != "" {
		p["server_version"] = v
	}
	return p
}
