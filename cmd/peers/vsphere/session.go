package vsphere

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const sessionHeader = "vmware-api-session-id"

// session serves the session resource of one generation: /api/session or /rest/com/vmware/cis/session.
func (p *Peer) session(w http.ResponseWriter, r *http.Request, api bool) {
	p.mu.Lock()
	unavailable := p.unavailable
	p.mu.Unlock()
	action := r.URL.Query().Get("~action")
	switch {
	case unavailable:
		p.fail(w, r, api, serviceUnavailable())
	case r.Method == http.MethodPost && action == "":
		p.create(w, r, api)
	case r.Method == http.MethodGet, r.Method == http.MethodPost && action == "get" && !api:
		p.show(w, r, api)
	case r.Method == http.MethodDelete:
		p.remove(w, r, api)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (p *Peer) create(w http.ResponseWriter, r *http.Request, api bool) {
	subject, signed, err := p.signed(r)
	if err != nil {
		p.fail(w, r, api, unauthenticated())
		return
	}
	id, ok := p.vcenter.login(r.Header.Get("Authorization"))
	if !ok {
		p.fail(w, r, api, unauthenticated())
		return
	}
	if !signed {
		subject, _ = p.vcenter.user(id)
	}
	p.hold(id, subject)
	p.mu.Lock()
	p.logins++
	p.mu.Unlock()
	if !api && r.Header.Get("vmware-use-header-authn") != "true" {
		http.SetCookie(w, &http.Cookie{Name: sessionHeader, Value: id, Path: "/rest"})
	}
	if api {
		answer(w, http.StatusCreated, id)
		return
	}
	answer(w, http.StatusOK, map[string]any{"value": id})
}

// shownID returns the session id a request shows; the cookie counts below /rest alone.
func shownID(r *http.Request, api bool) string {
	if id := r.Header.Get(sessionHeader); id != "" {
		return id
	}
	if cookie, err := r.Cookie(sessionHeader); err == nil && !api {
		return cookie.Value
	}
	return ""
}

// show uses the session: there is no way to look at one without touching it.
func (p *Peer) show(w http.ResponseWriter, r *http.Request, api bool) {
	id := shownID(r, api)
	h, ok := p.touch(id)
	if _, known := p.vcenter.user(id); !ok || !known {
		p.fail(w, r, api, unauthenticated())
		return
	}
	if api {
		const form = "2006-01-02T15:04:05.000Z"
		answer(w, http.StatusOK, map[string]any{"user": h.user, "created_time": h.created.Format(form), "last_accessed_time": h.accessed.Format(form)})
		return
	}
	elsewhere := time.FixedZone("", 2*60*60) // the simulator writes nanoseconds and the zone of its machine
	answer(w, http.StatusOK, map[string]any{"value": map[string]any{
		"user": h.user, "created_time": h.created.In(elsewhere), "last_accessed_time": h.accessed.In(elsewhere),
	}})
}

func (p *Peer) remove(w http.ResponseWriter, r *http.Request, api bool) {
	id := shownID(r, api)
	if _, ok := p.touch(id); !ok {
		p.fail(w, r, api, unauthenticated())
		return
	}
	p.End(id)
	if api {
		w.WriteHeader(http.StatusNoContent)
	}
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// failure is one error of the API.
type failure struct {
	status      int
	kind        string // as /api writes it
	restKind    string // as /rest writes it
	id, message string
}

func unauthenticated() failure {
	return failure{http.StatusUnauthorized, "UNAUTHENTICATED", "com.vmware.vapi.std.errors.unauthenticated",
		"com.vmware.vapi.endpoint.method.authentication.required", "Authentication required."}
}

func serviceUnavailable() failure {
	return failure{http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "com.vmware.vapi.std.errors.service_unavailable",
		"com.vmware.vapi.endpoint.cis.ServiceUnavailable", "Service unavailable."}
}

func (p *Peer) fail(w http.ResponseWriter, r *http.Request, api bool, f failure) {
	if !p.opts.Envelopes && f.status == http.StatusUnauthorized {
		w.WriteHeader(f.status)
		return
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="VAPI endpoint",SIGN realm=8071d07a,service="VAPI endpoint",sts=%q`, baseURL(r)+stsPath))
	}
	messages := []any{map[string]any{"args": []any{}, "default_message": f.message, "id": f.id}}
	if api {
		answer(w, f.status, map[string]any{"error_type": f.kind, "messages": messages})
		return
	}
	answer(w, f.status, map[string]any{"type": f.restKind, "value": map[string]any{"messages": messages}})
}

// baseURL is where the client found this peer.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
