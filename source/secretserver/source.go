package secretserver

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Source is a Secret Server. It is safe for concurrent use.
type Source struct {
	name    string
	o       Options
	base    string
	zone    *time.Location // of dates without one
	client  *authority.Client
	spender *http.Client // for calls whose answer cannot be had again
	version version
	now     func() time.Time
	log     *slog.Logger
}

// Open returns the source o describes. It reads the files o names and asks nobody. o has passed Check.
func Open(name string, o Options, d authority.Deps) (*Source, error) {
	zone, err := time.LoadLocation(o.TimeZone) // "" is UTC
	if err != nil {
		return nil, fmt.Errorf("secretserver.time_zone: %q is not a zone this machine knows: use a name such as Europe/Berlin: %w", o.TimeZone, session.ErrMalformed)
	}
	client, err := authority.NewClient(o.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("secretserver.%w", err)
	}
	s := &Source{name: name, o: o, base: o.base(), zone: zone, client: client, now: d.Now, log: d.Log}
	s.spender = client.Patient(max(client.Timeout(), cmp.Or(o.TokenTimeout, authority.DefaultTokenTimeout)))
	return s, nil
}

// Name implements session.Source.
func (s *Source) Name() string { return s.name }

// Kind implements session.Source.
func (s *Source) Kind() string { return "secretserver" }

// DisplayName returns what people see above the form.
func (s *Source) DisplayName() string { return cmp.Or(s.o.DisplayName, s.name) }

// HasPasswords reports whether people can log in here by our form.
func (s *Source) HasPasswords() bool { return s.o.accepts(acceptForm) }

// Places implements session.Resolver.
func (s *Source) Places() []session.Place { return s.o.Takes().Places() }

// Health implements session.HealthChecker.
func (s *Source) Health() error {
	if err := s.client.Health(); err != nil {
		return fmt.Errorf("secretserver %s: %w", s.name, err)
	}
	return nil
}

// wrap says whose failure *err is and what was being done. Defer it.
func (s *Source) wrap(err *error, doing string) { authority.Wrap(err, "secretserver "+s.name, doing) }

var (
	_ session.Resolver      = (*Source)(nil)
	_ session.Keeper        = (*Source)(nil)
	_ session.PasswordLogin = (*Source)(nil)
	_ session.Verifier      = (*Source)(nil)
	_ session.Refresher     = (*Source)(nil)
	_ session.Revoker       = (*Source)(nil)
	_ session.OwnLister     = (*Source)(nil)
	_ session.OwnRevoker    = (*Source)(nil)
	_ session.OthersRevoker = (*Source)(nil)
	_ session.TokenChecker  = (*Source)(nil)
	_ session.HealthChecker = (*Source)(nil)
)
