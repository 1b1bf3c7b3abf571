package store

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func record(version uint64, at time.Time, data string, terms ...string) []byte {
	b := encodeRecord(at, terms, []byte(data))
	setVersion(b, version)
	return b
}

func TestRecordRoundTrip(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	tests := []struct {
		name    string
		version uint64
		at      time.Time
		terms   []string
		data    string
	}{
		{"empty", 1, time.Time{}, nil, ""},
		{"usual", 7, at, []string{"user:a", "sid:b"}, "data"},
		{"awkward terms", math.MaxUint64, at, []string{"", "\x00", "a\x00\x01", strings.Repeat("x", MaxTerm), ""}, "\x00"},
		{"before 1970", 1, time.Date(1900, 1, 1, 0, 0, 0, 1, time.UTC), nil, "x"},
		{"last moment", 1, time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), nil, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := parseRecord(record(tt.version, tt.at, tt.data, tt.terms...))
			require.NoError(t, err)
			require.Equal(t, tt.version, e.version)
			require.True(t, e.expiresAt.Equal(tt.at))
			require.Equal(t, tt.at.IsZero(), e.expiresAt.IsZero())
			require.Equal(t, tt.terms, e.termList())
			require.Equal(t, tt.data, string(e.data))
			for _, term := range tt.terms {
				require.True(t, e.has(term))
			}
			require.False(t, e.has("user:"))
		})
	}
}

func TestRecordRefusesDamage(t *testing.T) {
	whole := record(1, time.Unix(1e9, 0), "", "user:a", "sid:b")
	change := func(at int, to byte) []byte {
		b := bytes.Clone(whole)
		b[at] = to
		return b
	}
	tests := map[string][]byte{
		"nothing":           {},
		"head cut":          whole[:recordHead-1],
		"unknown format":    change(0, recordFormat+1),
		"version 0":         change(8, 0),
		"year 10000":        change(9, 0xff),
		"year 0":            change(9, 0x00),
		"nanoseconds":       change(17, 0xff),
		"too many terms":    change(termsAt+1, 3),
		"term beyond end":   change(recordHead, 0xff),
		"term length cut":   whole[:recordHead+1],
		"term cut":          whole[:len(whole)-1],
		"second length cut": whole[:recordHead+2+len("user:a")+1],
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseRecord(b)
			require.ErrorIs(t, err, errRecord)
		})
	}
}

func TestTermKeysOfDifferentTermsNeverMeet(t *testing.T) {
	terms := []string{"", "user:a", "user:ab", "user:", "\x00", "\x00\x00", "a\x00", "\x00\x01", "\x00\x01a", "a"}
	for _, term := range terms {
		for _, other := range terms {
			got := bytes.HasPrefix(termKey(term, "b\x00key"), termKey(other, ""))
			require.Equal(t, term == other, got, "%q %q", term, other)
		}
	}
}

func TestExpiryKeysOrderAsTimes(t *testing.T) {
	at := []time.Time{
		{}, time.Date(1969, 12, 31, 23, 59, 59, 999, time.UTC), time.Unix(0, 0), time.Unix(0, 1), time.Unix(255, 0),
		time.Unix(256, 0), time.Unix(1e9, 0), time.Unix(1e9, 999999999), time.Unix(1e10, 0),
	}
	for i := 1; i < len(at); i++ {
		require.Negative(t, bytes.Compare(expiryKey(at[i-1], "z"), expiryKey(at[i], "a")), "%s %s", at[i-1], at[i])
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte{})
	f.Add(record(1, time.Time{}, ""))
	f.Add(record(2, time.Unix(1e9, 5), "data", "user:a", "", "sid:b"))
	f.Add(record(2, time.Unix(1e9, 5), "", "user:a")[:recordHead+3])
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseRecord(b)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		terms := e.termList()
		for _, term := range terms {
			require.True(t, e.has(term))
		}
		again := encodeRecord(e.expiresAt, terms, e.data)
		setVersion(again, e.version)
		require.True(t, bytes.Equal(b, again), "one record has one encoding")
	})
}

func FuzzTermKey(f *testing.F) {
	f.Add("user:a", "b", "user:ab", "")
	f.Add("", "\x00\x00", "\x00", "\x00")
	f.Add("a", "\x00\x01a", "", "a")
	f.Fuzz(func(t *testing.T, term, key, term2, key2 string) {
		if len(term) > MaxTerm || len(term2) > MaxTerm {
			t.Skip()
		}
		same := term == term2 && key == key2
		require.Equal(t, same, bytes.Equal(termKey(term, key), termKey(term2, key2)))
		require.Equal(t, term == term2, bytes.HasPrefix(termKey(term, key), termKey(term2, "")))
	})
}

func FuzzExpiryKey(f *testing.F) {
	f.Add([]byte{})
	f.Add(expiryKey(time.Unix(1e9, 1), "key"))
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, key, ok := parseExpiryKey(b); ok {
			require.True(t, bytes.Equal(b, expiryKey(at, key)))
		}
	})
}
