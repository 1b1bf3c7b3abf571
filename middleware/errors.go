package middleware

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
)

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
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "Content-Range", "Content-Disposition", "Etag", "Last-Modified", "Trailer"} {
		h.Del(name) // of the reply that is not coming
	}
	ownHeaders(h, "")
	s.allowOrigin(h, r)
	if p.Status == http.StatusServiceUnavailable && p.RetryAfter <= 0 {
		p.RetryAfter = defaultRetryAfter
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(p.RetryAfter), 10))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if isGRPC(r) {
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

// seconds rounds up: who comes back too early is refused again.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// isGRPC holds for what can be a call of gRPC. Its errors travel with status 200, so a mere claim in a header must not
// be enough: whoever goes by the status would take it for a yes.
func isGRPC(r *http.Request) bool {
	return r.ProtoMajor >= 2 && r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
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
	h.Set("Content-Security-Policy", strings.TrimRight("default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' "+formAction, " "))
	h.Set("Vary", "Cookie, Authorization, Accept, Origin, Sec-Fetch-Mode")
}

// formHeaders are ownHeaders for a page with a form. With no-referrer browsers send "Origin: null" along with the form
// (Fetch Standard, "append a request Origin header"), and it could not be told from one of a foreign page.
func formHeaders(h http.Header, formAction string) {
	ownHeaders(h, formAction)
	h.Set("Referrer-Policy", "strict-origin")
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
