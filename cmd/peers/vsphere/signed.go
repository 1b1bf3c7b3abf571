package vsphere

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxAssertion = 256 << 10        // bytes after decompression
	clockSkew    = 10 * time.Minute // that a nonce may be off
)

// signed returns the user a SIGN header speaks for. Without such a header, or when the simulator is to judge it, signed
// is false.
func (p *Peer) signed(r *http.Request) (subject string, signed bool, err error) {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "SIGN ")
	if !ok || p.opts.Simulated {
		return "", false, nil
	}
	params := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(rest, -1) {
		params[m[1]] = m[2]
	}
	assertion, err := unzip(params["token"])
	if err != nil {
		return "", false, err
	}
	c, err := p.issuer.verify(assertion)
	switch {
	case err != nil:
		return "", false, err
	case !c.delegable:
		return "", false, errors.New("the token is not delegable")
	case c.confirmMethod == methodBearer:
		return c.subject, true, nil
	case c.confirmMethod != methodHolder || c.holder == nil:
		return "", false, errors.New("the token names nobody who may show it")
	}
	return c.subject, true, p.checkProof(r, params, c)
}

func unzip(token string) (string, error) {
	packed, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(z, maxAssertion))
	return string(data), err
}

// signedText is what a request is signed over: nonce, method, path, host and port, each on a line of its own, and the raw
// hash of the body (vSphere Automation API, SAML holder-of-key authentication). The port is 80 when the client's URL has
// none, whatever the scheme.
func signedText(r *http.Request, nonce string, bodyHash []byte) []byte {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s\n%s\n", nonce, r.Method, r.URL.Path, strings.ToLower(host), port, bodyHash)
}

// checkProof holds the signature of a request against the key the token was issued to.
func (p *Peer) checkProof(r *http.Request, params map[string]string, c claim) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAssertion))
	if err != nil {
		return err
	}
	hash := sha256.Sum256(body)
	given, err := base64.StdEncoding.DecodeString(params["bodyhash"])
	if err != nil || subtle.ConstantTimeCompare(given, hash[:]) != 1 {
		return errors.New("bodyhash is not that of the body")
	}
	if params["signature_alg"] != "RSA-SHA256" {
		return errors.New("signature_alg is not RSA-SHA256")
	}
	if err := p.spend(params["nonce"]); err != nil {
		return err
	}
	key, ok := c.holder.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the token's key is not RSA")
	}
	signature, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return err
	}
	sum := sha256.Sum256(signedText(r, params["nonce"], hash[:]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
}

// spend takes a nonce, "<unix ms>:<random int>": near the clock, and never twice.
func (p *Peer) spend(nonce string) error {
	millis, random, ok := strings.Cut(nonce, ":")
	at, err := strconv.ParseInt(millis, 10, 64)
	if _, err2 := strconv.ParseInt(random, 10, 64); !ok || err != nil || err2 != nil {
		return errors.New("nonce is not a time and a number")
	}
	if off := p.panel.Now().Sub(time.UnixMilli(at)); off.Abs() > clockSkew {
		return errors.New("nonce is too far from the clock")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nonces[nonce] {
		return errors.New("nonce was used before")
	}
	p.nonces[nonce] = true
	return nil
}
