// Package authority is how sources speak to their authorities: one client that is bounded in time and size and takes no
// credential elsewhere, strict JSON, which credentials are whose, and the words for what went wrong.
//
// It owns no protocol and knows no kind of source.
//
// One rule holds for everything that comes back: unknown is not denied. What cannot be reached, read or understood is
// session.ErrUnavailable, and only a source that has understood an answer may say session.ErrRejected.
package authority
