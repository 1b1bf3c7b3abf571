package identity

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/sessionward/sessionward/session"
)

// assertionClaims is the payload of an assertion. Names are those of RFC 7519, OIDC Core §5.1 and §2; handle travels
// as sid, and aal is ours.
type assertionClaims struct {
	Issuer            string   `json:"iss"`
	Subject           string   `json:"sub"`
	Audience          string   `json:"aud"`
	IssuedAt          int64    `json:"iat"`
	NotBefore         int64    `json:"nbf"`
	ExpiresAt         int64    `json:"exp"`
	ID                string   `json:"jti"`
	Email             string   `json:"email,omitempty"`
	EmailVerified     bool     `json:"email_verified,omitempty"`
	Name              string   `json:"name,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
	Groups            []string `json:"groups,omitempty"`
	ACR               string   `json:"acr,omitempty"`
	AMR               []string `json:"amr,omitempty"`
	AuthTime          int64    `json:"auth_time,omitempty"`
	SessionID         string   `json:"sid,omitempty"`
	AAL               string   `json:"aal,omitempty"`
}

// validText reports whether all text is UTF-8. JSON has no other, and what stands in for it would make one of two
// different users.
func (c *assertionClaims) validText() bool {
	single := []string{c.Subject, c.Audience, c.Email, c.Name, c.PreferredUsername, c.ACR, c.SessionID, c.AAL}
	return validText(single) && validText(c.Groups) && validText(c.AMR)
}

// issuedTokens are the assertions of one session, one per audience and life.
type issuedTokens struct {
	mu     sync.Mutex
	tokens []issuedToken
}

type issuedToken struct {
	audience string
	ttl      time.Duration
	value    []string // one element and no room for another: shared between requests
	from     time.Time
	until    time.Time // when to make the next one
	end      time.Time // exp
}

func (t *issuedToken) serves(audience string, ttl time.Duration, now time.Time) bool {
	return t.audience == audience && t.ttl == ttl && t.current(now)
}

func (t *issuedToken) current(now time.Time) bool { return !now.Before(t.from) && now.Before(t.until) }

// Sign returns an assertion of s for audience that lives ttl (0: MaxAssertionTTL) and never longer than s. One is
// used again for the same session and audience until half its life is over, so its jti is not for single use.
// session.ErrRejected when s has ended, session.ErrMalformed when it has no subject or audience is empty.
func (s *Signer) Sign(sess *session.Session, audience string, ttl time.Duration) (string, error) {
	if ttl <= 0 || ttl > MaxAssertionTTL {
		ttl = MaxAssertionTTL
	}
	v, err := s.value(sess, audience, ttl)
	if err != nil {
		return "", err
	}
	return v[0], nil
}

// Token is Sign for somebody who has to know when the assertion ends.
func (s *Signer) Token(sess *session.Session, audience string, ttl time.Duration) (session.Secret, time.Time, error) {
	if ttl <= 0 || ttl > MaxAssertionTTL {
		ttl = MaxAssertionTTL
	}
	t, err := s.token(sess, audience, ttl)
	if err != nil {
		return session.Secret{}, time.Time{}, err
	}
	return session.NewSecret(t.value[0]), t.end, nil
}

// value is Sign as a header's value list.
func (s *Signer) value(sess *session.Session, audience string, ttl time.Duration) ([]string, error) {
	t, err := s.token(sess, audience, ttl)
	return t.value, err
}

// token is the assertion that is in use, or a fresh one.
func (s *Signer) token(sess *session.Session, audience string, ttl time.Duration) (issuedToken, error) {
	now := s.now()
	issued, ok := s.issued.load(sess)
	if !ok {
		issued = s.issued.loadOrStore(sess, &issuedTokens{})
	}
	issued.mu.Lock()
	defer issued.mu.Unlock()
	for i := range issued.tokens {
		if issued.tokens[i].serves(audience, ttl, now) {
			return issued.tokens[i], nil
		}
	}
	fresh, err := s.sign(sess, audience, ttl, now)
	if err != nil {
		return issuedToken{}, err
	}
	issued.keep(fresh, now)
	return fresh, nil
}

// keep adds fresh and drops what is of no more use, which bounds the list by the audiences in use.
func (t *issuedTokens) keep(fresh issuedToken, now time.Time) {
	kept := t.tokens[:0]
	for _, old := range t.tokens {
		if old.current(now) {
			kept = append(kept, old)
		}
	}
	clear(t.tokens[len(kept):])
	t.tokens = append(kept, fresh)
}

func (s *Signer) sign(sess *session.Session, audience string, ttl time.Duration, now time.Time) (issuedToken, error) {
	exp, until := now.Add(ttl), now.Add(ttl/2)
	if end := sess.EndsAt(); !end.IsZero() && end.Before(exp) {
		exp, until = end, end // the next one would not live longer
	}
	switch {
	case sess.Ended(now) || exp.Unix() <= now.Unix():
		return issuedToken{}, fmt.Errorf("identity assertion: session %s has ended: %w", sess.Handle, session.ErrRejected)
	case sess.Identity.Subject == "":
		return issuedToken{}, fmt.Errorf("identity assertion: session %s has no subject: %w", sess.Handle, session.ErrMalformed)
	case audience == "":
		return issuedToken{}, fmt.Errorf("identity assertion: no audience: %w", session.ErrMalformed)
	}
	claims := s.claims(sess, audience, now, exp)
	if !claims.validText() {
		return issuedToken{}, fmt.Errorf("identity assertion: session %s: text that is not UTF-8: %w", sess.Handle, ErrValue)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return issuedToken{}, fmt.Errorf("identity assertion: encode: %w", err)
	}
	jws, err := s.jws.Sign(payload)
	if err != nil {
		return issuedToken{}, fmt.Errorf("identity assertion: sign: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return issuedToken{}, fmt.Errorf("identity assertion: encode: %w", err)
	}
	value := []string{compact}
	return issuedToken{audience: audience, ttl: ttl, value: value, from: now, until: until, end: time.Unix(exp.Unix(), 0).UTC()}, nil
}

func (s *Signer) claims(sess *session.Session, audience string, now, exp time.Time) assertionClaims {
	id := &sess.Identity
	c := assertionClaims{
		Issuer: s.issuer, Subject: id.Subject, Audience: audience, ID: rand.Text(),
		IssuedAt: now.Unix(), NotBefore: now.Unix(), ExpiresAt: exp.Unix(),
		Email: id.Email, EmailVerified: id.Email != "" && id.EmailVerified, Name: id.Name,
		PreferredUsername: id.Username, Groups: id.Groups,
		ACR: sess.ACR, AMR: methods(sess), SessionID: sess.Handle, AAL: sess.AAL,
	}
	if !sess.AuthenticatedAt.IsZero() {
		c.AuthTime = sess.AuthenticatedAt.Unix()
	}
	return c
}
