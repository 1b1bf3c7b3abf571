package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
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
		defer s.finish(rec, r, v, began)
		q, err := s.o.Canonicalizer.Request(r)
		v.request = q
		if err != nil {
			s.WriteError(rec, r, badRequest(err))
			return
		}
		// The URL is this request's own copy: net/http made it, and nobody upstream of here holds on to it.
		r.URL.Path, r.URL.RawPath = q.Path, q.RawPath
		next.ServeHTTP(rec, r)
	})
}

func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil { // only without a random source, which crypto/rand does not survive anyway
		return ""
	}
	return id.String()
}

// finish answers for a handler that panicked and writes the log line. http.ErrAbortHandler is how a handler breaks a
// connection on purpose; it goes on to net/http.
func (s *Site) finish(rec *recorder, r *http.Request, v *visit, began time.Time) {
	p := recover()
	if p != nil && !isAbort(p) {
		s.o.Log.ErrorContext(r.Context(), "a handler panicked", "request_id", v.id, "panic", p, "stack", string(debug.Stack()))
		if rec.status == 0 {
			s.WriteError(rec, r, Problem{Status: http.StatusInternalServerError, Code: "internal_error", Detail: "Something went wrong here."})
		}
	}
	s.logLine(rec, r, v, began)
	if p != nil && isAbort(p) {
		panic(p)
	}
}

func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// logLine writes the one line of the access log: who, what, how it ended; never a query, a cookie or a token.
func (s *Site) logLine(rec *recorder, r *http.Request, v *visit, began time.Time) {
	ctx := r.Context()
	if !s.o.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	path := v.request.RawPath
	if path == "" {
		path = "-" // it had no canonical form
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request_id", v.id), slog.String("method", r.Method), slog.String("host", v.request.Host),
		slog.String("path", path), slog.Int("status", rec.code()), slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", s.o.Now().Sub(began)), slog.String("client_ip", v.request.ClientIP.String()))
	if d := v.decision; v.decided {
		if d.Route != nil {
			attrs = append(attrs, slog.String("route", d.Route.Name))
		}
		attrs = append(attrs, slog.String("decision", d.Code))
		if d.Freshness != "" {
			attrs = append(attrs, slog.String("cache", string(d.Freshness)), slog.Bool("renewed", d.Renewed))
		}
		if d.Session != nil {
			attrs = append(attrs, slog.String("source", d.Session.Source), slog.String("subject", d.Session.Identity.Subject), slog.String("session", d.Session.Handle))
		}
		if d.Err != nil {
			attrs = append(attrs, slog.String("reason", d.Err.Error()))
		}
	}
	if v.code != "" {
		attrs = append(attrs, slog.String("code", v.code))
	}
	s.o.Log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// recorder remembers what was answered. Unwrap gives http.ResponseController the way to what is below, so streaming
// and upgrades work through it.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the first final status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Flush serves handlers that ask for http.Flusher directly, as echo does.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
