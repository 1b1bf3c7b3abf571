package middleware

import (
	"net/netip"
	"sync"
	"time"
)

const (
	maxRefusals   = 30 // refused answers from one address in one to two windows
	refusalWindow = 5 * time.Minute
	maxRefusers   = 50_000 // addresses in one of the two generations
)

// refusals counts, by client address, the login answers an authority refused. Each costs the authority a token call,
// and what it grants us in calls is everybody's: somebody who sends made-up codes must not spend it. Counts are kept in
// two generations and forgotten early when there are too many addresses.
type refusals struct {
	mu              sync.Mutex
	newer, older    map[netip.Prefix]int
	newGenerationAt time.Time
}

// note counts a refused answer.
func (r *refusals) note(ip netip.Addr, now time.Time) {
	if !ip.IsValid() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	r.newer[neighbourhood(ip)]++
}

// tooMany reports whether answers from ip are not worth a token call for now.
func (r *refusals) tooMany(ip netip.Addr, now time.Time) bool {
	if !ip.IsValid() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	at := neighbourhood(ip)
	return r.newer[at]+r.older[at] >= maxRefusals
}

// turn begins a new generation where the newer one has had its time or is full.
func (r *refusals) turn(now time.Time) {
	switch {
	case r.newer == nil || !now.Before(r.newGenerationAt.Add(refusalWindow)):
		r.older, r.newer = nil, map[netip.Prefix]int{}
	case !now.Before(r.newGenerationAt) || len(r.newer) >= maxRefusers:
		r.older, r.newer = r.newer, map[netip.Prefix]int{}
	default:
		return
	}
	r.newGenerationAt = now.Add(refusalWindow)
}

// neighbourhood is what one client can have of addresses: one of IPv4, a /64 of IPv6.
func neighbourhood(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil { // only for bits out of range
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	return p
}
