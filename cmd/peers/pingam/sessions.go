package pingam

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// call is one request of the sessions resource.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	place   place
	action  string // in lower case
	body    map[string]any
	caller  *record // nil: none that lives
	admin   bool    // the caller may act on others
	subject string  // token; the caller's own when the request names none
}

// sessionsResource is …/sessions. The caller's token is in the header or the cookie named like the session cookie, the
// subject's in the request.
func (p *Peer) sessionsResource(w http.ResponseWriter, r *http.Request, at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forged(r) {
		fail(w, http.StatusForbidden, "Forbidden")
		return
	}
	version, ok := p.version(w, r, p.versions())
	if !ok {
		return
	}
	c := &call{w: w, r: r, place: at, action: strings.ToLower(r.URL.Query().Get("_action"))}
	if r.Method == http.MethodGet && r.URL.Query().Has("_queryFilter") {
		c.action = "query"
	} else if r.Method != http.MethodPost || c.action == "" || c.action == "query" {
		fail(w, http.StatusNotImplemented, "Not Implemented")
		return
	}
	if !p.offers(c.action, version) {
		fail(w, http.StatusNotImplemented, "Action "+r.URL.Query().Get("_action")+" is not supported")
		return
	}
	if !p.readBody(c) {
		fail(w, http.StatusBadRequest, "The request could not be processed because the provided content is not a JSON object")
		return
	}
	p.identify(c)
	p.act(c)
}

// forged is the filter against cross-site requests: a token in the cookie counts only with a header that no form can
// send.
func (p *Peer) forged(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return false
	}
	_, err := r.Cookie(p.o.CookieName)
	return err == nil && r.Header.Get(p.o.CookieName) == "" && r.Header.Get("X-Requested-With") == "" && r.Header.Get("Accept-API-Version") == ""
}

func (p *Peer) readBody(c *call) bool {
	c.body = map[string]any{}
	if c.r.ContentLength == 0 || c.action == "query" {
		return true
	}
	return json.NewDecoder(c.r.Body).Decode(&c.body) == nil && c.body != nil
}

// identify finds caller and subject.
func (p *Peer) identify(c *call) {
	token := c.r.Header.Get(p.o.CookieName)
	if cookie, err := c.r.Cookie(p.o.CookieName); err == nil {
		token = cmp.Or(token, cookie.Value)
	}
	if c.caller = p.find(token); c.caller != nil {
		c.admin = c.caller.user.Admin && within(c.place.realm, c.caller.user.Realm)
	}
	if bearer, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer "); ok && p.o.AccessToken != "" && bearer == p.o.AccessToken {
		c.admin = true
	}
	named, _ := c.body["tokenId"].(string)
	if p.o.Profile == OpenAM {
		named = cmp.Or(c.place.id, c.r.URL.Query().Get("tokenId"))
	}
	delete(c.body, "tokenId")
	c.subject = cmp.Or(named, token)
}

// act does what the action says. Some actions need no caller: whoever has a token may ask whether it lives or end it.
func (p *Peer) act(c *call) {
	open := c.action == "logout" && c.subject != "" || c.action == "validate" && p.o.Profile == OpenAM
	if !open && c.caller == nil && !c.admin {
		fail(c.w, http.StatusUnauthorized, "Access Denied")
		return
	}
	if open = open || c.admin; !open && c.subject != c.caller.token && c.action != "logoutbyuser" {
		fail(c.w, http.StatusForbidden, "Forbidden")
		return
	}
	if p.o.Profile == OpenAM && p.legacy(c) {
		return
	}
	switch c.action {
	case "query":
		p.query(c)
	case "logoutbyhandle":
		p.logoutByHandle(c)
	case "logoutbyuser":
		p.logoutByUser(c)
	default:
		p.actOnSubject(c)
	}
}

// actOnSubject does what needs the subject's session.
func (p *Peer) actOnSubject(c *call) {
	s := p.find(c.subject)
	switch {
	case s != nil:
		p.actOnLiving(c, s)
	case c.action == "logout":
		reply(c.w, http.StatusOK, object{"result": "Token has expired"})
	case c.action == "getsessionproperties" || c.action == "updatesessionproperties":
		fail(c.w, http.StatusBadRequest, "Bad Request")
	case strings.HasPrefix(c.action, "getsessioninfo") && p.o.DeadSubjectUnauthorized:
		fail(c.w, http.StatusUnauthorized, "Access Denied")
	default:
		dead(c.w)
	}
}

func (p *Peer) actOnLiving(c *call, s *record) {
	switch c.action {
	case "getsessioninfo":
		reply(c.w, http.StatusOK, p.info(s))
	case "getsessioninfoandresetidletime":
		p.touch(s)
		reply(c.w, http.StatusOK, p.info(s))
	case "validate":
		p.validate(c, s)
	case "refresh":
		p.refresh(c, s)
	case "logout":
		delete(p.sessions, s.token)
		reply(c.w, http.StatusOK, object{"result": "Successfully logged out"})
	case "getsessionproperties":
		reply(c.w, http.StatusOK, p.editable(s))
	case "updatesessionproperties":
		p.updateProperties(c, s)
	}
}
