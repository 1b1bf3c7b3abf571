package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// Scope is what a caller may do.
type Scope string

// The scopes. Write includes read.
const (
	Read  Scope = "read"
	Write Scope = "write"
)

// Token is a bearer token of an operator or a script, known by its hash.
type Token struct {
	// Name is who it belongs to, for the log.
	Name string `yaml:"name"`
	// Hash is "sha256:" and the hexadecimal SHA-256 of the token, as "sessionward keys admin-token" prints it.
	Hash string `yaml:"hash"`
	// Scope is read or write. "": read.
	Scope Scope `yaml:"scope"`
}

// HashToken returns the hash of a token, as Token has it.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Validate says what is wrong with t.
func (t Token) Validate() error {
	digest, ok := strings.CutPrefix(t.Hash, "sha256:")
	sum, err := hex.DecodeString(digest)
	switch {
	case t.Name == "":
		return fmt.Errorf("name: is missing; say whose token it is: %w", session.ErrMalformed)
	case !ok || err != nil || len(sum) != sha256.Size:
		return fmt.Errorf("hash: must be sha256: and 64 hexadecimal digits; make token and hash with sessionward keys admin-token: %w", session.ErrMalformed)
	case t.Scope != "" && t.Scope != Read && t.Scope != Write:
		return fmt.Errorf("scope: %q must be read or write: %w", t.Scope, session.ErrMalformed)
	}
	return nil
}

// ValidateTokens says what is wrong with any of tokens, or between them.
func ValidateTokens(tokens []Token) error {
	seen := map[string]int{}
	for i, t := range tokens {
		if err := t.Validate(); err != nil {
			return fmt.Errorf("tokens[%d].%w", i, err)
		}
		hash := strings.ToLower(t.Hash)
		if first, twice := seen[hash]; twice {
			return fmt.Errorf("tokens[%d].hash: is that of tokens[%d] too; one token is one operator's: %w", i, first, session.ErrMalformed)
		}
		seen[hash] = i
	}
	return nil
}

// Caller is who asks, and the answer of GET /whoami.
type Caller struct {
	// Name is that of a token in the configuration or of a client certificate; "local" for this machine's own operator.
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
}

// May reports whether the caller has the scope.
func (c Caller) May(s Scope) bool { return c.Scope == Write || s == Read && c.Scope == Read }

// caller says who asks: by the token of this machine's own operator, a configured token, or a client certificate that the
// listener has verified. Every token is compared, each in constant time.
func (a *API) caller(r *http.Request) (Caller, bool) {
	if shown := r.Header.Values("Authorization"); len(shown) > 0 { // then it decides: a certificate beside it rescues nothing
		scheme, token, _ := strings.Cut(shown[0], " ")
		if token = strings.TrimSpace(token); len(shown) > 1 || token == "" || !strings.EqualFold(scheme, "Bearer") {
			return Caller{}, false
		}
		return a.byToken(token)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		name := r.TLS.VerifiedChains[0][0].Subject.CommonName
		scope, known := a.o.Clients[name]
		return Caller{Name: name, Scope: orRead(scope)}, known && name != ""
	}
	return Caller{}, false
}

func (a *API) whoami(w http.ResponseWriter, r *http.Request) {
	caller, _ := a.caller(r) // guarded has let it pass
	writeJSON(w, http.StatusOK, caller)
}

func (a *API) byToken(token string) (found Caller, ok bool) {
	hash := []byte(HashToken(token))
	for _, local := range a.o.LocalTokens {
		if subtle.ConstantTimeCompare(hash, []byte(HashToken(local.Reveal()))) == 1 {
			found, ok = Caller{Name: "local", Scope: Write}, true
		}
	}
	for _, t := range a.o.Tokens {
		if subtle.ConstantTimeCompare(hash, []byte(strings.ToLower(t.Hash))) == 1 {
			found, ok = Caller{Name: t.Name, Scope: orRead(t.Scope)}, true
		}
	}
	return found, ok
}

// orRead is the scope of who is given none.
func orRead(s Scope) Scope {
	if s == "" {
		return Read
	}
	return s
}

// knownHost reports whether the request was made for this listener: an address, localhost, or a configured name. A foreign
// name that leads here is a browser that was lured (DNS rebinding).
func (a *API) knownHost(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || slices.Contains(a.o.Hosts, host)
}

// sameOrigin reports whether a browser that asks does so for a page of this listener. Programs say nothing of the kind.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}
