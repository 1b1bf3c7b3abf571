package main

import (
	"io"
	"net/http"

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
		{"secretserver", "Thycotic / Delinea Secret Server: OAuth2 tokens, users/current, sessions (a fake)", openSecretServer},
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
