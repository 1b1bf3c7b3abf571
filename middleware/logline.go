package middleware

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

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
	method := r.Method[:min(len(r.Method), maxLoggedMethod)]
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request_id", v.id), slog.String("method", method), slog.String("host", v.request.Host),
		slog.String("path", path), slog.Int("status", rec.code()), slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", s.o.Now().Sub(began)), slog.String("client_ip", loggedIP(r, v.request.ClientIP)))
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

// maxLoggedMethod bounds, in bytes, the method in the log: a client may make one up as long as it likes.
const maxLoggedMethod = 32

// loggedIP is the client's address; that of the peer where the request had no canonical form, "-" where it has none.
func loggedIP(r *http.Request, client netip.Addr) string {
	if client.IsValid() {
		return client.String()
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return peer.Addr().Unmap().String()
	}
	return "-"
}
