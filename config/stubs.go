package config

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/middleware"
	"github.com/sessionward/sessionward/proxy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/store"
)

// stubs stand in for the parts of a running gateway some rooms want to see before they judge their options. Nothing
// is ever sent or signed with them.
type stubs struct {
	ring    *session.KeyRing
	signer  *identity.Signer
	headers *identity.Headers
	strip   *identity.Stripper
}

func newStubs() (stubs, error) {
	ring, err := session.NewKeyRing(session.Key{ID: "check", Secret: session.NewSecret(rand.Text() + rand.Text())})
	if err != nil {
		return stubs{}, fmt.Errorf("config: prepare the checks: %w", err)
	}
	signer, err := identity.NewSigner(ring, "https://check.invalid", nil)
	if err != nil {
		return stubs{}, fmt.Errorf("config: prepare the checks: %w", err)
	}
	headers, err := identity.New(identity.Options{}, signer)
	if err != nil {
		return stubs{}, fmt.Errorf("config: prepare the checks: %w", err)
	}
	return stubs{ring: ring, signer: signer, headers: headers, strip: identity.NewStripper(append(headers.Names(), identity.ForwardingNames()...)...)}, nil
}

// identity returns what the room says about o.
func (k *checker) identity(o identity.Options) error {
	_, err := identity.New(o, k.stub.signer)
	return err
}

// upstream returns what the room says about o. It reads the certificates o names and connects to nothing.
func (k *checker) upstream(o proxy.Options) error { return k.stub.openProxy(o, nil) }

func (s stubs) openProxy(o proxy.Options, cookies []string) error {
	p, err := proxy.New(o, proxy.Deps{
		Headers: s.headers,
		Strip:   s.strip,
		Cookies: cookies,
		Passage: func(context.Context) (proxy.Passage, bool) { return proxy.Passage{}, false },
		OnError: func(http.ResponseWriter, *http.Request, error) {},
	})
	if err != nil {
		return err
	}
	p.Close()
	return nil
}

// useCookies returns what the rooms say that know the gateway's cookies by their names.
func (s stubs) useCookies(c middleware.Cookies) error {
	sessions, err := store.OpenMemory(store.MemoryOptions{}, store.Deps{})
	if err != nil {
		return err
	}
	m, err := session.NewManager(session.ManagerOptions{Store: sessions, Keys: s.ring, CookieName: c.SessionName()})
	if err == nil {
		m.Close()
		err = s.openProxy(proxy.Options{URL: "http://127.0.0.1"}, c.Names())
	}
	return errors.Join(err, sessions.Close())
}
