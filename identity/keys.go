package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sessionward/sessionward/session"
)

const (
	fetchTimeout = 5 * time.Second
	// fetchEvery is the least time between two attempts, whoever sends whatever key ids.
	fetchEvery = 10 * time.Second
	maxKeySet  = 1 << 20
)

// keySource keeps the last good key set. The zero value is ready.
type keySource struct {
	mu        sync.Mutex
	keys      map[string]*ecdsa.PublicKey
	fetchedAt time.Time     // of keys
	triedAt   time.Time     // of the last attempt
	err       error         // of the last attempt; before the first there is no attempt to have one
	flight    chan struct{} // closed when the attempt under way ends, nil when there is none
	client    *http.Client
}

// found is what there is for one key id.
type found struct {
	key    *ecdsa.PublicKey
	fetch  bool            // the caller is the one to fetch the key set
	flight <-chan struct{} // somebody else is fetching it
	err    error           // the last attempt failed
	wait   time.Duration   // until the next attempt
}

// key returns the key named kid, from the gateway if need be.
func (v *Verifier) key(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	for {
		f := v.keys.find(kid, v.now())
		switch {
		case f.fetch:
			v.refetch(ctx) // find knows what came of it
		case f.key != nil:
			return f.key, nil
		case f.flight != nil:
			select {
			case <-f.flight:
			case <-ctx.Done():
				return nil, fmt.Errorf("identity verifier: wait for key set: %w: %w", context.Cause(ctx), session.ErrUnavailable)
			}
		case f.err != nil:
			err := fmt.Errorf("identity verifier: fetch key set: %w: %w", f.err, session.ErrUnavailable)
			return nil, session.WithRetryAfter(err, f.wait)
		default:
			return nil, rejected("key %q is not in the key set", kid)
		}
	}
}

// find looks kid up and says whether the caller has to fetch: when the key is not known or the set is old, nobody else
// is at it, and the last attempt is long enough ago. Who is told to must call refetch.
func (ks *keySource) find(kid string, now time.Time) found {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	f := found{key: ks.keys[kid], flight: ks.flight, err: ks.err, wait: fetchEvery - now.Sub(ks.triedAt)}
	old := now.Sub(ks.fetchedAt) >= KeySetMaxAge
	due := f.wait <= 0 || f.wait > fetchEvery // the second: the clock was set back
	if ks.flight == nil && due && (f.key == nil || old) {
		ks.flight, ks.triedAt, f.fetch = make(chan struct{}), now, true
	}
	return f
}

// refetch replaces the keys and ends the flight. It runs to its end whatever becomes of ctx, because others wait for
// it. On an error the last good keys stay.
func (v *Verifier) refetch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	var keys map[string]*ecdsa.PublicKey
	err := errors.New("fetch was aborted")
	defer func() { v.keys.land(keys, err, v.now()) }() // even past a panic of the client's transport
	keys, err = v.fetch(ctx)
}

func (ks *keySource) land(keys map[string]*ecdsa.PublicKey, err error, now time.Time) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if err == nil {
		ks.keys, ks.fetchedAt = keys, now
	}
	ks.err = err
	close(ks.flight)
	ks.flight = nil
}

func (v *Verifier) fetch(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	if err := v.checkURL(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.JWKSURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.httpClient().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("more than %d bytes", maxKeySet)
	}
	return parseKeySet(body)
}

// httpClient returns the client to fetch with; only the flight calls it. It follows no redirect: whoever can answer
// with one must not choose the keys.
func (v *Verifier) httpClient() *http.Client {
	if v.keys.client != nil {
		return v.keys.client
	}
	client := http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: fetchTimeout,
		IdleConnTimeout: fetchTimeout, MaxIdleConns: 1,
	}}
	if v.HTTPClient != nil {
		client = *v.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	v.keys.client = &client
	return v.keys.client
}

func (v *Verifier) checkURL() error {
	u, err := url.Parse(v.JWKSURL)
	switch {
	case err != nil:
		return fmt.Errorf("JWKSURL: %w", err)
	case u.Scheme == "https", u.Scheme == "http" && (v.InsecureJWKSOverHTTP || local(u.Hostname())):
		return nil
	}
	return errors.New("JWKSURL must be https; http is for the local host, or set InsecureJWKSOverHTTP")
}

func local(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// parseKeySet returns the ES256 keys of a key set by their id. Keys of other kinds, and keys it cannot read, are not
// ours to judge and are left out; a set without any of ours is an error, so that it never replaces a good one.
func parseKeySet(body []byte) (map[string]*ecdsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not a key set: %w", err)
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err != nil {
			continue
		}
		public, ok := k.Key.(*ecdsa.PublicKey)
		ours := ok && public.Curve == elliptic.P256() && k.KeyID != "" &&
			(k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == string(jose.ES256))
		if ours {
			keys[k.KeyID] = public
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no ES256 key in the key set")
	}
	return keys, nil
}
