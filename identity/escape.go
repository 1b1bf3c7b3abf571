package identity

import "strings"

const upperHex = "0123456789ABCDEF"

// escape writes s so that it can stand in a header: see the package comment. The bytes of special are escaped too.
// Different texts come out different, for any special.
func escape(s, special string) string {
	if plain(s, special) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := range len(s) {
		c := s[i]
		edge := i == 0 || i == len(s)-1
		if !mustEscape(c, special) && !(c == ' ' && edge) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

func plain(s, special string) bool {
	for i := range len(s) {
		if mustEscape(s[i], special) {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

func mustEscape(c byte, special string) bool {
	return c < ' ' || c > '~' || c == '%' || strings.IndexByte(special, c) >= 0
}

// unescape reads what escape wrote. ok is false when escape cannot have written it: a bare '%', or a byte that is not
// printable ASCII.
func unescape(s string) (text string, ok bool) {
	if plain(s, "") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c > '~' {
			return "", false
		}
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

func unhex(c byte) int { return strings.IndexByte(upperHex, c) }

// splitList reads what join wrote, without the empty elements that join leaves out.
func splitList(s, separator string) (elements []string, ok bool) {
	for e := range strings.SplitSeq(s, separator) {
		if e == "" {
			continue
		}
		text, ok := unescape(e)
		if !ok {
			return nil, false
		}
		elements = append(elements, text)
	}
	return elements, true
}
