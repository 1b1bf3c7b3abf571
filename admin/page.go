package admin

import (
	"bytes"
	"embed"
	"net/http"
	"path"
	"time"
)

// The page of operators. Its files hold nothing of anybody: what it shows it asks the API for, with the token or the
// certificate of who looks at it.
//
//go:embed web
var web embed.FS

// pagePolicy lets the page load its own files and ask its own listener, and nothing else. No script may turn text into
// markup (Trusted Types), so that no name of a user ever becomes any.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// servePage serves the page and its files to anybody.
func servePage(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { pageFile(w, r, "index.html") })
	mux.HandleFunc("GET /web/{file}", func(w http.ResponseWriter, r *http.Request) { pageFile(w, r, r.PathValue("file")) })
}

func pageFile(w http.ResponseWriter, r *http.Request, name string) {
	kind, known := pageKinds()[path.Ext(name)]
	data, err := web.ReadFile("web/" + name)
	if !known || err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Type", kind)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}

// pageKinds are the kinds of files there are. The machine's own table of them is not asked: it may say anything.
func pageKinds() map[string]string {
	return map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
}
