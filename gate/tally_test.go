package gate

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// TestDenialsAreCounted: who showed what does not hold, or may not do this, was denied; who shows nothing yet was not, and an
// outage denies nobody.
func TestDenialsAreCounted(t *testing.T) {
	g := newGate(t, newScripted(), nil, append(routes,
		policy.RouteOptions{Name: "admins", Paths: []string{"/admins"}, Require: policy.RuleOptions{AnyGroup: []string{"admins"}}},
		policy.RouteOptions{Name: "strong", Paths: []string{"/strong"}, Require: policy.RuleOptions{AAL: "aal2"}})...)
	g.o.Tally = session.NewTally(func() time.Time { return noon })
	for _, c := range []struct {
		name   string
		path   string
		header http.Header
		want   int64
	}{
		{"passes", "/required", header("Authorization", "Bearer good"), 0},
		{"public", "/public", header("Authorization", "Bearer no"), 0},
		{"shows nothing", "/required", http.Header{}, 0},
		{"no route", "/nothing", header("Authorization", "Bearer good"), 0},
		{"outage", "/required", header("Authorization", "Bearer down"), 0},
		{"wrong token", "/required", header("Authorization", "Bearer no"), 1},
		{"ended cookie", "/required", header("Cookie", sid+"=no"), 1},
		{"not in the group", "/admins", header("Authorization", "Bearer good"), 1},
		{"must prove more", "/strong", header("Authorization", "Bearer good"), 1},
		{"must wait", "/required", header("Authorization", "Bearer busy"), 1},
	} {
		before := g.denials()
		g.Decide(t.Context(), ask(c.path, c.header))
		require.Equal(t, c.want, g.denials()-before, c.name)
	}
}

func (g *Gate) denials() int64 {
	minutes := g.o.Tally.Minutes()
	return minutes[len(minutes)-1].Denials
}
