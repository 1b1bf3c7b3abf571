package middleware

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/session"
)

// PageOptions set how the pages people meet look.
type PageOptions struct {
	// Dir is a folder whose files take the place of the built-in ones with the same names: layout.html, sign_in.html,
	// sign_out.html, signed_out.html, error.html, style.css, and any picture style.css or the pages refer to.
	Dir string
	// Title names the site. "": the host of the public URL.
	Title string
}

//go:embed pages
var builtinPages embed.FS

// pageNames are the templates; each fills the block "main" of layout.html.
var pageNames = [...]string{"sign_in", "sign_out", "signed_out", "error"}

// maxAsset bounds a file of a theme.
const maxAsset = 1 << 20

// assetTypes are the files of a theme that are served, by ending.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".jpg": "image/jpeg", ".webp": "image/webp", ".woff2": "font/woff2",
}

type pages struct {
	title     string
	templates map[string]*template.Template
	assets    map[string][]byte
}

// page is what a template gets.
type page struct {
	Title     string // of the site
	Heading   string
	Style     string // path of style.css
	RequestID string
	Data      any
}

func newPages(o PageOptions) (*pages, error) {
	builtin, err := fs.Sub(builtinPages, "pages")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	p := &pages{title: o.Title, templates: map[string]*template.Template{}, assets: map[string][]byte{}}
	read := func(name string) ([]byte, error) { return fs.ReadFile(builtin, name) }
	if o.Dir != "" {
		if err := p.readAssets(o.Dir); err != nil {
			return nil, err
		}
		read = func(name string) ([]byte, error) {
			b, err := os.ReadFile(filepath.Join(o.Dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				return fs.ReadFile(builtin, name)
			}
			return b, err
		}
	}
	if p.assets["style.css"], err = read("style.css"); err != nil {
		return nil, fmt.Errorf("pages: style.css: %w", err)
	}
	layout, err := read("layout.html")
	if err != nil {
		return nil, fmt.Errorf("pages: layout.html: %w", err)
	}
	for _, name := range pageNames {
		body, err := read(name + ".html")
		if err != nil {
			return nil, fmt.Errorf("pages: %s.html: %w", name, err)
		}
		t, err := template.New("layout.html").Option("missingkey=error").Parse(string(layout))
		if err == nil {
			_, err = t.New(name + ".html").Parse(string(body))
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %s.html does not parse: %w", name, errors.Join(session.ErrMalformed, err))
		}
		p.templates[name] = t
	}
	return p, nil
}

// readAssets reads the theme's files once, at start: no request reaches the file system.
func (p *pages) readAssets(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pages: dir: %w", errors.Join(session.ErrMalformed, err))
	}
	for _, e := range entries {
		if e.IsDir() || assetTypes[filepath.Ext(e.Name())] == "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("pages: %w", err)
		}
		if len(b) > maxAsset {
			return fmt.Errorf("pages: %s is larger than %d bytes: %w", e.Name(), maxAsset, session.ErrMalformed)
		}
		p.assets[e.Name()] = b
	}
	return nil
}

// write renders a page. Nothing is sent when it does not render.
func (p *pages) write(w http.ResponseWriter, s *Site, r *http.Request, status int, name, heading string, data any) {
	title := p.title
	if title == "" {
		title = s.o.PublicURL.Host
	}
	var b bytes.Buffer
	err := p.templates[name].ExecuteTemplate(&b, "layout.html", page{
		Title: title, Heading: heading, Style: s.path("static/style.css"), RequestID: RequestID(r.Context()), Data: data,
	})
	if err != nil {
		s.o.Log.ErrorContext(r.Context(), "a page did not render", "page", name, "error", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

// errorPage is the data of error.html.
type errorPage struct {
	Problem
	Retry               string // where to try again; "" when that makes no sense
	SignInURL, OtherURL string
}

var headings = map[int]string{
	http.StatusBadRequest: "That did not work", http.StatusUnauthorized: "Please sign in", http.StatusForbidden: "No access",
	http.StatusNotFound: "Nothing here", http.StatusTooManyRequests: "Too many attempts", http.StatusServiceUnavailable: "Just a moment",
	http.StatusBadGateway: "The application does not answer", http.StatusGatewayTimeout: "The application does not answer",
}

// problem is the page for people.
func (p *pages) problem(w http.ResponseWriter, s *Site, r *http.Request, pr Problem) {
	heading := headings[pr.Status]
	if heading == "" {
		heading = "Something went wrong"
	}
	data := errorPage{Problem: pr}
	target := "/"
	if q, ok := CanonicalRequest(r.Context()); ok && gate.Navigation(q) && !s.own(q.Path) {
		target = s.returnTo(q)
	}
	if pr.RetryAfter > 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		data.Retry = r.URL.RequestURI()
	}
	if s.logins.any() && pr.SignIn {
		data.SignInURL = s.loginURL(target)
	}
	if s.logins.any() && pr.SignInAs {
		data.OtherURL = s.loginURL(target) + map[bool]string{true: "?", false: "&"}[target == "/"] + "prompt=login"
	}
	p.write(w, s, r, pr.Status, "error", heading, data)
}

// own reports whether path is below our prefix.
func (s *Site) own(path string) bool {
	return path == s.o.Prefix || strings.HasPrefix(path, s.o.Prefix+"/")
}

// serveAsset serves style.css and the pictures of a theme.
func (s *Site) serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	b, ok := s.pages.assets[name]
	if !ok {
		s.WriteError(w, r, Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is nothing at this address."})
		return
	}
	ownHeaders(w.Header(), "")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Content-Type", assetTypes[filepath.Ext(name)])
	_, _ = w.Write(b)
}
