package pingam

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// maxToken bounds what is shown to the authority, in bytes. Client-side tokens have a few thousand.
const maxToken = 16 << 10

// Resolve implements session.Resolver. It is no use of the session at the authority.
func (s *Source) Resolve(ctx context.Context, c session.Credential) (_ *session.Session, err error) {
	takes := s.o.Takes()
	if !takes.Mine(c) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, s.subject(), "look up")
	if !plausible(c.Value.Reveal()) {
		return nil, authority.Rejected("not a token of this authority")
	}
	return s.lookUp(ctx, c.Value)
}

// plausible reports whether a token can be one: it can stand in a header, so that no client spoils a call.
func plausible(token string) bool {
	return len(token) <= maxToken && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// Current implements session.Keeper.
func (s *Source) Current(ctx context.Context, held *session.Session) (_ *session.Session, err error) {
	if !s.mine(held) {
		return nil, session.ErrNotMine
	}
	defer authority.Wrap(&err, s.subject(), "look up")
	return s.lookUp(ctx, held.Tokens.Access)
}

// lookUp asks about a token in the configured way.
func (s *Source) lookUp(ctx context.Context, token session.Secret) (*session.Session, error) {
	if s.o.LookUp == LookUpValidate {
		return s.validate(ctx, token, false)
	}
	return s.inspect(ctx, getSessionInfo, token)
}

// about is a question about a token: asked by the administrator, or by the token itself.
func (s *Source) about(action string, token session.Secret) question {
	if s.admin == nil {
		return question{action: action, caller: token}
	}
	return question{action: action, subject: token}
}

// inspect asks one of the two actions that answer with the whole session.
func (s *Source) inspect(ctx context.Context, action string, token session.Secret) (*session.Session, error) {
	r, err := s.ask(ctx, s.about(action, token))
	if err != nil {
		return nil, err
	}
	if r.Status != http.StatusOK {
		return nil, s.unknown(r)
	}
	i, err := parseInfo(r.Body)
	if err := s.understood(err); err != nil {
		return nil, err
	}
	if i.ended {
		return nil, s.dead()
	}
	return s.session(i, token)
}

// validate asks whether a token holds. To the authority that is use of the session unless the question says otherwise:
// a look that is not meant as use would keep everybody logged in.
func (s *Source) validate(ctx context.Context, token session.Secret, use bool) (*session.Session, error) {
	q := s.about(validate, token)
	q.params = url.Values{"refresh": {strconv.FormatBool(use)}}
	r, err := s.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if r.Status != http.StatusOK {
		return nil, s.unknown(r)
	}
	v, err := parseValidity(r.Body)
	if err := s.understood(err); err != nil {
		return nil, err
	}
	if !v.valid {
		return nil, s.dead()
	}
	// This action tells no universal id: realm and name are what makes a user unique.
	v.info.universalID = strings.TrimSuffix(v.info.realm, "/") + "/" + url.PathEscape(v.info.username)
	return s.session(v.info, token)
}

// session makes the answer about a token. A session of a realm that is not configured must not pass: all realms of a
// deployment share one cookie.
func (s *Source) session(i info, token session.Secret) (*session.Session, error) {
	if !within(i.realm, s.o.realm()) {
		return nil, authority.Rejected("the session is of another realm")
	}
	id := authority.SessionID(s.name, token)
	n := s.described(i, id)
	n.Tokens = session.Tokens{Type: tokenType(token), Access: token}
	return n, nil
}

// described is a session as the authority describes it, without a token.
func (s *Source) described(i info, id string) *session.Session {
	n := &session.Session{
		ID: id, Handle: authority.Handle("pingam", id), Source: s.name, Realm: i.realm, Active: true,
		SourceSessionID: cmp.Or(i.handle, i.uid, i.properties["AMCtxId"]),
		Identity:        session.Identity{Subject: i.universalID, Username: i.username},
		LastAccessAt:    i.accessedAt, IdleExpiresAt: i.idleEndAt, ExpiresAt: i.endAt,
		Properties: i.properties,
	}
	if at, err := time.Parse(time.RFC3339, i.properties["authInstant"]); err == nil {
		n.AuthenticatedAt = at.UTC()
	}
	for method := range strings.SplitSeq(i.properties["AuthType"], "|") {
		if method != "" {
			n.AuthenticationMethods = append(n.AuthenticationMethods, session.AuthenticationMethod{Method: method, CompletedAt: n.AuthenticatedAt})
		}
	}
	n.AAL = s.aal(i.properties["AuthLevel"])
	return n
}

// aal is the assurance of an AuthLevel, "" where the configuration gives it none.
func (s *Source) aal(level string) string {
	n, err := strconv.Atoi(level)
	switch {
	case err != nil:
		return ""
	case s.o.AuthLevels.AAL3 > 0 && n >= s.o.AuthLevels.AAL3:
		return "aal3"
	case s.o.AuthLevels.AAL2 > 0 && n >= s.o.AuthLevels.AAL2:
		return "aal2"
	}
	return ""
}
