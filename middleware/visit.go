package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// RequestIDHeader carries the id of a request to the application and back to the client.
const RequestIDHeader = "X-Request-Id"

// visit is what is known of one request while it passes through the house. It is made by Visit, filled in by the
// steps, read by the log line.
type visit struct {
	id       string
	request  policy.Request
	decision gate.Decision
	decided  bool
	code     string // of the problem that was answered; "" when none
}

type visitKey struct{}

func visitFrom(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// RequestID returns the id of the request ctx belongs to, "" outside one.
func RequestID(ctx context.Context) string {
	if v := visitFrom(ctx); v != nil {
		return v.id
	}
	return ""
}

// CanonicalRequest returns the canonical form of the request ctx belongs to; false outside one.
func CanonicalRequest(ctx context.Context) (policy.Request, bool) {
	if v := visitFrom(ctx); v != nil {
		return v.request, true
	}
	return policy.Request{}, false
}

// DecisionFrom returns what the gate decided about the request ctx belongs to; false when it was not asked.
func DecisionFrom(ctx context.Context) (gate.Decision, bool) {
	if v := visitFrom(ctx); v != nil && v.decided {
		return v.decision, true
	}
	return gate.Decision{}, false
}

// SessionFrom returns the session the request ctx belongs to was let through with; false for anonymous requests. It
// is for reading only.
func SessionFrom(ctx context.Context) (*session.Session, bool) {
	d, ok := DecisionFrom(ctx)
	return d.Session, ok && d.Verdict == gate.Pass && d.Session != nil
}

// Visit is the outermost step: it gives the request an id, makes its canonical form, guards against panics and writes
// the log line. What has no canonical form is answered with 400 here; what follows sees the canonical path only.
func (s *Site) Visit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.o.Now()
		v := &visit{id: newRequestID()}
		rec := &recorder{ResponseWriter: w}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		rec.Header().Set(RequestIDHeader, v.id)
		r.Header.Set(RequestIDHeader, v.id) // in the place of any a client made up
		defer s.finish(rec, r, v, began)
		q, err := s.o.Canonicalizer.Request(r)
		v.request = q
		if err != nil {
			s.WriteError(rec, r, badRequest(err))
			return
		}
		if r.URL.Host != "" && !s.known(q.Host) {
			s.WriteError(rec, r, Problem{Status: http.StatusBadRequest, Code: "foreign_authority", Detail: "The request names another site than this one."})
			return
		}
		// The URL is this request's own copy: net/http made it, and nobody upstream of here holds on to it.
		r.URL.Path, r.URL.RawPath = q.Path, q.RawPath
		next.ServeHTTP(rec, r)
	})
}

// known reports whether host is that of this site or a listed origin. It is asked about absolute targets only: there
// net/http has dropped the Host field, so nobody can see any more whether the two agreed (RFC 9112 §3.2.2).
func (s *Site) known(host string) bool {
	return slices.ContainsFunc(s.origins, func(origin string) bool { return strings.HasSuffix(origin, "://"+host) })
}

func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil { // only without a random source, which crypto/rand does not survive anyway
		return ""
	}
	return id.String()
}

// finish answers for a handler that panicked and writes the log line. What was answered in part already cannot be
// taken back: the connection is broken, so that nobody takes it for the whole. So it is for http.ErrAbortHandler, by
// which a handler asks for that.
func (s *Site) finish(rec *recorder, r *http.Request, v *visit, began time.Time) {
	p := recover()
	if p != nil && !isAbort(p) {
		s.o.Log.ErrorContext(r.Context(), "a handler panicked", "request_id", v.id, "panic", panicText(p), "stack", string(debug.Stack()))
		if rec.status == 0 {
			s.WriteError(rec, r, Problem{Status: http.StatusInternalServerError, Code: "internal_error", Detail: "Something went wrong here."})
			p = nil
		}
	}
	s.logLine(rec, r, v, began)
	if p != nil {
		panic(http.ErrAbortHandler)
	}
}

// panicText says what a panic was about. Its value may hold secrets, so that only the runtime's own show theirs.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}
