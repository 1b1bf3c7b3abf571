package policy

import (
	"slices"
	"time"

	"github.com/sessionward/sessionward/session"
)

// Status says what could turn a denial into a pass.
type Status string

// The kinds of denial.
const (
	// Forbidden: nothing this user can do.
	Forbidden Status = "forbidden"
	// StepUpNeeded: a stronger or newer login; Denial.StepUp says which (RFC 9470).
	StepUpNeeded Status = "step_up"
	// LoginNeeded: there is no session and the route requires one.
	LoginNeeded Status = "login"
)

// Denial says why a rule did not pass. The codes are stable: network_not_allowed, session_required,
// source_not_allowed, user_not_allowed, group_required, email_not_verified, email_domain_not_allowed,
// expression_denied, expression_error (all Forbidden, save session_required, which is LoginNeeded), aal_required,
// acr_required, max_age_exceeded (StepUpNeeded).
type Denial struct {
	Code   string
	Status Status
	// Reason says the same to people, for logs. It repeats nothing of session or request.
	Reason string
	// StepUp is everything the route asks of a login, so that one login satisfies all of it. It is nil unless
	// Status is StepUpNeeded, and nobody may change it.
	StepUp *StepUp
}

// StepUp is what a route asks of a login. Zero values ask for nothing.
type StepUp struct {
	AAL    string
	ACR    []string
	MaxAge time.Duration
}

// clockSkew is how far ahead of ours the clock of an authority may be.
const clockSkew = time.Minute

// Check holds request and session against the rule: nil when both pass. s is nil when there is no session; whether s
// has ended is not looked at here. What no login can cure is judged first. Check changes neither q nor s.
func (r *Rule) Check(q Request, s *session.Session, now time.Time) *Denial {
	if len(r.networks) > 0 && !contains(r.networks, q.ClientIP) {
		return forbidden("network_not_allowed", "the client's address is in none of the route's networks")
	}
	if s == nil && r.sessionNeeded {
		return &Denial{Code: "session_required", Status: LoginNeeded, Reason: "the route requires a session"}
	}
	if s != nil && r.conditions {
		if d := r.checkIdentity(s); d != nil {
			return d
		}
	}
	if r.expr != nil {
		if d := r.checkExpression(q, s, now); d != nil {
			return d
		}
	}
	if s != nil && r.conditions {
		return r.checkLogin(s, now)
	}
	return nil
}

func forbidden(code, reason string) *Denial {
	return &Denial{Code: code, Status: Forbidden, Reason: reason}
}

// checkIdentity judges who the user is.
func (r *Rule) checkIdentity(s *session.Session) *Denial {
	id := &s.Identity
	switch {
	case len(r.sources) > 0 && !r.sources.has(s.Source):
		return forbidden("source_not_allowed", "the session's source is none of the route's sources")
	case len(r.users) > 0 && !r.users.has(id.Username) && !r.users.has(id.Subject):
		return forbidden("user_not_allowed", "the user is none of the route's users")
	case len(r.anyGroup) > 0 && !slices.ContainsFunc(id.Groups, r.anyGroup.has):
		return forbidden("group_required", "the user is in none of the route's any_group")
	case !containsAll(id.Groups, r.allGroups):
		return forbidden("group_required", "the user is not in all of the route's all_groups")
	case len(r.domains) > 0:
		return checkEmail(id, r.domains)
	default:
		return nil
	}
}

// checkExpression is on its own because it moves q to the heap, which rules without an expression are spared.
func (r *Rule) checkExpression(q Request, s *session.Session, now time.Time) *Denial {
	return r.expr.check(&facts{variables: r.expr.variables, request: &q, session: s, now: now})
}

func containsAll(have, want []string) bool {
	for _, g := range want {
		if !slices.Contains(have, g) {
			return false
		}
	}
	return true
}

// checkLogin judges how and when the user proved who they are.
func (r *Rule) checkLogin(s *session.Session, now time.Time) *Denial {
	age := now.Sub(s.AuthenticatedAt) // an unknown time is the zero time: longer ago than any limit
	switch {
	case level(s.AAL) < r.aal:
		return r.weak("aal_required", "the session's assurance level is too low or unknown")
	case len(r.acr) > 0 && !slices.Contains(r.acr, s.ACR):
		return r.weak("acr_required", "the session's authentication context is none of the route's acr")
	case r.maxAge > 0 && (age > r.maxAge || age < -clockSkew):
		return r.weak("max_age_exceeded", "the user proved who they are too long ago, or at an unknown time")
	default:
		return nil
	}
}

func (r *Rule) weak(code, reason string) *Denial {
	return &Denial{Code: code, Status: StepUpNeeded, Reason: reason, StepUp: r.stepUp}
}
