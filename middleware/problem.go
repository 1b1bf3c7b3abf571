package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Problem is an error as a client sees it: RFC 9457 for programs, a page for people. Code is stable, Detail is a
// sentence; the chain of causes stays in the log.
type Problem struct {
	Status     int
	Code       string
	Detail     string
	RetryAfter time.Duration
	// SignIn offers people a way to log in, SignInAgain to prove more than they did, SignInAs to log in as somebody
	// else.
	SignIn, SignInAgain, SignInAs bool

	challenge string // WWW-Authenticate
	retry     string // where people try again; "": the page itself, if it can be asked for again
}

// defaultRetryAfter goes with a 503 whose cause did not say when to come back.
const defaultRetryAfter = 5 * time.Second

// problemOf maps a decision that lets nothing pass to what the client sees.
func problemOf(d gate.Decision) Problem {
	p := Problem{Code: d.Code, Detail: d.Reason, RetryAfter: d.RetryAfter, challenge: challengeHeader(d)}
	if plain := denials[d.Code]; plain != "" {
		p.Detail = plain
	}
	switch d.Verdict {
	case gate.Unauthenticated:
		p.Status, p.SignIn = http.StatusUnauthorized, true
	case gate.StepUp:
		p.Status, p.SignInAgain = http.StatusForbidden, true
		if d.Place.Kind == session.KindBearer {
			p.Status = http.StatusUnauthorized // RFC 9470 §3
		}
	case gate.Unavailable:
		p.Status = http.StatusServiceUnavailable
	case gate.TooMany:
		p.Status = http.StatusTooManyRequests
	case gate.Malformed:
		p.Status = http.StatusBadRequest
	case gate.NoRoute:
		p.Status = http.StatusNotFound
	default:
		p.Status, p.SignInAs = http.StatusForbidden, d.Session != nil
	}
	return p
}

// denials say to people what a rule's code means. They name nothing of the rule: what it asks for is the operator's.
var denials = map[string]string{
	"network_not_allowed":      "This page cannot be opened from your network.",
	"source_not_allowed":       "This page needs another way to sign in than the one you used.",
	"user_not_allowed":         "You are signed in, but this page is not for your account.",
	"group_required":           "You are signed in, but your account is in no group that may open this page.",
	"email_not_verified":       "You are signed in, but your account has no confirmed e-mail address.",
	"email_domain_not_allowed": "You are signed in, but this page is not for addresses like yours.",
	"expression_denied":        "You are signed in, but you may not open this page.",
	"expression_error":         "You are signed in, but it could not be established that you may open this page.",
	"aal_required":             "This page needs a stronger proof of who you are. Please sign in again.",
	"acr_required":             "This page needs a stronger proof of who you are. Please sign in again.",
	"max_age_exceeded":         "You signed in too long ago for this page. Please sign in again.",
}

// challengeHeader is the WWW-Authenticate value for a refused request (RFC 6750 §3, RFC 9470 §3).
func challengeHeader(d gate.Decision) string {
	switch {
	case d.Verdict == gate.StepUp && d.Place.Kind == session.KindBearer:
		return stepUpChallenge(d.StepUp)
	case d.Verdict != gate.Unauthenticated:
		return ""
	case d.Place.Kind == session.KindBearer:
		return `Bearer error="invalid_token"`
	default:
		return "Bearer"
	}
}

// stepUpChallenge tells a program what its next token must prove.
func stepUpChallenge(up *policy.StepUp) string {
	c := `Bearer error="insufficient_user_authentication"`
	if up == nil {
		return c
	}
	if acr := quotable(strings.Join(up.ACR, " ")); acr != "" {
		c += `, acr_values="` + acr + `"`
	}
	if up.MaxAge > 0 {
		c += `, max_age="` + strconv.FormatInt(int64(up.MaxAge/time.Second), 10) + `"`
	}
	return c
}

// quotable keeps what may stand in a quoted-string as it is (RFC 9110 §5.6.4).
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// problemOfError maps an error of the session classes to what the client sees.
func problemOfError(err error) Problem {
	p := Problem{RetryAfter: session.RetryAfter(err)}
	switch {
	case errors.Is(err, session.ErrUnavailable):
		p.Status, p.Code, p.Detail = http.StatusServiceUnavailable, "temporarily_unavailable", "A service needed for this cannot be reached just now. Nothing is lost; please try again."
	case errors.Is(err, session.ErrTooMany):
		p.Status, p.Code, p.Detail = http.StatusTooManyRequests, "too_many_attempts", "Too many attempts. Please wait a little."
	case errors.Is(err, session.ErrRejected):
		p.Status, p.Code, p.Detail, p.SignIn = http.StatusForbidden, "login_refused", "The login was refused.", true
	case errors.Is(err, session.ErrInsufficient):
		p.Status, p.Code, p.Detail = http.StatusForbidden, "insufficient_session", "The account is not allowed in, or must prove more at its own login first."
	case errors.Is(err, session.ErrMalformed):
		p.Status, p.Code, p.Detail = http.StatusBadRequest, "bad_request", "The request makes no sense here."
	default:
		p.Status, p.Code, p.Detail = http.StatusServiceUnavailable, "temporarily_unavailable", "Something needed for this does not work just now. Please try again."
	}
	return p
}

// badRequest maps a request that has no canonical form.
func badRequest(err error) Problem {
	p := Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: "The request cannot be read in only one way and is refused."}
	if bad, ok := errors.AsType[*policy.BadRequestError](err); ok {
		p.Code, p.Detail = bad.Code, "The request is refused: "+bad.Reason+"."
		if bad.Status != 0 {
			p.Status = bad.Status
		}
	}
	return p
}
