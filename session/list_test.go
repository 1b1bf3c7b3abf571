package session_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sessionward/sessionward/session"
)

// person is what a filter can ask about a session, told apart by plain code.
type person struct {
	handle, source, subject, username, acr string
	groups                                 []string
	foreign, active                        bool
	expiresAt                              time.Time
}

// question is a filter as text, and the same in plain code.
type question struct {
	text string
	is   func(p person) bool
}

// few values, so that questions hit and miss; some look like parts of others.
func names() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "ann", "Ann", "anna", "bob", `b"ob`, "a\x00b", "é\\", "É\\"})
}

func quoted(s string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", `\u0000`)
	return `"` + r.Replace(s) + `"`
}

func textQuestion(t *rapid.T) question {
	attributes := map[string]func(p person) []string{
		"handle":   func(p person) []string { return []string{p.handle} },
		"source":   func(p person) []string { return []string{p.source} },
		"subject":  func(p person) []string { return []string{p.subject} },
		"username": func(p person) []string { return []string{strings.ToLower(p.username)} }, // in any case
		"acr":      func(p person) []string { return []string{p.acr} },
		"groups":   func(p person) []string { return p.groups },
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(attributes))).Draw(t, "attribute")
	of := attributes[name]
	value := names()
	if name == "source" {
		value = rapid.SampledFrom([]string{"corp", "lobby", "nowhere"})
	}
	asked := value.Draw(t, "value")
	want := asked
	if name == "username" {
		want = strings.ToLower(asked)
	}
	some := func(f func(v string) bool) func(p person) bool {
		return func(p person) bool { return slices.ContainsFunc(of(p), f) }
	}
	spelt := rapid.SampledFrom([]string{name, strings.ToUpper(name)}).Draw(t, "spelling")
	switch op := rapid.SampledFrom([]string{"eq", "eq", "eq", "ne", "co", "sw", "ew", "pr"}).Draw(t, "operator"); op {
	case "pr":
		return question{spelt + " pr", some(func(v string) bool { return v != "" })}
	case "ne":
		return question{spelt + " ne " + quoted(asked), func(p person) bool { return !slices.Contains(of(p), want) }}
	default:
		test := map[string]func(v string) bool{
			"eq": func(v string) bool { return v == want },
			"co": func(v string) bool { return strings.Contains(v, want) },
			"sw": func(v string) bool { return strings.HasPrefix(v, want) },
			"ew": func(v string) bool { return strings.HasSuffix(v, want) },
		}[op]
		return question{spelt + " " + op + " " + quoted(asked), some(test)}
	}
}

func claimQuestion(t *rapid.T) question {
	name := rapid.SampledFrom([]string{"active", "foreign"}).Draw(t, "claim")
	op := rapid.SampledFrom([]string{"eq", "ne"}).Draw(t, "operator")
	want := rapid.Bool().Draw(t, "value")
	return question{fmt.Sprint(name, " ", op, " ", want), func(p person) bool {
		have := p.active
		if name == "foreign" {
			have = p.foreign
		}
		return (have == want) == (op == "eq")
	}}
}

func timeQuestion(t *rapid.T) question {
	want := benchNow().Add(time.Duration(rapid.IntRange(-1, 3).Draw(t, "hours")) * time.Hour)
	op := rapid.SampledFrom([]string{"gt", "ge", "lt", "le", "eq", "ne"}).Draw(t, "operator")
	return question{fmt.Sprintf("expires_at %s %q", op, want.Format(time.RFC3339)), func(p person) bool {
		return map[string]bool{
			"gt": p.expiresAt.After(want), "ge": !p.expiresAt.Before(want), "lt": p.expiresAt.Before(want),
			"le": !p.expiresAt.After(want), "eq": p.expiresAt.Equal(want), "ne": !p.expiresAt.Equal(want),
		}[op]
	}}
}

func anyQuestion(t *rapid.T, depth int) question {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 3:
		return claimQuestion(t)
	case 4:
		return timeQuestion(t)
	case 5, 6:
		l, r := anyQuestion(t, depth-1), anyQuestion(t, depth-1)
		return question{"(" + l.text + ") and (" + r.text + ")", func(p person) bool { return l.is(p) && r.is(p) }}
	case 7:
		l, r := anyQuestion(t, depth-1), anyQuestion(t, depth-1)
		return question{"(" + l.text + ") or (" + r.text + ")", func(p person) bool { return l.is(p) || r.is(p) }}
	case 8:
		q := anyQuestion(t, depth-1)
		return question{"not (" + q.text + ")", func(p person) bool { return !q.is(p) }}
	default:
		return textQuestion(t)
	}
}

// move adds one person to the crowd, foreign or not, ended here or not.
func (c *crowd) move(t *rapid.T, tb testing.TB, number int) person {
	end := benchNow().Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "end")) * time.Hour)
	s := &session.Session{
		ID: "id-" + strconv.Itoa(number), Handle: "foreign" + strconv.Itoa(number), Source: rapid.SampledFrom([]string{"corp", "lobby"}).Draw(t, "source"),
		Active: true, ACR: names().Draw(t, "acr"), ExpiresAt: end,
		Identity: session.Identity{Subject: names().Draw(t, "subject"), Username: names().Draw(t, "username")},
	}
	p := person{foreign: rapid.Bool().Draw(t, "foreign"), active: true, source: s.Source, acr: s.ACR, subject: s.Identity.Subject, username: s.Identity.Username, expiresAt: end}
	if !p.foreign {
		s.Identity.Groups = rapid.SliceOfN(names(), 0, 2).Draw(t, "groups")
		p.groups = s.Identity.Groups
		own, _, err := c.manager.Create(tb.Context(), s, session.Device{})
		require.NoError(tb, err)
		p.handle = own.Handle
		return p
	}
	p.handle = s.Handle
	require.Eventually(tb, func() bool {
		require.NoError(tb, c.manager.Admit(tb.Context(), s, session.Credential{}))
		_, err := c.ops.Get(tb.Context(), p.handle)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	if rapid.IntRange(0, 4).Draw(t, "refused") == 0 {
		require.NoError(tb, c.ops.EndForeign(tb.Context(), s))
		p.active = false
	}
	return p
}

// TestList_AnswersLikeBruteForce: whatever index a filter is answered from, nobody is missed, met twice or met wrongly.
func TestList_AnswersLikeBruteForce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCrowd(t, newMemory(t, 1000), 0)
		defer func() { c.validator.Close(); c.manager.Close() }()
		var people []person
		for i := range rapid.IntRange(0, 12).Draw(rt, "people") {
			people = append(people, c.move(rt, t, i))
		}
		for range 20 {
			q := anyQuestion(rt, 3)
			if len(people) > 0 && rapid.IntRange(0, 9).Draw(rt, "known") == 0 {
				handle := people[0].handle
				inner := q
				q = question{fmt.Sprintf("handle eq %q and (%s)", handle, inner.text), func(p person) bool { return p.handle == handle && inner.is(p) }}
			}
			want, got := []string{}, []string{}
			for _, p := range people {
				if q.is(p) {
					want = append(want, p.handle)
				}
			}
			for _, e := range c.all(t, q.text) {
				got = append(got, e.Session.Handle)
			}
			slices.Sort(want)
			slices.Sort(got)
			require.Equal(rt, want, got, q.text)
		}
	})
}

// TestList_PagesMeetEverySessionOnce that lasts, whoever begins and ends between two pages.
func TestList_PagesMeetEverySessionOnce(t *testing.T) {
	for kind, open := range map[string]func(t *testing.T) session.Store{
		"memory": func(t *testing.T) session.Store { return newMemory(t, 10_000) },
		"bolt":   func(t *testing.T) session.Store { return openBolt(t, filepath.Join(t.TempDir(), "s.db")) },
	} {
		t.Run(kind, func(t *testing.T) {
			st := open(t)
			defer st.Close()
			c := newCrowd(t, st, 0)
			lasting := map[string]bool{}
			for i := range 40 {
				s, _, err := c.manager.Create(t.Context(), citizen(i), session.Device{})
				require.NoError(t, err)
				lasting[s.Handle] = true
			}
			rapid.Check(t, func(rt *rapid.T) { c.meetAll(rt, t, lasting) })
		})
	}
}

func (c *crowd) meetAll(rt *rapid.T, tb testing.TB, lasting map[string]bool) {
	filter := parse(tb, rapid.SampledFrom([]string{"true", `source eq "corp"`, `acr ne "gold"`}).Draw(rt, "filter"))
	var passing []*session.Session
	met := map[string]bool{}
	for cursor := ""; ; {
		p, err := c.ops.List(tb.Context(), filter, cursor, rapid.IntRange(1, 15).Draw(rt, "limit"))
		require.NoError(rt, err)
		for _, e := range p.Entries {
			require.False(rt, met[e.Session.Handle], "twice")
			met[e.Session.Handle] = true
		}
		if cursor = p.Next; cursor == "" {
			break
		}
		for range rapid.IntRange(0, 2).Draw(rt, "begin") {
			s, _, err := c.manager.Create(tb.Context(), citizen(rapid.IntRange(0, 1000).Draw(rt, "who")), session.Device{})
			require.NoError(rt, err)
			passing = append(passing, s)
		}
		for range min(len(passing), rapid.IntRange(0, 2).Draw(rt, "end")) {
			require.NoError(rt, c.manager.End(tb.Context(), passing[0], session.EndLogout))
			passing = passing[1:]
		}
	}
	for _, s := range passing {
		require.NoError(rt, c.manager.End(tb.Context(), s, session.EndLogout))
	}
	for handle := range lasting {
		require.True(rt, met[handle], handle)
	}
}

// TestList_APageOfVeryManyIsShortAndGoesOn: a filter nobody matches does not look at all there are before it answers.
func TestList_APageOfVeryManyIsShortAndGoesOn(t *testing.T) {
	slow := &slowly{Store: newMemory(t, 10_000)}
	c := newCrowd(t, slow, 0)
	for i := range 700 {
		_, _, err := c.manager.Create(t.Context(), citizen(i), session.Device{})
		require.NoError(t, err)
	}
	slow.each, slow.first = time.Millisecond, 30*time.Millisecond
	pages := 0
	for cursor := ""; ; pages++ {
		before := slow.reads
		p, err := c.ops.List(t.Context(), parse(t, `acr eq "lead"`), cursor, 0)
		require.NoError(t, err)
		require.Empty(t, p.Entries)
		if cursor = p.Next; cursor == "" {
			break
		}
		require.Equal(t, session.DefaultPageSize, slow.reads-before, "so many are looked at, were the time over before the first, and then no more")
	}
	require.Equal(t, 700, slow.reads)
	require.Equal(t, 6, pages)
}

// slowly is a store that takes its time for each record.
type slowly struct {
	session.Store
	each  time.Duration
	first time.Duration // before it finds anything
	reads int
}

func (s *slowly) Find(ctx context.Context, term, after string) iter.Seq2[string, error] {
	spin(s.first)
	return s.Store.Find(ctx, term, after)
}

func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

func (s *slowly) Get(ctx context.Context, key string) (session.Record, error) {
	if s.each > 0 {
		s.reads++
		spin(s.each)
	}
	return s.Store.Get(ctx, key)
}
