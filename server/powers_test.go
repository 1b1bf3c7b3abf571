package server_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/source/authority"
	"github.com/sessionward/sessionward/source/kratos"
	"github.com/sessionward/sessionward/source/pingam"
	"github.com/sessionward/sessionward/source/powership"
	"github.com/sessionward/sessionward/source/secretserver"
	"github.com/sessionward/sessionward/source/vsphere"
)

var update = flag.Bool("update", false, "write the golden files anew")

// power is one row of the table: an interface of package session, in words.
type power struct {
	words string
	name  string // of the interface
	has   func(session.Source) bool
}

func powerOf[T session.Source](words string) power {
	return power{words: words, name: reflect.TypeFor[T]().Name(), has: func(s session.Source) bool {
		_, ok := s.(T)
		return ok
	}}
}

// powers are the rows, in the order of the documentation.
func powers() []power {
	return []power{
		powerOf[session.Resolver]("recognise a credential"),
		powerOf[session.UserAgentBinder]("bind it to one client program"),
		powerOf[session.CompanionCookies]("take further cookies along"),
		powerOf[session.RedirectLogin]("log in by redirect, coming back with a code"),
		powerOf[session.DeviceLogin]("log in on another device, with a code"),
		powerOf[session.ExternalLogin]("log in on pages of its own"),
		powerOf[session.PasswordLogin]("log in with our form"),
		powerOf[session.AssertionLogin]("log in with a SAML assertion"),
		powerOf[session.Refresher]("renew a session or its tokens"),
		powerOf[session.Renewer]("renew sessions it recognised, in the background"),
		powerOf[session.Extender]("move the end of a session it recognised, at once"),
		powerOf[session.Toucher]("write down that a session is in use"),
		powerOf[session.Keeper]("look at a session without using it"),
		powerOf[session.Verifier]("stand by a session of ours, asked again and again"),
		powerOf[session.Revoker]("end a session"),
		powerOf[session.EndSession]("end its own browser session (RP-initiated logout)"),
		powerOf[session.Lister]("list the sessions of all users"),
		powerOf[session.OwnLister]("list the sessions of one's own"),
		powerOf[session.IDRevoker]("end sessions by its own names"),
		powerOf[session.OwnRevoker]("end sessions of one's own by its own names"),
		powerOf[session.OthersRevoker]("end all others of one's own"),
		powerOf[session.UserRevoker]("end all sessions of a user"),
		powerOf[session.AllRevoker]("end all sessions"),
		powerOf[session.Tokenizer]("make a signed JWT of a session"),
		powerOf[session.PropertyReader]("read properties of a session"),
		powerOf[session.PropertyUpdater]("change properties of a session"),
		powerOf[session.TokenChecker]("check tokens by rules of its own"),
		powerOf[session.Starter]("work in the background"),
		powerOf[session.HealthChecker]("say how it is"),
	}
}

// smallest is the least each kind can be opened with. What a source can do does not depend on its settings: a power that
// a configuration lacks answers session.ErrUnsupported.
func smallest() map[string]source.Options {
	secret, bearer := session.NewSecret("s"), authority.Credentials{Bearer: true}
	_, hash := source.NewAPIKey("ci")
	return map[string]source.Options{
		"oidc":          {OIDC: &source.OIDCOptions{Issuer: "https://id.example.com", ClientID: "c", ClientSecret: secret}},
		"jwt":           {JWT: &source.JWTOptions{Issuers: []source.JWTIssuer{{Issuer: "https://id.example.com", Audiences: []string{"a"}}}}},
		"introspection": {Introspection: &source.IntrospectionOptions{URL: "https://id.example.com/i", ClientID: "c", ClientSecret: secret}},
		"http":          {HTTP: &source.HTTPOptions{URL: "https://app.example.com/me", Credentials: bearer, Fields: source.HTTPFields{Subject: "id"}}},
		"kratos":        {Kratos: &kratos.Options{URL: "https://id.example.com"}},
		"pingam":        {PingAM: &pingam.Options{URL: "https://id.example.com/am"}},
		"vsphere":       {VSphere: &vsphere.Options{URL: "https://vcenter.example.com"}},
		"secretserver":  {SecretServer: &secretserver.Options{URL: "https://vault.example.com"}},
		"powership":     {Powership: &powership.Options{Bridge: &powership.BridgeOptions{URL: "https://app.example.com"}}},
		"local":         {Local: &source.LocalOptions{APIKeys: []source.APIKey{{ID: "ci", Hash: hash, Username: "ci"}}}},
	}
}

// openSmallest opens one source of each kind.
func openSmallest(t *testing.T) map[string]session.Source {
	t.Helper()
	opened := map[string]session.Source{}
	for kind, o := range smallest() {
		o.Name = kind
		s, err := source.Open(o, source.Deps{CallbackURL: "https://gateway.example.com/_session/callback/" + kind})
		require.NoError(t, err)
		require.Equal(t, kind, s.Kind())
		opened[kind] = s
	}
	return opened
}

const (
	tableBegins = "<!-- written by: go test ./server -run TestPowersTable -update -->\n"
	tableEnds   = "<!-- the end of what is written -->\n"
)

// TestPowersTable holds docs/powers.md against what the sources can do; -update writes its table.
func TestPowersTable(t *testing.T) {
	page := document(t, "docs", "powers.md")
	before, rest, ok := strings.Cut(page, tableBegins)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, tableEnds)
	require.True(t, ok)
	want := before + tableBegins + powersTable(t) + tableEnds + after
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "powers.md"), []byte(want), 0o644))
		return
	}
	require.Equal(t, want, page, "run the test with -update and read what it wrote")
}

func powersTable(t *testing.T) string {
	opened := openSmallest(t)
	var table strings.Builder
	head, line := []string{""}, []string{"---"}
	for _, kind := range source.Kinds() {
		require.Contains(t, opened, kind, "add the smallest options of the new kind")
		head, line = append(head, fmt.Sprintf("[`%s`](sources/%[1]s.md)", kind)), append(line, ":-:")
	}
	fmt.Fprintf(&table, "| %s |\n|%s|\n", strings.Join(head, " | "), strings.Join(line, "|"))
	for _, p := range powers() {
		cells := []string{fmt.Sprintf("%s (`%s`)", p.words, p.name)}
		for _, kind := range source.Kinds() {
			cells = append(cells, map[bool]string{true: "●"}[p.has(opened[kind])])
		}
		fmt.Fprintf(&table, "| %s |\n", strings.Join(cells, " | "))
	}
	return table.String()
}

// TestPowersNameEveryInterface: an interface of package session that sources can have and no row names fails.
func TestPowersNameEveryInterface(t *testing.T) {
	var named, declared []string
	for _, p := range powers() {
		named = append(named, p.name)
	}
	for _, file := range []string{"source.go", "powers.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "session", file), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if _, is := spec.Type.(*ast.InterfaceType); is && spec.Name.Name != "Source" {
					declared = append(declared, spec.Name.Name)
				}
			}
			return true
		})
	}
	require.ElementsMatch(t, declared, named)
}

// TestPowersUnsupportedAreExplained: a kind with a power that answers session.ErrUnsupported is in the list below the
// table, and one without is not.
func TestPowersUnsupportedAreExplained(t *testing.T) {
	_, list, ok := strings.Cut(document(t, "docs", "powers.md"), tableEnds)
	require.True(t, ok)
	var told, found []string
	for line := range strings.Lines(list) {
		if rest, ok := strings.CutPrefix(line, "### `"); ok {
			kind, _, _ := strings.Cut(rest, "`")
			told = append(told, kind)
		}
	}
	for _, kind := range source.Kinds() {
		if unsupportedIn(t, kind) {
			found = append(found, kind)
		}
	}
	require.ElementsMatch(t, found, told)
}

// unsupportedIn reports whether the code of a kind answers so anywhere.
func unsupportedIn(t *testing.T, kind string) bool {
	t.Helper()
	var files []string
	for _, pattern := range []string{kind + ".go", kind + "_*.go", kind + "/*.go"} {
		some, err := filepath.Glob(filepath.Join(root, "source", filepath.FromSlash(pattern)))
		require.NoError(t, err)
		files = append(files, some...)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	require.NotEmpty(t, files, "where is kind %s?", kind)
	return slices.ContainsFunc(files, func(name string) bool {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return strings.Contains(string(text), "authority.Unsupported(")
	})
}
