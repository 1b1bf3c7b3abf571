package policy

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const maxPath = 8 << 10 // bytes of the path, escaped

// The bytes that stand for themselves in a path segment (RFC 3986 §3.3) without ';', and '/', as two bit sets.
const (
	digits         uint64 = (1<<10 - 1) << '0'
	letters        uint64 = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
	unreservedLow  uint64 = digits | 1<<'-' | 1<<'.'
	unreservedHigh uint64 = letters | 1<<('_'-64) | 1<<('~'-64)
	segmentLow     uint64 = unreservedLow | 1<<'!' | 1<<'$' | 1<<'&' | 1<<'\'' | 1<<'(' | 1<<')' | 1<<'*' | 1<<'+' | 1<<',' | 1<<'=' | 1<<':' | 1<<'/'
	segmentHigh    uint64 = unreservedHigh | 1<<('@'-64)
)

func inSet(b byte, low, high uint64) bool {
	if b < 64 {
		return low>>b&1 != 0
	}
	return b < 128 && high>>(b-64)&1 != 0
}

func isUnreserved(b byte) bool { return inSet(b, unreservedLow, unreservedHigh) }
func isPlain(b byte) bool      { return inSet(b, segmentLow, segmentHigh) }

// path returns the canonical spelling of an escaped path that begins with '/', decoded and escaped. One that is canonical already is
// returned as it is, without allocating.
func (c *Canonicalizer) path(raw string) (path, rawPath string, err error) {
	if len(raw) > maxPath {
		return "", "", errPathTooLong()
	}
	if isCanonical(raw) {
		return raw, raw, nil
	}
	decoded, escaped, err := c.respell(raw)
	if err != nil {
		return "", "", err
	}
	if len(escaped) > maxPath {
		return "", "", errPathTooLong() // escaping made it longer: the canonical form obeys the limit as well
	}
	path, rawPath = string(decoded), string(escaped)
	return path, rawPath, c.checkDecoded(path)
}

func errPathTooLong() error { return tooLong("path_too_long", "the path is longer than 8 KiB") }

// isCanonical reports whether nothing in the path needs a second look: no escape, no byte to escape, no empty
// segment and none that begins with a dot.
func isCanonical(raw string) bool {
	var before byte
	for i := range len(raw) {
		b := raw[i]
		if !isPlain(b) || before == '/' && (b == '/' || b == '.') {
			return false
		}
		before = b
	}
	return true
}

// respell decodes the path and writes its canonical escaped form beside it.
func (c *Canonicalizer) respell(raw string) (decoded, escaped []byte, err error) {
	decoded, escaped = make([]byte, 0, len(raw)), make([]byte, 0, len(raw)+16)
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		switch {
		case b == '%':
			if b, err = c.unescape(raw[i:]); err != nil {
				return nil, nil, err
			}
			i += 2
			escaped = appendEscaped(escaped, b, isUnreserved(b))
		case b == '/' && len(escaped) > 0 && escaped[len(escaped)-1] == '/':
			if !c.o.MergeSlashes {
				return nil, nil, errEmptySegment()
			}
			continue
		default:
			if err = c.checkPathByte(b); err != nil {
				return nil, nil, err
			}
			escaped = appendEscaped(escaped, b, isPlain(b) || b == ';')
		}
		decoded = append(decoded, b)
	}
	return decoded, escaped, nil
}

func errEmptySegment() error { return bad("empty_segment", "the path has an empty segment") }

func appendEscaped(dst []byte, b byte, plain bool) []byte {
	const digits = "0123456789ABCDEF"
	if plain {
		return append(dst, b)
	}
	return append(dst, '%', digits[b>>4], digits[b&15])
}

// unescape returns the byte the escape at the head of s stands for, if a path may hold it.
func (c *Canonicalizer) unescape(s string) (byte, error) {
	b, ok := unhex(s)
	switch {
	case !ok:
		return 0, bad("bad_escape", "the path has a broken percent escape")
	case b == '/' && !c.o.AllowEncodedSlash:
		return 0, bad("encoded_slash", "the path has an encoded slash")
	case b == '\\':
		return 0, bad("encoded_backslash", "the path has an encoded backslash")
	case b < ' ' || b == 0x7f:
		return 0, bad("encoded_control", "the path has an encoded control character")
	case b == ';' && !c.o.AllowSemicolon:
		return 0, errSemicolon()
	default:
		return b, nil
	}
}

func errSemicolon() error { return bad("semicolon", "the path has matrix parameters") }

// unhex reads "%XX" at the head of s.
func unhex(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	var b [1]byte
	_, err := hex.Decode(b[:], []byte(s[1:3]))
	return b[0], err == nil
}

// checkPathByte refuses bytes that cannot stand in a path unescaped. Those that only should not are escaped later.
func (c *Canonicalizer) checkPathByte(b byte) error {
	switch {
	case b == '\\':
		return bad("backslash", "the path has a backslash")
	case b == ';' && !c.o.AllowSemicolon:
		return errSemicolon()
	default:
		return checkTargetByte(b)
	}
}

// checkDecoded refuses what only shows once everything is decoded.
func (c *Canonicalizer) checkDecoded(path string) error {
	if !utf8.ValidString(path) {
		return bad("bad_utf8", "the path is not valid UTF-8")
	}
	for i := range len(path) {
		switch {
		case path[i] == 0xc2 && path[i+1] < 0xa0: // U+0080 to U+009F; valid UTF-8 has a byte after 0xc2
			return bad("encoded_control", "the path has an encoded control character")
		case path[i] == '%' && !c.o.AllowDoubleEncoding:
			if _, twice := unhex(path[i:]); twice {
				return bad("double_encoding", "the path is escaped twice")
			}
		}
	}
	return checkSegments(path)
}

// checkSegments refuses segments that some server resolves, cuts or drops. Empty ones are left only where %2F made
// them, or before matrix parameters.
func checkSegments(path string) error {
	rest := path[1:]
	for more := true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		name, _, params := strings.Cut(segment, ";")
		switch strings.Trim(name, " ") { // some file systems ignore the spaces
		case ".", "..":
			return bad("dot_segment", "the path has a dot segment")
		case "":
			if name == "" && (more || params) {
				return errEmptySegment()
			}
		}
	}
	return nil
}
