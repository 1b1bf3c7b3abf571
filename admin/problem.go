package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Problem is the body of every error (RFC 9457). Code is stable; Detail is for people and holds nothing secret.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Error implements error, for Client.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// classes is the one mapping from a class of failure to what a caller of the API sees. The first that fits counts: what
// is unavailable and claims anything else as well is unavailable.
func classes() []struct {
	class  error
	status int
	code   string
} {
	return []struct {
		class  error
		status int
		code   string
	}{
		{session.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
		{session.ErrUnsupported, http.StatusNotImplemented, "unsupported"},
		{session.ErrNotFound, http.StatusNotFound, "not_found"},
		{session.ErrRejected, http.StatusUnprocessableEntity, "rejected"},
		{session.ErrInsufficient, http.StatusForbidden, "not_allowed"},
		{session.ErrMalformed, http.StatusBadRequest, "malformed"},
		{session.ErrTooMany, http.StatusTooManyRequests, "too_many_attempts"},
		{session.ErrConflict, http.StatusConflict, "conflict"},
	}
}

func problemOf(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return *p
	}
	for _, c := range classes() {
		if errors.Is(err, c.class) {
			return Problem{Status: c.status, Code: c.code, Detail: err.Error()}
		}
	}
	return Problem{Status: http.StatusInternalServerError, Code: "internal_error", Detail: "Something went wrong here."}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if wait := session.RetryAfter(err); wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	} else if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	switch p.Status {
	case http.StatusServiceUnavailable:
		a.o.Log.LogAttrs(r.Context(), slog.LevelWarn, "an operation failed", slog.String("route", r.Pattern), slog.Any("error", err))
	case http.StatusInternalServerError: // of no class: nobody vouches that its text holds no secret
		a.o.Log.LogAttrs(r.Context(), slog.LevelError, "an operation failed for a reason of no class", slog.String("route", r.Pattern), slog.String("type", fmt.Sprintf("%T", err)))
	}
	writeProblem(w, p)
}

// filled returns p with what follows from its status.
func (p Problem) filled() Problem {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	return p
}

func writeProblem(w http.ResponseWriter, p Problem) {
	p = p.filled()
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
