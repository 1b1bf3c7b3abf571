// Package identity writes who the user is for the applications behind the gateway, and reads it for them.
//
// It owns the identity headers ([Headers]), the removal of everything that only looks like one ([Stripper]), the
// signed assertion ([Signer]) and the reading side of both ([FromRequest], [Verifier]). It does not decide who may
// pass, does not look sessions up and does not send requests to applications.
//
// One rule holds everywhere: an identity header that reaches an application was written here, or there is none.
// Whatever the client sent under such a name, in whatever spelling, is removed first, and a value is written whole,
// once, or not at all.
//
// # How values are written
//
// There is one rule for all text, so that every header is plain ASCII, nothing can end a header line early and no two
// values look alike. Each byte that is a control byte, '%', or not ASCII is written as '%' and two upper-case
// hexadecimal digits (RFC 3986 §2.1), and so is a space at either end. All other text stands as it is: an ordinary
// subject, address or name does not change. In a list the separator and '"' are written that way inside an element as
// well, so that a group named "users,admins" is read as one group by everybody who splits at the separator, whether
// they decode or not. Empty elements of a list are left out; an empty value means that the header is absent. Values
// are data: nothing in them is ever expanded.
//
// JSON values carry everything outside printable ASCII as \u escapes (RFC 8259 §7). Base64 values are RFC 4648 §4,
// with padding. Times are RFC 3339 in UTC with whole seconds.
package identity
