package pingam

import (
	"net/http"
	"slices"
	"time"
)

// legacy does the actions that OpenAM alone has, and reports whether c is one of them.
func (p *Peer) legacy(c *call) bool {
	s := p.find(c.subject)
	switch c.action {
	case "isactive":
		reply(c.w, http.StatusOK, object{"active": s != nil})
	case "gettimeleft", "getidle", "getmaxidle", "getmaxsessiontime":
		p.legacyClock(c, s)
	case "getproperty", "setproperty", "deleteproperty", "getpropertynames":
		p.legacyProperty(c, s)
	default:
		return false
	}
	return true
}

// legacyClock answers in seconds for the time left and the idle time, in minutes for the limits; -1 for a dead session.
func (p *Peer) legacyClock(c *call, s *record) {
	now := p.panel.Now()
	ask := map[string]struct {
		name string
		of   func(*record) int
	}{
		"gettimeleft":       {"maxtime", func(s *record) int { return int(s.began.Add(p.o.MaxLifetime).Sub(now) / time.Second) }},
		"getidle":           {"idletime", func(s *record) int { return int(now.Sub(s.accessed) / time.Second) }},
		"getmaxidle":        {"maxidletime", func(*record) int { return int(p.o.IdleTimeout / time.Minute) }},
		"getmaxsessiontime": {"maxsessiontime", func(*record) int { return int(p.o.MaxLifetime / time.Minute) }},
	}[c.action]
	value := -1
	if s != nil {
		value = ask.of(s)
	}
	reply(c.w, http.StatusOK, object{ask.name: value})
}

// legacyProperty reads and writes single properties.
func (p *Peer) legacyProperty(c *call, s *record) {
	if s == nil {
		fail(c.w, http.StatusUnauthorized, "Access Denied")
		return
	}
	names, _ := c.body["properties"].([]any)
	switch c.action {
	case "getpropertynames":
		reply(c.w, http.StatusOK, object{"properties": p.o.Editable})
	case "getproperty":
		out := map[string]string{}
		for _, n := range names {
			if name, _ := n.(string); slices.Contains(p.o.Editable, name) {
				out[name] = s.properties[name]
			}
		}
		reply(c.w, http.StatusOK, out)
	case "deleteproperty":
		ok := len(names) > 0
		for _, n := range names {
			name, _ := n.(string)
			if ok = ok && slices.Contains(p.o.Editable, name); ok {
				delete(s.properties, name)
			}
		}
		reply(c.w, http.StatusOK, object{"success": ok})
	case "setproperty":
		ok := len(c.body) > 0
		for name, v := range c.body {
			value, isString := v.(string)
			if ok = ok && isString && slices.Contains(p.o.Editable, name); ok {
				s.properties[name] = value
			}
		}
		reply(c.w, http.StatusOK, object{"success": ok})
	}
}
