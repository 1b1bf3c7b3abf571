package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/sessionward/sessionward/session"
)

// The tests in this file need a second process. It is this test binary again, told by jobEnv what to do with the file
// named by pathEnv.
const (
	jobEnv  = "SESSIONWARD_STORE_TEST_JOB"
	pathEnv = "SESSIONWARD_STORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	job, ok := jobs()[os.Getenv(jobEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := job(os.Getenv(pathEnv)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// jobs are what a child can do; those a platform has more are in its files.
func jobs() map[string]func(path string) error {
	all := map[string]func(path string) error{"open": openJob, "write": writeJob}
	maps.Copy(all, platformJobs())
	return all
}

// child returns the command that does job with the file at path.
func child(t *testing.T, job, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), jobEnv+"="+job, pathEnv+"="+path)
	return cmd
}

func openJob(path string) error {
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
	if err != nil {
		return err
	}
	return b.Close()
}

func TestBoltSecondProcessIsRefused(t *testing.T) {
	b := newBolt(t, nil)
	begun := time.Now()
	out, err := child(t, "open", b.path).CombinedOutput()
	require.Error(t, err)
	require.Less(t, time.Since(begun), 2*time.Second)
	for _, want := range []string{b.path, "another process has the file", "stop it", "store.bolt.path"} {
		require.Contains(t, string(out), want)
	}
	_, err = b.Swap(t.Context(), "k", session.Record{})
	require.NoError(t, err, "the first goes on")

	require.NoError(t, b.Close())
	out, err = child(t, "open", b.path).CombinedOutput()
	require.NoError(t, err, string(out))
}

// killData is what writeJob stores under key at version.
func killData(key string, version uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%s %d ", key, version), 1+len(key)*int(version)%50)
}

// writeJob writes without end from several goroutines, and prints "key version" after each acknowledged write of a
// new key or a change to it, version 0 after a delete.
func writeJob(path string) error {
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for w := range cap(errs) {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := writeOne(b, fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i), i%3); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	return <-errs
}

func writeOne(b *Bolt, key string, changes int) error {
	ctx := context.Background()
	for v := range uint64(2) {
		r := session.Record{Data: killData(key, v+1), Terms: []string{"all", "user:" + key}, Version: v}
		if _, err := b.Swap(ctx, key, r); err != nil {
			return err
		}
		if changes == 0 {
			return acknowledge(key, v+1)
		}
	}
	if changes == 1 {
		return acknowledge(key, 2)
	}
	if err := b.Delete(ctx, key); err != nil {
		return err
	}
	return acknowledge(key, 0)
}

// acknowledge tells the parent in one write, which a pipe takes whole.
func acknowledge(key string, version uint64) error {
	_, err := os.Stdout.WriteString(fmt.Sprintf("%s %d\n", key, version))
	return err
}

func TestBoltSurvivesKill(t *testing.T) {
	t.Parallel()
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	path := filepath.Join(t.TempDir(), "s.db")
	acknowledged := make(map[string]uint64)
	for round := range rounds {
		before := len(acknowledged)
		runAndKill(t, path, 1+(round*13)%20, acknowledged)
		require.Greater(t, len(acknowledged), before)
		checkAfterKill(t, path, acknowledged, round == rounds-1)
	}
	t.Logf("%d acknowledged keys", len(acknowledged))
}

// runAndKill lets a child write until it has acknowledged n keys and then kills it as kill -9 does.
func runAndKill(t *testing.T, path string, n int, acknowledged map[string]uint64) {
	t.Helper()
	cmd := child(t, "write", path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	for i := 0; ; i++ {
		if i == n {
			require.NoError(t, cmd.Process.Kill())
		}
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		var key string
		var version uint64
		_, err = fmt.Sscanf(line, "%s %d\n", &key, &version)
		require.NoError(t, err, "the child says: %s", line)
		acknowledged[key] = version
	}
	require.Error(t, cmd.Wait(), "the child was killed")
}

// checkAfterKill requires that all acknowledged writes are there and that the indexes agree with the records.
func checkAfterKill(t *testing.T, path string, acknowledged map[string]uint64, thorough bool) {
	t.Helper()
	b, err := OpenBolt(BoltOptions{Path: path}, Deps{})
	require.NoError(t, err)
	for key, version := range acknowledged {
		r, err := b.Get(t.Context(), key)
		if version == 0 {
			require.ErrorIs(t, err, session.ErrNotFound, key)
			continue
		}
		require.NoError(t, err, key)
		require.Equal(t, version, r.Version)
		require.True(t, bytes.Equal(killData(key, version), r.Data))
	}
	if thorough {
		checkIndexes(t, b)
	}
	require.NoError(t, b.Close())
}

// checkIndexes requires that each record is in the index twice, as writeJob wrote it, and that nothing else is.
func checkIndexes(t *testing.T, b *Bolt) {
	t.Helper()
	require.NoError(t, b.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		tb, want, got := tablesOf(tx), 0, 0
		err := tb.records.ForEach(func(k, _ []byte) error {
			want += 2
			for _, term := range []string{"all", "user:" + string(k)} {
				if tb.terms.Get(termKey(term, string(k))) == nil {
					t.Errorf("the index of %q does not know %q", term, k)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = tb.terms.ForEach(func(_, _ []byte) error { got++; return nil })
		require.Equal(t, want, got)
		return err
	}))
}
