package admin

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// Status is how a part of the house is.
type Status string

// The statuses.
const (
	OK       Status = "ok"
	Degraded Status = "degraded" // it works in part: requests that need the part that does not are answered with 503
	Down     Status = "down"     // the gateway can serve nobody without it
	Stopping Status = "stopping" // requests under way complete, new ones should go elsewhere
)

// Part is one part of the house that can say how it is, quickly and without harm.
type Part struct {
	Name string // such as "source corp"
	// Health returns nil when the part is well. Its text is shown and holds no secret.
	Health func() error
	// Vital is true when the gateway can serve nobody while the part is not well.
	Vital bool
}

// Health answers for the whole house. It is safe for concurrent use.
type Health struct {
	parts    []Part
	stopping atomic.Bool
}

// NewHealth returns the health of a house with these parts.
func NewHealth(parts ...Part) *Health { return &Health{parts: parts} }

// Stop reports from now on that the gateway is stopping.
func (h *Health) Stop() { h.stopping.Store(true) }

// Report is the answer of /readyz.
type Report struct {
	Status Status       `json:"status"`
	Parts  []PartReport `json:"parts"`
}

// PartReport is one part of a Report.
type PartReport struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Report asks every part.
func (h *Health) Report() Report {
	r := Report{Status: OK, Parts: []PartReport{}}
	for _, part := range h.parts {
		p := PartReport{Name: part.Name, Status: OK}
		if err := part.Health(); err != nil {
			p.Status, p.Reason = Degraded, err.Error()
			if part.Vital {
				p.Status = Down
			}
		}
		r.Status = worse(r.Status, p.Status)
		r.Parts = append(r.Parts, p)
	}
	if h.stopping.Load() {
		r.Status = Stopping
	}
	return r
}

func worse(a, b Status) Status {
	if a == Down || b == OK {
		return a
	}
	return b
}

// ready serves /readyz: 200 while requests are welcome, 503 otherwise. A source that is not well makes the gateway
// degraded and no less ready: taking it out would log out everybody else.
func (h *Health) ready(w http.ResponseWriter, _ *http.Request) {
	r := h.Report()
	status := http.StatusOK
	if r.Status == Down || r.Status == Stopping {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r)
}

// Handler serves the admin listener: /livez (the process answers) and /readyz (see Report).
func Handler(h *Health) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", h.ready)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}
