package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"reflect"
)

// Load reads the configuration at path. env is what os.Environ returns; nothing else of the environment is looked at.
// The error is Problems.
func Load(path string, env []string) (*Config, error) {
	data, err := readRegular(path, maxFileBytes)
	if err != nil {
		return nil, Problems{{File: path, Message: oneLine(err.Error()), Hint: loadHint(err)}}
	}
	return Parse(path, data, env)
}

// Parse is Load for a file that was read already; name is shown in problems, and relative paths in the file are
// relative to its folder.
func Parse(name string, data []byte, env []string) (*Config, error) {
	c := Defaults()
	c.file = name
	var problems Problems
	var handed map[string]bool
	d := newDecoder(filepath.Dir(name), &problems)
	if root := readTree(name, data, env, reflect.TypeFor[Config](), &problems); root != nil {
		handed = inherit(root)
		d.decode(root, reflect.ValueOf(&c).Elem(), "", "")
		c.places = d.places
	}
	// Checks of what does not decode would only repeat the same problem in other words.
	if len(problems) == 0 {
		c.complete(d)
		if err := (&checker{config: &c, problems: &problems, handed: handed}).check(); err != nil {
			return nil, err
		}
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return &c, nil
}

// readTree returns the nodes of the file with the environment applied, nil when it has none.
func readTree(name string, data []byte, env []string, t reflect.Type, problems *Problems) *node {
	root := parseYAML(name, data, problems)
	if root == nil {
		return nil
	}
	if root.blank() {
		root = &node{shape: mapping, at: root.at}
	}
	if root.shape != mapping {
		problems.add(root.at, "", "begin with a key, such as public_url: https://app.example.com", "must be a group of keys, is %s", root.describe())
		return nil
	}
	expandTree(root, "", newLookup(env), problems)
	overlay{root: root, problems: problems}.apply(t, env)
	return root
}

// inherit hands the keys of the top session and identity sections down to each source and route that does not set
// them itself. It returns the sections that are handed down whole.
func inherit(root *node) map[string]bool {
	handed := make(map[string]bool)
	hand := func(list, section string) {
		from, items := root.find(section), root.find(list)
		if from == nil || from.shape != mapping || items == nil {
			return
		}
		for i, item := range items.items {
			if item.shape == mapping {
				handed[itemPath(list, i)+"."+section] = inheritSection(item, section, from)
			}
		}
	}
	hand("sources", "session")
	hand("routes", "identity")
	return handed
}

// inheritSection hands the entries of from to a section of item, and reports whether that had none of its own.
func inheritSection(item *node, section string, from *node) bool {
	own := item.find(section)
	if own == nil || own.blank() {
		item.set(section, from)
		return true
	}
	for _, e := range from.entries {
		if own.shape == mapping && own.find(e.key) == nil {
			own.entries = append(own.entries, e)
		}
	}
	return false
}

func loadHint(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "name the file with --config or " + EnvFile + ", or begin with a copy of config.example.yaml"
	}
	return ""
}

// Where names the place a setting was written at, as "file:line:column" or the environment variable, for messages
// about what cannot be known before the gateway starts. The nearest group that was written stands for a key that was
// not.
func (c *Config) Where(key string) string {
	_, at := nearestPlace(c.places, key, position{file: c.file})
	return at.String()
}

// Problem makes err, which came up when the gateway put the setting at key to use, a problem with the setting's place.
func (c *Config) Problem(key string, err error) Problem {
	_, at := nearestPlace(c.places, key, position{file: c.file})
	return Problem{File: at.file, Line: at.line, Column: at.column, Key: key, Message: key + ": " + plain(err.Error())}
}

// File is the name the configuration was loaded by.
func (c *Config) File() string { return c.file }
