package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// RuleOptions are conditions; all that are given must hold. The zero value asks for nothing. On a public route only
// Networks and Expression may be given. On an optional route the others are judged only when there is a session.
type RuleOptions struct {
	// Sources lists the names of the sources that may vouch for the session.
	Sources []string `yaml:"sources"`
	// AnyGroup and AllGroups list groups the user must be in, compared exactly: one of them, or each of them.
	AnyGroup  []string `yaml:"any_group"`
	AllGroups []string `yaml:"all_groups"`
	// Users lists usernames and subjects, compared exactly; never e-mail addresses. Danger: two sources may give the
	// same name to two people; set Sources as well where there are several.
	Users []string `yaml:"users"`
	// EmailDomains lists the domains of verified e-mail addresses: "corp.example" is that domain alone,
	// "*.corp.example" everything below it at any depth.
	EmailDomains []string `yaml:"email_domains"`
	// AAL is the least assurance level: "aal1", "aal2" or "aal3" (NIST SP 800-63B). A session of unknown level does
	// not have it.
	AAL string `yaml:"aal"`
	// MaxAge is how long ago the user may have proved who they are at most. When that is unknown it is too long.
	MaxAge time.Duration `yaml:"max_age"`
	// ACR lists authentication context class references; the session must have one of them (OIDC Core §2).
	ACR []string `yaml:"acr"`
	// Networks lists addresses and networks the client must come from.
	Networks []string `yaml:"networks"`
	// Expression is a CEL expression that must be true; see the documentation of Rule for its variables.
	Expression string `yaml:"expression"`
}

// Rule is what a route asks of session and request. It is immutable and safe for concurrent use; the zero Rule asks
// for nothing.
//
// An expression sees these variables, and a name not among them is refused when the rule is made:
//
//   - now (timestamp)
//   - request.method, request.scheme, request.host, request.path, request.query, request.client_ip (string)
//   - request.headers (map of strings, names in lower case). Danger: a header is what the client says. Touching one
//     that came more than once is an error, because nobody knows which of its values others go by.
//   - authenticated (bool), and unless the route is public:
//   - session.source, session.realm, session.aal, session.acr (string), session.methods (list of strings),
//     session.authenticated_at, session.issued_at (timestamp), session.properties (map of strings)
//   - session.identity.subject, .username, .name (string), .groups (list of strings), .claims (map of any)
//   - session.identity.email (string): "" unless it is verified and has exactly one '@'
//
// Without a session everything under session is absent: an expression of an optional route asks "!authenticated || …"
// first. An expression that cannot be evaluated, or costs too much, denies.
type Rule struct {
	sessionNeeded bool
	conditions    bool // any condition on the session other than the expression

	sources   set
	users     set
	anyGroup  set
	allGroups []string
	domains   []domain
	networks  []netip.Prefix
	acr       []string
	aal       int
	maxAge    time.Duration
	expr      *expression
	stepUp    *StepUp
}

// set holds strings to compare with exactly.
type set map[string]struct{}

func (s set) has(v string) bool {
	_, ok := s[v]
	return ok
}

// NewRule compiles o for a route of the given access; "" is Required. Every mistake is reported, joined, with the
// field it is in.
func NewRule(o RuleOptions, access Access) (*Rule, error) {
	return newRule(o, access, &expressions{})
}

func newRule(o RuleOptions, access Access, x *expressions) (*Rule, error) {
	r := &Rule{sessionNeeded: access != Public && access != Optional, maxAge: o.MaxAge}
	err := errors.Join(
		r.setLists(o),
		compileList(&r.domains, "email_domains", o.EmailDomains, parseDomain),
		compileList(&r.networks, "networks", o.Networks, parsePrefix),
		r.setAssurance(o),
		r.setExpression(o.Expression, access, x),
	)
	if err != nil {
		return nil, err
	}
	r.conditions = len(o.Sources)+len(o.Users)+len(o.AnyGroup)+len(o.AllGroups)+len(o.EmailDomains)+len(o.ACR) > 0 ||
		r.aal > 0 || r.maxAge > 0
	if r.conditions && access == Public {
		return nil, errors.New("a public route looks at no session and can only ask for networks and expression; set access to optional or required")
	}
	return r, nil
}

// setLists fills in the conditions that compare exactly.
func (r *Rule) setLists(o RuleOptions) error {
	lists := []struct {
		field string
		items []string
	}{{"sources", o.Sources}, {"any_group", o.AnyGroup}, {"all_groups", o.AllGroups}, {"users", o.Users}, {"acr", o.ACR}}
	var errs []error
	for _, l := range lists {
		for i, s := range l.items {
			if strings.TrimSpace(s) != s || s == "" {
				errs = append(errs, fmt.Errorf("%s[%d] %q: must not be empty nor begin or end with space", l.field, i, s))
			}
		}
	}
	r.sources, r.users, r.anyGroup = newSet(o.Sources), newSet(o.Users), newSet(o.AnyGroup)
	r.allGroups, r.acr = slices.Clone(o.AllGroups), slices.Clone(o.ACR)
	return errors.Join(errs...)
}

func newSet(items []string) set {
	s := make(set, len(items))
	for _, v := range items {
		s[v] = struct{}{}
	}
	return s
}

// setAssurance fills in what a stronger or newer login can satisfy.
func (r *Rule) setAssurance(o RuleOptions) error {
	if o.AAL != "" {
		if r.aal = level(o.AAL); r.aal == 0 {
			return fmt.Errorf("aal: %q is not one of aal1, aal2, aal3", o.AAL)
		}
	}
	if o.MaxAge < 0 {
		return fmt.Errorf("max_age: %s is negative; leave it out for no limit", o.MaxAge)
	}
	r.stepUp = &StepUp{AAL: o.AAL, ACR: r.acr, MaxAge: o.MaxAge}
	return nil
}

func (r *Rule) setExpression(source string, access Access, x *expressions) error {
	if source == "" {
		return nil
	}
	e, err := x.compile(source, access != Public)
	if err != nil {
		return fmt.Errorf("expression: %w", err)
	}
	r.expr = e
	return nil
}

// level returns 1 to 3 for an assurance level, 0 for an unknown one.
func level(aal string) int {
	return 1 + slices.Index([]string{"aal1", "aal2", "aal3"}, aal)
}

// AcceptsSource reports whether a session that the named source vouches for can satisfy r at all.
func (r *Rule) AcceptsSource(name string) bool { return len(r.sources) == 0 || r.sources.has(name) }
