package authority

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

const someJWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.AA"

func TestWhoseACredentialIs(t *testing.T) {
	cookie := session.Place{Kind: session.KindCookie, Name: "sid"}
	header := session.Place{Kind: session.KindHeader, Name: "X-Token"}
	bearer := session.Place{Kind: session.KindBearer}
	for _, row := range []struct {
		name  string
		o     Credentials
		place session.Place
		value string
		want  bool
	}{
		{"its cookie", Credentials{Cookie: "sid"}, cookie, "v", true},
		{"another cookie", Credentials{Cookie: "sid2"}, cookie, "v", false},
		{"a cookie by case", Credentials{Cookie: "SID"}, cookie, "v", false},
		{"its header", Credentials{Header: "x-token"}, header, "v", true},
		{"a header where cookies are", Credentials{Cookie: "X-Token"}, header, "v", false},
		{"a bearer", Credentials{Bearer: true}, bearer, "v", true},
		{"a bearer where none are taken", Credentials{Cookie: "sid"}, bearer, "v", false},
		{"a bearer with its prefix", Credentials{Bearer: true, Prefix: "ory_st_"}, bearer, "ory_st_x", true},
		{"a bearer without its prefix", Credentials{Bearer: true, Prefix: "ory_st_"}, bearer, "swk_ory_st_x", false},
		{"a cookie without its prefix", Credentials{Cookie: "sid", Prefix: "p_"}, cookie, "v", false},
		{"a bearer that names its issuer", Credentials{Bearer: true}, bearer, someJWT, false},
		{"a bearer with a prefix of a JWT", Credentials{Bearer: true, Prefix: "eyJ"}, bearer, someJWT, true},
		{"a cookie that is a JWT", Credentials{Cookie: "sid"}, cookie, someJWT, true},
		{"nothing", Credentials{Cookie: "sid", Header: "X-Token", Bearer: true}, cookie, "", false},
	} {
		c := session.Credential{Place: row.place, Value: session.NewSecret(row.value)}
		require.Equal(t, row.want, row.o.Mine(c), row.name)
	}
}

func TestCredentialsThatMakeNoSense(t *testing.T) {
	for want, o := range map[string]Credentials{
		"names no place":               {},
		"creds.cookie: is not":         {Cookie: "a b"},
		"creds.header: is not":         {Header: "a:b"},
		"creds.header: Authorization":  {Header: "authorization"},
		"creds.header: Cookie is read": {Header: "Cookie"},
		"creds.prefix: has characters": {Bearer: true, Prefix: "a b"},
	} {
		p := NewProblems("source \"x\"")
		o.Check(p, "creds")
		require.ErrorContains(t, p.Err(), want)
		require.ErrorIs(t, p.Err(), session.ErrMalformed)
	}
	p := NewProblems("source \"x\"")
	Credentials{Cookie: "ory_kratos_session", Header: "X-Session-Token", Bearer: true, Prefix: "ory_st_"}.Check(p, "creds")
	require.NoError(t, p.Err())
}
