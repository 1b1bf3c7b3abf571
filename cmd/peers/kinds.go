package main

import (
	"io"
	"net/http"

	"github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/cmd/peers/secretserver"
)

// kind is one row of the table of stand-ins.
type kind struct {
	name  string
	about string // one line
	open  func(base string) (standIn, error)
}

// standIn is an opened stand-in.
type standIn struct {
	handler http.Handler
	users   string    // who can log in, for people to read
	try     []string  // commands to begin with
	closer  io.Closer // nil: nothing to close
}

// kinds is the table: to add a stand-in, add a row. open is given the URL its stand-in will answer at.
func kinds() []kind {
	return []kind{
		{"pingam", "PingAM: sessions over REST in all their actions, authenticate, a login page (a fake)", openPingAM(pingam.PingAM)},
		{"openam", "OpenAM, the open ancestor of PingAM: the same in its older versions (a fake)", openPingAM(pingam.OpenAM)},
		{"secretserver", "Thycotic / Delinea Secret Server: OAuth2 tokens, users/current, sessions (a fake)", openSecretServer},
	}
}

func openPingAM(profile pingam.Profile) func(base string) (standIn, error) {
	return func(base string) (standIn, error) {
		p, err := pingam.New(pingam.Options{Profile: profile})
		below := base + map[pingam.Profile]string{pingam.PingAM: "/am", pingam.OpenAM: "/openam"}[profile]
		return standIn{
			handler: p, users: "alice / wonderland, administrator amAdmin / administrator-4711; bob / builder-of-alpha in the realm /alpha",
			try: []string{
				"curl -X POST -H 'X-OpenAM-Username: alice' -H 'X-OpenAM-Password: wonderland' " + below + "/json/realms/root/authenticate",
				"curl -X POST -H 'iPlanetDirectoryPro: TOKEN' '" + below + "/json/realms/root/sessions?_action=getSessionInfo'",
				"a browser at " + below + "/XUI/?realm=/",
			},
		}, err
	}
}

func openSecretServer(base string) (standIn, error) {
	p, err := secretserver.New(secretserver.Options{})
	return standIn{
		handler: p, users: "alice / wonderland, no domain",
		try: []string{
			"curl -d grant_type=password -d username=alice -d password=wonderland " + base + "/oauth2/token",
			"curl -H 'Authorization: Bearer TOKEN' " + base + "/api/v1/users/current",
			"curl -X POST -H 'Authorization: Bearer TOKEN' " + base + "/api/v1/oauth-expiration",
		},
	}, err
}
