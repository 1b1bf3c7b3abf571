package session

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func entryForFilter() *Entry {
	return &Entry{
		Active: true, Foreign: true,
		Session: &Session{
			Handle: "h1", Source: "am", Realm: "/alpha", AAL: "aal2", ACR: "gold",
			Identity: Identity{Subject: "id=bjensen", Username: "bjensen", Email: "b@example.com", Name: "Babs \"B\" Jensen", Groups: []string{"staff", "admins"}},
			Devices:  []Device{{IP: "192.0.2.1", UserAgent: "Firefox"}, {IP: "192.0.2.2", UserAgent: "curl"}},
			IssuedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), LastAccessAt: time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC),
		},
	}
}

func TestFilter_Chooses(t *testing.T) {
	for text, want := range map[string]bool{
		"":     true,
		"true": true,
		`username eq "bjensen" and realm eq "/alpha"`:                   true,
		`username eq "bjensen" and realm eq "/beta"`:                    false,
		`username eq "BJENSEN"`:                                         true, // RFC 7643 §4.1.1: userName is not caseExact
		`username ne "BJensen"`:                                         false,
		`username sw "BJ" and username co "JENS" and username ew "SEN"`: true,
		`username pr and not (username eq "JENSEN")`:                    true,
		`email eq "B@EXAMPLE.com"`:                                      true, // RFC 7643 §8.7.1: neither is emails.value
		`email ew "@Example.COM"`:                                       true,
		`subject eq "id=BJENSEN"`:                                       false,
		`subject co "ID="`:                                              false,
		`subject sw "id=" and subject ew "sen"`:                         true,
		`realm eq "/Alpha"`:                                             false,
		`groups eq "Staff"`:                                             false,
		`name co "babs"`:                                                false,
		`USERNAME eq "bjensen"`:                                         true,
		`username ne "bjensen"`:                                         false,
		`username sw "bj" and username ew "sen"`:                        true,
		`name co "\"B\""`:                                               true,
		`groups eq "admins"`:                                            true,
		`groups ne "admins"`:                                            false,
		`groups eq "adm"`:                                               false,
		`ip eq "192.0.2.2"`:                                             true,
		`ip sw "198."`:                                                  false,
		`user_agent eq "curl"`:                                          true,
		`active eq true`:                                                true,
		`active eq false`:                                               false,
		`active ne false`:                                               true,
		`not (active eq true)`:                                          false,
		`foreign eq true and source eq "am"`:                            true,
		`source eq "x" or aal eq "aal2"`:                                true,
		`issued_at gt "2026-01-01T00:00:00Z"`:                           true,
		`issued_at eq "2026-01-02T04:04:05+01:00"`:                      true,
		`last_access_at le "2026-01-02T03:59:59Z"`:                      false,
		`expires_at pr`:                                                 false,
		`expires_at lt "2099-01-01T00:00:00Z"`:                          false, // nobody knows
		`expires_at gt "2000-01-01T00:00:00Z"`:                          false,
		`acr pr and email pr`:                                           true,
		`(source eq "x" or source eq "am") and groups eq "staff"`:       true,
	} {
		f, err := ParseFilter(text)
		require.NoError(t, err, text)
		require.Equal(t, want, f.Match(entryForFilter()), text)
	}
}

func TestFilter_WhatMakesNoSenseIsExplained(t *testing.T) {
	for text, want := range map[string]string{
		`username`:                            "write such as",
		`user eq "x"`:                         `unknown attribute "user"; there are aal, acr, active`,
		`username gt "x"`:                     "username is compared by eq",
		`username eq 7`:                       "with a text in quotes",
		`active eq "true"`:                    "with true and false",
		`active gt true`:                      "with true and false",
		`issued_at gt "yesterday"`:            "2026-01-02T15:04:05Z",
		`issued_at co "2026-01-02T15:04:05Z"`: "is compared by gt",
		`groups[value eq "x"]`:                "brackets",
		`username eq "x" and`:                 "filter:",
		strings.Repeat("(", 3000) + `username eq "x"` + strings.Repeat(")", 3000): "longer than",
	} {
		_, err := ParseFilter(text)
		require.ErrorIs(t, err, ErrMalformed, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestFilter_FindsItsTerm(t *testing.T) {
	m := &Manager{}
	for text, want := range map[string]string{
		`handle eq "h1" and source eq "am"`:  termHandle("h1"),
		`subject eq "s" and source eq "am"`:  termUser("am", "s"),
		`source eq "am" and username eq "u"`: termName("u"),
		`username eq "U"`:                    "name:u",
		`subject eq "s"`:                     "",
		`username eq "u" or source eq "am"`:  "",
		`not (username eq "u")`:              "",
		`username ne "u"`:                    "",
		`username eq ""`:                     "", // those without a name carry no term
		`true`:                               "",
	} {
		f, err := ParseFilter(text)
		require.NoError(t, err)
		require.Equal(t, want, m.termOf(f), text)
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`username eq "x" and realm eq "/alpha"`, `not (active eq true)`, `issued_at gt "2026-01-02T15:04:05Z"`, `groups[value eq "x"]`, strings.Repeat("(", 100), `ip eq "` + strings.Repeat("\\", 50)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := ParseFilter(filter.String())
		require.NoError(t, err)
		require.Equal(t, filter.Match(entryForFilter()), again.Match(entryForFilter()))
	})
}

// FuzzQuoteFilter: what is quoted chooses exactly the text it was made of.
func FuzzQuoteFilter(f *testing.F) {
	for _, seed := range []string{"", "alice", `a"b`, `\`, `\\"`, "\x00\x1f\x7f", "é日本", "\u2028<>&", `" or source pr or subject eq "`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		if len(text) > 512 {
			return
		}
		filter, err := ParseFilter("subject eq " + QuoteFilter(text))
		require.NoError(t, err, text)
		for other, want := range map[string]bool{text: true, text + "x": false} {
			e := Entry{Session: &Session{Identity: Identity{Subject: other}}}
			require.Equal(t, want, filter.Match(&e), "%q against %q", text, other)
		}
	})
}

// TestFilterOf_NamesOfUsers: whatever a user is called, the filter of that user can be read and chooses that user.
func TestFilterOf_NamesOfUsers(t *testing.T) {
	for _, name := range []string{"bjensen", `a"b\c`, "a<b>&c", "tab\tend\x1f", "日本\u2028"} {
		f, err := filterOf("am", Query{Username: name, Realm: "/alpha"})
		require.NoError(t, err, "%q", name)
		e := entryForFilter()
		e.Session.Identity.Username = name
		require.True(t, f.Match(e), "%q", name)
		e.Session.Identity.Username = name + "x"
		require.False(t, f.Match(e), "%q", name)
	}
}
