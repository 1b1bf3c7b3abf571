// Package store keeps session records: one file per place, one row per kind in the table below.
//
// It owns where records are, how they are found by key and by term, when they expire and that a write is never lost
// or half done. It does not own what is in them: Data is opaque here, sealed by package session before it comes and
// opened after it leaves. It starts no sweeping of its own; whoever runs a [session.Sweeper] decides when.
//
// One rule holds: the stores agree. Limits, versions, expiry and order are the same for every kind, and what proves
// it is the suite in package sessiontest, which every kind passes.
package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Options says where sessions are kept. Exactly one kind is set; none means Bolt with its defaults. A kind is chosen
// by giving it a value, were it an empty one ("memory: {}" in YAML).
type Options struct {
	Memory *MemoryOptions `yaml:"memory,omitempty"`
	Bolt   *BoltOptions   `yaml:"bolt,omitempty"`
}

// Deps is what stores take from the program around them.
type Deps struct {
	// Now is the clock expiry goes by. Nil: time.Now.
	Now func() time.Time
}

func (d Deps) now() func() time.Time {
	if d.Now == nil {
		return time.Now
	}
	return d.Now
}

// kind is one row of the table.
type kind struct {
	name     string
	set      bool
	validate func() error
	open     func(Deps) (session.Store, error)
}

// kinds is the table of stores, the default first. A new store is one more row.
func (o Options) kinds() []kind {
	return []kind{
		{"bolt", o.Bolt != nil, o.Bolt.Validate, func(d Deps) (session.Store, error) { return opened(OpenBolt(*o.Bolt, d)) }},
		{"memory", o.Memory != nil, o.Memory.Validate, func(d Deps) (session.Store, error) { return opened(OpenMemory(*o.Memory, d)) }},
	}
}

// opened returns no store with an error: a nil *Bolt in an interface is not nil.
func opened[S session.Store](s S, err error) (session.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// chosen returns the rows o chooses, the default's when it chooses none. There is always one at least.
func (o Options) chosen() []kind {
	if o == (Options{}) {
		o.Bolt = &BoltOptions{}
	}
	return slices.DeleteFunc(o.kinds(), func(k kind) bool { return !k.set })
}

// Kinds returns the names of all kinds of store as they stand in a configuration, the default first.
func Kinds() []string {
	var names []string
	for _, k := range (Options{}).kinds() {
		names = append(names, k.name)
	}
	return names
}

// Kind returns the name of the kind o chooses, the default's when it chooses none.
func (o Options) Kind() string { return o.chosen()[0].name }

// Validate reports everything that is wrong with o without touching any file or network. Each message names the
// field, what stands there and what to do.
func (o Options) Validate() error {
	var names []string
	var errs []error
	for _, k := range o.chosen() {
		names = append(names, k.name)
		errs = append(errs, k.validate())
	}
	if len(names) > 1 {
		errs = append(errs, fmt.Errorf("store: %s are both set: keep exactly one", strings.Join(names, " and ")))
	}
	return errors.Join(errs...)
}

// Open opens the store o chooses. The caller closes it.
func Open(o Options, d Deps) (session.Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return o.chosen()[0].open(d)
}
