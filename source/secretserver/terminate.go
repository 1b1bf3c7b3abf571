package secretserver

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// RevokeOwn implements session.OwnRevoker: it ends sessions of the user of old by the ids of ListOwn, all their tokens with
// them. One of them may be that of old. session.ErrMalformed when an id is none of the server's or it does not know it;
// then none has ended.
func (s *Source) RevokeOwn(ctx context.Context, old *session.Session, ids ...string) (err error) {
	defer s.wrap(&err, "end sessions")
	numbers := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n <= 0 {
			return fmt.Errorf("%w: %q is not the id of a session", session.ErrMalformed, id[:min(len(id), maxSaid)])
		}
		numbers = append(numbers, n)
	}
	slices.SortStableFunc(numbers, func(a, b int64) int { return cmp.Compare(isOwn(old, a), isOwn(old, b)) })
	return s.terminate(ctx, old.Tokens.Access, numbers)
}

// isOwn is 1 for the session of old itself, whose token all other calls need.
func isOwn(old *session.Session, id int64) int {
	if strconv.FormatInt(id, 10) == old.SourceSessionID {
		return 1
	}
	return 0
}

// RevokeOthers implements session.OthersRevoker. It ends nothing when the server does not say which session is that of old:
// it could be among the others.
func (s *Source) RevokeOthers(ctx context.Context, old *session.Session) (_ int, err error) {
	defer s.wrap(&err, "end other sessions")
	var others []int64
	marked := false
	for r, err := range s.records(ctx, old.Tokens.Access) {
		switch {
		case err != nil:
			return 0, err
		case r.current:
			marked = true
		default:
			others = append(others, r.id)
		}
	}
	if !marked {
		return 0, authority.Unavailable("the server does not say which of the sessions is this one")
	}
	return len(others), s.terminate(ctx, old.Tokens.Access, others)
}

// terminate ends sessions by their ids, a page at a time and in their order.
func (s *Source) terminate(ctx context.Context, token session.Secret, ids []int64) error {
	for some := range slices.Chunk(ids, pageSize) {
		r, err := s.call(ctx, http.MethodPost, terminatePath, token, map[string]any{"data": map[string]any{"userSessionIds": some}})
		if err != nil {
			return err
		}
		object, err := s.client.Object(r)
		if err != nil {
			return err
		}
		if object["success"] != true {
			return s.client.Nonsense("it does not say that the sessions have ended")
		}
	}
	return nil
}
