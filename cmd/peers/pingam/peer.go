package pingam

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

// maxBody bounds every request body, in bytes. The largest honest one holds a client-side token.
const maxBody = 64 << 10

// Peer is the stand-in as an http.Handler under its panel. It is safe for concurrent use.
type Peer struct {
	o       Options
	panel   *panel.Panel
	handler http.Handler

	mu       sync.Mutex
	sessions map[string]*record  // by token
	steps    map[string]loginTry // by authId
}

// New returns a stand-in in which nobody is logged in.
func New(o Options) (*Peer, error) {
	o.Users = slices.Clone(o.Users)
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Peer{o: o, panel: panel.New(), sessions: map[string]*record{}, steps: map[string]loginTry{}}
	p.handler = p.panel.Wrap(http.HandlerFunc(p.route))
	return p, nil
}

// Panel turns the stand-in's clock and breaks it.
func (p *Peer) Panel() *panel.Panel { return p.panel }

// ServeHTTP implements http.Handler.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Peer) route(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	path, ours := strings.CutPrefix(r.URL.Path, p.o.Base)
	if !ours {
		http.NotFound(w, r)
		return
	}
	if path == "/XUI/" || path == "/XUI" {
		p.loginPage(w, r)
		return
	}
	rest, isJSON := strings.CutPrefix(path, "/json")
	realm, resource, found := splitRealm(rest)
	if !isJSON || !found {
		http.NotFound(w, r)
		return
	}
	if !p.realmExists(realm) {
		fail(w, http.StatusNotFound, "Realm \""+realm+"\" not found")
		return
	}
	name, id, _ := strings.Cut(strings.TrimSuffix(resource, "/"), "/")
	switch name {
	case "authenticate":
		p.authenticate(w, r, realm)
	case "sessions":
		p.sessionsResource(w, r, place{realm: realm, id: id})
	default:
		fail(w, http.StatusNotFound, "Not Found")
	}
}

// place is what the path of a request names.
type place struct {
	realm string
	id    string // path segment after sessions: a token (OpenAM's validate)
}

// splitRealm reads /realms/root/realms/alpha/sessions, and OpenAM's older /alpha/sessions, as the realm /alpha and the
// rest.
func splitRealm(path string) (realm, rest string, found bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if segments[0] != "realms" {
		i := slices.IndexFunc(segments, func(s string) bool { return s == "sessions" || s == "authenticate" })
		if i < 0 {
			return "", "", false
		}
		return "/" + strings.Join(segments[:i], "/"), strings.Join(segments[i:], "/"), true
	}
	if len(segments) < 3 || segments[1] != "root" {
		return "", "", false
	}
	segments = segments[2:]
	for len(segments) > 2 && segments[0] == "realms" {
		realm += "/" + segments[1]
		segments = segments[2:]
	}
	if realm == "" {
		realm = "/"
	}
	return realm, strings.Join(segments, "/"), true
}

// realmExists: a realm is there when somebody is in it or below it.
func (p *Peer) realmExists(realm string) bool {
	return realm == "/" || slices.ContainsFunc(p.o.Users, func(u User) bool { return within(u.Realm, realm) })
}

// within reports whether realm is parent or below it.
func within(realm, parent string) bool {
	return parent == "/" || realm == parent || strings.HasPrefix(realm, parent+"/")
}
