package source

import (
	"slices"
	"strings"
)

// companionClash reports cookies that a source wants along although they are credentials of somebody else: the gateway's
// own, whose cookies begin with the name of its session cookie, or those of another source.
func companionClash(chain []Options, j int, ownCookie string) error {
	if chain[j].HTTP == nil {
		return nil
	}
	for _, name := range chain[j].HTTP.CompanionCookies {
		if ownCookie != "" && strings.HasPrefix(name, ownCookie) {
			return clash(chain, j, "the companion cookie "+name+" is the gateway's own", "remove it")
		}
		if slices.ContainsFunc(chain, func(o Options) bool { return o.takes().Cookie == name }) {
			return clash(chain, j, "the companion cookie "+name+" is a credential of another source", "remove it: it is shown to nobody else")
		}
	}
	return nil
}
