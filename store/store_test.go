package store

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/sessionward/sessionward/session"
)

func TestOptionsFromYAML(t *testing.T) {
	tests := []struct {
		yaml, kind string
		want       Options
	}{
		{"{}", "bolt", Options{}},
		{"memory: {}", "memory", Options{Memory: &MemoryOptions{}}},
		{"memory: {max_records: 5}", "memory", Options{Memory: &MemoryOptions{MaxRecords: 5}}},
		{"bolt: {path: /tmp/s.db, timeout: 3s}", "bolt", Options{Bolt: &BoltOptions{Path: "/tmp/s.db", Timeout: 3 * time.Second}}},
	}
	for _, tt := range tests {
		t.Run(tt.yaml, func(t *testing.T) {
			var o Options
			require.NoError(t, yaml.Unmarshal([]byte(tt.yaml), &o))
			require.Equal(t, tt.want, o)
			require.NoError(t, o.Validate())
			require.Equal(t, tt.kind, o.Kind())
		})
	}
}

func TestOptionsRefused(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want []string
	}{
		{"two kinds", Options{Memory: &MemoryOptions{}, Bolt: &BoltOptions{}}, []string{"bolt and memory", "keep exactly one"}},
		{"negative max_records", Options{Memory: &MemoryOptions{MaxRecords: -1}}, []string{"store.memory.max_records", "-1", "leave it out"}},
		{"negative timeout", Options{Bolt: &BoltOptions{Timeout: -time.Second}}, []string{"store.bolt.timeout", "-1s", "leave it out"}},
		{"NUL in path", Options{Bolt: &BoltOptions{Path: "a\x00b"}}, []string{"store.bolt.path", "NUL"}},
		{"all at once", Options{Memory: &MemoryOptions{MaxRecords: -1}, Bolt: &BoltOptions{Timeout: -1}}, []string{"max_records", "timeout", "exactly one"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.o, Deps{})
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestOpenChooses(t *testing.T) {
	t.Chdir(t.TempDir())
	tests := []struct {
		o    Options
		want session.Store
	}{
		{Options{}, &Bolt{}},
		{Options{Bolt: &BoltOptions{Path: "other.db"}}, &Bolt{}},
		{Options{Memory: &MemoryOptions{}}, &Memory{}},
	}
	for _, tt := range tests {
		s, err := Open(tt.o, Deps{})
		require.NoError(t, err)
		require.IsType(t, tt.want, s)
		require.NoError(t, s.Close())
	}
	for _, name := range []string{"sessionward.db", "other.db"} {
		require.FileExists(t, name)
	}
	require.Equal(t, []string{"bolt", "memory"}, Kinds())
}

func TestOpenReturnsNoStoreWithItsError(t *testing.T) {
	s, err := Open(Options{Bolt: &BoltOptions{Path: filepath.Join(t.TempDir(), "missing", "s.db")}}, Deps{})
	require.Error(t, err)
	require.True(t, s == nil, "a nil *Bolt inside an interface would not be nil")
}

func TestSwapRefusesWhatIsBeyondTheLimits(t *testing.T) {
	tests := []struct {
		name string
		key  string
		r    session.Record
		ok   bool
	}{
		{"empty key", "", session.Record{}, false},
		{"longest key", strings.Repeat("k", MaxKey), session.Record{}, true},
		{"key too long", strings.Repeat("k", MaxKey+1), session.Record{}, false},
		{"longest term", "k1", session.Record{Terms: []string{strings.Repeat("t", MaxTerm)}}, true},
		{"term too long", "k2", session.Record{Terms: []string{"a", strings.Repeat("t", MaxTerm+1)}}, false},
		{"most terms", "k3", session.Record{Terms: slices.Repeat([]string{"t"}, MaxTerms)}, true},
		{"empty term", "k3b", session.Record{Terms: []string{""}}, false},
		{"too many terms", "k4", session.Record{Terms: make([]string, MaxTerms+1)}, false},
		{"most data", "k5", session.Record{Data: make([]byte, MaxData)}, true},
		{"too much data", "k6", session.Record{Data: make([]byte, MaxData+1)}, false},
		{"last year", "k7", session.Record{ExpiresAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, true},
		{"year too large", "k8", session.Record{ExpiresAt: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))}, false},
		{"year too small", "k9", session.Record{ExpiresAt: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}, false},
	}
	for name, s := range map[string]session.Store{"memory": newMemory(t, MemoryOptions{}, nil), "bolt": newBolt(t, nil)} {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				_, err := s.Swap(t.Context(), tt.key, tt.r)
				if tt.ok {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, session.ErrMalformed)
				_, err = s.Get(t.Context(), tt.key)
				require.ErrorIs(t, err, session.ErrNotFound)
			})
		}
		for key, err := range s.Find(t.Context(), strings.Repeat("t", 1<<16+MaxTerm), "") {
			t.Errorf("%s: a term longer than its length can say found %q, %v", name, key, err)
		}
	}
}
