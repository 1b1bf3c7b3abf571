package secretserver

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	versionFor   = time.Hour
	versionRetry = 5 * time.Minute
)

// version is what is known of the server's version. It is asked for at most once an hour.
type version struct {
	mu    sync.Mutex
	known string
	askAt time.Time // not before
}

// due reports whether the caller is the one to ask, and until then nobody else is.
func (v *version) due(now time.Time) (known string, ask bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Before(v.askAt) {
		return v.known, false
	}
	v.askAt = now.Add(versionRetry)
	return v.known, true
}

func (v *version) learn(known string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known, v.askAt = known, now.Add(versionFor)
}

// serverVersion returns the version of the server, "" when it is not known. That it cannot be had is a warning and no
// more.
func (s *Source) serverVersion(ctx context.Context, token session.Secret) string {
	known, ask := s.version.due(s.now())
	if !ask {
		return known
	}
	v, err := s.askVersion(ctx, token)
	if err == nil {
		s.version.learn(v, s.now())
		return v
	}
	s.log.WarnContext(ctx, "the version of Secret Server cannot be had", slog.Any("error", err))
	return known
}

// askVersion leaves the health alone: a proxy may well let nobody ask.
func (s *Source) askVersion(ctx context.Context, token session.Secret) (string, error) {
	r, err := s.client.Call(ctx, s.question(http.MethodGet, versionPath, token))
	if err != nil {
		return "", err
	}
	if v, reason := judge(r); v != good {
		return "", cmp.Or(refusal(v, versionPath), authority.Unavailable(reason))
	}
	return parseVersion(r.Body)
}
