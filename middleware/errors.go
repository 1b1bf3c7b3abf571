package middleware

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
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
	// SignIn offers people a way to log in, SignInAs to log in as somebody else.
	SignIn, SignInAs bool

	challenge string // WWW-Authenticate
}

// defaultRetryAfter goes with a 503 whose cause did not say when to come back.
const defaultRetryAfter = 5 * time.Second

// problemOf maps a decision that lets nothing pass to what the client sees.
func problemOf(d gate.Decision) Problem {
	p := Problem{Code: d.Code, Detail: d.Reason, RetryAfter: d.RetryAfter}
	switch d.Verdict {
	case gate.Unauthenticated:
		p.Status, p.SignIn = http.StatusUnauthorized, true
	case gate.StepUp:
		p.Status, p.SignInAs = http.StatusForbidden, true
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

// challengeHeader is the WWW-Authenticate value for a refused request (RFC 6750 §3, RFC 9470 §3).
func challengeHeader(d gate.Decision) string {
	switch {
	case d.Verdict == gate.StepUp && d.Place.Kind == session.KindBearer:
		return `Bearer error="insufficient_user_authentication"`
	case d.Verdict != gate.Unauthenticated:
		return ""
	case d.Place.Kind == session.KindBearer:
		return `Bearer error="invalid_token"`
	default:
		return "Bearer"
	}
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
		p.Code, p.Detail = bad.Code, bad.Reason
		if bad.Status != 0 {
			p.Status = bad.Status
		}
	}
	return p
}

// problemDocument is the body programs get (RFC 9457).
type problemDocument struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
}

// WriteError is the one mapping from a problem to a reply: status, headers, and a page or JSON as the client prefers.
func (s *Site) WriteError(w http.ResponseWriter, r *http.Request, p Problem) {
	v := visitFrom(r.Context())
	if v != nil {
		v.code = p.Code
	}
	h := w.Header()
	ownHeaders(h, "")
	s.allowOrigin(h, r)
	if p.Status == http.StatusServiceUnavailable && p.RetryAfter <= 0 {
		p.RetryAfter = defaultRetryAfter
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		writeGRPC(w, p)
		return
	}
	if gate.WantsHTML(policy.Request{Header: r.Header}) {
		s.pages.problem(w, s, r, p)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	_ = json.NewEncoder(w).Encode(problemDocument{
		Type: "about:blank", Title: http.StatusText(p.Status), Status: p.Status, Detail: p.Detail, Code: p.Code, RequestID: RequestID(r.Context()),
	})
}

// writeGRPC answers a gRPC client in the form it understands: status 200 and trailers only, in the header.
func writeGRPC(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(grpcStatus(p.Status)))
	h.Set("Grpc-Message", p.Code)
	w.WriteHeader(http.StatusOK)
}

// grpcStatus maps a status (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
func grpcStatus(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return 16 // UNAUTHENTICATED
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusNotFound:
		return 12 // UNIMPLEMENTED
	case http.StatusTooManyRequests:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return 14 // UNAVAILABLE
	case http.StatusBadRequest:
		return 3 // INVALID_ARGUMENT
	default:
		return 13 // INTERNAL
	}
}

// ownHeaders are on every reply of ours: never cached, never framed, never sniffed, nothing loaded from elsewhere.
// formAction adds an origin a form of the page may lead to.
func ownHeaders(h http.Header, formAction string) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", strings.TrimRight("default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self' "+formAction, " "))
	h.Add("Vary", "Cookie, Authorization, Accept, Origin, Sec-Fetch-Mode")
}

// allowOrigin lets scripts of listed origins read why they were refused.
func (s *Site) allowOrigin(h http.Header, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(s.origins, strings.ToLower(origin)) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, "+RequestIDHeader)
	}
}

// upstreamError is an error of the proxy that knows how it is to be answered.
type upstreamError interface {
	error
	HTTPStatus() int
	Code() string
}

// UpstreamError answers a request that passed the gate and that its upstream did not answer.
func (s *Site) UpstreamError(w http.ResponseWriter, r *http.Request, err error) {
	p := Problem{Status: http.StatusBadGateway, Code: "upstream_failed", Detail: "The application did not answer."}
	if e, ok := errors.AsType[upstreamError](err); ok {
		p.Status, p.Code = e.HTTPStatus(), e.Code()
		p.Detail = upstreamDetails[p.Status]
	}
	level := slog.LevelWarn
	if p.Status < http.StatusInternalServerError {
		level = slog.LevelInfo
	}
	s.o.Log.Log(r.Context(), level, "forwarding failed", "request_id", RequestID(r.Context()), "error", err)
	s.WriteError(w, r, p)
}

var upstreamDetails = map[int]string{
	http.StatusBadRequest:            "The request cannot be forwarded as it is.",
	http.StatusUnauthorized:          "The session has ended.",
	http.StatusForbidden:             "Another site may not do this.",
	http.StatusRequestTimeout:        "The request came too slowly.",
	http.StatusRequestEntityTooLarge: "The request is too large.",
	http.StatusNotImplemented:        "This method is not forwarded.",
	http.StatusBadGateway:            "The application does not answer.",
	http.StatusGatewayTimeout:        "The application did not answer in time.",
	http.StatusInternalServerError:   "Something went wrong here.",
}
