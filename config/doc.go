// Package config is the one file a gateway is set up with: what its sections are, how it is read and what makes no
// sense in it.
//
// It composes the option types of the rooms it configures ([session.Lifetime], [store.Options], [source.Options],
// [policy.RouteOptions], [proxy.Options], [identity.Options]); their keys, defaults and checks live there. It owns the
// settings that belong to no room, the reading of file and environment, and the key file. It opens nothing but the
// files a configuration names, starts nothing and connects to nothing.
//
// One rule holds: everything wrong is reported at once, each problem with its place and what to write instead, and
// whatever is not understood is refused. A [Config] that has been returned is complete and is only read from then on.
package config
