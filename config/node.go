package config

import (
	"strconv"
	"strings"
)

// shape is what a node is.
type shape int

const (
	scalar shape = iota
	mapping
	sequence
)

// node is one value of a configuration with the place it was written at. The tree of nodes is where file and
// environment meet, before anything is decoded; it knows nothing of YAML, so that YAML stays in one file.
type node struct {
	shape shape
	at    position
	// text of a scalar, with environment variables filled in.
	text string
	// failed marks a text with a variable that could not be filled in, which has been reported.
	failed bool
	// empty is a key with nothing behind it; null is an explicit null. Both have no text.
	empty, null bool
	entries     []entry // of a mapping, in the order they were written
	items       []*node // of a sequence
}

// entry is one key of a mapping.
type entry struct {
	key   string
	at    position // of the key
	value *node
}

// find returns the value of key, nil when it is not there.
func (n *node) find(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// set replaces the value of key, or adds it.
func (n *node) set(key string, value *node) {
	for i := range n.entries {
		if n.entries[i].key == key {
			n.entries[i] = entry{key, value.at, value}
			return
		}
	}
	n.entries = append(n.entries, entry{key, value.at, value})
}

// remove drops key.
func (n *node) remove(key string) {
	for i, e := range n.entries {
		if e.key == key {
			n.entries = append(n.entries[:i:i], n.entries[i+1:]...)
			return
		}
	}
}

// blank reports whether nothing was written: the value of a key whose lines are all commented out.
func (n *node) blank() bool { return n.empty || n.null }

// says reports whether n holds anything at all, were it not known what: it is not blank, no empty text, group or list.
func (n *node) says() bool {
	return n.failed || strings.TrimSpace(n.text) != "" || len(n.entries) > 0 || len(n.items) > 0
}

// describe names the shape of n for messages.
func (n *node) describe() string {
	switch {
	case n.shape == mapping:
		return "a group of keys"
	case n.shape == sequence:
		return "a list"
	case n.blank():
		return "nothing"
	}
	return "a single value"
}

// childPath and itemPath build key paths: "routes[2].upstream.url".
func childPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
