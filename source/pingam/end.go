package pingam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	maxHandles = 100  // of one call
	maxRounds  = 1000 // of listing and ending: lists are cut off
)

// Revoke implements session.Revoker: the session's own token logs out. That it had ended before is a success too.
func (s *Source) Revoke(ctx context.Context, held *session.Session) (err error) {
	defer authority.Wrap(&err, s.subject(), "log out")
	if held.Tokens.Access.Empty() && held.Source == s.name && isHandle(held.SourceSessionID) { // from a list
		return s.endHandles(ctx, held.Realm, []string{held.SourceSessionID})
	}
	token, err := s.tokenOf(held)
	if err != nil {
		return err
	}
	r, err := s.ask(ctx, question{action: logout, caller: token})
	if err != nil {
		return err
	}
	if r.Status == http.StatusOK {
		return s.understood(parseLogout(r.Body))
	}
	if err := s.unknown(r); !errors.Is(err, session.ErrRejected) {
		return err
	}
	return nil
}

// RevokeIDs implements session.IDRevoker with logoutByHandle. session.ErrUnsupported for ids that are no handles: those of
// sessions that were looked up are names the authority ends nothing by.
func (s *Source) RevokeIDs(ctx context.Context, ids ...string) (_ map[string]bool, err error) {
	defer authority.Wrap(&err, s.subject(), "log out by handle")
	if !each(ids, isHandle) {
		return nil, authority.Unsupported("sessions are ended by their handles alone (shandle:…), as lists name them")
	}
	return s.logoutByHandle(ctx, s.o.realm(), ids)
}

// RevokeOwn implements session.OwnRevoker. Handles that are not of the user's own sessions are left alone.
func (s *Source) RevokeOwn(ctx context.Context, held *session.Session, ids ...string) (err error) {
	defer authority.Wrap(&err, s.subject(), "log out own")
	if held.Source != s.name || held.Identity.Username == "" {
		return authority.Unsupported("the session is not of this source")
	}
	list, err := s.query(ctx, userOf(held))
	if err != nil {
		return err
	}
	own := slices.DeleteFunc(handlesOf(list), func(h string) bool { return !slices.Contains(ids, h) })
	return s.endHandles(ctx, held.Realm, own)
}

// RevokeOthers implements session.OthersRevoker: the user's sessions in the realm but held. session.ErrUnavailable when held
// cannot be told from the others, and then none is ended.
func (s *Source) RevokeOthers(ctx context.Context, held *session.Session) (_ int, err error) {
	defer authority.Wrap(&err, s.subject(), "log out others")
	token, err := s.tokenOf(held)
	if err != nil {
		return 0, err
	}
	now, err := s.inspect(ctx, getSessionInfo, token)
	if err != nil {
		return 0, err
	}
	list, err := s.query(ctx, userOf(now))
	if err != nil {
		return 0, err
	}
	others := handlesOf(list)
	if now.Tokens.Type == typeServer {
		own, err := ownHandle(list, now)
		if err != nil {
			return 0, err
		}
		others = slices.DeleteFunc(others, func(h string) bool { return h == own })
	}
	return len(others), s.endHandles(ctx, now.Realm, others)
}

// ownHandle finds a session in the list of its user's. PingAM tells no handle when a token is looked up, so that sessions
// are told apart by their clocks: the absolute end never moves, the latest access seldom.
func ownHandle(list []info, now *session.Session) (string, error) {
	if isHandle(now.SourceSessionID) {
		return now.SourceSessionID, nil
	}
	same := slices.DeleteFunc(slices.Clone(list), func(i info) bool { return !i.endAt.Equal(now.ExpiresAt) })
	if len(same) > 1 {
		same = slices.DeleteFunc(same, func(i info) bool { return i.accessedAt.Unix() != now.LastAccessAt.Unix() })
	}
	if len(same) != 1 {
		return "", authority.Unavailable("the session cannot be told from the user's others")
	}
	return same[0].handle, nil
}

// RevokeUser implements session.UserRevoker for one realm: logoutByUser, or where the authority has none what it lists of
// the user. It returns -1 where the authority does not say how many there were.
func (s *Source) RevokeUser(ctx context.Context, user session.Query) (_ int, err error) {
	defer authority.Wrap(&err, s.subject(), "log out user")
	if user.Username == "" {
		user.Username = commonName(user.Subject)
	}
	if user.Username == "" {
		return 0, fmt.Errorf("%w: no user is named", session.ErrMalformed)
	}
	realm, err := s.realmOf(user)
	if err != nil {
		return 0, err
	}
	user.Realm = realm
	if !s.o.openAM() {
		err = s.logoutByUser(ctx, realm, user.Username)
		if !errors.Is(err, errNoSuchAction) {
			return -1, err
		}
	}
	return s.endAll(ctx, user, "")
}

// RevokeAll implements session.AllRevoker for the configured realm and those below it, client-side sessions excepted. The
// configured administrator stays logged in.
func (s *Source) RevokeAll(ctx context.Context) (_ int, err error) {
	defer authority.Wrap(&err, s.subject(), "log out all")
	if s.admin == nil {
		return 0, authority.Unsupported("no administrator is configured")
	}
	spared, err := s.administratorID(ctx)
	if err != nil {
		return 0, err
	}
	return s.endAll(ctx, session.Query{}, spared)
}

// administratorID is the universal id of the administrator whose session is used, "" when there is no session.
func (s *Source) administratorID(ctx context.Context) (string, error) {
	if s.o.Administrator.Bearer {
		return "", nil
	}
	r, err := s.ask(ctx, question{action: getSessionInfo})
	if err != nil {
		return "", err
	}
	if r.Status != http.StatusOK {
		return "", s.unknown(r)
	}
	i, err := parseInfo(r.Body)
	return i.universalID, s.understood(err)
}

// endAll lists what fits q and ends it, until nothing is listed any more but the sessions of spared.
func (s *Source) endAll(ctx context.Context, q session.Query, spared string) (ended int, err error) {
	for range maxRounds {
		list, err := s.query(ctx, q)
		if err != nil {
			return ended, err
		}
		list = slices.DeleteFunc(list, func(i info) bool { return i.universalID == spared })
		if len(list) == 0 {
			return ended, nil
		}
		if err := s.endHandles(ctx, q.Realm, handlesOf(list)); err != nil {
			return ended, err
		}
		ended += len(list)
	}
	return ended, authority.Unavailable("there is no end of sessions")
}

// endHandles is logoutByHandle that wants them all to be gone.
func (s *Source) endHandles(ctx context.Context, realm string, handles []string) error {
	gone, err := s.logoutByHandle(ctx, realm, handles)
	if err != nil {
		return err
	}
	if left := len(gone) - countTrue(gone); left > 0 {
		return authority.Unavailable(fmt.Sprintf("%d sessions could not be ended", left))
	}
	return nil
}

func (s *Source) logoutByHandle(ctx context.Context, realm string, handles []string) (map[string]bool, error) {
	all := map[string]bool{}
	for some := range slices.Chunk(handles, maxHandles) {
		r, err := s.ask(ctx, question{action: logoutByHandle, realm: realm, body: map[string]any{"sessionHandles": some}})
		if err != nil {
			return all, err
		}
		if r.Status != http.StatusOK {
			return all, s.refusal(r)
		}
		gone, err := parseHandles(r.Body)
		if err == nil && !each(some, func(h string) bool { _, told := gone[h]; return told }) {
			err = errors.New("silent about a session")
		}
		if err := s.understood(err); err != nil {
			return all, err
		}
		maps.Copy(all, gone)
	}
	return all, nil
}

// errNoSuchAction: the authority is older than an action.
var errNoSuchAction = authority.Unsupported("the authority has no such action")

func (s *Source) logoutByUser(ctx context.Context, realm, username string) error {
	r, err := s.ask(ctx, question{action: logoutByUser, realm: realm, body: map[string]any{"username": username}})
	if err != nil {
		return err
	}
	switch r.Status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusNotImplemented:
		return errNoSuchAction
	default:
		return s.refusal(r)
	}
	done, err := parseDone(r.Body)
	if err := s.understood(err); err != nil {
		return err
	}
	if !done {
		return authority.Unavailable("the user's sessions could not be ended")
	}
	return nil
}

func isHandle(id string) bool { return strings.HasPrefix(id, "shandle:") }

func handlesOf(list []info) []string {
	handles := make([]string, 0, len(list))
	for _, i := range list {
		handles = append(handles, i.handle)
	}
	return handles
}

func each(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !is(s) })
}

func countTrue(m map[string]bool) int {
	n := 0
	for _, is := range m {
		if is {
			n++
		}
	}
	return n
}
