package vsphere

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/cmd/peers/panel"
	peer "github.com/sessionward/sessionward/cmd/peers/vsphere"
	"github.com/sessionward/sessionward/session"
)

func samlLogin(o *Options) { o.Login = loginSAML }

func TestSessionOfAClient(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.MaxLifetime = 10 * time.Hour })
	begun := w.peer.Panel().Now().Truncate(time.Millisecond)
	id := w.peer.Login(user)
	w.peer.Panel().Advance(10 * time.Minute)
	s, err := w.resolve(id)
	require.NoError(t, err)
	require.Equal(t, []string{"vc", "alice", "vsphere.local", user, "vapi", "aal1", ""},
		[]string{s.Source, s.Identity.Username, s.Realm, s.Identity.Subject, s.Tokens.Type, s.AAL, s.SourceSessionID})
	require.Equal(t, id, s.Tokens.Access.Reveal())
	require.Regexp(t, `^vsphere-[0-9a-f]{16}$`, s.Handle)
	require.WithinDuration(t, begun, s.IssuedAt, time.Second)
	require.Equal(t, s.IssuedAt, s.AuthenticatedAt)
	require.Equal(t, 10*time.Hour, s.ExpiresAt.Sub(s.IssuedAt))
	require.WithinDuration(t, begun.Add(10*time.Minute), s.LastAccessAt, time.Second)
	require.Equal(t, 30*time.Minute, s.IdleExpiresAt.Sub(s.LastAccessAt))
	require.Equal(t, 20*time.Minute, w.TouchAt(s).Sub(s.LastAccessAt))
	require.Empty(t, s.AuthenticationMethods, "a vCenter does not say how")
	require.Zero(t, s.Tokens.ExpiresAt)
}

func TestTheAbsoluteEndIsUnknownUnlessConfigured(t *testing.T) {
	w := newWorld(t, peer.Options{})
	s, err := w.resolve(w.peer.Login(user))
	require.NoError(t, err)
	require.Zero(t, s.ExpiresAt)
}

// A vCenter whose clock is behind ours does not end the session it has just vouched for.
func TestAnIdleEndThatIsPastIsNoEnd(t *testing.T) {
	w := newWorld(t, peer.Options{})
	skewed := w.open()
	skewed.now = func() time.Time { return w.peer.Panel().Now().Add(time.Hour) }
	s, err := skewed.Resolve(t.Context(), w.header(w.peer.Login(user)))
	require.NoError(t, err)
	require.Zero(t, s.IdleExpiresAt)
	require.False(t, s.Ended(skewed.now()))
}

func TestSplitsUserAtTheLastAt(t *testing.T) {
	for in, want := range map[string][2]string{
		"Administrator@VSPHERE.LOCAL": {"Administrator", "VSPHERE.LOCAL"}, "a@b@corp.example": {"a@b", "corp.example"},
		"root": {"root", ""}, "@corp": {"@corp", ""}, "a@": {"a", ""},
	} {
		name, domain := split(in)
		require.Equal(t, want, [2]string{name, domain}, in)
	}
}

func TestCookieWhenConfigured(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.Credentials.Cookie = "vmware-api-session-id" })
	require.Equal(t, []session.Place{{Kind: session.KindCookie, Name: "vmware-api-session-id"}}, w.Places())
	c := session.Credential{Place: w.Places()[0], Value: session.NewSecret(w.peer.Login(user))}
	_, err := w.Resolve(t.Context(), c)
	require.NoError(t, err)
	require.False(t, w.peer.Panel().Saw("Cookie:"), "one credential, in the header")
}

func TestPasswordLogin(t *testing.T) {
	for name, po := range map[string]peer.Options{"api": {}, "rest": {Old: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, po, func(o *Options) { o.MaxLifetime = time.Hour })
			s := w.mustLogin()
			require.Equal(t, []string{user, "alice", "vsphere.local"}, []string{s.Identity.Subject, s.Identity.Username, s.Realm})
			require.Equal(t, "basic", s.AuthenticationMethods[0].Method)
			require.Equal(t, time.Hour, s.Tokens.ExpiresAt.Sub(s.AuthenticatedAt))
			require.False(t, s.Tokens.Renewable())
			require.True(t, w.peer.Panel().Saw("Vmware-Use-Header-Authn: true"), "no cookie is made")
			require.NoError(t, w.Verify(t.Context(), s))
			_, err := w.Refresh(t.Context(), s)
			require.ErrorIs(t, err, session.ErrUnsupported)
			require.NoError(t, w.Revoke(t.Context(), s))
			require.NoError(t, w.Revoke(t.Context(), s), "gone already")
			require.ErrorIs(t, w.Verify(t.Context(), s), session.ErrRejected)
			require.Empty(t, w.peer.Sessions())
		})
	}
}

// A colon would move the border between name and password (RFC 7617 §2); nobody is asked.
func TestImpossiblePasswordsAskNobody(t *testing.T) {
	w := newWorld(t, peer.Options{})
	for _, c := range [][2]string{{"", password}, {user, ""}, {"alice:x", password}, {"a\x00", password}, {user, "p\x00"}} {
		_, err := w.VerifyPassword(t.Context(), c[0], session.NewSecret(c[1]), "")
		require.ErrorIs(t, err, session.ErrRejected)
	}
	require.Zero(t, w.peer.Panel().Asked())
	off := w.open(func(o *Options) { o.Login = loginNone })
	require.False(t, off.HasPasswords())
	_, err := off.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.ErrorIs(t, err, session.ErrUnsupported)
}

func TestVerifyRefusesAnotherUser(t *testing.T) {
	w := newWorld(t, peer.Options{})
	s := w.mustLogin()
	other := s.Clone()
	other.Identity.Subject = "mallory@vsphere.local"
	require.ErrorIs(t, w.Verify(t.Context(), other), session.ErrRejected)
}

// A session whose owner could not be asked is not left behind.
func TestFailedLoginLeavesNoSession(t *testing.T) {
	w := newWorld(t, peer.Options{})
	breaking := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.Error(rw, "", http.StatusBadGateway)
			return
		}
		w.peer.ServeHTTP(rw, r)
	}))
	t.Cleanup(breaking.Close)
	s := w.open(func(o *Options) { o.URL = breaking.URL })
	_, err := s.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.Equal(t, 1, w.peer.Logins())
	require.Empty(t, w.peer.Sessions())
}

// between puts a handler between a source and its vCenter: it answers, or says false and the vCenter does.
func (w *world) between(handle func(http.ResponseWriter, *http.Request) bool, change ...func(*Options)) *Source {
	w.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !handle(rw, r) {
			w.peer.ServeHTTP(rw, r)
		}
	}))
	w.t.Cleanup(server.Close)
	return w.open(append(change, func(o *Options) { o.URL = server.URL })...)
}

// What contradicts itself is no refusal: neither a session that ends while it is made, nor a renewed token that is refused.
func TestContradictionsDenyNobody(t *testing.T) {
	w := newWorld(t, peer.Options{})
	s := w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			w.peer.End(r.Header.Get(sessionHeader))
		}
		return false
	})
	_, err := s.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)

	refuse := false
	s = w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if refuse && r.Method == http.MethodPost && r.URL.Path == apiPath {
			rw.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}, withKey(t))
	ours, err := s.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.NoError(t, err)
	refuse = true
	_, err = s.Refresh(t.Context(), ours)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
}

func TestRenewedTokenOfAnotherUserIsNotTaken(t *testing.T) {
	w := newWorld(t, peer.Options{}, withKey(t))
	s := w.mustLogin()
	s.Identity.Subject = "mallory@vsphere.local"
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
	require.Equal(t, []string{s.Tokens.Access.Reveal()}, w.peer.Sessions(), "and its session is not left behind")
}

func TestLogoutDuringNonsenseIsNoLogout(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	s := w.mustLogin()
	for _, mode := range append(panel.Nonsense(), panel.Down, panel.Failing, panel.Stall, panel.Drip) {
		w.peer.Panel().Set(mode)
		require.ErrorIs(t, w.Revoke(t.Context(), s), session.ErrUnavailable, mode)
		w.peer.Panel().Set(panel.Up)
		require.NoError(t, w.Verify(t.Context(), s))
	}
	require.NoError(t, w.Revoke(t.Context(), s))
	asked := w.peer.Panel().Asked()
	require.NoError(t, w.Revoke(t.Context(), &session.Session{}), "nothing to end")
	require.Equal(t, asked, w.peer.Panel().Asked())
}

// A token service that moved is looked up again as soon as the old one does not answer.
func TestTokenServiceThatMovedIsFoundAgain(t *testing.T) {
	w := newWorld(t, peer.Options{}, samlLogin)
	dead := httptest.NewServer(nil)
	dead.Close()
	w.peer.Register(peer.Service{URL: dead.URL + "/sts"}, peer.Service{})
	_, err := w.login()
	require.ErrorIs(t, err, session.ErrUnavailable)
	w.peer.Register(peer.Service{}, peer.Service{})
	_, err = w.login()
	require.NoError(t, err)
}

// A pinned host is bounded like every other.
func TestPinnedReplyIsBounded(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		require.Equal(t, "sessionward", r.UserAgent())
		_, _ = rw.Write(make([]byte, maxReply+1))
	}))
	t.Cleanup(server.Close)
	client := http.Client{Transport: newPinned([]*x509.Certificate{server.Certificate()}, time.Second)}
	res, err := client.Get(server.URL)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
}

// A certificate of the register may be that of an authority: it then vouches for its own names alone.
func TestPinnedAuthority(t *testing.T) {
	server := httptest.NewTLSServer(nil) // its certificate names 127.0.0.1 and example.com, and may sign
	t.Cleanup(server.Close)
	get := func(name string) error {
		transport := newPinned([]*x509.Certificate{server.Certificate()}, time.Second)
		state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{newLeaf(t, server, "sso.example")}, ServerName: name}
		return transport.next.TLSClientConfig.VerifyConnection(state)
	}
	require.NoError(t, get("sso.example"))
	require.Error(t, get("other.example"))
}

// newLeaf is a certificate for name, signed by that of server.
func newLeaf(t *testing.T, server *httptest.Server, name string) *x509.Certificate {
	t.Helper()
	template := x509.Certificate{SerialNumber: big.NewInt(9), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	pair := newPair(t)
	der, err := x509.CreateCertificate(rand.Reader, &template, server.Certificate(), &pair.PrivateKey.(*rsa.PrivateKey).PublicKey, server.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return leaf
}

func TestTokenLogin(t *testing.T) {
	w := newWorld(t, peer.Options{}, samlLogin)
	s := w.mustLogin()
	require.Equal(t, user, s.Identity.Subject)
	require.Equal(t, "saml_bearer", s.AuthenticationMethods[0].Method)
	require.False(t, s.Tokens.Renewable(), "bearer tokens are not renewed")
	require.False(t, w.peer.Panel().Saw("Basic "), "the password goes to the token service alone")
	_, err := w.VerifyPassword(t.Context(), user, session.NewSecret("wrong"), "")
	require.ErrorIs(t, err, session.ErrRejected)
	require.NoError(t, w.Health(), "a fault is an answer")
	_, err = w.VerifyPassword(t.Context(), `<b>&"'@x`, session.NewSecret(`</wsse:Password>`), "")
	require.ErrorIs(t, err, session.ErrRejected, "not a broken message")
}

// The token service's word on the lifetime counts: the simulator's assertion is of 2018.
func TestLifetimeIsTheTokenServicesWord(t *testing.T) {
	w := newWorld(t, peer.Options{Simulated: true}, withKey(t))
	token, err := w.tokens.issue(t.Context(), user, session.NewSecret(password))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), token.expiresAt, 24*time.Hour) // it writes local time with a Z
	require.False(t, token.holder, "whatever was asked for, this is a bearer token")
	require.False(t, token.renewable)
}

func TestTokenServiceWithoutLookup(t *testing.T) {
	w := newWorld(t, peer.Options{NoLookup: true}, samlLogin)
	w.mustLogin()
	require.True(t, w.peer.Panel().Saw("POST /sts/STSService\n"), "the path that all vCenters have")
	asked := strings.Count(strings.Join(w.peer.Panel().Shown(), ""), lookupPath)
	w.mustLogin()
	require.Equal(t, asked, strings.Count(strings.Join(w.peer.Panel().Shown(), ""), lookupPath), "not asked again at once")

	fixed := w.open(samlLogin, func(o *Options) { o.STSURL = w.url + "/sts/STSService/fixed" })
	_, err := fixed.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.NoError(t, err)
	require.True(t, w.peer.Panel().Saw("POST /sts/STSService/fixed\n"))
}

// elsewhere serves the peer at another host, with TLS and a certificate nobody signed.
func elsewhere(t *testing.T, w *world) (url, certificate string) {
	t.Helper()
	s := httptest.NewUnstartedServer(w.peer)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*newPair(t)}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1), base64.StdEncoding.EncodeToString(s.TLS.Certificates[0].Certificate[0])
}

// A token service on another host is trusted by the certificate the lookup service names, and by no other.
func TestTokenServiceIsPinned(t *testing.T) {
	w := newWorld(t, peer.Options{}, samlLogin)
	address, certificate := elsewhere(t, w)
	w.peer.Register(peer.Service{URL: address + "/sts/STSService/pinned", Certificates: []string{certificate[:64] + "\n\t" + certificate[64:]}}, peer.Service{})
	w.mustLogin()
	require.True(t, w.peer.Panel().Saw("POST /sts/STSService/pinned\n"))

	for name, certificates := range map[string][]string{
		"another certificate": {base64.StdEncoding.EncodeToString(newPair(t).Certificate[0])}, "none": nil,
	} {
		w.peer.Register(peer.Service{URL: address + "/sts/STSService/" + strings.ReplaceAll(name, " ", "-"), Certificates: certificates}, peer.Service{})
		s := w.open(samlLogin)
		_, err := s.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
		require.ErrorIs(t, err, session.ErrUnavailable, name)
		require.ErrorIs(t, s.Health(), session.ErrUnavailable, name)
		require.False(t, w.peer.Panel().Saw("/sts/STSService/"+strings.ReplaceAll(name, " ", "-")), "the password was not sent")
	}
	w.peer.Register(peer.Service{URL: address + "/sts/x", Certificates: []string{"not a certificate"}}, peer.Service{})
	s := w.open(samlLogin)
	_, err := s.VerifyPassword(t.Context(), user, session.NewSecret(password), "")
	require.NoError(t, err, "an entry that makes no sense is as none")
	require.False(t, w.peer.Panel().Saw("/sts/x"))
}

// A register cannot send passwords over plain http to another host.
func TestPlainHTTPOfTheRegisterIsNotTaken(t *testing.T) {
	w := newWorld(t, peer.Options{}, samlLogin)
	w.peer.Register(peer.Service{URL: "http://sso.example/sts"}, peer.Service{})
	w.mustLogin()
	require.True(t, w.peer.Panel().Saw("POST /sts/STSService\n"))
}

func TestDiscoversTheAPI(t *testing.T) {
	w := newWorld(t, peer.Options{}, func(o *Options) { o.DiscoverAPI = true })
	id := w.peer.Login(user)
	_, err := w.resolve(id)
	require.NoError(t, err, "no entry: at the configured host")

	address, certificate := elsewhere(t, w)
	host := strings.TrimPrefix(address, "https://")
	w.peer.Register(peer.Service{}, peer.Service{URL: address + "/api", Certificates: []string{certificate}})
	var hosts []string
	watching := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host+r.URL.Path)
		w.peer.ServeHTTP(rw, r)
	}))
	t.Cleanup(watching.Close)
	s := w.open(func(o *Options) { o.DiscoverAPI, o.URL = true, watching.URL })
	_, err = s.Resolve(t.Context(), w.header(id))
	require.NoError(t, err)
	at := strings.TrimPrefix(watching.URL, "http://")
	require.Equal(t, []string{at + lookupPath, at + lookupPath}, hosts, "the id went to %s alone", host)

	w.peer.Register(peer.Service{}, peer.Service{URL: address + "/api", Certificates: []string{base64.StdEncoding.EncodeToString(newPair(t).Certificate[0])}})
	s = w.open(func(o *Options) { o.DiscoverAPI = true })
	asked := w.peer.Panel().Asked()
	_, err = s.Resolve(t.Context(), w.header(id))
	require.ErrorIs(t, err, session.ErrUnavailable, "another certificate than the register names")
	require.Equal(t, asked+2, w.peer.Panel().Asked(), "the register, and not the API")
	require.ErrorIs(t, s.Health(), session.ErrUnavailable)
}

func TestHolderOfKeyLoginAndRenewal(t *testing.T) {
	w := newWorld(t, peer.Options{MaxLifetime: time.Hour}, withKey(t), func(o *Options) { o.MaxLifetime = time.Hour })
	s := w.mustLogin()
	require.Equal(t, "saml_hok", s.AuthenticationMethods[0].Method)
	require.True(t, s.Tokens.Renewable())
	require.Equal(t, time.Hour, s.Tokens.ExpiresAt.Sub(s.AuthenticatedAt), "the session ends before its token")
	require.True(t, w.peer.Panel().Saw("BinarySecurityToken"))

	for range 3 {
		w.peer.Panel().Advance(25 * time.Minute)
		require.NoError(t, w.Verify(t.Context(), s))
		w.peer.Panel().Advance(25 * time.Minute)
		n, err := w.Refresh(t.Context(), s)
		require.NoError(t, err)
		require.NotEqual(t, s.Tokens.Access.Reveal(), n.Tokens.Access.Reveal(), "a new session")
		require.NotEqual(t, s.Tokens.Refresh.Reveal(), n.Tokens.Refresh.Reveal(), "by a new token")
		require.True(t, n.Tokens.ExpiresAt.After(s.Tokens.ExpiresAt))
		require.NoError(t, w.Verify(t.Context(), s), "the old one is let be")
		s = n
	}
	w.peer.Panel().Advance(9 * time.Hour)
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrRejected, "the token has ended")
}

func TestATokenThatEndsFirstIsRenewedFirst(t *testing.T) {
	w := newWorld(t, peer.Options{}, withKey(t), func(o *Options) { o.MaxLifetime, o.TokenLifetime = time.Hour, 20*time.Minute })
	s := w.mustLogin()
	require.WithinDuration(t, w.peer.Panel().Now().Add(20*time.Minute), s.Tokens.ExpiresAt, time.Minute)
}

// A message that is not of now is refused for its time, which says nothing about the password.
func TestClocksThatDifferDenyNobody(t *testing.T) {
	w := newWorld(t, peer.Options{}, samlLogin)
	w.tokens.now = func() time.Time { return w.peer.Panel().Now().Add(time.Hour) }
	_, err := w.login()
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrRejected)
}

// A service on the vCenter's own host is trusted as the vCenter is: what the register names may be out of date.
func TestOwnHostIsTrustedAsConfigured(t *testing.T) {
	w := newWorld(t, peer.Options{})
	r := newRegister(Options{}, "https://VCenter.example", w.client)
	trust := []string{base64.StdEncoding.EncodeToString(newPair(t).Certificate[0])}
	own, err := r.usable(endpoint{URL: "https://vcenter.example:8443/sts", Trust: trust}, tokenServiceEntry())
	require.NoError(t, err)
	require.Nil(t, own.through)
	other, err := r.usable(endpoint{URL: "https://sso.example/sts", Trust: trust}, tokenServiceEntry())
	require.NoError(t, err)
	require.NotNil(t, other.through)
}

func TestRenewalNeedsTheKeyItWasIssuedTo(t *testing.T) {
	w := newWorld(t, peer.Options{}, withKey(t))
	s := w.mustLogin()
	other := w.open(withKey(t))
	_, err := other.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrRejected)
	without := w.open(samlLogin)
	_, err = without.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable, "a configuration that lost its key ends nothing")
	_, err = without.VerifyAssertion(t.Context(), s.Tokens.Refresh)
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, err = other.VerifyAssertion(t.Context(), s.Tokens.Refresh)
	require.ErrorIs(t, err, session.ErrRejected, "signed with another key than the token's")
	by, err := w.VerifyAssertion(t.Context(), s.Tokens.Refresh)
	require.NoError(t, err)
	require.Equal(t, "saml_hok", by.AuthenticationMethods[0].Method)
}

func TestRenewalDuringOutagesEndsNothing(t *testing.T) {
	w := newWorld(t, peer.Options{}, withKey(t), func(o *Options) { o.Timeout = 300 * time.Millisecond })
	s := w.mustLogin()
	for _, mode := range append(panel.Nonsense(), panel.Down, panel.Failing) {
		w.peer.Panel().Set(mode)
		_, err := w.Refresh(t.Context(), s)
		require.ErrorIs(t, err, session.ErrUnavailable, mode)
		require.NotErrorIs(t, err, session.ErrRejected, mode)
		require.ErrorIs(t, w.Health(), session.ErrUnavailable, mode)
		w.peer.Panel().Set(panel.Up)
		w.peer.Panel().Advance(time.Minute)
		require.NoError(t, w.Verify(t.Context(), s))
	}
	w.peer.Unavailable(true) // the token service is up, the session service is not
	_, err := w.Refresh(t.Context(), s)
	require.ErrorIs(t, err, session.ErrUnavailable)
	w.peer.Unavailable(false)
	_, err = w.Refresh(t.Context(), s)
	require.NoError(t, err)
}

func TestAssertionMustBeOne(t *testing.T) {
	w := newWorld(t, peer.Options{})
	for name, text := range map[string]string{
		"empty": "", "text": "x", "html": "<html></html>", "SAML 1.1": `<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion"/>`,
		"too long": strings.Repeat(" ", maxAssertion) + w.peer.Assertion(user),
	} {
		_, err := w.VerifyAssertion(t.Context(), session.NewSecret(text))
		require.ErrorIs(t, err, session.ErrMalformed, name)
	}
	require.Zero(t, w.peer.Panel().Asked())
}

func TestPowersItLacksSayWhy(t *testing.T) {
	w := newWorld(t, peer.Options{})
	for _, err := range w.List(t.Context(), session.Query{}) {
		require.ErrorIs(t, err, session.ErrUnsupported)
		require.ErrorContains(t, err, "no other")
	}
	_, err := w.RevokeIDs(t.Context(), "x")
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, err = w.RevokeUser(t.Context(), session.Query{Subject: user})
	require.ErrorIs(t, err, session.ErrUnsupported)
	_, err = w.RevokeAll(t.Context())
	require.ErrorIs(t, err, session.ErrUnsupported)
}

func TestEndsWithin(t *testing.T) {
	w := newWorld(t, peer.Options{})
	s, err := w.resolve(w.peer.Login(user))
	require.NoError(t, err)
	for d, want := range map[time.Duration]bool{29 * time.Minute: false, 31 * time.Minute: true} {
		ends, known := w.EndsWithin(s, d)
		require.True(t, known)
		require.Equal(t, want, ends, d)
	}
	require.True(t, w.ValidToken(s))
	w.peer.Panel().Advance(31 * time.Minute)
	require.False(t, w.ValidToken(s))
	require.True(t, w.ValidSession(s))
	_, known := w.EndsWithin(&session.Session{}, time.Hour)
	require.False(t, known, "no end is known")
	require.False(t, w.ValidSession(&session.Session{}))
}

// 403 with the envelope says the user may not, and ends nothing.
func TestForbiddenIsInsufficient(t *testing.T) {
	s := answering(t, http.StatusForbidden, `{"error_type":"UNAUTHORIZED","messages":[]}`)
	_, err := s.Resolve(t.Context(), (&world{}).header("52d4a8f1"))
	require.ErrorIs(t, err, session.ErrInsufficient)
	s = answering(t, http.StatusForbidden, "<html>")
	_, err = s.Resolve(t.Context(), (&world{}).header("52d4a8f1"))
	require.ErrorIs(t, err, session.ErrUnavailable)
}
