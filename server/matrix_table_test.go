package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// Sides of a matrix: what is asked of a source, of a session of ours, and of one that lives at its authority.
const (
	ofSource  = "source"
	ofOurs    = "own"
	ofTheirs  = "foreign"
	everybody = "" // no power is needed
)

// need is the power an operation needs of a source, and what is said where it is missing.
type need struct {
	powers string // of session.Powers, any of them; everybody: none
	lack   string
}

// matrixOperation is one row of a matrix.
type matrixOperation struct {
	name  string // as in the route or the command
	words string
	needs map[string]need // by side
}

func onSides(sides ...string) map[string]need {
	m := map[string]need{}
	for _, s := range sides {
		m[s] = need{}
	}
	return m
}

// matrixOperations are the rows, in the order of the documents.
func matrixOperations() []matrixOperation {
	both := onSides(ofOurs, ofTheirs)
	return []matrixOperation{
		{"create password", "make a session of ours of a password", map[string]need{ofSource: {"password_login", "The source makes no session out of a password."}}},
		{"create token", "make a session of ours of a token", map[string]need{ofSource: {"resolve", "The source makes no session out of a token."}}},
		{"create assertion", "make a session of ours of a SAML assertion", map[string]need{ofSource: {"assertion_login", "The source makes no session out of a SAML assertion."}}},
		{"revoke-user", "end all sessions of a user at the authority", map[string]need{ofSource: {"revoke_user", "The source cannot end all sessions of a user."}}},
		{"get", "show", both},
		{"list", "list by a filter", both},
		{"devices", "list its devices", both},
		{"ttl", "say how long it lasts", both},
		{"validate", "ask whether it holds, without using it", map[string]need{ofOurs: {}, ofTheirs: {"look", "The source cannot say how a session is without using it."}}},
		{"touch", "use it, so that its idle clock begins anew", map[string]need{ofOurs: {}, ofTheirs: {"touch", "The source cannot reset an idle clock: its sessions have none, or looking at one resets it."}}},
		{"refresh", "renew it", map[string]need{ofOurs: {"refresh", nothingToExchange}, ofTheirs: {"refresh", "The source cannot renew or prolong a session."}}},
		{"extend", "move its end", map[string]need{ofOurs: {"-", "The end of a session of ours never moves; refresh or touch it."}, ofTheirs: {"extend refresh", "The source cannot renew or prolong a session."}}},
		{"properties get", "show its properties", both},
		{"properties set", "change its properties", map[string]need{ofOurs: {}, ofTheirs: {"update_properties", "The source cannot change properties of a session."}}},
		{"tokenize", "make a signed JWT of it", map[string]need{ofOurs: {}, ofTheirs: {"tokenize look", "A token is made of a session whose authority has just said that it holds: the source cannot say how a session is without using it."}}},
		{"introspect", "say what its cookie opens", onSides(ofOurs)},
		{"logout", "log its user out of it", both},
		{"delete", "end it", both},
		{"revoke handles", "end some by their handles", both},
		{"revoke user", "end those of a user in a realm", both},
		{"revoke all but", "end all but one", both},
		{"revoke all", "end all", both},
	}
}

// Reasons that more than one test meets.
const (
	noMethod          = "The application keeps the sessions, and its library has no such method."
	noCredential      = "The source cannot end a session whose credential the gateway does not hold."
	notInUse          = "The gateway keeps no credential of sessions of the source, and this one is not in use right now."
	nothingToExchange = "The source cannot renew this session: it has nothing that could be exchanged."
)

// matrixExceptions are what a kind has the power for and does not do, by kind, side and operation.
func matrixExceptions() map[string]string {
	const noList = "The session service of a vCenter knows the session that asks and no other: it neither lists nor ends those of a user."
	return map[string]string{
		"kratos own refresh":               nothingToExchange,
		"pingam own refresh":               nothingToExchange,
		"vsphere source revoke-user":       noList,
		"vsphere foreign refresh":          "A vCenter prolongs no session; one made with a renewable token (login saml, certificate_file) can be replaced.",
		"vsphere foreign extend":           "A vCenter prolongs no session; one made with a renewable token (login saml, certificate_file) can be replaced.",
		"secretserver foreign refresh":     "A session of type ExternalToken has no refresh token.",
		"secretserver foreign extend":      "A session of type ExternalToken has no refresh token.",
		"powership foreign refresh":        "The client of this session has its token exchanged by using it; the gateway exchanges those of sessions that began with its form.",
		"powership foreign extend":         "The client of this session has its token exchanged by using it; the gateway exchanges those of sessions that began with its form.",
		"powership foreign properties set": noMethod,
	}
}

// expected is the reason of the 501 that kind answers an operation with; "" when it works.
func (o matrixOperation) expected(kind, side string, powers []string) string {
	if reason := matrixExceptions()[kind+" "+side+" "+o.name]; reason != "" {
		return reason
	}
	n := o.needs[side]
	if n.powers == everybody || slices.ContainsFunc(strings.Fields(n.powers), func(p string) bool { return slices.Contains(powers, p) }) {
		return ""
	}
	return n.lack
}

var (
	matrixSource = regexp.MustCompile(`source "[a-z]+"( \([a-z]+\))?`)
	matrixClass  = regexp.MustCompile(`^.*unsupported: |: unsupported$`)
)

// sentence is a detail of the API as the documents have it: without names, handles, and the class of the failure.
func (w *matrixWorld) sentence(detail string, h held) string {
	s := matrixClass.ReplaceAllString(detail, "")
	if h.handle != "" {
		s = strings.TrimPrefix(s, "session "+h.handle+": ")
	}
	s = matrixSource.ReplaceAllString(s, "the source")
	s = strings.ReplaceAll(s, "session "+h.handle+": ", "")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

const (
	matrixBegins = "<!-- written by: go test ./server -run TestOperationsTable -update -->\n"
	matrixEnds   = "<!-- the end of what is written by TestOperationsTable -->\n"
)

// TestOperationsTable holds the tables of operations in docs/powers.md against what TestOperationsMatrix wants; -update writes
// them.
func TestOperationsTable(t *testing.T) {
	page := document(t, "docs", "powers.md")
	before, rest, ok := strings.Cut(page, matrixBegins)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, matrixEnds)
	require.True(t, ok)
	want := before + matrixBegins + matrixTables(t) + matrixEnds + after
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "powers.md"), []byte(want), 0o644))
		return
	}
	require.Equal(t, want, page, "run the test with -update and read what it wrote")
}

func matrixTables(t *testing.T) string {
	opened := openSmallest(t)
	var out strings.Builder
	var reasons []string
	for _, table := range []struct{ side, title string }{
		{ofSource, "of a source"}, {ofOurs, "of a session of ours"}, {ofTheirs, "of a session that lives at its authority"},
	} {
		head, line := []string{"operation " + table.title}, []string{"---"}
		for _, k := range matrixKinds() {
			head, line = append(head, "`"+k.kind+"`"), append(line, ":-:")
		}
		fmt.Fprintf(&out, "| %s |\n|%s|\n", strings.Join(head, " | "), strings.Join(line, "|"))
		for _, o := range matrixOperations() {
			if _, has := o.needs[table.side]; !has {
				continue
			}
			cells := []string{fmt.Sprintf("%s (`%s`)", o.words, o.name)}
			for _, k := range matrixKinds() {
				cells = append(cells, matrixCell(o.expected(k.kind, table.side, session.Powers(opened[k.kind])), table.side == ofTheirs && !recognises(opened[k.kind]), &reasons))
			}
			fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | "))
		}
		out.WriteString("\n")
	}
	for i, reason := range reasons {
		fmt.Fprintf(&out, "%d. %s\n", i+1, reason)
	}
	return out.String()
}

func recognises(src session.Source) bool {
	_, ok := src.(session.Resolver)
	return ok
}

// matrixCell is ● for what works, – where there are no such sessions, and otherwise the number of the reason.
func matrixCell(reason string, none bool, reasons *[]string) string {
	if none {
		return "–"
	}
	if reason == "" {
		return "●"
	}
	at := slices.Index(*reasons, reason)
	if at < 0 {
		at = len(*reasons)
		*reasons = append(*reasons, reason)
	}
	return fmt.Sprintf("501 (%d)", at+1)
}
