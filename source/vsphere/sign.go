package vsphere

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// proof returns the header a session is made with: SIGN with the token, and for one that holds for a key a signature of
// the request.
func (s *tokenService) proof(t token) (proof, error) {
	if t.holder && s.key == nil {
		return nil, authority.Unsupported("the token holds for a key, and no certificate_file is configured")
	}
	key := s.key
	if !t.holder {
		key = nil
	}
	return func(method string, target *url.URL) (http.Header, error) {
		value, err := signHeader(t.assertion, key, s.now(), method, target)
		if err != nil {
			return nil, err
		}
		return http.Header{"Authorization": {value}}, nil
	}, nil
}

// signHeader is an Authorization header of the scheme SIGN for a request without a body. The assertion is packed as it
// is, byte for byte.
func signHeader(assertion session.Secret, key *tls.Certificate, now time.Time, method string, target *url.URL) (string, error) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, assertion.Reveal())
	if err := z.Close(); err != nil {
		return "", authority.Unavailable("packing the token failed")
	}
	value := `SIGN token="` + base64.StdEncoding.EncodeToString(packed.Bytes()) + `"`
	if key == nil {
		return value, nil
	}
	number, err := rand.Int(rand.Reader, big.NewInt(math.MaxInt64))
	if err != nil {
		return "", authority.Unavailable("making a nonce failed")
	}
	nonce := fmt.Sprintf("%d:%d", now.UnixMilli(), number)
	body := sha256.Sum256(nil)
	signature, err := signRSA(key, signedText(nonce, method, target, body[:]))
	if err != nil {
		return "", err
	}
	return value + fmt.Sprintf(`, signature_alg="RSA-SHA256", signature="%s", nonce="%s", bodyhash="%s"`,
		base64.StdEncoding.EncodeToString(signature), nonce, base64.StdEncoding.EncodeToString(body[:])), nil
}

// signedText is what a vCenter checks the signature of a request against: nonce, method, path, host and port, each on a
// line of its own, and the raw hash of the body. The port of a URL without one is 80, also for https: the vCenter reads
// it from the Host header, which has none either.
func signedText(nonce, method string, target *url.URL, bodyHash []byte) []byte {
	host, port := strings.ToLower(target.Hostname()), target.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		port = "80"
	}
	return fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s\n%s\n", nonce, method, target.Path, host, port, bodyHash)
}

// signRSA is RSA PKCS #1 v1.5 with SHA-256. The key is RSA: see readKey.
func signRSA(key *tls.Certificate, text []byte) ([]byte, error) {
	private, ok := key.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, authority.Unsupported("the key is not RSA")
	}
	sum := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	if err != nil {
		return nil, authority.Unavailable("signing failed")
	}
	return signature, nil
}
