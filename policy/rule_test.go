package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// clock is the time rules are checked at.
func clock() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// alice is a session that passes most rules.
func alice() *session.Session {
	return &session.Session{
		ID: "id", Handle: "h", Source: "corp", Realm: "main", Active: true, AAL: "aal2", ACR: "gold",
		AuthenticatedAt: clock().Add(-10 * time.Minute), IssuedAt: clock().Add(-time.Hour),
		AuthenticationMethods: []session.AuthenticationMethod{{Method: "pwd"}, {Method: "otp"}},
		Identity: session.Identity{Subject: "s-1", Username: "alice", Name: "Alice", Email: "alice@Corp.Example", EmailVerified: true,
			Groups: []string{"staff", "admins"}, Claims: map[string]any{"dept": "it", "level": 3.0, "roles": []any{"a"}}},
		Properties: map[string]string{"tenant": "t1"},
	}
}

func question() Request {
	return Request{Method: "GET", Scheme: "https", Host: "app.example", Path: "/app", RawPath: "/app", RawQuery: "x=1",
		ClientIP: netip.MustParseAddr("10.1.2.3"), Header: map[string][]string{"X-One": {"1"}, "X-Two": {"1", "2"}, "X-None": {}}}
}

func rule(t testing.TB, o RuleOptions, access Access) *Rule {
	t.Helper()
	r, err := NewRule(o, access)
	require.NoError(t, err)
	return r
}

// verdict is the code of a denial, "" for a pass.
func verdict(r *Rule, q Request, s *session.Session) string {
	d := r.Check(q, s, clock())
	if d == nil {
		return ""
	}
	return d.Code
}

func TestRulePasses(t *testing.T) {
	all := RuleOptions{
		Sources: []string{"other", "corp"}, AnyGroup: []string{"x", "admins"}, AllGroups: []string{"admins", "staff"}, Users: []string{"alice"},
		EmailDomains: []string{"other.example", "CORP.example"}, AAL: "aal2", MaxAge: 10 * time.Minute, ACR: []string{"silver", "gold"},
		Networks: []string{"10.0.0.0/8"}, Expression: `"admins" in session.identity.groups`,
	}
	require.Nil(t, rule(t, all, Required).Check(question(), alice(), clock()))
	require.Nil(t, rule(t, RuleOptions{}, Required).Check(question(), alice(), clock()))
	require.Nil(t, new(Rule).Check(question(), nil, clock()))
	require.Empty(t, verdict(rule(t, RuleOptions{Users: []string{"s-1"}}, ""), question(), alice()), "the subject counts")
	require.Empty(t, verdict(rule(t, RuleOptions{AAL: "aal1"}, ""), question(), alice()), "a higher level counts")
}

func TestRuleDenies(t *testing.T) {
	for name, tt := range map[string]struct {
		o      RuleOptions
		change func(*session.Session)
		code   string
		status Status
	}{
		"source":                {RuleOptions{Sources: []string{"Corp"}}, nil, "source_not_allowed", Forbidden},
		"user":                  {RuleOptions{Users: []string{"Alice", "bob"}}, nil, "user_not_allowed", Forbidden},
		"user by email":         {RuleOptions{Users: []string{"alice@Corp.Example"}}, nil, "user_not_allowed", Forbidden},
		"any group":             {RuleOptions{AnyGroup: []string{"admin", "Admins"}}, nil, "group_required", Forbidden},
		"any group, none":       {RuleOptions{AnyGroup: []string{"x"}}, func(s *session.Session) { s.Identity.Groups = nil }, "group_required", Forbidden},
		"all groups":            {RuleOptions{AllGroups: []string{"staff", "x"}}, nil, "group_required", Forbidden},
		"email not verified":    {RuleOptions{EmailDomains: []string{"corp.example"}}, func(s *session.Session) { s.Identity.EmailVerified = false }, "email_not_verified", Forbidden},
		"no email":              {RuleOptions{EmailDomains: []string{"corp.example"}}, func(s *session.Session) { s.Identity.Email = "" }, "email_not_verified", Forbidden},
		"email domain":          {RuleOptions{EmailDomains: []string{"example"}}, nil, "email_domain_not_allowed", Forbidden},
		"aal":                   {RuleOptions{AAL: "aal3"}, nil, "aal_required", StepUpNeeded},
		"aal unknown":           {RuleOptions{AAL: "aal1"}, func(s *session.Session) { s.AAL = "" }, "aal_required", StepUpNeeded},
		"aal in another word":   {RuleOptions{AAL: "aal1"}, func(s *session.Session) { s.AAL = "AAL3" }, "aal_required", StepUpNeeded},
		"acr":                   {RuleOptions{ACR: []string{"Gold"}}, nil, "acr_required", StepUpNeeded},
		"acr none":              {RuleOptions{ACR: []string{"gold"}}, func(s *session.Session) { s.ACR = "" }, "acr_required", StepUpNeeded},
		"max age":               {RuleOptions{MaxAge: 10*time.Minute - 1}, nil, "max_age_exceeded", StepUpNeeded},
		"max age unknown":       {RuleOptions{MaxAge: time.Hour}, func(s *session.Session) { s.AuthenticatedAt = time.Time{} }, "max_age_exceeded", StepUpNeeded},
		"max age in the future": {RuleOptions{MaxAge: time.Hour}, func(s *session.Session) { s.AuthenticatedAt = clock().Add(2 * time.Minute) }, "max_age_exceeded", StepUpNeeded},
		"network":               {RuleOptions{Networks: []string{"10.0.0.0/16", "fd00::/8"}}, nil, "network_not_allowed", Forbidden},
		"expression":            {RuleOptions{Expression: "session.source == 'x'"}, nil, "expression_denied", Forbidden},
	} {
		s := alice()
		if tt.change != nil {
			tt.change(s)
		}
		d := rule(t, tt.o, Required).Check(question(), s, clock())
		require.NotNil(t, d, name)
		require.Equal(t, tt.code, d.Code, name)
		require.Equal(t, tt.status, d.Status, name)
		require.NotEmpty(t, d.Reason)
		require.Equal(t, tt.status == StepUpNeeded, d.StepUp != nil)
	}
}

func TestUnknownClientIsInNoNetwork(t *testing.T) {
	q := question()
	q.ClientIP = netip.Addr{}
	require.Equal(t, "network_not_allowed", verdict(rule(t, RuleOptions{Networks: []string{"0.0.0.0/0", "::/0"}}, Public), q, nil))
}

func TestRequiredRuleWithoutSessionDenies(t *testing.T) {
	for _, access := range []Access{Required, "", "unheard-of"} {
		d := rule(t, RuleOptions{}, access).Check(question(), nil, clock())
		require.NotNil(t, d)
		require.Equal(t, "session_required", d.Code)
		require.Equal(t, LoginNeeded, d.Status)
	}
	far := rule(t, RuleOptions{Networks: []string{"192.0.2.0/24"}}, Required)
	require.Equal(t, "network_not_allowed", verdict(far, question(), nil), "no login can cure the network")
}

func TestOptionalRuleJudgesOnlyASessionThatIsThere(t *testing.T) {
	r := rule(t, RuleOptions{AnyGroup: []string{"x"}, Networks: []string{"10.0.0.0/8"}}, Optional)
	require.Empty(t, verdict(r, question(), nil))
	require.Equal(t, "group_required", verdict(r, question(), alice()))
	q := question()
	q.ClientIP = netip.MustParseAddr("192.0.2.1")
	require.Equal(t, "network_not_allowed", verdict(r, q, nil))
}

// Who can never pass is not sent through a stronger login first, and one login is told all that is asked.
func TestStepUpComesLastAndAsksForEverything(t *testing.T) {
	o := RuleOptions{AAL: "aal3", ACR: []string{"platinum"}, MaxAge: time.Minute, Expression: "session.realm == 'main'"}
	d := rule(t, o, Required).Check(question(), alice(), clock())
	require.Equal(t, "aal_required", d.Code)
	require.Equal(t, &StepUp{AAL: "aal3", ACR: []string{"platinum"}, MaxAge: time.Minute}, d.StepUp)
	o.Expression = "session.realm == 'x'"
	require.Equal(t, "expression_denied", verdict(rule(t, o, Required), question(), alice()))
	o.AnyGroup = []string{"x"}
	require.Equal(t, "group_required", verdict(rule(t, o, Required), question(), alice()))
}

// S-013, S-057: what is compared is the one domain of a verified address, label by label.
func TestEmailDomainLookalikesAreRefused(t *testing.T) {
	domains := map[string][]string{
		"corp.example":   {"a@corp.example", "a@CORP.example", "a.b+c@Corp.Example"},
		"*.corp.example": {"a@x.corp.example", "a@x.y.CORP.example"},
	}
	lookalikes := []string{
		"attacker@evil.com@corp.example", "attacker@evil.com@x.corp.example", `"a@corp.example"@evil.com`, "a@corp.example@evil.com",
		"a@@corp.example", "@corp.example", "corp.example", "a@", "a@evilcorp.example", "a@evil.com", "a@corp.example.evil.com",
		"a@corp.example.", "a@.corp.example", "a@..corp.example", "a@-.corp.example", "a@corp.example ", " a@corp.example\n", "a@corp.example\x00",
		"a@corp.example>", "a@corp.example,b", "a@corp\u3002example", "a@corp.exampl\u212f", "a@\u212aorp.example", "a@corp.ex\u00e4mple",
		"a@evil.com\n@corp.example", "a@xn--corp-.example", "a@x_.corp.example@", "a@*.corp.example", "a@[10.0.0.1]",
	}
	for d, good := range domains {
		r := rule(t, RuleOptions{EmailDomains: []string{d}}, Required)
		s := alice()
		for _, s.Identity.Email = range good {
			require.Empty(t, verdict(r, question(), s), "%s %q", d, s.Identity.Email)
		}
		for _, s.Identity.Email = range lookalikes {
			require.Equal(t, "email_domain_not_allowed", verdict(r, question(), s), "%s %q", d, s.Identity.Email)
		}
		for other, good := range domains {
			for _, s.Identity.Email = range good {
				require.Equal(t, other == d, verdict(r, question(), s) == "", "%s %q", d, s.Identity.Email)
			}
		}
	}
}

func TestRuleDoesNotAllocateOnPass(t *testing.T) {
	r := rule(t, RuleOptions{Sources: []string{"corp"}, AnyGroup: []string{"admins"}, EmailDomains: []string{"other.example"}, AAL: "aal2", MaxAge: time.Hour,
		Networks: []string{"10.0.0.0/8"}}, Required)
	q, s, now := question(), alice(), clock()
	s.Identity.Email = "alice@other.example"
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if r.Check(q, s, now) != nil {
			panic("denied")
		}
	}))
}

func TestDenialRepeatsNothing(t *testing.T) {
	s, q := alice(), question()
	q.Header["X-One"] = []string{"planted-secret"}
	s.Identity.Claims["dept"] = "planted-secret"
	for _, e := range []string{`int(request.headers["x-one"]) == 1`, `int(session.identity.claims.dept) == 1`, `timestamp(request.headers["x-one"]) == now`,
		`"a".matches(request.headers["x-one"] + "(")`, `session.identity.claims[request.headers["x-one"]] == 1`} {
		d := rule(t, RuleOptions{Expression: e}, Required).Check(q, s, clock())
		require.NotNil(t, d, e)
		require.NotContains(t, d.Reason, "planted")
		require.False(t, strings.Contains(d.Code, "planted"))
	}
}
