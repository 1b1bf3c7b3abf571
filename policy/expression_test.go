package policy

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func judge(t testing.TB, e string, anonymous bool) string {
	t.Helper()
	s := alice()
	if anonymous {
		s = nil
	}
	return verdict(rule(t, RuleOptions{Expression: e}, Optional), question(), s)
}

func TestExpressionVariables(t *testing.T) {
	for _, e := range []string{
		`request.method == "GET" && request.scheme == "https" && request.host == "app.example"`,
		`request.path.startsWith("/app") && request.query == "x=1" && request.client_ip == "10.1.2.3"`,
		`request.headers["x-one"] == "1"`,
		`request.headers.size() == 2`,
		`"x-one" in request.headers && !("x-none" in request.headers)`,
		`!has(request.headers.missing)`,
		`request.headers.exists(k, k == "x-one")`,
		`now == timestamp("2026-11-23T12:00:00Z")`,
		`authenticated`,
		`session.source == "corp" && session.realm == "main" && session.aal == "aal2" && session.acr == "gold"`,
		`"otp" in session.methods`,
		`now - session.authenticated_at <= duration("10m") && now - session.issued_at == duration("1h")`,
		`session.properties.tenant == "t1"`,
		`session.identity.subject == "s-1" && session.identity.username == "alice" && session.identity.name == "Alice"`,
		`session.identity.email == "alice@Corp.Example"`,
		`session.identity.groups.exists(g, g.startsWith("adm"))`,
		`session.identity.claims.dept == "it" && session.identity.claims.level > 2 && "a" in session.identity.claims.roles`,
		`!has(session.identity.claims.missing) && session.identity.claims["dept"] in ["it", "hr"]`,
	} {
		require.Empty(t, judge(t, e, false), e)
	}
}

func TestExpressionHasNoSessionVariablesWithoutSession(t *testing.T) {
	f := &facts{variables: sessionVariables()}
	for name := range f.variables {
		v, known := f.ResolveName(name)
		require.Equal(t, name == "authenticated", known, name)
		require.NotEqual(t, true, v, name)
	}
}

func TestExpressionErrorDenies(t *testing.T) {
	for _, e := range []string{
		`request.headers["missing"] == "1"`,
		`request.headers["X-One"] == "1"`,
		`session.identity.claims.missing == 1`,
		`int(request.query) == 1`,
		`1 / (session.identity.groups.size() - 2) == 1`,
		`session.identity.claims.dept > 1`,
		`"a".matches(request.headers["x-one"] + "(")`,
	} {
		require.Equal(t, "expression_error", judge(t, e, false), e)
	}
	d := rule(t, RuleOptions{Expression: "true &&\n  session.identity.claims.missing == 1"}, Required).Check(question(), alice(), clock())
	require.Contains(t, d.Reason, " at 2:")
}

// S-075, S-076: a field that came twice has no value anybody may rely on.
func TestExpressionRefusesRepeatedHeader(t *testing.T) {
	for _, e := range []string{
		`request.headers["x-two"] == "1"`,
		`request.headers["x-two"] != "2"`,
		`"x-two" in request.headers`,
		`!("x-two" in request.headers)`,
		`!has(request.headers["x-two"])`,
		`request.headers.exists(k, request.headers[k] == "2")`,
		`request.headers == {"x-one": "1", "x-two": "1"}`,
		`dyn(request.headers)["x-two"] == "1"`,
		`[request.headers].exists(h, h["x-two"] == "1")`,
	} {
		o := RuleOptions{Expression: e}
		r, err := NewRule(o, Optional)
		if err != nil {
			continue // has() takes no index; it cannot be asked
		}
		require.Equal(t, "expression_error", verdict(r, question(), alice()), e)
	}
}

func TestExpressionWithoutSession(t *testing.T) {
	require.Empty(t, judge(t, `!authenticated || session.aal == "aal3"`, true))
	require.Equal(t, "expression_denied", judge(t, `!authenticated || session.aal == "aal3"`, false))
	require.Equal(t, "expression_denied", judge(t, `authenticated`, true))
	require.Equal(t, "expression_error", judge(t, `session.aal == "aal2"`, true))
	require.Equal(t, "expression_error", judge(t, `session.aal != "aal2"`, true))
	require.Equal(t, "expression_error", judge(t, `session.identity.groups.size() == 0`, true))
}

func TestExpressionOfEmptySession(t *testing.T) {
	s := alice()
	s.Identity.Claims, s.Identity.Groups, s.Properties, s.AuthenticationMethods = nil, nil, nil, nil
	r := rule(t, RuleOptions{Expression: `session.identity.groups.size() == 0 && session.methods == [] && !has(session.identity.claims.x) && !("x" in session.properties)`}, Required)
	require.Empty(t, verdict(r, question(), s))
	s.AuthenticatedAt = s.AuthenticatedAt.AddDate(-3000, 0, 0)
	r = rule(t, RuleOptions{Expression: `!(now - session.authenticated_at > duration("1h"))`}, Required)
	require.NotEmpty(t, verdict(r, question(), s))
}

// An address proves its domain only when it is verified and has one domain.
func TestExpressionSeesOnlyTrustedEmail(t *testing.T) {
	r := rule(t, RuleOptions{Expression: `session.identity.email.endsWith("@corp.example")`}, Required)
	s := alice()
	s.Identity.Email = "a@corp.example"
	require.Empty(t, verdict(r, question(), s))
	s.Identity.EmailVerified = false
	require.Equal(t, "expression_denied", verdict(r, question(), s))
	s.Identity.EmailVerified, s.Identity.Email = true, "attacker@evil.com@corp.example"
	require.Equal(t, "expression_denied", verdict(r, question(), s))
}

func TestExpressionMistakesAreRefusedAtLoad(t *testing.T) {
	for e, want := range map[string]string{
		`session.identity.grups == []`:                "1:17: undeclared reference to 'session.identity.grups' (did you mean 'session.identity.groups'?)",
		`request.method = "GET"`:                      "1:16: Syntax error",
		`request.method == 1`:                         "1:16: found no matching overload",
		`request.method`:                              "is of type string, not bool",
		`session.identity.claims.admin`:               `is of type dyn, not bool; compare it, as in "… == true"`,
		`"a".matches("(")`:                            "1:13: invalid matches argument",
		"true &&\n  oops":                             "2:3: undeclared reference to 'oops'",
		`request.header["x"] == "1"`:                  "undeclared reference",
		`now > timestamp("yesterday")`:                "invalid timestamp argument",
		`os.exec("x")`:                                "undeclared reference",
		strings.Repeat(" ", maxExpression+1) + "true": "expression code point size exceeds limit",
	} {
		_, err := NewRule(RuleOptions{Expression: e}, Required)
		require.ErrorContains(t, err, "expression: ", e)
		require.ErrorContains(t, err, want, e)
	}
}

func TestPublicExpressionCannotSpeakOfTheSession(t *testing.T) {
	require.Empty(t, verdict(rule(t, RuleOptions{Expression: `request.method == "GET"`}, Public), question(), nil))
	for _, e := range []string{`authenticated`, `session.aal == ""`} {
		_, err := NewRule(RuleOptions{Expression: e}, Public)
		require.ErrorContains(t, err, "set access to optional")
	}
}

// An expression cannot buy more work than its limit, whatever the session holds.
func TestExpressionCostIsLimited(t *testing.T) {
	s := alice()
	for range 2_000 {
		s.Identity.Groups = append(s.Identity.Groups, "some-group")
	}
	for _, e := range []string{
		`session.identity.groups.all(a, session.identity.groups.all(b, a != b + "x"))`,
		`session.identity.groups.exists(a, session.identity.groups.exists(b, a == b + "x")) || true`,
	} {
		r := rule(t, RuleOptions{Expression: e}, Required)
		require.Equal(t, "expression_error", verdict(r, question(), s), e)
	}
	s.Identity.Name = strings.Repeat("a", 1<<20)
	r := rule(t, RuleOptions{Expression: `session.identity.name.matches("(a|aa)+$")`}, Required)
	require.Equal(t, "expression_error", verdict(r, question(), s))
}

func TestRuleIsSafeForConcurrentUse(t *testing.T) {
	r := rule(t, RuleOptions{AnyGroup: []string{"admins"}, Expression: `session.identity.groups.exists(g, g == "admins") && request.headers["x-one"].matches("^[0-9]+$")`}, Required)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if d := r.Check(question(), alice(), clock()); d != nil {
					t.Error(d.Code)
				}
			}
		})
	}
	wg.Wait()
}
