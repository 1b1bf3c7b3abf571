package proxy

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// checkUpgrade accepts a request that does not ask for another protocol, and one that is a complete WebSocket
// handshake (RFC 6455 §4.1). All others are refused, h2c first among them: an upgrade nobody understood leaves bytes
// on the connection that somebody else may understand.
func checkUpgrade(r *http.Request) error {
	h := r.Header
	if !wantsUpgrade(r) {
		return nil
	}
	up, version, key := h["Upgrade"], h["Sec-Websocket-Version"], h["Sec-Websocket-Key"]
	switch {
	case len(up) != 1 || !equalFold(up[0], "websocket"),
		!hasToken(h["Connection"], "upgrade"),
		r.Method != http.MethodGet || r.ProtoMajor != 1 || r.ProtoMinor < 1,
		r.ContentLength != 0,
		len(version) != 1 || version[0] != "13",
		len(key) != 1 || !validKey(key[0]):
		return errNotWebSocket
	}
	return nil
}

// wantsUpgrade looks at Upgrade alone. Connection: upgrade without it asks for nothing, and some proxies send that with
// every request.
func wantsUpgrade(r *http.Request) bool {
	_, ok := r.Header["Upgrade"]
	return ok
}

// validKey reports whether key is 16 bytes in base64.
func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// checkOrigin refuses a WebSocket on a cookie unless the page that opened it is of the origin it connects to. Cookies
// travel with a handshake from any site, and no other rule of the browser stands in the way (RFC 6455 §10.2).
// Credentials in headers cannot be sent by another site's page.
func checkOrigin(r *http.Request, p *Passage) error {
	inHeader := p.Place.Kind == session.KindBearer || p.Place.Kind == session.KindHeader
	if p.Session == nil || inHeader || len(r.Header["Cookie"]) == 0 {
		return nil
	}
	if o := r.Header["Origin"]; len(o) == 1 && sameOrigin(o[0], p.Scheme, p.Host) {
		return nil
	}
	return errForeignOrigin
}

// sameOrigin reports whether origin (RFC 6454 §6.2) is that of scheme and host. Default ports may be left out.
func sameOrigin(origin, scheme, host string) bool {
	originHost, ok := strings.CutPrefix(origin, scheme+"://")
	return ok && host != "" && equalFold(withoutDefaultPort(originHost, scheme), withoutDefaultPort(host, scheme))
}

func withoutDefaultPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// checkSwitch accepts a 101 only from a server that has understood this very handshake (RFC 6455 §4.2.2).
func checkSwitch(in *http.Request, res *http.Response) error {
	up, accept := res.Header["Upgrade"], res.Header["Sec-Websocket-Accept"]
	if !wantsUpgrade(in) || len(up) != 1 || !equalFold(up[0], "websocket") || !hasToken(res.Header["Connection"], "upgrade") ||
		len(accept) != 1 || accept[0] != acceptFor(in.Header.Get("Sec-Websocket-Key")) {
		return errBadSwitch
	}
	return nil
}

// acceptFor is the answer to a handshake's key: RFC 6455 asks for SHA-1, which protects nothing here.
func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken reports whether one of the comma-separated lists holds token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if equalFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// equalFold compares a with b, which is ASCII, without regard to case. No letter beyond ASCII has the length of the
// ASCII letter strings.EqualFold takes it for.
func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
