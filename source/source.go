// Package source holds the authorities the gateway can ask whose a credential is: an OpenID Connect provider ([OIDC]),
// issuers of bearer JWTs ([JWT]), and users and keys of the gateway's own ([Local]).
//
// It owns how each of them is spoken to and how its answer is held against the rules of its protocol. It does not own
// the sessions: no store, no cookie, no cache of answers, no HTTP of the gateway's own doors. It never retries on its
// own and never logs a token.
//
// One rule holds for every file: only what the authority definitely refused, or what definitely fails a check, is
// session.ErrRejected. Whatever could not be asked or could not be understood is session.ErrUnavailable, so that an
// outage never logs anybody out.
package source

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/kratos"
	"github.com/sessionward/sessionward/source/pingam"
	"github.com/sessionward/sessionward/source/powership"
	"github.com/sessionward/sessionward/source/secretserver"
	"github.com/sessionward/sessionward/source/vsphere"
)

// Options configure one source. Exactly one kind is set.
type Options struct {
	// Name is the unique name of the source: 1 to 64 letters, digits, '-' and '_'. It appears in URLs and logs.
	Name string `yaml:"name"`

	OIDC          *OIDCOptions          `yaml:"oidc,omitempty"`
	JWT           *JWTOptions           `yaml:"jwt,omitempty"`
	Introspection *IntrospectionOptions `yaml:"introspection,omitempty"`
	HTTP          *HTTPOptions          `yaml:"http,omitempty"`
	Kratos        *kratos.Options       `yaml:"kratos,omitempty"`
	PingAM        *pingam.Options       `yaml:"pingam,omitempty"`
	VSphere       *vsphere.Options      `yaml:"vsphere,omitempty"`
	SecretServer  *secretserver.Options `yaml:"secretserver,omitempty"`
	Powership     *powership.Options    `yaml:"powership,omitempty"`
	Local         *LocalOptions         `yaml:"local,omitempty"`
}

// Deps are what a source needs from the program around it.
type Deps struct {
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
	// CallbackURL is the absolute redirect_uri of this source, used where a transaction does not name its own. Only
	// sources people log in at with a redirect need it.
	CallbackURL string
}

// authority is what sources in folders of their own need.
func (d Deps) authority() authority.Deps { return authority.Deps{Now: d.Now, Log: d.Log} }

// kind is one row of the table of sources.
type kind struct {
	name  string
	set   bool
	check func(*authority.Problems)
	open  func(Options, Deps) (session.Source, error)
	takes func() authority.Credentials // nil: none, or such as are told apart by what is in them
}

// kinds is the table: to add a kind of source, add a row.
func (o Options) kinds() []kind {
	return []kind{
		{"oidc", o.OIDC != nil, o.OIDC.check, openOIDC, nil},
		{"jwt", o.JWT != nil, o.JWT.check, openJWT, nil},
		{"introspection", o.Introspection != nil, o.Introspection.check, openIntrospection, o.Introspection.takes},
		{"http", o.HTTP != nil, o.HTTP.check, openHTTP, o.HTTP.takes},
		{"kratos", o.Kratos != nil, o.Kratos.Check, openKratos, o.Kratos.Takes},
		{"pingam", o.PingAM != nil, o.PingAM.Check, openPingAM, o.PingAM.Takes},
		{"vsphere", o.VSphere != nil, o.VSphere.Check, openVSphere, o.VSphere.Takes},
		{"secretserver", o.SecretServer != nil, o.SecretServer.Check, openSecretServer, o.SecretServer.Takes},
		{"powership", o.Powership != nil, o.Powership.Check, openPowership, o.Powership.Takes},
		{"local", o.Local != nil, o.Local.check, openLocal, o.Local.takes},
	}
}

func openPingAM(o Options, d Deps) (session.Source, error) {
	return pingam.Open(o.Name, *o.PingAM, d.authority())
}

func openSecretServer(o Options, d Deps) (session.Source, error) {
	return secretserver.Open(o.Name, *o.SecretServer, d.authority())
}

func openPowership(o Options, d Deps) (session.Source, error) {
	return powership.Open(o.Name, *o.Powership, d.authority())
}

func openKratos(o Options, d Deps) (session.Source, error) {
	return kratos.Open(o.Name, *o.Kratos, d.authority())
}

func openVSphere(o Options, d Deps) (session.Source, error) {
	return vsphere.Open(o.Name, *o.VSphere, d.authority())
}

// chosen returns the rows that are set.
func (o Options) chosen() []kind {
	return slices.DeleteFunc(o.kinds(), func(k kind) bool { return !k.set })
}

// Kinds lists the kinds of source there are, in the order of the documentation.
func Kinds() []string {
	var names []string
	for _, k := range (Options{}).kinds() {
		names = append(names, k.name)
	}
	return names
}

// Validate reports everything that is wrong with o, each with its place and how to put it right. It reads no file and
// asks nobody.
func (o Options) Validate() error {
	p := authority.NewProblems(fmt.Sprintf("source %q", o.Name))
	if !madeOf(o.Name, "-_", 64) {
		p.Add("name", "must be 1 to 64 letters, digits, '-' and '_'", "choose a short name such as corp")
	}
	chosen := o.chosen()
	if len(chosen) != 1 {
		p.Add("kind", "exactly one of "+strings.Join(Kinds(), ", ")+" must be set", "keep one and move the others to sources of their own")
	}
	for _, k := range chosen {
		k.check(p)
	}
	return p.Err()
}

// Open checks o and returns its source. It reads the files o names and asks nobody: a source can be opened while its
// authority is down. Its background work, where it has any, begins with Run (session.Starter).
func Open(o Options, d Deps) (session.Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.Log = d.Log.With(slog.String("source", o.Name))
	s, err := o.chosen()[0].open(o, d)
	if err != nil {
		return nil, fmt.Errorf("source %q: %w", o.Name, err)
	}
	return s, nil
}

// madeOf reports whether s has 1 to most bytes, all of them ASCII letters, digits or among others.
func madeOf(s, others string, most int) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// checkCallback reports a callback URL that no provider could send a browser to.
func checkCallback(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("callback URL %q: must be an absolute http or https URL without a fragment: %w", raw, session.ErrMalformed)
	}
	return nil
}
