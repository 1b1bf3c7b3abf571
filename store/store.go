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
	chosen   func(Options) bool
	validate func(Options) error
	open     func(Options, Deps) (session.Store, error)
}

// kinds is the table of stores, the default first. A new store is one more row.
func kinds() []kind {
	return []kind{
		{"bolt", func(o Options) bool { return o.Bolt != nil }, func(o Options) error { return o.Bolt.Validate() }, openBolt},
		{"memory", func(o Options) bool { return o.Memory != nil }, func(o Options) error { return o.Memory.Validate() }, openMemory},
	}
}

func openBolt(o Options, d Deps) (session.Store, error) {
	b, err := OpenBolt(*o.Bolt, d)
	if err != nil {
		return nil, err // not b: a nil *Bolt in an interface is not nil
	}
	return b, nil
}

func openMemory(o Options, d Deps) (session.Store, error) {
	m, err := OpenMemory(*o.Memory, d)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Kinds returns the names of all kinds of store as they stand in a configuration, the default first.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// withDefault returns o with the default kind set when none is.
func (o Options) withDefault() Options {
	if o == (Options{}) {
		o.Bolt = &BoltOptions{}
	}
	return o
}

// Kind returns the name of the kind o chooses, the default's when it chooses none.
func (o Options) Kind() string {
	for _, k := range kinds() {
		if k.chosen(o.withDefault()) {
			return k.name
		}
	}
	return ""
}

// Validate reports everything that is wrong with o without touching any file or network. Each message names the
// field, what stands there and what to do.
func (o Options) Validate() error {
	o = o.withDefault()
	var names []string
	var errs []error
	for _, k := range kinds() {
		if k.chosen(o) {
			names = append(names, k.name)
			errs = append(errs, k.validate(o))
		}
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
	o = o.withDefault()
	for _, k := range kinds() {
		if k.chosen(o) {
			return k.open(o, d)
		}
	}
	return nil, errors.New("store: no kind is set") // the default is in the table, so this is not reached
}
