package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

// Options are the parts of a Gate. Table and Validator are required.
type Options struct {
	Table     *policy.Table
	Validator *session.Validator
	// Lifetimes tighten, for the route with that index, the two clocks of sessions. Only IdleTimeout and
	// MaxLifetime are used; zero means no tightening.
	Lifetimes map[int]session.Lifetime
	// Tally counts denials; nil: nobody does.
	Tally *session.Tally
	Now   func() time.Time // nil: time.Now
}

// Gate decides. It is safe for concurrent use and never changes.
type Gate struct {
	o      Options
	places places
}

// New returns a gate.
func New(o Options) (*Gate, error) {
	if o.Table == nil || o.Validator == nil {
		return nil, fmt.Errorf("gate: table and validator are required: %w", session.ErrMalformed)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{o: o, places: newPlaces(o.Validator.Places(), o.Validator.Companions)}, nil
}

// Verdict is what is to be done with a request.
type Verdict int

// The verdicts. The zero value lets nothing pass.
const (
	Forbidden       Verdict = iota // 403: the session may not do this
	Pass                           // the request goes on, with Session or anonymous
	Unauthenticated                // 401, or a redirect to the login: see Challenge
	StepUp                         // the session must prove more (RFC 9470)
	Unavailable                    // 503: nobody could say
	TooMany                        // 429
	Malformed                      // 400
	NoRoute                        // 404: no route takes the request
)

// Decision is the answer of the gate. Err is for operators; clients see Code.
type Decision struct {
	Verdict Verdict
	// Code is a stable word for the reason: "ok", "no_session", "group_required", …
	Code string
	// Reason says it in a sentence for people; it holds nothing secret.
	Reason string
	Err    error
	Route  *policy.Route
	// Session is whose request it is; nil when anonymous.
	Session *session.Session
	// Place is where the credential was found; its Kind is "" when there was none.
	Place session.Place
	// Freshness says where the answer came from; "" when nobody was asked.
	Freshness session.Freshness
	Renewed   bool
	// RetryAfter is when to try again, with Unavailable and TooMany.
	RetryAfter time.Duration
	// StepUp is what a login must prove, with the verdict StepUp; nobody may change it.
	StepUp *policy.StepUp
	// LoginURL is the authority's own page at which the user can prove more; "" when there is none.
	LoginURL string
}

// Decide judges q: route, credential, session, clocks, rules, in this order.
func (g *Gate) Decide(ctx context.Context, q policy.Request) Decision {
	d := g.decide(ctx, q)
	if d.denies() {
		g.o.Tally.Add(session.Denials)
	}
	return d
}

// denies reports whether d refuses what somebody showed. That one who shows nothing has to log in first denies nothing.
func (d Decision) denies() bool {
	switch d.Verdict {
	case Forbidden, StepUp, TooMany:
		return true
	case Unauthenticated:
		return d.Place.Kind != ""
	}
	return false
}

func (g *Gate) decide(ctx context.Context, q policy.Request) Decision {
	route, ok := g.o.Table.Match(q)
	if !ok {
		return Decision{Verdict: NoRoute, Code: "no_route", Reason: "No route takes this request."}
	}
	d := Decision{Route: route}
	if route.Access == policy.Public {
		return g.judge(q, d)
	}
	c, found, err := g.places.credential(q)
	if err != nil {
		return d.refuse(Malformed, err.code, err.reason, session.ErrMalformed)
	}
	if !found {
		return g.anonymous(q, d, "no_session", nil)
	}
	d.Place = c.Place
	a, verr := g.o.Validator.Validate(ctx, c)
	if verr != nil {
		return g.refused(q, d, verr)
	}
	d.Session, d.Freshness, d.Renewed = a.Session, a.Freshness, a.Renewed
	if code := g.tooOld(route, a.Session); code != "" {
		d.Session = nil
		return g.anonymous(q, d, code, nil)
	}
	return g.judge(q, d)
}

// anonymous is a request that shows no session that holds: it passes where identity is optional.
func (g *Gate) anonymous(q policy.Request, d Decision, code string, err error) Decision {
	if d.Route.Access == policy.Optional {
		return g.judge(q, d)
	}
	return d.refuse(Unauthenticated, code, "This needs a session.", err)
}

// refused turns the validator's error into a verdict. A browser whose cookie no longer holds is anonymous; a program
// that shows a bad token is told so, on optional routes too.
func (g *Gate) refused(q policy.Request, d Decision, err error) Decision {
	d.RetryAfter = session.RetryAfter(err)
	switch {
	case errors.Is(err, session.ErrUnavailable):
		return d.refuse(Unavailable, "session_unknown", "Nobody can say just now whose session this is.", err)
	case errors.Is(err, session.ErrTooMany):
		return d.refuse(TooMany, "too_many_attempts", "Too many attempts.", err)
	case errors.Is(err, session.ErrInsufficient) && d.Route.Access == policy.Optional:
		return g.judge(q, d)
	case errors.Is(err, session.ErrInsufficient):
		d.LoginURL = session.LoginURL(err)
		return d.refuse(Forbidden, "insufficient_session", "The session is good, but its authority wants more proof before it vouches for it.", err)
	case errors.Is(err, session.ErrRejected) && d.Place.Kind == session.KindCookie:
		return g.anonymous(q, d, "session_ended", err)
	case errors.Is(err, session.ErrRejected):
		return d.refuse(Unauthenticated, "invalid_token", "The token is not valid here.", err)
	default:
		return d.refuse(Unavailable, "session_unknown", "Nobody can say just now whose session this is.", err)
	}
}

// judge holds the request against the rules of its route.
func (g *Gate) judge(q policy.Request, d Decision) Decision {
	if denial := d.Route.Rule.Check(q, d.Session, g.o.Now()); denial != nil {
		return d.Denied(denial)
	}
	d.Verdict, d.Code = Pass, "ok"
	return d
}

// Denied is d after a rule has refused it: the one mapping from a denial to a verdict.
func (d Decision) Denied(denial *policy.Denial) Decision {
	d.StepUp = denial.StepUp
	switch denial.Status {
	case policy.StepUpNeeded:
		return d.refuse(StepUp, denial.Code, denial.Reason, nil)
	case policy.LoginNeeded:
		return d.refuse(Unauthenticated, denial.Code, denial.Reason, nil)
	default:
		return d.refuse(Forbidden, denial.Code, denial.Reason, nil)
	}
}

// tooOld holds s against the clocks of the route, which may be stricter than its own.
func (g *Gate) tooOld(route *policy.Route, s *session.Session) string {
	l, ok := g.o.Lifetimes[route.Index]
	if !ok {
		return ""
	}
	now := g.o.Now()
	switch {
	case l.MaxLifetime > 0 && !s.IssuedAt.IsZero() && now.Sub(s.IssuedAt) >= l.MaxLifetime:
		return "session_too_old"
	case l.IdleTimeout > 0 && !s.LastAccessAt.IsZero() && now.Sub(s.LastAccessAt) >= l.IdleTimeout:
		return "session_idle"
	}
	return ""
}

func (d Decision) refuse(v Verdict, code, reason string, err error) Decision {
	d.Verdict, d.Code, d.Reason, d.Err = v, code, reason, err
	return d
}

// Session says who shows q, without a route and its rules: for endpoints of our own. It returns the zero Session and
// false when nobody does; the error is ErrUnavailable when nobody can say, ErrInsufficient when
// the authority does not say before more was proved, ErrMalformed when the request shows two.
func (g *Gate) Session(ctx context.Context, q policy.Request) (*session.Session, bool, error) {
	c, found, bad := g.places.credential(q)
	if bad != nil {
		return nil, false, fmt.Errorf("%s: %w", bad.reason, session.ErrMalformed)
	}
	if !found {
		return nil, false, nil
	}
	a, err := g.o.Validator.Validate(ctx, c)
	switch {
	case errors.Is(err, session.ErrUnavailable):
		return nil, false, err
	case errors.Is(err, session.ErrRejected):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return a.Session, true, nil
}

// CookieNames lists the cookies that carry credentials: they are ours and go to no application.
func (g *Gate) CookieNames() []string { return slices.Clone(g.places.cookies) }

// AcceptsSource reports whether a login at the named source can lead to a page. A page no route takes accepts none.
func (g *Gate) AcceptsSource(host, path, source string) bool {
	route, ok := g.o.Table.Match(policy.Request{Method: "GET", Scheme: "https", Host: host, Path: path, RawPath: path})
	return ok && route.Rule.AcceptsSource(source)
}

// Status says how sure the gate is of the session, for the application to see.
func (d Decision) Status() identity.Status {
	switch {
	case d.Session == nil:
		return identity.StatusNone
	case d.Freshness == session.Stale:
		return identity.StatusStale
	default:
		return identity.StatusValid
	}
}
