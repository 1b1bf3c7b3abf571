package vsphere

import (
	"cmp"
	"time"
)

// Options configure a Peer. The zero value is a current vCenter with the user alice@vsphere.local, whose password is
// wonderland.
type Options struct {
	Users []User `yaml:"users"`
	// IdleTimeout ends sessions nobody uses; 0: 30m, as a vCenter does.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// MaxLifetime ends sessions whatever they do; 0: never.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// TouchEvery is how often use of a session is written down; 0: each time, as a vCenter does.
	TouchEvery time.Duration `yaml:"touch_every"`
	// BearerTTL and HolderTTL are the longest lives of the tokens that are issued; 0: 5m and 720h, as a vCenter does.
	BearerTTL time.Duration `yaml:"bearer_ttl"`
	HolderTTL time.Duration `yaml:"holder_ttl"`

	// Old leaves out /api/session, as servers before 7.0 U2 do.
	Old bool `yaml:"old"`
	// Envelopes gives errors the bodies a vCenter gives them; without it they are empty, as the simulator's are.
	Envelopes bool `yaml:"envelopes"`
	// NoLookup leaves out the lookup service.
	NoLookup bool `yaml:"no_lookup"`
	// Simulated leaves the token service to the simulator: one assertion of 2018 for everybody, and every SIGN header is
	// accepted.
	Simulated bool `yaml:"simulated"`
}

// User is somebody who can log in.
type User struct {
	Name     string `yaml:"name"` // with the domain: alice@vsphere.local
	Password string `yaml:"password"`
}

func (o Options) withDefaults() Options {
	if len(o.Users) == 0 {
		o.Users = []User{{Name: "alice@vsphere.local", Password: "wonderland"}}
	}
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 30*time.Minute)
	o.BearerTTL = cmp.Or(o.BearerTTL, 5*time.Minute)
	o.HolderTTL = cmp.Or(o.HolderTTL, 30*24*time.Hour)
	return o
}

// knows reports whether there is such a user with that password.
func (o Options) knows(name, password string) bool {
	for _, u := range o.Users {
		if u.Name == name && u.Password == password {
			return true
		}
	}
	return false
}
