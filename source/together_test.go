package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/powership"
)

// A credential that two sources claim would be shown to an authority that did not make it.
func TestSourcesThatClaimOneCredential(t *testing.T) {
	creds := func(list ...authority.Credentials) error {
		var errs error
		for j := range list {
			for i := range list[:j] {
				chain := []Options{{Name: "a"}, {Name: "b"}, {Name: "c"}}
				if err := betweenTwo(chain, i, j, list[i], list[j]); err != nil && errs == nil {
					errs = err
				}
			}
		}
		return errs
	}
	c := func(cookie, header string, bearer bool, prefix string) authority.Credentials {
		return authority.Credentials{Cookie: cookie, Header: header, Bearer: bearer, Prefix: prefix}
	}
	for name, err := range map[string]error{
		"prefixes and a catch-all at the end": creds(c("", "", true, "ory_st_"), c("", "", true, "swk_"), c("", "", true, "")),
		"cookies and headers of their own":    creds(c("a", "X-A", false, ""), c("b", "X-B", false, "")),
		"one cookie, told apart by prefix":    creds(c("a", "", false, "p1_"), c("a", "", false, "p2_")),
		"a narrower prefix first":             creds(c("", "", true, "ory_st_"), c("", "", true, "ory_")),
	} {
		require.NoError(t, err, name)
	}
	for want, err := range map[string]error{
		"sources[0].kind: takes every opaque bearer token, also those of sources[1] (b)": creds(c("", "", true, ""), c("", "", true, "swk_")),
		`bearer tokens that begin with "ory_st_" are taken by sources[0] (a) already`:    creds(c("", "", true, "ory_"), c("", "", true, "ory_st_")),
		"sources[1].kind: the cookie a is taken by sources[0] (a) already":               creds(c("a", "", false, ""), c("a", "", false, "")),
		"sources[1].kind: the header x-a is taken by sources[0] (a) already":             creds(c("", "X-A", false, ""), c("", "x-a", false, "")),
	} {
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, session.ErrMalformed)
	}
}

func TestSourcesThatClaimOneCredentialByTheirOptions(t *testing.T) {
	key := func(name, header string) Options {
		return Options{Name: name, Local: &LocalOptions{APIKeyHeader: header, APIKeys: []APIKey{{ID: "ci"}}}}
	}
	require.NoError(t, CheckTogether([]Options{key("a", "")}, "sid"))
	require.ErrorContains(t, CheckTogether([]Options{key("a", ""), key("b", "X-Other")}, "sid"), `sources[1].local: bearer tokens that begin with "swk_" are taken by sources[0] (a) already`)

	bridge := func(name string, c authority.Credentials) Options {
		return Options{Name: name, Powership: &powership.Options{Bridge: &powership.BridgeOptions{URL: "https://app.example.com"}, Credentials: c}}
	}
	require.NoError(t, CheckTogether([]Options{bridge("a", authority.Credentials{}), bridge("b", authority.Credentials{Cookie: "other"})}, "sid"))
	require.ErrorContains(t, CheckTogether([]Options{bridge("a", authority.Credentials{}), bridge("b", authority.Credentials{Cookie: "other", Bearer: true})}, "sid"),
		"sources[1].powership: bearer tokens of Powership are taken by sources[0] (a) already")
}
