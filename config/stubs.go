package config

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/proxy"
	"github.com/sessionward/sessionward/session"
)

// stubs stand in for the parts of a running gateway some rooms want to see before they judge their options. Nothing
// is ever sent or signed with them.
type stubs struct {
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
	return stubs{signer: signer, headers: headers, strip: identity.NewStripper(append(headers.Names(), identity.ForwardingNames()...)...)}, nil
}

// identity returns what the room says about o.
func (k *checker) identity(o identity.Options) error {
	_, err := identity.New(o, k.stub.signer)
	return err
}

// upstream returns what the room says about o. It reads the certificates o names and connects to nothing.
func (k *checker) upstream(o proxy.Options) error {
	p, err := proxy.New(o, proxy.Deps{
		Headers: k.stub.headers,
		Strip:   k.stub.strip,
		Passage: func(context.Context) (proxy.Passage, bool) { return proxy.Passage{}, false },
		OnError: func(http.ResponseWriter, *http.Request, error) {},
	})
	if err != nil {
		return err
	}
	p.Close()
	return nil
}
