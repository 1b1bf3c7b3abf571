package middleware

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// PageOptions set how the pages people meet look.
type PageOptions struct {
	// Dir is a folder whose files take the place of the built-in ones with the same names: layout.html, sign_in.html,
	// sign_out.html, signed_out.html, sessions.html, error.html, style.css, and any picture style.css or the pages refer to.
	Dir string
	// Title names the site. "": the host of the public URL.
	Title string
}

//go:embed pages
var builtinPages embed.FS

// pageNames are the templates; each fills the block "main" of layout.html.
var pageNames = [...]string{"sign_in", "sign_out", "signed_out", "sessions", "error"}

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
	Wide      bool   // the page needs more room than a form
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
	base, err := template.New("layout.html").Parse(string(layout))
	if err != nil {
		return nil, fmt.Errorf("pages: layout.html does not parse: %w", errors.Join(session.ErrMalformed, err))
	}
	for _, name := range pageNames {
		if p.templates[name], err = newPage(base, name, read); err != nil {
			return nil, fmt.Errorf("pages: %s.html: %w", name, err)
		}
	}
	return p, nil
}

// newPage parses a page into a copy of the layout, and renders it once with everything it may be given: a template
// that asks for what there is not shall fail now and not in front of somebody who wants to sign in.
func newPage(base *template.Template, name string, read func(name string) ([]byte, error)) (*template.Template, error) {
	body, err := read(name + ".html")
	if err != nil {
		return nil, err
	}
	t, err := base.Clone()
	if err == nil {
		_, err = t.New(name + ".html").Parse(string(body))
	}
	if err == nil && t.Lookup("main") == nil {
		err = errors.New(`defines no block "main"`)
	}
	if err == nil {
		err = t.ExecuteTemplate(io.Discard, "layout.html", page{Title: "t", Heading: "h", Style: "/s", Wide: true, RequestID: "r", Data: samples[name]})
	}
	if err != nil {
		return nil, fmt.Errorf("is no template of ours: %w", errors.Join(session.ErrMalformed, err))
	}
	return t, nil
}

// samples are data with every part filled in, by page.
var samples = map[string]any{
	"sign_in": signInPage{
		Action: "/a", ReturnTo: "/r", Username: "u", Problem: "p",
		Forms: []signInForm{{"n", "l"}, {"n2", "l2"}}, Links: []signInLink{{"l", "/u"}},
	},
	"sign_out":   signOutPage{Action: "/a", ReturnTo: "/r", StayURL: "/y", User: "u", SignInURL: "/u"},
	"signed_out": signOutPage{Action: "/a", ReturnTo: "/r", StayURL: "/y", User: "u", SignInURL: "/u"},
	"sessions": sessionsPage{
		Action: "/a", User: "u", Done: []string{"d"}, Undone: []string{"n"}, Others: true, Hidden: true, Authority: "a", AsksAuthority: true, Silent: true,
		Rows: []sessionRow{{
			Handle: "h", Device: "d", IP: "i", How: "w", This: true, Shared: true, Elsewhere: true, First: &moment{"a", "e", "i"}, Last: &moment{"a", "e", "i"},
			Places: []sessionPlace{{"d", "i", &moment{"a", "e", "i"}}},
		}, {Stuck: true}},
	},
	"error": errorPage{Problem: Problem{Status: 400, Code: "c", Detail: "d"}, Retry: "/r", SignInURL: "/s", AgainURL: "/g", OtherURL: "/o"},
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
		Title: title, Heading: heading, Style: s.path("static/style.css"), Wide: name == "sessions", RequestID: RequestID(r.Context()), Data: data,
	})
	if err != nil {
		s.o.Log.ErrorContext(r.Context(), "a page did not render", "request_id", RequestID(r.Context()), "page", name, "error", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
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
