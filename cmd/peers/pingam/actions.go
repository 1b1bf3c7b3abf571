package pingam

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// info is the answer of getSessionInfo.
func (p *Peer) info(s *record) object {
	o := object{
		"username": s.user.Username, "universalId": s.universalID(), "realm": s.user.Realm,
		"maxSessionExpirationTime": seconds(s.began.Add(p.o.MaxLifetime)),
	}
	if !s.clientSide {
		o["latestAccessTime"], o["maxIdleExpirationTime"] = seconds(s.accessed), seconds(s.accessed.Add(p.o.IdleTimeout))
	}
	if p.o.Profile == OpenAM {
		o["sessionHandle"] = s.handle
		return o
	}
	shown := map[string]string{}
	for _, name := range p.o.Shown {
		if value, set := s.properties[name]; set {
			shown[name] = value
		}
	}
	o["properties"] = shown
	return o
}

// validate is use of the session, unless the request says refresh=false.
func (p *Peer) validate(c *call, s *record) {
	if !strings.EqualFold(c.r.URL.Query().Get("refresh"), "false") {
		p.touch(s)
	}
	answer := object{"valid": true, "sessionUid": s.uid, "uid": s.user.Username, "realm": s.user.Realm}
	if p.o.Profile == OpenAM {
		delete(answer, "sessionUid")
	}
	reply(c.w, http.StatusOK, answer)
}

// refresh answers in seconds (idletime, maxtime) and in minutes (maxidletime, maxsessiontime).
func (p *Peer) refresh(c *call, s *record) {
	p.touch(s)
	now := p.panel.Now()
	reply(c.w, http.StatusOK, object{
		"uid": s.user.Username, "realm": s.user.Realm,
		"idletime":       int(now.Sub(s.accessed) / time.Second),
		"maxidletime":    int(p.o.IdleTimeout / time.Minute),
		"maxsessiontime": int(p.o.MaxLifetime / time.Minute),
		"maxtime":        int(s.began.Add(p.o.MaxLifetime).Sub(now) / time.Second),
	})
}

// logoutByHandle reports true for every handle whose session is gone, whether or not it was there.
func (p *Peer) logoutByHandle(c *call) {
	if !c.admin {
		fail(c.w, http.StatusForbidden, "Forbidden")
		return
	}
	handles, isArray := c.body["sessionHandles"].([]any)
	if !isArray {
		fail(c.w, http.StatusBadRequest, "sessionHandles must be an array")
		return
	}
	result := map[string]bool{}
	for _, h := range handles {
		handle, isString := h.(string)
		if !isString {
			fail(c.w, http.StatusBadRequest, "sessionHandles must be strings")
			return
		}
		result[handle] = true
		for token, s := range p.sessions {
			if s.handle != "" && s.handle == handle {
				delete(p.sessions, token)
			}
		}
	}
	reply(c.w, http.StatusOK, object{"result": result})
}

// logoutByUser ends the sessions of one user of the realm in the path: an administrator's right, and the user's own.
func (p *Peer) logoutByUser(c *call) {
	name, _ := c.body["username"].(string)
	if name == "" {
		fail(c.w, http.StatusBadRequest, "username is required")
		return
	}
	own := c.caller != nil && strings.EqualFold(c.caller.user.Username, name) && c.caller.user.Realm == c.place.realm
	if !c.admin && !own {
		fail(c.w, http.StatusForbidden, "Forbidden")
		return
	}
	for token, s := range p.sessions {
		if strings.EqualFold(s.user.Username, name) && s.user.Realm == c.place.realm {
			delete(p.sessions, token)
		}
	}
	reply(c.w, http.StatusOK, object{"result": true})
}

// editable is the answer of getSessionProperties: what is not set is "".
func (p *Peer) editable(s *record) map[string]string {
	out := map[string]string{}
	for _, name := range p.o.Editable {
		out[name] = s.properties[name]
	}
	return out
}

// updateProperties changes properties of the allow-list. OpenAM wants exactly that list.
func (p *Peer) updateProperties(c *call, s *record) {
	if len(c.body) == 0 {
		fail(c.w, http.StatusBadRequest, "Bad Request")
		return
	}
	for name, value := range c.body {
		if _, isString := value.(string); !isString {
			fail(c.w, http.StatusBadRequest, "Bad Request")
			return
		}
		if !slices.Contains(p.o.Editable, name) || protected(name) {
			fail(c.w, http.StatusForbidden, "Forbidden")
			return
		}
	}
	if s.clientSide || (p.o.Profile == OpenAM && len(c.body) != len(p.o.Editable)) {
		fail(c.w, http.StatusForbidden, "Forbidden")
		return
	}
	for name, value := range c.body {
		s.properties[name], _ = value.(string)
	}
	reply(c.w, http.StatusOK, p.editable(s))
}

// protected names belong to the product, also when an allow-list names them.
func protected(name string) bool {
	return slices.Contains([]string{"AMCtxId", "AuthLevel", "AuthType", "authInstant", "UserId", "Principal", "Organization"}, name)
}
