package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

func (k *checker) routes() {
	c := k.config
	if len(c.Routes) == 0 {
		k.refuse("routes", "add one, with a name and an upstream", "there are none, so that every request would be refused")
		return
	}
	options := make([]policy.RouteOptions, len(c.Routes))
	public := true
	for i, r := range c.Routes {
		options[i] = r.RouteOptions
		public = public && r.Access == policy.Public
		k.route(itemPath("routes", i), r)
	}
	_, err := policy.NewTable(options)
	k.room("routes", err)
	if len(c.Sources) == 0 && !public {
		k.refuse("sources", "add one, or make every route public", "there are none, so that nobody could log in")
	}
}

// route checks what the rooms of one route say, and that it fits the rest of the configuration.
func (k *checker) route(section string, r Route) {
	k.routeSources(section, r)
	for i, path := range r.Paths {
		if p := strings.TrimPrefix(path, "="); p == k.config.Prefix || strings.HasPrefix(p, k.config.Prefix+"/") {
			k.refuse(fmt.Sprintf("%s.paths[%d]", section, i), "choose another path, or another prefix",
				"%q is never reached, because the gateway's own pages are below %s", path, k.config.Prefix)
		}
	}
	k.room(section+".upstream", k.upstream(r.Upstream))
	for i, name := range r.Upstream.KeepCookies {
		if own := k.config.Cookie.Name; name == "" || strings.HasPrefix(name, own) {
			k.refuse(fmt.Sprintf("%s.upstream.keep_cookies[%d]", section, i), "name a cookie of a source, such as ory_kratos_session",
				"%q is the gateway's own: an application that could set it could sign people in as somebody else", name)
		}
	}
	if !k.handed[section+".identity"] {
		k.room(section+".identity", k.identity(r.Identity))
	}
	k.routeLifetime(section+".session", r.Session)
}

func (k *checker) routeSources(section string, r Route) {
	names := k.sourceNames()
	for i, name := range r.Require.Sources {
		if !slices.Contains(names, name) {
			k.refuse(fmt.Sprintf("%s.require.sources[%d]", section, i), didYouMean(name, names), "there is no source %q", name)
		}
	}
}

func (k *checker) sourceNames() []string {
	names := make([]string, len(k.config.Sources))
	for i, s := range k.config.Sources {
		names[i] = s.Name
	}
	return names
}

// routeLifetime refuses what could have no effect: a route can only be stricter than the sessions are.
func (k *checker) routeLifetime(section string, o RouteLifetime) {
	idle, life := k.longest()
	check := func(key string, span, longest time.Duration) {
		switch {
		case span < 0:
			k.refuse(section+"."+key, "", "%s is negative", short(span))
		case span > longest:
			k.refuse(section+"."+key, "lower it, or raise "+key+" of the sessions",
				"%s has no effect, because sessions end after %s", short(span), short(longest))
		}
	}
	check("idle_timeout", o.IdleTimeout, idle)
	check("max_lifetime", o.MaxLifetime, life)
}

// longest returns the longest clocks any session has.
func (k *checker) longest() (idle, life time.Duration) {
	lifetimes := []session.Lifetime{k.config.Session}
	for _, s := range k.config.Sources {
		lifetimes = append(lifetimes, s.Session)
	}
	for _, l := range lifetimes {
		idle = max(idle, orDefault(l.IdleTimeout, session.DefaultIdleTimeout))
		life = max(life, orDefault(l.MaxLifetime, session.DefaultMaxLifetime))
	}
	return idle, life
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
