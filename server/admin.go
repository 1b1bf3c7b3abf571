package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/sessionward/sessionward/admin"
	"github.com/sessionward/sessionward/config"
	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/session"
)

// api is what operators are answered by.
func (h *house) api(health *admin.Health) (*admin.API, error) {
	o := h.cfg.Admin
	clients := map[string]admin.Scope{}
	for _, c := range o.Clients {
		clients[c.Name] = c.Scope
	}
	signer, err := h.signer()
	if err != nil {
		return nil, err
	}
	return admin.New(admin.Options{
		Operations: h.ops, Health: health, Keys: h.keys, Sources: h.sources, LocalTokens: admin.LocalTokens(h.keys), Tokens: o.Tokens,
		Clients: clients, Hosts: o.Hosts, Tokenize: tokenizer(signer, o.TokenAudiences), Tally: h.tally, Log: h.log,
	})
}

// tokenizer makes assertions like those applications get, for the listed audiences alone.
func tokenizer(signer *identity.Signer, audiences []string) func(*session.Session, string) (session.Secret, time.Time, error) {
	return func(s *session.Session, audience string) (session.Secret, time.Time, error) {
		if !slices.Contains(audiences, audience) {
			return session.Secret{}, time.Time{}, fmt.Errorf("the authority of session %s makes no tokens, and %q is not among admin.token_audiences: %w", s.Handle, audience, session.ErrUnsupported)
		}
		return signer.Token(s, audience, 0)
	}
}

// adminTLS wraps l where the listener for operators speaks https. Clients without a certificate are let in: they may show a
// token.
func adminTLS(o config.AdminTLSOptions, l net.Listener) (net.Listener, error) {
	if o.CertFile == "" {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("admin.tls: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	if o.ClientCAFile == "" {
		return tls.NewListener(l, c), nil
	}
	pem, err := os.ReadFile(o.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("admin.tls.client_ca_file: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("admin.tls.client_ca_file: %s holds no PEM certificate: %w", o.ClientCAFile, session.ErrMalformed)
	}
	return tls.NewListener(l, c), nil
}
