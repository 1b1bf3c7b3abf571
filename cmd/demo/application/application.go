package application

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Options configure an Application. The zero value works.
type Options struct {
	// Now is the clock ages are counted by; nil: time.Now.
	Now func() time.Time `yaml:"-"`
	// Facts returns further lines for the page, such as how often tokens have been renewed; nil: none. It is called
	// once for each page, from many goroutines.
	Facts func() []Fact `yaml:"-"`
	// EventEvery is the time between two events of /events; 0: 1 s.
	EventEvery time.Duration `yaml:"event_every"`
}

// Fact is one line of the page. ID, when not empty, is the value's id attribute.
type Fact struct {
	ID    string
	Name  string
	Value string
}

// Request is what /json tells about a request.
type Request struct {
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Path    string      `json:"path"` // as it came, still escaped
	Query   string      `json:"query"`
	Headers http.Header `json:"headers"`
	Remote  string      `json:"remote"`
}

// Application is the demonstration's application as an http.Handler, safe for concurrent use.
type Application struct {
	o    Options
	page *page
	mux  *http.ServeMux
}

// maxEvents is the greatest number of events /events gives.
const maxEvents = 3600

// New returns the application.
//
//	GET  /healthz  "ok"
//	GET  /json     the request as JSON (Request); so does every path asked with Accept: application/json
//	GET  /events   one server-sent event a second, ?n= of them (default 10)
//	POST /echo     the body, back while it arrives
//	GET  any other path: the page
func New(o Options) *Application {
	o.EventEvery = cmp.Or(o.EventEvery, time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Application{o: o, page: newPage(), mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	a.mux.HandleFunc("/json", a.json)
	a.mux.HandleFunc("GET /events", a.events)
	a.mux.HandleFunc("POST /echo", a.echo)
	a.mux.HandleFunc("/", a.root)
	return a
}

// ServeHTTP implements http.Handler.
func (a *Application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a.mux.ServeHTTP(w, r)
}

func (a *Application) root(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	readable := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !readable || strings.Contains(r.Header.Get("Accept"), "application/json") {
		a.json(w, r)
		return
	}
	a.page.write(w, a.view(r))
}

func (a *Application) json(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(Request{
		Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Headers: r.Header, Remote: r.RemoteAddr,
	})
}

func (a *Application) events(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(cmp.Or(r.FormValue("n"), "10"))
	if err != nil || n < 1 || n > maxEvents {
		http.Error(w, fmt.Sprintf("n must be a number from 1 to %d", maxEvents), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	tick := time.NewTicker(a.o.EventEvery)
	defer tick.Stop()
	for i := 1; ; i++ {
		_, err := fmt.Fprintf(w, "id: %d\ndata: {\"event\":%d,\"of\":%d,\"at\":%q}\n\n", i, i, n, a.o.Now().UTC().Format(time.RFC3339Nano))
		if err != nil || out.Flush() != nil || i == n {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// echo answers with the body while it is still arriving. The type is fixed: nothing a visitor sends is ever taken for
// a page.
func (a *Application) echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	out := http.NewResponseController(w)
	_ = out.EnableFullDuplex() // HTTP/2 needs no leave for it
	b := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil || out.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
