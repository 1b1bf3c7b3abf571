package vsphere

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Source is one vCenter. Sessions that clients bring are resolved; the form of the gateway makes new ones.
type Source struct {
	name   string
	opts   Options // with defaults filled in
	base   string  // without a trailing slash
	client *authority.Client
	tokens *tokenService
	find   *register
	now    func() time.Time
	log    *slog.Logger
	old    atomic.Bool // the vCenter has no /api/session
}

// Open returns the source. It reads the files o names and asks nobody.
func Open(name string, o Options, d authority.Deps) (*Source, error) {
	o = o.withDefaults()
	client, err := authority.NewClient(o.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("vsphere.%w", err)
	}
	soap, err := authority.NewClient(o.ClientOptions, d.Now)
	if err != nil {
		return nil, fmt.Errorf("vsphere.%w", err)
	}
	key, err := o.readKey()
	if err != nil {
		return nil, err
	}
	s := &Source{name: name, opts: o, base: strings.TrimRight(o.URL, "/"), client: client, now: d.Now, log: d.Log}
	s.find = newRegister(o, s.base, soap)
	s.tokens = &tokenService{client: soap, find: s.find, fixed: o.STSURL, key: key, lifetime: o.TokenLifetime, now: d.Now}
	return s, nil
}

// readKey returns the certificate and key tokens are to hold for, nil when none are configured.
func (o *Options) readKey() (*tls.Certificate, error) {
	if o.CertificateFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.CertificateFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("vsphere.certificate_file: %w: %w", session.ErrMalformed, err)
	}
	if _, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok {
		return nil, fmt.Errorf("vsphere.key_file: %w: the key must be RSA", session.ErrMalformed)
	}
	return &pair, nil
}

// Name implements session.Source.
func (s *Source) Name() string { return s.name }

// Kind implements session.Source.
func (s *Source) Kind() string { return "vsphere" }

// DisplayName returns what people see where they choose how to sign in.
func (s *Source) DisplayName() string { return cmp.Or(s.opts.DisplayName, s.name) }

// HasPasswords reports whether the gateway's form can be used.
func (s *Source) HasPasswords() bool { return s.opts.Login != loginNone }

// Health implements session.HealthChecker: how the last contact with the session service, and with the token service,
// went.
func (s *Source) Health() error {
	for _, err := range []error{s.client.Health(), s.tokens.health()} {
		if err != nil {
			return fmt.Errorf("vsphere %s: %w", s.name, err)
		}
	}
	return nil
}

var (
	_ session.Resolver       = (*Source)(nil)
	_ session.Toucher        = (*Source)(nil)
	_ session.Verifier       = (*Source)(nil)
	_ session.Revoker        = (*Source)(nil)
	_ session.Refresher      = (*Source)(nil)
	_ session.PasswordLogin  = (*Source)(nil)
	_ session.AssertionLogin = (*Source)(nil)
	_ session.HealthChecker  = (*Source)(nil)
)
