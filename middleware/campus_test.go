package middleware

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const campusCookie = "campus_session"

// campus is a session system whose users can end their own sessions. The value of its cookie is "user/realm/number".
type campus struct {
	mu      sync.Mutex
	others  []string // sessions it knows besides those that are shown here, as cookie values
	ended   []string // by number, in order
	asked   int      // how often all others were to end
	failing error    // of what ends or lists
	during  func()   // while all others are to end
}

func (*campus) Name() string           { return "campus" }
func (*campus) Kind() string           { return "scripted" }
func (*campus) DisplayName() string    { return "The Campus" }
func (*campus) LoginURL(string) string { return "https://campus.example/login" }
func (*campus) Places() []session.Place {
	return []session.Place{{Kind: session.KindCookie, Name: campusCookie}}
}
func (*campus) made(v string) *session.Session {
	part := strings.Split(v, "/")
	return &session.Session{
		ID: v, Handle: "h" + part[2], Source: "campus", SourceSessionID: part[2], Realm: part[1], Active: true, AAL: "aal2",
		Identity: session.Identity{Subject: part[0]}, Tokens: session.Tokens{Access: session.NewSecret("planted-" + v)},
	}
}

func (c *campus) Resolve(_ context.Context, cred session.Credential) (*session.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.made(cred.Value.Reveal())
	if slices.Contains(c.ended, s.SourceSessionID) {
		return nil, session.ErrRejected
	}
	return s, nil
}

func (c *campus) end(ids ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing == nil {
		c.ended = append(c.ended, ids...)
	}
	return c.failing
}

func (c *campus) Revoke(_ context.Context, s *session.Session) error { return c.end(s.SourceSessionID) }

func (c *campus) RevokeOwn(_ context.Context, s *session.Session, ids ...string) error {
	if s.Tokens.Access.Empty() {
		return fmt.Errorf("campus: asked without a credential: %w", session.ErrMalformed)
	}
	return c.end(ids...)
}

func (c *campus) ListOwn(_ context.Context, s *session.Session) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) {
		c.mu.Lock()
		failing, others := c.failing, slices.Clone(c.others)
		c.mu.Unlock()
		if failing != nil {
			yield(nil, failing)
			return
		}
		for _, v := range others {
			there := c.made(v)
			there.Tokens, there.Devices = session.Tokens{}, []session.Device{{IP: "203.0.113.77", UserAgent: safariPhone}}
			if there.Identity.Subject == s.Identity.Subject && !yield(there, nil) {
				return
			}
		}
	}
}

func (c *campus) RevokeOthers(ctx context.Context, s *session.Session) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.during != nil {
		c.during()
	}
	if ctx.Err() != nil {
		return 0, session.ErrUnavailable
	}
	if c.failing != nil {
		return 0, c.failing
	}
	for _, v := range c.others {
		if id := c.made(v).SourceSessionID; id != s.SourceSessionID {
			c.ended = append(c.ended, id)
		}
	}
	return -1, nil
}

func (c *campus) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
}

func (c *campus) gone() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ended)
}

// show has a browser show the cookie value, and waits until the gateway has noted that.
func (h *house) show(value string) *browser {
	h.t.Helper()
	b := h.browser()
	b.jar[campusCookie] = value
	require.Equal(h.t, strings.Split(value, "/")[0], b.who())
	require.Eventually(h.t, func() bool {
		_, err := h.site.o.Operations.Get(h.t.Context(), "h"+strings.Split(value, "/")[2])
		return err == nil
	}, 5*time.Second, time.Millisecond)
	return b
}

func newCampus(t *testing.T) (*campus, *house) {
	c := &campus{}
	return c, newHouse(t, houseOptions{sources: []session.Source{c}})
}

var (
	_ session.OwnLister     = (*campus)(nil)
	_ session.OwnRevoker    = (*campus)(nil)
	_ session.OthersRevoker = (*campus)(nil)
	_ session.Revoker       = (*campus)(nil)
	_ session.ExternalLogin = (*campus)(nil)
)
