package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// OperationsOptions are the parts of Operations. Manager and Validator are required.
type OperationsOptions struct {
	Manager   *Manager
	Validator *Validator
	Sources   []Source
	// Properties are the names of properties of sessions of ours that may be changed.
	Properties []string
}

// Operations is everything that can be done with sessions from outside a request, by the public handle. What the gateway
// cannot do itself it asks the session's source for; what that cannot do either is ErrUnsupported, and the chain says why.
//
// Of a foreign session the gateway keeps no credential. What needs one works while the session is in use, which is as long
// as the validator remembers it.
type Operations struct {
	o       OperationsOptions
	sources map[string]Source
}

// NewOperations checks o and returns the operations. From then on the validator refuses at once what the manager ends.
func NewOperations(o OperationsOptions) (*Operations, error) {
	if o.Manager == nil || o.Validator == nil {
		return nil, fmt.Errorf("session operations: manager and validator are required: %w", ErrMalformed)
	}
	op := &Operations{o: o, sources: map[string]Source{}}
	for _, s := range o.Sources {
		op.sources[s.Name()] = s
	}
	o.Manager.OnEnd(func(s *Session, _ EndReason) { o.Validator.End(s) })
	return op, nil
}

// Source returns the source of that name; nil when there is none.
func (o *Operations) Source(name string) Source { return o.sources[name] }

// CookieName is the name of the cookie of sessions of ours.
func (o *Operations) CookieName() string { return o.o.Manager.CookieName() }

// List is Manager.List.
func (o *Operations) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	return o.o.Manager.List(ctx, f, cursor, limit)
}

// Get returns the session with that handle as it is known, without touching it. ErrNotFound when there is none.
func (o *Operations) Get(ctx context.Context, handle string) (Entry, error) {
	return o.o.Manager.Entry(ctx, handle)
}

// live returns the session with that handle with its tokens: one of ours from the store, a foreign one while it is in use.
func (o *Operations) live(ctx context.Context, handle string) (Entry, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return Entry{}, err
	}
	if !e.Active {
		return Entry{}, fmt.Errorf("session %s: has ended: %w", handle, ErrNotFound)
	}
	if !e.Foreign {
		return e, nil
	}
	s, ok := o.o.Validator.Remembered(e.Session)
	if !ok {
		return Entry{}, fmt.Errorf("session %s: the gateway keeps no credential of sessions of source %q, and this one is not in use right now: %w", handle, e.Session.Source, ErrUnsupported)
	}
	e.Session = seenAs(s, e.Session)
	return e, nil
}

// seenAs is s, fresh from its source, with what was noted of its use here.
func seenAs(s, noted *Session) *Session {
	if s == nil || (len(s.Devices) > 0 && !s.LastAccessAt.IsZero()) {
		return s
	}
	c := s.Clone()
	if len(c.Devices) == 0 {
		c.Devices = slices.Clone(noted.Devices)
	}
	if c.LastAccessAt.IsZero() {
		c.LastAccessAt = noted.LastAccessAt
	}
	return c
}

// lacks is the error for a power the source of s has not.
func (o *Operations) lacks(s *Session, power string) error {
	kind := "unknown"
	if src := o.sources[s.Source]; src != nil {
		kind = src.Kind()
	}
	return fmt.Errorf("source %q (%s) cannot %s: %w", s.Source, kind, power, ErrUnsupported)
}

// Validate asks the authority, where there is one to ask, whether the session still holds, without using it, and returns
// it as it is. ErrRejected when it has ended.
func (o *Operations) Validate(ctx context.Context, handle string) (Entry, error) {
	e, err := o.live(ctx, handle)
	if errors.Is(err, ErrNotFound) {
		return Entry{}, fmt.Errorf("session %s: ended or never was: %w", handle, ErrRejected)
	}
	if err != nil {
		return Entry{}, err
	}
	if !e.Foreign {
		e.Session, err = o.o.Manager.verified(ctx, e.Session)
		return e, err
	}
	k, ok := o.sources[e.Session.Source].(Keeper)
	if !ok {
		return Entry{}, o.lacks(e.Session, "say how a session is without using it")
	}
	now, err := k.Current(ctx, e.Session)
	if (errors.Is(err, ErrRejected) || errors.Is(err, ErrNotFound)) && !errors.Is(err, ErrUnavailable) {
		o.o.Validator.End(e.Session)
		return Entry{}, fmt.Errorf("session %s: has ended at its authority: %w", handle, ErrRejected)
	}
	e.Session = seenAs(now, e.Session)
	return e, err
}

// Touch uses the session: its idle clock begins anew, here or at its authority.
func (o *Operations) Touch(ctx context.Context, handle string) (Entry, error) {
	e, err := o.live(ctx, handle)
	if err != nil {
		return Entry{}, err
	}
	if !e.Foreign {
		e.Session, err = o.o.Manager.Touch(ctx, e.Session, Credential{})
		return e, err
	}
	t, ok := o.sources[e.Session.Source].(Toucher)
	if !ok {
		return Entry{}, o.lacks(e.Session, "reset an idle clock: its sessions have none, or looking at one resets it")
	}
	now, err := t.Touch(ctx, e.Session, Credential{Value: e.Session.Tokens.Access})
	e.Session = seenAs(now, e.Session)
	return e, err
}

// Life is how long a session and its token still last.
type Life struct {
	EndsAt       time.Time // earlier of the absolute and the idle end; zero: not known
	TokenEndsAt  time.Time // zero: not known
	ValidSession bool      // it has what a session of its source must have
	ValidToken   bool      // its token is not known to have ended
	// EndsWithin answers the question that was asked; Known is false when no end is known.
	EndsWithin, Known bool
}

// TTL says how long the session still lasts, and whether that is less than within.
func (o *Operations) TTL(ctx context.Context, handle string, within time.Duration) (Life, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return Life{}, err
	}
	s, now := e.Session, o.o.Manager.now()
	l := Life{EndsAt: s.EndsAt(), TokenEndsAt: s.Tokens.ExpiresAt, ValidSession: e.Active, ValidToken: e.Active && !s.Tokens.Expired(now)}
	if end := earliest(l.EndsAt, l.TokenEndsAt); !end.IsZero() {
		l.EndsWithin, l.Known = !end.After(now.Add(within)), true
	}
	if c, ok := o.sources[s.Source].(TokenChecker); ok && !e.Foreign && e.Active {
		l.ValidSession, l.ValidToken = c.ValidSession(s), c.ValidToken(s)
		if ends, known := c.EndsWithin(s, within); known {
			l.EndsWithin, l.Known = ends || l.EndsWithin, true
		}
	}
	return l, nil
}

// Refresh renews the session's tokens at its authority, or has the authority prolong it. Whoever else renews one of ours at
// the same time shares the answer.
func (o *Operations) Refresh(ctx context.Context, handle string) (Entry, error) {
	e, err := o.live(ctx, handle)
	if err != nil {
		return Entry{}, err
	}
	if e.Foreign {
		return o.prolong(ctx, e)
	}
	if _, ok := o.sources[e.Session.Source].(Refresher); !ok || !e.Session.Tokens.Renewable() {
		return Entry{}, o.lacks(e.Session, "renew this session: it has nothing that could be exchanged")
	}
	now, err := o.o.Validator.Renew(ctx, o.o.Manager, e.Session)
	e.Session = seenAs(now, e.Session)
	return e, err
}

// prolong has the authority of a foreign session prolong it, now: a Refresher alone may wait until that is due.
func (o *Operations) prolong(ctx context.Context, e Entry) (Entry, error) {
	var now *Session
	var err error
	switch src := o.sources[e.Session.Source].(type) {
	case Extender:
		now, err = src.Extend(ctx, e.Session)
	case Refresher:
		now, err = src.Refresh(ctx, e.Session)
	default:
		return Entry{}, o.lacks(e.Session, "renew or prolong a session")
	}
	switch {
	case err == nil && now == nil:
		err = fmt.Errorf("source %q: answer without a session: %w", e.Session.Source, ErrUnavailable)
	case err != nil && !hasNone(err):
		err = answerOf(err)
	}
	if errors.Is(err, ErrRejected) {
		o.o.Validator.End(e.Session)
	}
	if err != nil {
		return Entry{}, err
	}
	o.o.Validator.Renewed(now)
	e.Session = seenAs(now, e.Session)
	return e, nil
}

// Extend has the authority move the end of the session. That of sessions of ours never moves: they are renewed or touched.
func (o *Operations) Extend(ctx context.Context, handle string) (Entry, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return Entry{}, err
	}
	if !e.Foreign {
		return Entry{}, fmt.Errorf("session %s: the end of a session of ours never moves; refresh or touch it: %w", handle, ErrUnsupported)
	}
	return o.Refresh(ctx, handle)
}

// Devices lists where the session has been used from: as the authority tells it where it can, as the gateway saw it
// otherwise.
func (o *Operations) Devices(ctx context.Context, handle string) ([]Device, error) {
	e, err := o.Get(ctx, handle)
	if err != nil {
		return nil, err
	}
	return slices.Clone(e.Session.Devices), nil
}

// Properties returns the properties of the session, those kept here and those its authority keeps.
func (o *Operations) Properties(ctx context.Context, handle string) (map[string]string, error) {
	e, err := o.live(ctx, handle)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(e.Session.Properties)
	if all == nil {
		all = map[string]string{}
	}
	r, ok := o.sources[e.Session.Source].(PropertyReader)
	if !ok {
		return all, nil
	}
	theirs, err := r.ReadProperties(ctx, e.Session)
	if hasNone(err) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(all, theirs)
	return all, nil
}

// UpdateProperties changes properties of the session, at its authority where that keeps them, and returns all. Names of
// sessions of ours must be allowed (OperationsOptions.Properties), or it is ErrInsufficient; an empty value removes one.
func (o *Operations) UpdateProperties(ctx context.Context, handle string, changes map[string]string) (map[string]string, error) {
	e, err := o.live(ctx, handle)
	if err != nil {
		return nil, err
	}
	if u, ok := o.sources[e.Session.Source].(PropertyUpdater); ok {
		all, err := u.UpdateProperties(ctx, e.Session, changes)
		if e.Foreign || !hasNone(err) {
			return all, err
		}
	}
	if e.Foreign {
		return nil, o.lacks(e.Session, "change properties of a session")
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if !slices.Contains(o.o.Properties, name) {
			return nil, fmt.Errorf("property %q is not among those that may be changed: %w", name, ErrInsufficient)
		}
	}
	s, err := o.o.Manager.SetProperties(ctx, e.Session, changes)
	if err != nil {
		return nil, err
	}
	return maps.Clone(s.Properties), nil
}

// hasNone reports whether an authority said that it has no such thing for this session.
func hasNone(err error) bool {
	return errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrUnavailable)
}

// Tokenize has the authority make a signed JWT of the session from one of its templates.
func (o *Operations) Tokenize(ctx context.Context, handle, template string) (Secret, time.Time, error) {
	e, err := o.live(ctx, handle)
	if err != nil {
		return Secret{}, time.Time{}, err
	}
	t, ok := o.sources[e.Session.Source].(Tokenizer)
	if !ok {
		return Secret{}, time.Time{}, o.lacks(e.Session, "make a token of a session")
	}
	return t.Tokenize(ctx, e.Session, template)
}
