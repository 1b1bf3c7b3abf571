package secretserver

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/source/authority"
)

// verdict is what an answer says of the token that was shown.
type verdict int

const (
	nonsense   verdict = iota // nothing: it is not Secret Server's
	good                      // the token works, and here is what was asked for
	ended                     // the token is unknown, has expired or was ended
	forbidden                 // the token works, and its user lacks a right
	absent                    // this version has no such call
	badRequest                // the token works, and what was asked makes no sense
)

// expiredSentence comes with 403 when the token has expired or was ended, and with no other refusal (vendor's REST API
// tests). Some versions leave out the full stop.
const expiredSentence = "Authentication failed or expired token"

// judge reads the status of an answer of the REST API, and the body where the status alone does not decide. reason says
// what makes no sense.
func judge(r authority.Reply) (v verdict, reason string) {
	if reason := notTheirs(r); reason != "" {
		return nonsense, reason
	}
	switch r.Status {
	case http.StatusOK:
		return good, ""
	case http.StatusUnauthorized:
		return ended, ""
	case http.StatusForbidden:
		message, err := parseRefusal(r.Body)
		switch {
		case err != nil:
			return nonsense, "a refusal is " + err.Error()
		case isExpired(message):
			return ended, ""
		}
		return forbidden, ""
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return absent, ""
	case http.StatusBadRequest:
		return badRequest, ""
	}
	return nonsense, "it answered " + strconv.Itoa(r.Status)
}

// notTheirs says why an answer cannot be the application's own, "" when it can: pages come from IIS, a maintenance mode or
// a proxy, and a demand for Windows or Basic authentication from a web server that is set up so. None of them knows
// anything about a token.
func notTheirs(r authority.Reply) string {
	if isPage(r) {
		return "it answered with a page instead of JSON"
	}
	if scheme := otherChallenge(r.Header); r.Status == http.StatusUnauthorized && scheme != "" {
		return "its web server asks for " + scheme + " authentication: check the address and IIS"
	}
	return ""
}

// isPage reports whether the body is HTML or XML.
func isPage(r authority.Reply) bool {
	kind, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	return strings.TrimSpace(kind) == "text/html" || bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("<"))
}

// otherChallenge returns a scheme the answer asks for that is not Secret Server's own (RFC 9110 §11.6.1, RFC 4559), "" when
// there is none.
func otherChallenge(h http.Header) string {
	others := []string{"Negotiate", "NTLM", "Kerberos", "Basic", "Digest"}
	for _, value := range h.Values("WWW-Authenticate") {
		for challenge := range strings.SplitSeq(value, ",") {
			scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " ")
			if i := slices.IndexFunc(others, func(o string) bool { return strings.EqualFold(o, scheme) }); i >= 0 {
				return others[i]
			}
		}
	}
	return ""
}

// isExpired compares the sentence of a refusal, with and without its full stop.
func isExpired(message string) bool {
	return strings.TrimSuffix(strings.TrimSpace(message), ".") == expiredSentence
}
