package secretserver

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	pageSize = 100
	maxPages = 100
)

// ListOwn implements session.OwnLister: the sessions of the user of old, newest login first, with the browser and address
// of their login. That of old itself has its id and handle. session.ErrUnsupported where the server's version has no such
// list. The sessions of other users have no call that is published.
func (s *Source) ListOwn(ctx context.Context, old *session.Session) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) {
		for record, err := range s.records(ctx, old.Tokens.Access) {
			if err != nil {
				yield(nil, fmt.Errorf("secretserver %s: list: %w", s.name, err))
				return
			}
			if !yield(s.listedSession(old, record), nil) {
				return
			}
		}
	}
}

// listedSession is a record of the list as a session without tokens.
func (s *Source) listedSession(old *session.Session, r listed) *session.Session {
	own := old.Clone()
	n := &session.Session{
		ID: authority.SessionID(s.name, session.NewSecret(fmt.Sprintf("session %d", r.id))), Source: s.name,
		SourceSessionID: strconv.FormatInt(r.id, 10), Realm: own.Realm, Active: true, Identity: own.Identity,
		IssuedAt: r.loggedAt, AuthenticatedAt: r.loggedAt,
		Devices: []session.Device{{IP: r.ip, UserAgent: r.browser, FirstSeenAt: r.loggedAt}},
	}
	n.Handle = authority.Handle("secretserver", n.ID)
	if r.current {
		n.ID, n.Handle = own.ID, own.Handle
	}
	return n
}

// records walks all pages of the list of the sessions of the user of token.
func (s *Source) records(ctx context.Context, token session.Secret) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		var skip int64
		for range maxPages {
			page, err := s.page(ctx, token, skip)
			if err != nil {
				yield(listed{}, err)
				return
			}
			for _, r := range page.records {
				if !yield(r, nil) {
					return
				}
			}
			if !page.hasNext {
				return
			}
			if page.nextSkip <= skip {
				yield(listed{}, s.client.Nonsense("its list of sessions goes round in circles"))
				return
			}
			skip = page.nextSkip
		}
		yield(listed{}, authority.Unavailable("its list of sessions does not end"))
	}
}

func (s *Source) page(ctx context.Context, token session.Secret, skip int64) (listPage, error) {
	query := fmt.Sprintf("?skip=%d&take=%d&sortBy[0].name=loginDate&sortBy[0].direction=desc", skip, pageSize)
	r, err := s.call(ctx, http.MethodGet, sessionsPath+query, token, nil)
	if err != nil {
		return listPage{}, err
	}
	page, err := parseSessions(r.Body, s.zone)
	if err != nil {
		return listPage{}, s.client.Nonsense("its list of sessions is " + err.Error())
	}
	return page, nil
}

// currentID returns the server's own name for the session of token, "" when it does not tell. Without one a login works
// as well.
func (s *Source) currentID(ctx context.Context, token session.Secret) string {
	page, err := s.page(ctx, token, 0)
	if err != nil {
		s.log.DebugContext(ctx, "the server's own name of a new session cannot be had", slog.Any("error", err))
	}
	for _, r := range page.records {
		if r.current {
			return strconv.FormatInt(r.id, 10)
		}
	}
	return ""
}
