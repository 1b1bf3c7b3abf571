package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
)

// guarded lets those pass who may, from where they may, with what the route takes.
func (a *API) guarded(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !sameOrigin(r) {
			writeProblem(w, Problem{Status: http.StatusForbidden, Code: "cross_site", Detail: "This can only be asked by a page of this listener, or by no page at all."})
			return
		}
		caller, known := a.caller(r)
		switch {
		case !known:
			a.refused(r, route, "", "unauthorized")
			w.Header().Set("WWW-Authenticate", `Bearer realm="sessionward admin"`)
			writeProblem(w, Problem{Status: http.StatusUnauthorized, Code: "unauthorized", Detail: "Show a token of admin.tokens, or a client certificate."})
			return
		case !caller.May(route.scope):
			a.refused(r, route, caller.Name, "insufficient_scope")
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="sessionward admin", error="insufficient_scope", scope=%q`, route.scope))
			writeProblem(w, Problem{Status: http.StatusForbidden, Code: "insufficient_scope", Detail: "This needs the scope " + string(route.scope) + "."})
			return
		}
		rec := &recorder{ResponseWriter: w}
		defer a.finish(rec, r, route, caller)
		if err := route.check(r); err != nil {
			a.fail(rec, r, err)
			return
		}
		route.handle(rec, r)
	}
}

func (a *API) refused(r *http.Request, route route, name, code string) {
	a.o.Log.LogAttrs(r.Context(), slog.LevelWarn, "an operator was refused", slog.String("code", code), slog.String("operator", name),
		slog.String("method", route.method), slog.String("route", route.path), slog.String("from", r.RemoteAddr))
}

// finish answers for a handler that panicked, and writes down who changed what. What stands in the path is named only
// when there was such a session: otherwise it may be anything, a secret in the wrong place as well.
func (a *API) finish(rec *recorder, r *http.Request, route route, caller Caller) {
	if p := recover(); p != nil {
		a.o.Log.ErrorContext(r.Context(), "a handler panicked", "route", route.path, "panic", panicText(p), "stack", string(debug.Stack()))
		if rec.status != 0 { // the answer is begun: break it, so that nobody takes it for the whole
			panic(http.ErrAbortHandler)
		}
		a.fail(rec, r, errPanicked)
	}
	if route.scope != Write {
		return
	}
	attrs := []slog.Attr{
		slog.String("operator", caller.Name), slog.String("method", route.method), slog.String("route", route.path),
		slog.Int("status", rec.status), slog.String("from", r.RemoteAddr),
	}
	if handle := r.PathValue("handle"); handle != "" && rec.status/100 == 2 {
		attrs = append(attrs, slog.String("session", handle))
	}
	a.o.Log.LogAttrs(r.Context(), slog.LevelInfo, "an operator acted", attrs...)
}

// errPanicked is of no class: an internal error.
var errPanicked = errors.New("a handler panicked")

// panicText says what a panic was about. Its value may hold secrets, so that only the runtime's own show theirs.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

// recorder remembers the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
