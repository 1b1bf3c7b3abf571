package main

import (
	"context"
	"io"
	"net/http"

	"github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/cmd/peers/pingam"
	"github.com/sessionward/sessionward/cmd/peers/powership"
	"github.com/sessionward/sessionward/cmd/peers/secretserver"
	"github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/cmd/peers/whoami"
)

// kind is one row of the table of stand-ins.
type kind struct {
	name  string
	about string // one line
	open  func(ctx context.Context, base string) (standIn, error)
}

// standIn is an opened stand-in.
type standIn struct {
	handler http.Handler
	users   string    // who can log in, for people to read
	try     []string  // commands to begin with; what stands in capitals is in the answer to the one before
	closer  io.Closer // nil: nothing to close
}

// kinds is the table: to add a stand-in, add a row. open is given the URL its stand-in will answer at, and a context that
// ends with the command.
func kinds() []kind {
	return []kind{
		{"kratos", "Ory Kratos (the real one, built from tools/kratos: minutes the first time)", openKratos},
		{"pingam", "PingAM: sessions over REST in all their actions, authenticate, a login page (a fake)", openPingAM(pingam.PingAM)},
		{"openam", "OpenAM, the open ancestor of PingAM: the same in its older versions (a fake)", openPingAM(pingam.OpenAM)},
		{"powership", "an application that keeps sessions of Powership accounts (a fake)", openPowership},
		{"secretserver", "Thycotic / Delinea Secret Server: OAuth2 tokens, users/current, sessions (a fake)", openSecretServer},
		{"vsphere", "VMware vCenter: sessions of both generations, token service, lookup service (govmomi's simulators)", openVSphere},
		{"whoami", "an application with a session endpoint of its own, GET /api/me (a fake)", openWhoami},
	}
}

// gatewayAt is where the gateway is by default: browsers that logged in may go back there.
func gatewayAt() []string { return []string{"http://localhost:4180", "http://127.0.0.1:4180"} }

func openKratos(ctx context.Context, base string) (standIn, error) {
	p, err := kratos.Start(ctx, kratos.Options{URL: base, ReturnURLs: gatewayAt()})
	if err != nil {
		return standIn{}, err
	}
	return standIn{
		handler: p, closer: p,
		users: "alice / wonderland; administrators' door without a password at " + p.AdminURL() + " (admin_url)",
		try: []string{
			"curl " + base + "/self-service/login/api",
			"curl -d method=password -d identifier=alice -d password=wonderland '" + base + "/self-service/login?flow=ID'",
			"curl -H 'X-Session-Token: TOKEN' " + base + "/sessions/whoami",
			"curl " + p.AdminURL() + "/admin/sessions",
		},
	}, nil
}

func openPowership(_ context.Context, base string) (standIn, error) {
	p, err := powership.New(powership.Options{})
	from := `"requestIp":"127.0.0.1","userAgent":"curl"`
	return standIn{
		handler: p, users: "alice / wonderland; a session holds for the user agent it was made with",
		try: []string{
			`curl -d '{"username":"alice","password":"wonderland","request":{` + from + `}}' ` + base + "/sessions/login",
			`curl -d '{"authToken":"TOKEN",` + from + `}' ` + base + "/sessions/handle-request",
			`curl -d '{"mode":"all","accountId":"ACCOUNT"}' ` + base + "/sessions/invalidate-sessions",
		},
	}, err
}

func openPingAM(profile pingam.Profile) func(context.Context, string) (standIn, error) {
	return func(_ context.Context, base string) (standIn, error) {
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

func openSecretServer(_ context.Context, base string) (standIn, error) {
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

func openVSphere(_ context.Context, base string) (standIn, error) {
	p, err := vsphere.New(vsphere.Options{})
	return standIn{
		handler: p, users: "alice@vsphere.local / wonderland",
		try: []string{
			"curl -X POST -u alice@vsphere.local:wonderland " + base + "/api/session",
			"curl -H 'vmware-api-session-id: TOKEN' " + base + "/api/session",
			"curl -X DELETE -H 'vmware-api-session-id: TOKEN' " + base + "/api/session",
		},
	}, err
}

func openWhoami(_ context.Context, base string) (standIn, error) {
	p, err := whoami.New(whoami.Options{})
	return standIn{
		handler: p, users: "alice / wonderland",
		try: []string{
			"curl -d username=alice -d password=wonderland " + base + whoami.LoginPath,
			"curl -H 'Cookie: app_session=TOKEN' " + base + whoami.MePath,
			"curl -X POST -H 'X-App-Session: TOKEN' " + base + whoami.LogoutPath,
		},
	}, err
}
