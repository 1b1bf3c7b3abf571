package pingam

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The two kinds of session, as types of session.Tokens.
const (
	typeServer = "sso_server" // kept by the authority
	typeClient = "sso_client" // sealed in its token; it has no idle clock, no handle, and stands in no list
)

// clientSide is from which length on a token is one of a client-side session; server-side ones have about 100 bytes.
const clientSide = 2000

// Source is one PingAM or OpenAM.
type Source struct {
	name    string
	o       Options
	client  *authority.Client
	admin   *administrator // nil: every user's token asks about itself
	touched *touched
}

// Open returns the source that o, which has been checked, describes. It reads the file o names and asks nobody.
func Open(name string, o Options, d authority.Deps) (*Source, error) {
	c, err := authority.NewClient(o.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("pingam.%w", err)
	}
	s := &Source{name: name, o: o, client: c, touched: newTouched()}
	if !o.Administrator.Zero() {
		s.admin = newAdministrator(s, d.Log)
	}
	return s, nil
}

// Name implements session.Source.
func (s *Source) Name() string { return s.name }

// Kind implements session.Source.
func (s *Source) Kind() string { return "pingam" }

// DisplayName is what people choose this login by.
func (s *Source) DisplayName() string { return cmp.Or(s.o.DisplayName, s.name) }

// Places implements session.Resolver.
func (s *Source) Places() []session.Place { return s.o.Takes().Places() }

// Health implements session.HealthChecker. It tells as well when the administrator is not accepted.
func (s *Source) Health() error {
	err := s.client.Health()
	if err == nil && s.admin != nil {
		err = s.admin.health()
	}
	if err != nil {
		return fmt.Errorf("pingam %s: %w", s.name, err)
	}
	return nil
}

// LoginURL implements session.ExternalLogin: the login page of the realm, with goto. The authority sends browsers back to
// addresses alone that its Validation Service allows. "" when no cookie is taken: a browser has nothing else to come back
// with.
func (s *Source) LoginURL(returnTo string) string {
	if s.o.Takes().Cookie == "" {
		return ""
	}
	u, err := url.Parse(cmp.Or(s.o.LoginURL, strings.TrimRight(s.o.URL, "/")+"/XUI/"))
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("realm", s.o.realm())
	if returnTo != "" {
		q.Set("goto", returnTo)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// mine reports whether sess is one that this source resolved.
func (s *Source) mine(sess *session.Session) bool {
	return sess.Source == s.name && !sess.Tokens.Access.Empty() && sess.ID == authority.SessionID(s.name, sess.Tokens.Access)
}

func (s *Source) subject() string { return "pingam " + s.name }

// tokenType tells the two kinds of session apart.
func tokenType(token session.Secret) string {
	if text := token.Reveal(); len(text) >= clientSide || authority.LooksLikeJWT(text) {
		return typeClient
	}
	return typeServer
}

var (
	_ session.Resolver        = (*Source)(nil)
	_ session.Toucher         = (*Source)(nil)
	_ session.Keeper          = (*Source)(nil)
	_ session.Refresher       = (*Source)(nil)
	_ session.Verifier        = (*Source)(nil)
	_ session.Revoker         = (*Source)(nil)
	_ session.PasswordLogin   = (*Source)(nil)
	_ session.ExternalLogin   = (*Source)(nil)
	_ session.HealthChecker   = (*Source)(nil)
	_ session.Lister          = (*Source)(nil)
	_ session.OwnLister       = (*Source)(nil)
	_ session.IDRevoker       = (*Source)(nil)
	_ session.OwnRevoker      = (*Source)(nil)
	_ session.OthersRevoker   = (*Source)(nil)
	_ session.UserRevoker     = (*Source)(nil)
	_ session.AllRevoker      = (*Source)(nil)
	_ session.PropertyReader  = (*Source)(nil)
	_ session.PropertyUpdater = (*Source)(nil)
	_ session.TokenChecker    = (*Source)(nil)
)
