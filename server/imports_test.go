package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sessionward/sessionward"

// allowed is who may import whom: the table of docs/architecture.md. "*" stands for everything.
var allowed = map[string][]string{
	"session":                {},
	"session/sessiontest":    {"session"},
	"source":                 {"session", "source/authority", "source/password", "source/secretserver", "source/powership", "source/kratos", "source/pingam", "source/vsphere"},
	"source/password":        {"session"},
	"source/authority":       {"session"},
	"source/secretserver":    {"session", "source/authority"},
	"source/powership":       {"session", "source/authority", "source/password"},
	"source/pingam":          {"session", "source/authority"},
	"source/kratos":          {"session", "source/authority"},
	"source/vsphere":         {"session", "source/authority"},
	"store":                  {"session"},
	"policy":                 {"session"},
	"identity":               {"session"},
	"gate":                   {"session", "policy", "identity"},
	"middleware":             {"session", "policy", "identity", "gate"},
	"proxy":                  {"session", "identity", "gate"},
	"admin":                  {"session"},
	"config":                 {"admin", "session", "source", "store", "policy", "identity", "proxy", "middleware"},
	"server":                 {"*"},
	"cmd/sessionward":        {"server", "config", "admin", "source", "session"},
	"cmd/demo":               {"cmd/demo/provider", "cmd/demo/application"},
	"cmd/demo/provider":      {},
	"cmd/demo/application":   {},
	"cmd/peers":              {"cmd/peers/kratos", "cmd/peers/pingam", "cmd/peers/powership", "cmd/peers/secretserver", "cmd/peers/vsphere", "cmd/peers/whoami"},
	"cmd/peers/panel":        {},
	"cmd/peers/pingam":       {"cmd/peers/panel"},
	"cmd/peers/powership":    {"cmd/peers/panel"},
	"cmd/peers/kratos":       {"cmd/peers/panel"},
	"cmd/peers/vsphere":      {"cmd/peers/panel"},
	"cmd/peers/whoami":       {"cmd/peers/panel"},
	"cmd/peers/secretserver": {"cmd/peers/panel"},
}

// echoKnown are the rooms that may know echo.
var echoKnown = []string{"middleware", "server"}

// TestImports holds the direction of imports: no arrow up, none between rooms on one floor, echo at the edge.
func TestImports(t *testing.T) {
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		may, known := allowed[room]
		require.True(t, known, "package %q is in no room: add it to docs/architecture.md and to this table", p.ImportPath)
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "github.com/labstack/echo") {
				require.Contains(t, echoKnown, room, "%s imports echo", room)
			}
			other, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.Contains(may, "*") {
				require.Contains(t, may, other, "%s must not import %s", room, other)
			}
		}
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	d := json.NewDecoder(strings.NewReader(string(out)))
	var list []listedPackage
	for {
		var p listedPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		list = append(list, p)
	}
}
