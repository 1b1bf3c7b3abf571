package vsphere

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	stsPath = "/sts/STSService"
	trust13 = "http://docs.oasis-open.org/ws-sx/ws-trust/200512" // WS-Trust 1.3

	wsTime          = "2006-01-02T15:04:05.000Z"
	messageLifetime = time.Minute // of a signed message
)

// tokenService is the STS of a vCenter: it gives SAML tokens for a user and password.
type tokenService struct {
	client   *authority.Client
	find     *register
	fixed    string           // sts_url; "": as the register says
	key      *tls.Certificate // nil: bearer tokens
	lifetime time.Duration
	now      func() time.Time

	mu   sync.Mutex
	last error // of the last contact, nil when it made sense
}

// issue asks for a token for a user. It holds for the configured key when there is one.
func (s *tokenService) issue(ctx context.Context, username string, password session.Secret) (token, error) {
	m, err := s.message("Issue", username, password, session.Secret{})
	if err != nil {
		return token{}, err
	}
	t, err := s.ask(ctx, "Issue", m)
	t.renewable = t.holder
	return t, err
}

// renew asks for a token in the place of one.
func (s *tokenService) renew(ctx context.Context, old session.Secret) (token, error) {
	if s.key == nil {
		return token{}, authority.Unavailable("certificate_file is no longer configured: the token cannot be renewed")
	}
	m, err := s.message("Renew", "", session.Secret{}, old)
	if err != nil {
		return token{}, err
	}
	t, err := s.ask(ctx, "Renew", m)
	t.renewable = t.holder
	return t, err
}

// ask sends a message to where the service is.
func (s *tokenService) ask(ctx context.Context, action, message string) (token, error) {
	at := place{url: s.fixed}
	if at.url == "" {
		at = s.find.place(ctx, tokenServiceEntry(), place{url: s.find.base + stsPath})
	}
	through := &http.Client{Timeout: s.client.Timeout(), Transport: faults{s.client.HTTP().Transport}}
	if at.through != nil {
		through.Transport = faults{at.through.Transport}
	}
	reply, err := s.client.CallWith(ctx, through, question(at.url, `"`+trust13+`/RST/`+action+`"`, message))
	if err != nil {
		if ctx.Err() == nil {
			s.find.forget()
			s.note(err)
		}
		return token{}, err
	}
	t, err := s.read(action, reply)
	if errors.Is(err, session.ErrUnavailable) {
		s.note(err)
	} else {
		s.note(nil)
	}
	return t, err
}

// read classes an answer. Only a fault that says that the user or the
// token is not believed is a refusal (WS-Trust 1.3 §11).
func (s *tokenService) read(action string, reply authority.Reply) (token, error) {
	answer, err := parseAnswer(reply.Body)
	switch {
	case err != nil:
		return token{}, authority.Unavailable(fmt.Sprintf("the token service answered %d with what is %s", reply.Status, err))
	case refuses(action, answer.fault):
		return token{}, authority.Rejected("the token service refuses: " + answer.fault)
	case answer.fault != "":
		return token{}, authority.Unavailable("the token service reported a fault")
	case reply.Status != http.StatusOK:
		return token{}, authority.Unavailable(fmt.Sprintf("the token service answered %d", reply.Status))
	}
	t, err := readToken(session.NewSecret(answer.assertion))
	if err != nil {
		return token{}, authority.Unavailable("the token service gave what is no assertion")
	}
	t.expiresAt = answer.expires
	return t, nil
}

func refuses(action, fault string) bool {
	switch fault {
	case "FailedAuthentication":
		return true
	case "UnableToRenew", "InvalidSecurityToken":
		return action == "Renew"
	}
	return false
}

func (s *tokenService) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = err
}

// health is how the last contact went. A fault is an answer.
func (s *tokenService) health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// message is a request for a token: Issue for a user and password, Renew for a token. With a key it is signed.
func (s *tokenService) message(action, username string, password, old session.Secret) (string, error) {
	now := s.now().UTC()
	keyType, use, keyID := trust13+"/Bearer", "", ""
	if s.key != nil {
		keyID = newID()
		keyType, use = trust13+"/PublicKey", `<UseKey Sig="`+keyID+`"></UseKey>`
	}
	var b strings.Builder
	_, _ = b.WriteString(`<RequestSecurityToken xmlns="` + trust13 + `"><TokenType>` + samlNamespace + `</TokenType>` +
		`<RequestType>` + trust13 + `/` + action + `</RequestType>` +
		`<Lifetime>` + period(now, now.Add(s.lifetime)) + `</Lifetime>`)
	if old.Empty() {
		_, _ = fmt.Fprintf(&b, `<Renewing Allow="%t" OK="false"></Renewing><Delegatable>true</Delegatable><KeyType>%s</KeyType>`+
			`<SignatureAlgorithm>%s</SignatureAlgorithm>%s`, s.key != nil, keyType, rsaSHA256, use)
	} else {
		_, _ = b.WriteString(use + `<RenewTarget>` + old.Reveal() + `</RenewTarget>`)
	}
	_, _ = b.WriteString(`</RequestSecurityToken>`)
	user := ""
	if username != "" {
		user = `<wsse:UsernameToken><wsse:Username>` + escaped(username) + `</wsse:Username><wsse:Password>` + escaped(password.Reveal()) +
			`</wsse:Password></wsse:UsernameToken>`
	}
	return secured(b.String(), user, now, s.key, keyID)
}

func period(from, to time.Time) string {
	return `<wsu:Created xmlns:wsu="` + wsuNamespace + `">` + from.Format(wsTime) + `</wsu:Created>` +
		`<wsu:Expires xmlns:wsu="` + wsuNamespace + `">` + to.Format(wsTime) + `</wsu:Expires>`
}

// newID is an id within a message: a name, so it begins with a letter or an underscore.
func newID() string { return "_" + rand.Text() }
