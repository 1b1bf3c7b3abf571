package provider

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed pages.html
var pagesHTML string

//go:embed pages.css
var pagesCSS string

// pages are the provider's own pages: no script, no request to anywhere else.
type pages struct {
	templates *template.Template
	policy    string // Content-Security-Policy
}

// loginPage is what the sign-in page shows.
type loginPage struct {
	Request  string
	Client   string
	Username string
	Failed   bool
}

// devicePage is what the page for codes shows: a field for the code, or who waits for it.
type devicePage struct {
	Code     string
	Client   string
	SignedIn string // name of the user whose browser it is; "": nobody is signed in
	Username string
	Failed   bool
	Unknown  bool
}

func newPages() *pages {
	sum := sha256.Sum256([]byte(pagesCSS))
	return &pages{
		templates: template.Must(template.New("").Funcs(template.FuncMap{
			"css": func() template.CSS { return template.CSS(pagesCSS) },
		}).Parse(pagesHTML)),
		// form-action is left out on purpose: browsers hold it against the redirect back to the client too.
		policy: "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
			base64.StdEncoding.EncodeToString(sum[:]) + "'",
	}
}

func (p *pages) home(w http.ResponseWriter) { p.write(w, http.StatusOK, "home", nil) }

func (p *pages) login(w http.ResponseWriter, status int, l loginPage) { p.write(w, status, "login", l) }

func (p *pages) device(w http.ResponseWriter, status int, d devicePage) {
	p.write(w, status, "device", d)
}

func (p *pages) notice(w http.ResponseWriter, title, text string) {
	p.write(w, http.StatusOK, "notice", struct{ Title, Text string }{title, text})
}

func (p *pages) problem(w http.ResponseWriter, status int, text string) {
	p.write(w, status, "problem", text)
}

func (p *pages) write(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}
