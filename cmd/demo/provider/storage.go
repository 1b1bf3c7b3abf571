package provider

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// errUnknown: there is no such thing here, or it has ended.
var errUnknown = errors.New("unknown or ended")

// storage is the state behind the protocol library, which calls it without locks of its own. Everything handed to the
// library is a copy.
type storage struct {
	o   Options // with defaults; Users is not used after New
	key signingKey

	mu       sync.Mutex
	users    map[string]User            // by subject
	clients  map[string]*client         // by id; never changes
	requests map[string]*authRequest    // by id
	codes    map[string]*authRequest    // by code
	families map[string]*family         // by id
	refresh  map[string]*refreshToken   // by token
	access   map[string]*accessToken    // by token id
	sessions map[string]*browserSession // by cookie value
	devices  map[string]*deviceLogin    // by device code
	sweptAt  time.Time
}

func newStorage(o Options, key *rsa.PrivateKey) *storage {
	s := &storage{
		o:        o,
		key:      signingKey{id: rand.Text(), key: key},
		users:    map[string]User{},
		clients:  map[string]*client{},
		requests: map[string]*authRequest{},
		codes:    map[string]*authRequest{},
		families: map[string]*family{},
		refresh:  map[string]*refreshToken{},
		access:   map[string]*accessToken{},
		sessions: map[string]*browserSession{},
		devices:  map[string]*deviceLogin{},
	}
	for _, u := range o.Users {
		u.Groups = slices.Clone(u.Groups)
		s.users[u.Subject] = u
	}
	for _, c := range o.Clients {
		s.clients[c.ID] = &client{Client: c, idTokenTTL: o.AccessTokenTTL}
	}
	return s
}

// verify returns the user with this name and password.
func (s *storage) verify(username, password string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u.Username == username {
			return u, subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1
		}
	}
	return User{}, false
}

// GetClientByClientID implements op.OPStorage.
func (s *storage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client").WithParent(errUnknown)
	}
	return c.comingBack(ctx), nil
}

// AuthorizeClientIDSecret implements op.OPStorage. A public client has no secret that could be right.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.clients[id]
	if !ok || c.Secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return errUnknown
	}
	return nil
}

// GetKeyByIDAndClientID implements op.OPStorage: clients have no keys here.
func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnknown
}

// ValidateJWTProfileScopes implements op.OPStorage: the JWT profile grant is not offered.
func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, oidc.ErrUnsupportedGrantType()
}

// Health implements op.Storage.
func (s *storage) Health(context.Context) error { return nil }

// SigningKey implements op.AuthStorage.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }

// SignatureAlgorithms implements op.AuthStorage.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements op.AuthStorage.
func (s *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

type signingKey struct {
	id  string
	key *rsa.PrivateKey
}

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) Key() any                                    { return k.key }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

type publicKey struct{ signingKey }

func (k publicKey) Key() any                           { return &k.key.PublicKey }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return oidc.KeyUseSignature }

// sweep drops what has expired, at most once a minute. The caller holds s.mu.
func (s *storage) sweep(now time.Time) {
	if now.Sub(s.sweptAt) < time.Minute {
		return
	}
	s.sweptAt = now
	sweepMap(s.requests, now)
	sweepMap(s.codes, now)
	sweepMap(s.families, now)
	sweepMap(s.refresh, now)
	sweepMap(s.access, now)
	sweepMap(s.sessions, now)
	sweepMap(s.devices, now)
}

func sweepMap[V interface{ ended(time.Time) bool }](m map[string]V, now time.Time) {
	maps.DeleteFunc(m, func(_ string, v V) bool { return v.ended(now) })
}

var (
	_ op.Storage                        = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest      = (*storage)(nil)
	_ op.CanTerminateSessionFromRequest = (*storage)(nil)
)
