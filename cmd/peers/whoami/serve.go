package whoami

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxBody bounds every request body, in bytes.
const maxBody = 64 << 10

// shown returns the one credential r carries: the bearer token, else the header, else the cookie.
func (p *Peer) shown(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	if v := r.Header.Get(p.o.Header); v != "" {
		return v
	}
	if c, err := r.Cookie(p.o.Cookie); err == nil {
		return c.Value
	}
	return ""
}

// inTenant reports whether r shows the cookie of that tenant, where there is such a cookie.
func (p *Peer) inTenant(r *http.Request, tenant string) bool {
	if p.o.TenantCookie == "" {
		return true
	}
	c, err := r.Cookie(p.o.TenantCookie)
	return err == nil && c.Value == tenant
}

// me answers whose session it is.
func (p *Peer) me(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"error": "method not allowed"})
		return
	}
	if p.o.ServiceKey != "" && r.Header.Get("X-Service-Key") != p.o.ServiceKey {
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "service key required"})
		return
	}
	s, u, ok := p.use(r)
	switch {
	case !ok && p.o.SoftNo:
		writeJSON(w, http.StatusOK, map[string]any{"authenticated": false})
	case !ok:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "not signed in"})
	case u.Locked:
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "account locked"})
	default:
		writeJSON(w, http.StatusOK, p.describe(s, u))
	}
}

// describe is the answer for a session that is.
func (p *Peer) describe(s session, u User) map[string]any {
	roles := make([]map[string]any, 0, len(u.Roles))
	for _, r := range u.Roles {
		roles = append(roles, map[string]any{"name": r})
	}
	return map[string]any{
		"authenticated": true,
		"user": map[string]any{
			"id": u.ID, "login": u.Username, "display_name": u.Name,
			"mail":  map[string]any{"address": u.Email, "verified": u.EmailVerified},
			"roles": u.Roles, "role_objects": roles,
		},
		"session": map[string]any{
			"id": s.id, "tenant": u.Tenant, "assurance": "aal1",
			"started_at": p.time(s.startedAt), "expires_at": p.time(s.endAt), "idle_expires_at": p.time(s.idleEndAt),
		},
	}
}

// time writes t in the peer's form.
func (p *Peer) time(t time.Time) any {
	if p.o.UnixTimes {
		return t.Unix()
	}
	return t.Format(time.RFC3339)
}

// logout ends the session. One that is not there is no error.
func (p *Peer) logout(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "POST, DELETE")
		writeJSON(w, http.StatusMethodNotAllowed, map[string]any{"error": "method not allowed"})
		return
	}
	if _, _, ok := p.use(r); !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "not signed in"})
		return
	}
	p.End(p.shown(r))
	w.WriteHeader(http.StatusNoContent)
}

// loginPage is a form; next is where it leads back to.
func (p *Peer) loginPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>Sign in</title><form method="post"><input name="username"><input name="password"`+
		` type="password"><input type="hidden" name="next" value="%s"><button>Sign in</button></form>`,
		html.EscapeString(r.URL.Query().Get("next")))
}

// login begins a session, tells its token and sets its cookie. It leads back to paths of its own host only.
func (p *Peer) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	username := r.PostFormValue("username")
	p.mu.Lock()
	u, ok := p.users[username]
	ok = ok && u.Password == r.PostFormValue("password") && !u.Locked
	p.mu.Unlock()
	if !ok {
		http.Error(w, "wrong username or password", http.StatusUnauthorized)
		return
	}
	token, err := p.Login(username)
	if err != nil {
		http.Error(w, "wrong username or password", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: p.o.Cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if next := r.PostFormValue("next"); strings.HasPrefix(next, "/") && !strings.HasPrefix(next, "//") && !strings.Contains(next, `\`) {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	_, _ = io.WriteString(w, token+"\n")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

var _ http.Handler = (*Peer)(nil)
