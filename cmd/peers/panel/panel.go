package panel

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mode is how an authority answers.
type Mode string

// The modes. All but Up are what a client has to live with: none of them is an answer.
const (
	Up       Mode = "up"       // as it should
	Down     Mode = "down"     // the connection breaks
	Failing  Mode = "failing"  // 503 with a Retry-After of seven seconds
	Stall    Mode = "stall"    // takes the question and never answers
	Drip     Mode = "drip"     // begins to answer and never ends
	HTML     Mode = "html"     // 200 with a maintenance page
	Garbage  Mode = "garbage"  // 200 with JSON that is none
	Huge     Mode = "huge"     // 200 with a body of 1 GiB
	Redirect Mode = "redirect" // 302 to another host
)

// Nonsense are the modes in which something answers that makes no sense.
func Nonsense() []Mode { return []Mode{HTML, Garbage, Huge, Redirect} }

const hugeBody = 1 << 30 // bytes

// Panel is safe for concurrent use.
type Panel struct {
	mu      sync.Mutex
	mode    Mode
	changed chan struct{} // closed when the mode changes
	ahead   time.Duration // of the real clock
	shown   []string
	asked   int

	redirectTo string // by the mode Redirect
}

// New returns a panel in mode Up at the real time.
func New() *Panel {
	return &Panel{mode: Up, changed: make(chan struct{}), redirectTo: "http://elsewhere.invalid/"}
}

// Now is the authority's clock.
func (p *Panel) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead).UTC()
}

// Advance turns the authority's clock.
func (p *Panel) Advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead += d
}

// Set changes how the authority answers, to those who wait as well.
func (p *Panel) Set(m Mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
}

// RedirectTo says where the mode Redirect sends clients.
func (p *Panel) RedirectTo(rawURL string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirectTo = rawURL
}

// Asked counts the requests so far.
func (p *Panel) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Shown returns what every request showed, one text each: request line, header and body. A credential that is in none
// of them was never shown to this authority.
func (p *Panel) Shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.shown)
}

// Saw reports whether any request so far held text.
func (p *Panel) Saw(text string) bool {
	return slices.ContainsFunc(p.Shown(), func(s string) bool { return strings.Contains(s, text) })
}

// Wrap returns next under this panel. Requests below /_panel/ turn the panel itself (see the command peers) and are not
// counted.
func (p *Panel) Wrap(next http.Handler) http.Handler {
	controls := p.controls()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_panel/") {
			controls.ServeHTTP(w, r)
			return
		}
		mode := p.note(r)
		if mode == Up {
			next.ServeHTTP(w, r)
			return
		}
		p.misbehave(mode, w, r)
	})
}

// maxNoted bounds what is remembered of one body.
const maxNoted = 64 << 10

// note remembers what r shows and returns the mode it is answered in.
func (p *Panel) note(r *http.Request) Mode {
	var text strings.Builder
	_, _ = io.WriteString(&text, r.Method+" "+r.URL.RequestURI()+"\n")
	_ = r.Header.Write(&text)
	head, _ := io.ReadAll(io.LimitReader(r.Body, maxNoted))
	_, _ = text.Write(head)
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	p.shown = append(p.shown, text.String())
	return p.mode
}

func (p *Panel) misbehave(mode Mode, w http.ResponseWriter, r *http.Request) {
	switch mode {
	case Failing:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "failing on purpose", http.StatusServiceUnavailable)
	case HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Maintenance</title><p>We will be back.")
	case Garbage:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"active": tru`)
	case Huge:
		w.Header().Set("Content-Type", "application/json")
		pour(w, hugeBody)
	case Redirect:
		p.mu.Lock()
		to := p.redirectTo
		p.mu.Unlock()
		http.Redirect(w, r, to, http.StatusFound)
	case Stall:
		p.hold(r)
	case Drip:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		p.hold(r)
	}
	if mode == Down || mode == Stall || mode == Drip {
		panic(http.ErrAbortHandler)
	}
}

// hold waits until the mode changes or the client has gone.
func (p *Panel) hold(r *http.Request) {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	select {
	case <-changed:
	case <-r.Context().Done():
	}
}

// pour writes size bytes of a JSON string that does not end, as long as somebody takes them.
func pour(w io.Writer, size int) {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	_, _ = io.WriteString(w, `{"a":"`)
	for sent := 0; sent < size; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// controls serves the panel itself, for a stand-in that runs alone.
func (p *Panel) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_panel/shown", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Shown())
	})
	mux.HandleFunc("POST /_panel/clock", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("advance"))
		if err != nil {
			http.Error(w, "advance: "+err.Error(), http.StatusBadRequest)
			return
		}
		p.Advance(d)
		_, _ = io.WriteString(w, p.Now().Format(time.RFC3339)+"\n")
	})
	mux.HandleFunc("POST /_panel/mode", func(w http.ResponseWriter, r *http.Request) {
		mode := Mode(r.FormValue("mode"))
		if !slices.Contains(append(Nonsense(), Up, Down, Failing, Stall, Drip), mode) {
			http.Error(w, "mode: unknown", http.StatusBadRequest)
			return
		}
		p.Set(mode)
		_, _ = io.WriteString(w, string(mode)+"\n")
	})
	return mux
}
