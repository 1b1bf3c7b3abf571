package powership

import "unicode/utf16"

// fingerprint is FNV-1a, 32 bits, over the UTF-16 units of text: what tokens carry of a client's address and user agent.
// JavaScript counts in those units, so that the result differs from FNV over bytes as soon as text is not ASCII.
func fingerprint(text string) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for _, r := range text {
		if first, second := utf16.EncodeRune(r); first != '\uFFFD' {
			h = (h ^ uint32(first)) * prime
			h = (h ^ uint32(second)) * prime
			continue
		}
		h = (h ^ uint32(r)) * prime
	}
	return h
}
