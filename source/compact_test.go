package source

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// Each of these parameters brings a key, points to one, or changes how the token is to be read. None is accepted,
// whatever a library further in would do with it.
func TestHeaderParametersThatAreRefused(t *testing.T) {
	parse := func(header string) error {
		_, err := parseCompact(segment(header)+"."+segment(`{"iss":"x"}`)+".AA", asymmetric())
		return err
	}
	require.NoError(t, parse(`{"alg":"RS256","kid":"k","typ":"JWT","x5t":"AA","x5t#S256":"AA"}`))
	for _, name := range []string{"jku", "x5u", "x5c", "jwk", "crit", "zip", "b64", "enc", "epk", "p2c", "p2s"} {
		for _, value := range []string{`"text"`, `null`, `[]`, `true`} {
			err := parse(`{"alg":"RS256","` + name + `":` + value + `}`)
			require.ErrorIs(t, err, session.ErrRejected)
			require.ErrorContains(t, err, name)
		}
	}
	for _, alg := range []string{`"none"`, `"HS256"`, `"rs256"`, `""`, `null`, `["RS256"]`} {
		require.ErrorContains(t, parse(`{"alg":`+alg+`}`), "algorithm", alg)
	}
	_, err := parseCompact(segment(`{"alg":"RS256"}`)+"."+segment(`{"iss":"x"}`)+".", asymmetric())
	require.ErrorContains(t, err, "signature is missing")
	require.ErrorContains(t, parse(`{"alg":"RS256","x":"`+strings.Repeat("x", maxHeader)+`"}`), "too long")
	require.ErrorContains(t, parse(`{"alg":"RS256","kid":"`+strings.Repeat("k", maxKeyID+1)+`"}`), "key id")
}

func TestBrokenPayloadIsRefusedByItself(t *testing.T) {
	for _, payload := range []string{`{"iss":"x","sub":"a","sub":"b"}`, `{"iss":"x","a":1e999}`, "{\"iss\":\"x\",\"a\":\"\xff\"}"} {
		raw := segment(`{"alg":"RS256"}`) + "." + segment(payload) + ".AA"
		c, ok := readCompact(raw)
		require.True(t, ok)
		require.Equal(t, "x", c.issuer())
		require.Equal(t, map[string]any{"iss": "x"}, c.claims, "nothing else of it is looked at")
		_, err := parseCompact(raw, asymmetric())
		require.ErrorIs(t, err, session.ErrRejected)
	}
}
