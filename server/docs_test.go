package server_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/source"
	"github.com/sessionward/sessionward/store"
)

const root = ".."

// document reads a file of the repository.
func document(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	require.NoError(t, err)
	return string(data)
}

// documents lists README and everything written below docs, by path from the root.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md"}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, strings.TrimPrefix(path, root+string(filepath.Separator)))
		}
		return err
	}))
	return files
}

// TestDocsNameEveryKind: a kind of source without a README row and a page, or of store without a row, fails.
func TestDocsNameEveryKind(t *testing.T) {
	readme := document(t, "README.md")
	for _, kind := range source.Kinds() {
		require.Regexp(t, "(?m)^\\| \\[?`"+kind+"`", readme, "README has no row for source %s", kind)
		require.FileExists(t, filepath.Join(root, "docs", "sources", kind+".md"))
	}
	for _, kind := range store.Kinds() {
		require.Regexp(t, "(?m)^\\| \\[?`"+kind+"`", readme, "README has no row for store %s", kind)
	}
}

// TestDocsLinksResolve follows every relative link, and its anchor.
func TestDocsLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(document(t, name), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			target := filepath.Join(filepath.Dir(name), path)
			if path == "" {
				target = name
			}
			require.FileExists(t, filepath.Join(root, target), "%s links to %s", name, found[1])
			if anchor != "" {
				require.Contains(t, anchors(document(t, target)), anchor, "%s links to %s", name, found[1])
			}
		}
	}
}

// anchors are the names of the headings of a page, as a reader's browser knows them.
func anchors(page string) []string {
	dropped := regexp.MustCompile(`[^\p{L}\p{N}_-]`)
	var names []string
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.TrimSpace(strings.TrimLeft(line, "#"))
		names = append(names, dropped.ReplaceAllString(strings.ReplaceAll(strings.ToLower(text), " ", "-"), ""))
	}
	return names
}

// TestDocsNameEveryDependency: what go.mod requires directly has its reason in docs/dependencies.md, and what has a
// reason there is required.
func TestDocsNameEveryDependency(t *testing.T) {
	var required, named []string
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // what is indirect has a remark behind it
	for _, m := range direct.FindAllStringSubmatch(document(t, "go.mod"), -1) {
		required = append(required, m[1])
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	for _, m := range row.FindAllStringSubmatch(document(t, "docs", "dependencies.md"), -1) {
		named = append(named, m[1])
	}
	require.NotEmpty(t, required)
	require.ElementsMatch(t, required, named, "docs/dependencies.md and go.mod")
}

// TestDocsNameTestsThatExist: a guard in docs/security.md whose test is gone fails.
func TestDocsNameTestsThatExist(t *testing.T) {
	name := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`")
	found := name.FindAllStringSubmatch(document(t, "docs", "security.md"), -1)
	require.Greater(t, len(found), 100)
	sources := map[string]string{}
	for _, m := range found {
		room, test := m[1], m[2]
		if sources[room] == "" {
			sources[room] = testSource(t, room)
		}
		require.True(t, strings.Contains(sources[room], "\nfunc "+test+"("), "docs/security.md names %s.%s", room, test)
	}
}

// testSource is the text of all tests of a room.
func testSource(t *testing.T, room string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, room, "*_test.go"))
	require.NoError(t, err)
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}

// TestDocsMiddlewareProgramCompiles: the program of docs/middleware.md is one.
func TestDocsMiddlewareProgramCompiles(t *testing.T) {
	_, program, ok := strings.Cut(document(t, "docs", "middleware.md"), "```go\n")
	require.True(t, ok)
	program, _, _ = strings.Cut(program, "```")
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	cmd := exec.Command("go", "vet", file)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestDocsSayNothingOfTheMachine: no page names a place that only one machine has.
func TestDocsSayNothingOfTheMachine(t *testing.T) {
	for _, name := range documents(t) {
		page := document(t, name)
		for _, place := range []string{"/root/", "/home/", "/tmp/"} {
			require.False(t, strings.Contains(page, place), "%s holds %s", name, place)
		}
	}
}
