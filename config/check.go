package config

import (
	"strings"

	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/source"
)

// checker looks for what each setting alone cannot show to be wrong.
type checker struct {
	config   *Config
	problems *Problems
	// handed are the sections that were not written where they stand but handed down from the top.
	handed map[string]bool
	stub   stubs
}

// refuse notes a problem with the setting at key.
func (k *checker) refuse(key, hint, format string, args ...any) {
	_, at := nearestPlace(k.config.places, key, position{file: k.config.file})
	k.problems.add(at, key, hint, key+": "+format, args...)
}

// room notes what the room that owns section says about it. Rooms write one mistake on a line and begin it with its
// place; the place is read back here only to point at the right line of the file.
func (k *checker) room(section string, err error) {
	if err == nil {
		return
	}
	item := section
	for line := range strings.Lines(err.Error()) {
		line = plain(line)
		if index, _, found := strings.Cut(strings.TrimPrefix(line, section), "]"); found && strings.HasPrefix(line, section+"[") {
			item = section + index + "]" // lines that follow and name no other are about this one
		}
		key, at := nearestPlace(k.config.places, k.named(item, line), position{file: k.config.file})
		if strings.HasPrefix(line, "[") {
			line = section + line
		}
		if (item != section || strings.Contains(section, "].")) && !strings.HasPrefix(line, item) {
			line = item + ": " + line // the rooms of one route do not know which
		}
		k.problems.add(at, key, "", "%s", line)
	}
}

// named returns the deepest setting within section that line names in front of its colons, section when it names none.
func (k *checker) named(section, line string) string {
	found := section
	for part := range strings.SplitSeq(line, ": ") {
		word, _, _ := strings.Cut(part, " ")
		candidates := []string{childPath(found, word), found + word, word}
		for _, key := range candidates {
			near, _ := nearestPlace(k.config.places, key, position{})
			if len(near) > len(found) && strings.HasPrefix(near, found) {
				found = near
				break
			}
		}
	}
	return found
}

func (k *checker) check() error {
	c := k.config
	var err error
	if k.stub, err = newStubs(); err != nil {
		return err
	}
	k.listeners()
	k.tls()
	before := len(*k.problems)
	k.publicURL()
	k.cookie()
	if len(*k.problems) == before { // what the rooms say would only repeat it in other words
		k.room("cookie", k.cookieRooms())
	}
	k.prefix()
	k.returnOrigins()
	k.limits()
	k.pages()
	_, err = policy.ParsePrefixes(c.TrustedProxies)
	k.room("trusted_proxies", err)
	k.room("session", c.Session.Validate())
	k.room("cache", c.Cache.Validate())
	k.room("store", c.Store.Validate())
	k.room("identity", k.identity(c.Identity))
	k.sources()
	k.routes()
	return nil
}

func (k *checker) sources() {
	before := len(*k.problems)
	defer func() {
		if len(*k.problems) == before { // of sources that make no sense alone, what they take is a guess
			k.chain()
		}
	}()
	seen := make(map[string]int)
	for i, s := range k.config.Sources {
		section := itemPath("sources", i)
		k.room(section, s.Options.Validate())
		if !k.handed[section+".session"] {
			k.room(section+".session", s.Session.Validate())
		}
		if first, twice := seen[s.Name]; twice && s.Name != "" {
			k.refuse(section+".name", "give each source a name of its own", "%q is already the name of sources[%d]", s.Name, first)
			continue
		}
		seen[s.Name] = i
	}
}

// chain looks for credentials that two sources claim.
func (k *checker) chain() {
	chain := make([]source.Options, len(k.config.Sources))
	for i, s := range k.config.Sources {
		chain[i] = s.Options
	}
	k.room("sources", source.CheckTogether(chain, k.config.Cookie.Name))
}
