package identity

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

func TestFromRequestReadsWhatWriteWrote(t *testing.T) {
	s := testSession()
	s.Identity.Name = " J\u00e4ne %41 \r\n"
	full := s.Identity
	full.Claims = nil
	oauth2 := session.Identity{Subject: full.Subject, Username: full.Username, Email: full.Email, Groups: full.Groups}
	remote := session.Identity{Username: full.Username, Email: full.Email, Groups: full.Groups, Name: full.Name}
	for family, want := range map[string]session.Identity{
		FamilyXForwarded: oauth2, FamilyXAuthRequest: oauth2, FamilyRemote: remote, FamilyXSessionward: full,
	} {
		h := newHeaders(t, Options{Families: []string{family}})
		for _, status := range []Status{StatusValid, StatusStale} {
			r := &http.Request{Header: http.Header{}}
			require.NoError(t, h.Write(r.Header, s, status, "app"))
			got, ok := FromRequest(r, family)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		r := &http.Request{Header: http.Header{}}
		require.NoError(t, h.Write(r.Header, nil, StatusNone, "app"))
		_, ok := FromRequest(r, family)
		require.False(t, ok, "an anonymous request names nobody")
	}
}

// TestFromRequestRejects: what the gateway cannot have written names nobody.
func TestFromRequestRejects(t *testing.T) {
	valid := func(change func(http.Header)) http.Header {
		h := http.Header{"X-Sessionward-Subject": {"alice"}, "X-Sessionward-Status": {"valid"}, "X-Forwarded-User": {"alice"}, "Remote-User": {"alice"}}
		change(h)
		return h
	}
	for _, c := range []struct {
		name   string
		family string
		header http.Header
	}{
		{"two users", FamilyXForwarded, valid(func(h http.Header) { h.Add("X-Forwarded-User", "root") })},
		{"two groups headers", FamilyXForwarded, valid(func(h http.Header) { h["X-Forwarded-Groups"] = []string{"a", "admins"} })},
		{"two remote users", FamilyRemote, valid(func(h http.Header) { h.Add("Remote-User", "root") })},
		{"bare percent", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-User", "100%") })},
		{"half hexadecimal", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-User", "a%4z") })},
		{"bad address beside a good user", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-Email", "100%") })},
		{"user without subject", FamilyXSessionward, http.Header{"X-Sessionward-User": {"root"}, "X-Sessionward-Status": {"valid"}}},
		{"half an escape", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-User", "a%4") })},
		{"no hexadecimal", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-Groups", "a,%zz") })},
		{"raw bytes", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-User", "\u00e9") })},
		{"control byte", FamilyXForwarded, valid(func(h http.Header) { h.Set("X-Forwarded-User", "a\tb") })},
		{"no user", FamilyXForwarded, valid(func(h http.Header) { h.Del("X-Forwarded-User") })},
		{"username without subject", FamilyXForwarded, http.Header{"X-Forwarded-Preferred-Username": {"root"}}},
		{"alias alone", FamilyXForwarded, http.Header{"X_forwarded_user": {"root"}}},
		{"another family", FamilyXAuthRequest, valid(func(http.Header) {})},
		{"no status", FamilyXSessionward, valid(func(h http.Header) { h.Del("X-Sessionward-Status") })},
		{"status none", FamilyXSessionward, valid(func(h http.Header) { h.Set("X-Sessionward-Status", "none") })},
		{"unknown status", FamilyXSessionward, valid(func(h http.Header) { h.Set("X-Sessionward-Status", "VALID") })},
		{"two statuses", FamilyXSessionward, valid(func(h http.Header) { h.Add("X-Sessionward-Status", "valid") })},
		{"family none", FamilyNone, valid(func(http.Header) {})},
		{"unknown family", "X-Forwarded", valid(func(http.Header) {})},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, ok := FromRequest(&http.Request{Header: c.header}, c.family)
			require.False(t, ok)
			require.Zero(t, id)
		})
	}
}

func FuzzFromRequest(f *testing.F) {
	f.Add("alice", "a,b%2Cc", "valid")
	f.Add("%", ",,", "none")
	f.Add("%00\r\n", "%ZZ,", "stale")
	f.Fuzz(func(t *testing.T, user, groups, status string) {
		r := &http.Request{Header: http.Header{
			"X-Sessionward-Subject": {user}, "X-Sessionward-Groups": {groups}, "X-Sessionward-Status": {status},
		}}
		id, ok := FromRequest(r, FamilyXSessionward)
		if !ok {
			require.Zero(t, id)
			return
		}
		require.NotEmpty(t, id.Subject)
		text, valid := unescape(escape(id.Subject, ""))
		require.True(t, valid)
		require.Equal(t, id.Subject, text)
	})
}
