package pingam

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// record is one session.
type record struct {
	token      string
	handle     string // "": client-side sessions have none
	uid        string
	user       User
	began      time.Time
	accessed   time.Time // as written down: at most once per UpdateEvery
	properties map[string]string
	clientSide bool
}

// login makes a session. The caller holds mu.
func (p *Peer) login(u User) *record {
	now := p.panel.Now()
	uid := lower() + "-" + fmt.Sprint(100000+number(900000))
	method := "DataStore"
	if u.Code != "" {
		method = "DataStore|HOTP"
	}
	s := &record{user: u, began: now, accessed: now, uid: uid, clientSide: p.o.ClientSide, properties: map[string]string{
		"AMCtxId": uid, "AuthLevel": "0", "AuthType": method, "authInstant": seconds(now), "UserId": u.Username,
	}}
	if u.Code != "" {
		s.properties["AuthLevel"] = "10"
	}
	if s.token = serverToken(); s.clientSide {
		s.token = clientToken()
	} else {
		s.handle = "shandle:" + c66(80) + "AA."
	}
	p.sessions[s.token] = s
	return s
}

// find returns the living session of a token, nil when there is none. The caller holds mu.
func (p *Peer) find(token string) *record {
	s := p.sessions[token]
	if s == nil || !p.alive(s) {
		delete(p.sessions, token)
		return nil
	}
	return s
}

func (p *Peer) alive(s *record) bool {
	now := p.panel.Now()
	return now.Before(s.began.Add(p.o.MaxLifetime)) && (s.clientSide || now.Before(s.accessed.Add(p.o.IdleTimeout)))
}

// touch resets the idle clock, unless that was done within UpdateEvery. Client-side sessions have none.
func (p *Peer) touch(s *record) {
	if now := p.panel.Now(); !s.clientSide && now.Sub(s.accessed) >= p.o.UpdateEvery {
		s.accessed = now
	}
}

// universalID names the user in the directory.
func (s *record) universalID() string {
	org := ""
	for _, name := range strings.Split(strings.Trim(s.user.Realm, "/"), "/") {
		if name != "" {
			org = "o=" + name + ",ou=services," + org
		}
	}
	return "id=" + s.user.Username + ",ou=user," + org + "dc=am,dc=example,dc=com"
}

// serverToken makes a token as server-side sessions have them: about 100 characters of the alphabet C66, with asterisks.
func serverToken() string {
	return "AQIC5wM2LY4Sfc" + c66(49) + "*AAJTSQACMDEAAlNLABM" + fmt.Sprint(number(1<<62)) + "*"
}

// clientToken makes one as client-side sessions have them: a JWT of more than 2000 bytes. What is in it is sealed.
func clientToken() string {
	part := func(n int) string {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","cty":"JWT","alg":"HS256"}`)) + "." + part(1600) + "." + part(32)
}

// c66 makes n random characters that stand in cookies without quoting.
func c66(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_*"
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[number(int64(len(alphabet)))]
	}
	return string(b)
}

func number(below int64) int64 {
	n, _ := rand.Int(rand.Reader, big.NewInt(below)) // never fails: crypto/rand ends the process instead
	return n.Int64()
}

func lower() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
