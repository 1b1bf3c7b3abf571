package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/cmd/demo/provider"
	kratospeer "github.com/sessionward/sessionward/cmd/peers/kratos"
	"github.com/sessionward/sessionward/cmd/peers/panel"
	pingampeer "github.com/sessionward/sessionward/cmd/peers/pingam"
	powershippeer "github.com/sessionward/sessionward/cmd/peers/powership"
	secretserverpeer "github.com/sessionward/sessionward/cmd/peers/secretserver"
	vspherepeer "github.com/sessionward/sessionward/cmd/peers/vsphere"
)

// matrixKinds are the columns of the matrix.
func matrixKinds() []struct {
	kind string
	open func(t *testing.T) *matrixWorld
} {
	return []struct {
		kind string
		open func(t *testing.T) *matrixWorld
	}{
		{"oidc", openOIDCMatrix}, {"kratos", openKratosMatrix}, {"pingam", openPingAMMatrix}, {"vsphere", openVSphereMatrix},
		{"secretserver", openSecretServerMatrix}, {"powership", openPowershipMatrix},
	}
}

// servePeer serves a stand-in until the test is over.
func servePeer(t *testing.T, p interface {
	http.Handler
	Panel() *panel.Panel
}) (url string) {
	t.Helper()
	s := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Panel().Set(panel.Up)
		s.Close()
	})
	return s.URL
}

// passwordProofs are a password and a token that are right, and an assertion that is none.
func passwordProofs(source, username, password, token string) map[string]admin.Creation {
	return map[string]admin.Creation{
		"password":  {Source: source, Username: username, Password: password},
		"token":     {Source: source, Token: token},
		"assertion": {Source: source, Assertion: "<Assertion/>"},
	}
}

func openOIDCMatrix(t *testing.T) *matrixWorld {
	w := newMatrixWorld(t, "oidc", "corp", "")
	p := w.provider
	w.login = func() *http.Client { b, _ := w.world.login("/"); return b }
	w.renewed = func() int { return p.TokenCalls("refresh_token") }
	w.living = func() int { return p.ActiveRefreshTokens(alice.Subject) }
	w.endAll = func() { p.RevokeUser(alice.Subject) }
	w.asked = func() int {
		return p.TokenCalls("refresh_token") + p.Calls(provider.UserinfoPath) + p.Calls(provider.IntrospectionPath) + p.Calls(provider.RevocationPath)
	}
	w.proofs = func() map[string]admin.Creation {
		return passwordProofs("corp", "alice", alice.Password, "planted-token")
	}
	return w
}

func openKratosMatrix(t *testing.T) *matrixWorld {
	o := kratospeer.Options{Listen: freeAddr(t), AdminListen: freeAddr(t)}
	w := newMatrixWorld(t, "kratos", "ory", fmt.Sprintf("  - {name: ory, kratos: {url: \"http://%s\", admin_url: \"http://%s\", timeout: 5s}}\n", o.Listen, o.AdminListen))
	p, err := kratospeer.Start(t.Context(), o)
	skipWithoutKratos(t, err)
	t.Cleanup(p.Stop)
	w.start()
	list := func() []kratospeer.Session {
		all, err := p.Sessions(w.t.Context(), "alice")
		require.NoError(w.t, err)
		return all
	}
	ids := map[string]string{}
	w.begin = func() string {
		before := list()
		token, err := p.Login(w.t.Context(), "alice", "wonderland")
		require.NoError(w.t, err)
		for _, s := range list() {
			if !slices.ContainsFunc(before, func(b kratospeer.Session) bool { return b.ID == s.ID }) {
				ids[token] = s.ID
			}
		}
		return token
	}
	w.show = func(token string) []string { return []string{"X-Session-Token", token} }
	end := func(token string) time.Time {
		s, err := p.Session(w.t.Context(), ids[token])
		require.NoError(w.t, err)
		return s.ExpiresAt
	}
	w.alive = func(token string) bool {
		return slices.ContainsFunc(list(), func(s kratospeer.Session) bool { return s.ID == ids[token] })
	}
	w.prolongs = func(act func(h held)) {
		h := w.make(false)
		before := end(h.credential)
		act(h)
		require.True(w.t, end(h.credential).After(before), "Kratos has moved the end")
	}
	w.login = func() *http.Client { // Kratos has the pages people log in at: ours are made of a token
		made, err := w.operator().Create(w.t.Context(), admin.Creation{Source: "ory", Token: w.begin(), IP: "127.0.0.1", UserAgent: "matrix"})
		require.NoError(w.t, err)
		return w.withCookie(made.Cookie)
	}
	w.theirsStays, w.endKnown, w.template = true, true, "gateway"
	w.signer = p.TokenKey()
	w.living = func() int { return len(list()) }
	w.endAll = func() {
		for _, s := range list() {
			require.NoError(w.t, p.Revoke(w.t.Context(), s.ID))
		}
	}
	w.asked = func() int { return p.Panel().Asked() + p.AdminPanel().Asked() }
	w.proofs = func() map[string]admin.Creation { return passwordProofs("ory", "alice", "wonderland", w.begin()) }
	return w
}

func openPingAMMatrix(t *testing.T) *matrixWorld {
	p, err := pingampeer.New(pingampeer.Options{Users: []pingampeer.User{{Username: "alice", Password: amPassword}, {Username: "amAdmin", Password: amAdmin, Admin: true}}})
	require.NoError(t, err)
	w := newMatrixWorld(t, "pingam", "am", fmt.Sprintf("  - {name: am, pingam: {url: %q, password_login: true, timeout: 5s%s}}\n", servePeer(t, p)+"/am", amAdministrator))
	w.begin = func() string {
		token, err := p.Login("alice", "")
		require.NoError(w.t, err)
		return token
	}
	w.show = func(token string) []string { return []string{amCookie, token} }
	w.alive = func(token string) bool { return slices.Contains(p.Sessions(), token) }
	w.prolongs = func(act func(h held)) { // sessions idle out after half an hour
		p.Panel().Advance(-10 * time.Minute)
		h := held{browser: w.browser(), credential: w.begin()}
		p.Panel().Advance(10 * time.Minute)
		act(w.find(h))
		p.Panel().Advance(25 * time.Minute)
		require.True(w.t, w.alive(h.credential), "not used for 35 minutes, had its idle clock not begun anew")
		p.Panel().Advance(-25 * time.Minute)
	}
	w.touches = w.prolongs
	w.login = w.form("alice", amPassword)
	w.living = func() int { return len(p.Sessions()) }
	w.make(false) // the administrator's own session begins with the first question: it is there from now on
	w.endAll = func() { p.EndUser("alice") }
	w.asked = p.Panel().Asked
	w.endKnown, w.property = true, "color"
	w.byName = "Sessions are ended by their handles alone (shandle:…), as lists name them."
	w.proofs = func() map[string]admin.Creation {
		all := passwordProofs("am", "alice", amPassword, "")
		all["token"] = admin.Creation{Source: "am", Token: w.begin(), Header: amCookie}
		return all
	}
	return w
}

func openVSphereMatrix(t *testing.T) *matrixWorld {
	p, err := vspherepeer.New(vspherepeer.Options{Users: []vspherepeer.User{{Name: vcenterUser, Password: vcenterPassword}}})
	require.NoError(t, err)
	certificate, key := vcenterKey(t)
	w := newMatrixWorld(t, "vsphere", "vcenter", fmt.Sprintf("  - {name: vcenter, vsphere: {url: %q, timeout: 5s, login: saml, certificate_file: %q, key_file: %q}}\n", servePeer(t, p), certificate, key))
	w.begin = func() string { return p.Login(vcenterUser) }
	w.show = func(id string) []string { return []string{vcenterHeader, id} }
	w.alive = func(id string) bool { return slices.Contains(p.Sessions(), id) }
	w.touches = func(act func(h held)) {
		h := w.make(false)
		before := p.Accessed(h.credential)
		act(h)
		require.True(w.t, p.Accessed(h.credential).After(before), "the vCenter has seen it used")
	}
	w.login = w.form(vcenterUser, vcenterPassword)
	w.renewed = p.Logins
	w.living = func() int { return len(p.Sessions()) }
	w.endAll = func() {
		for _, id := range p.Sessions() {
			p.End(id)
		}
	}
	w.asked = p.Panel().Asked
	w.byName = noCredential
	w.endKnown = true // as configured for it: a vCenter does not tell
	w.proofs = func() map[string]admin.Creation {
		all := passwordProofs("vcenter", vcenterUser, vcenterPassword, w.begin())
		all["assertion"] = admin.Creation{Source: "vcenter", Assertion: p.Assertion(vcenterUser)}
		return all
	}
	return w
}

func openSecretServerMatrix(t *testing.T) *matrixWorld {
	p, err := secretserverpeer.New(secretserverpeer.Options{Users: []secretserverpeer.User{{Username: "alice", Password: vaultPassword, Domain: "CORP"}}})
	require.NoError(t, err)
	w := newMatrixWorld(t, "secretserver", "vault", fmt.Sprintf("  - {name: vault, secretserver: {url: %q, domain: CORP, timeout: 5s}}\n", servePeer(t, p)))
	w.begin = func() string { return p.Login("alice").Access }
	w.show = func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	w.alive = p.Alive
	w.login = w.form("alice", vaultPassword)
	w.renewed = func() (n int) {
		for _, shown := range p.Panel().Shown() {
			n += strings.Count(shown, "grant_type=refresh_token")
		}
		return n
	}
	w.living = func() int { return p.Sessions("alice") }
	w.endAll = func() { p.EndAll("alice") }
	w.asked = p.Panel().Asked
	w.byName = noCredential
	w.proofs = func() map[string]admin.Creation { return passwordProofs("vault", "alice", vaultPassword, w.begin()) }
	return w
}

func openPowershipMatrix(t *testing.T) *matrixWorld {
	p, err := powershippeer.New(powershippeer.Options{Bearer: gatewayToken})
	require.NoError(t, err)
	w := newMatrixWorld(t, "powership", "accounts", fmt.Sprintf("  - {name: accounts, powership: {bridge: {url: %q, token: %s, timeout: 5s}}}\n", servePeer(t, p), gatewayToken))
	w.begin = func() string {
		token, err := p.Login("alice", "127.0.0.1", powershipAgent)
		require.NoError(w.t, err)
		return token
	}
	w.show = func(token string) []string {
		return []string{"Authorization", "Bearer " + token, "User-Agent", powershipAgent}
	}
	w.alive = func(token string) bool { d, ok := p.Session(token); return ok && d.Valid }
	w.login = w.form("alice", "wonderland")
	w.renewed = p.Refreshed
	w.living = func() (n int) {
		for _, d := range p.Sessions() {
			if d.Valid {
				n++
			}
		}
		return n
	}
	w.endAll = func() {
		for _, d := range p.Sessions() {
			p.EndDocument(d.Cursor)
		}
	}
	w.asked = p.Panel().Asked
	w.endKnown, w.byName = true, noMethod
	w.proofs = func() map[string]admin.Creation {
		all := passwordProofs("accounts", "alice", "wonderland", "")
		all["token"] = admin.Creation{Source: "accounts", Token: w.begin(), UserAgent: powershipAgent}
		return all
	}
	return w
}
