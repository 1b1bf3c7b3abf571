package kratos

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/sessionward/sessionward/cmd/peers/panel"
)

const (
	startTimeout = 60 * time.Second // a machine at work on other tests is slow
	askAgain     = 20 * time.Millisecond
)

// Peer is a running Kratos. It is safe for concurrent use.
type Peer struct {
	o        Options
	dir      string
	url      string
	adminURL string
	tokenKey *ecdsa.PublicKey

	panel, adminPanel *panel.Panel
	public, admin     *http.Client // straight to the process, past the panels
	door, adminDoor   http.Handler
	servers           []*http.Server

	process *exec.Cmd
	ended   chan struct{} // closed when the process has
	printed *tail

	mu  sync.Mutex
	ids map[string]string // of identities, by username
}

// Start runs a Kratos with o's users, and returns when it answers. It ends with ctx or Stop. The error is ErrNotBuilt
// when there is no Kratos here and none can be built; building one takes minutes.
func Start(ctx context.Context, o Options) (*Peer, error) {
	p := &Peer{
		o: o.withDefaults(), panel: panel.New(), adminPanel: panel.New(), ended: make(chan struct{}), ids: map[string]string{},
	}
	if err := p.start(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("kratos: %w", err)
	}
	return p, nil
}

func (p *Peer) start(ctx context.Context) error {
	binary := p.o.Binary
	if binary == "" {
		var err error
		if binary, err = Binary(ctx); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "kratos-") // short: paths of sockets have little room
	if err != nil {
		return err
	}
	p.dir = dir
	if err := p.listen(ctx); err != nil {
		return err
	}
	if err := p.files(); err != nil {
		return err
	}
	if err := p.tables(ctx, binary); err != nil {
		return err
	}
	if err := p.run(ctx, binary); err != nil {
		return err
	}
	for _, u := range p.o.Users {
		if err := p.AddUser(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// listen opens both doors. What comes before Kratos is there gets 502.
func (p *Peer) listen(ctx context.Context) error {
	p.public, p.admin = dialer(p.path("public.sock")), dialer(p.path("admin.sock"))
	p.door = p.panel.Wrap(p.withPages(forwarder(p.public)))
	p.adminDoor = p.adminPanel.Wrap(forwarder(p.admin))
	var err error
	if p.adminURL, err = p.serve(ctx, p.o.AdminListen, p.adminDoor); err != nil {
		return err
	}
	if p.url = p.o.URL; p.url == "" {
		p.url, err = p.serve(ctx, p.o.Listen, p.door)
	}
	return err
}

// serve opens one door and returns its URL.
func (p *Peer) serve(ctx context.Context, listen string, door http.Handler) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: door, ReadHeaderTimeout: time.Minute}
	p.servers = append(p.servers, server)
	go func() { _ = server.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// tables makes the empty tables. They are kept beside a binary of ours, because making them takes most of a start.
func (p *Peer) tables(ctx context.Context, binary string) error {
	kept := binary + ".sqlite"
	if p.o.Binary != "" {
		return p.migrate(ctx, binary)
	}
	if empty, err := os.ReadFile(kept); err == nil {
		return os.WriteFile(p.path("db.sqlite"), empty, 0o600)
	}
	if err := p.migrate(ctx, binary); err != nil {
		return err
	}
	empty, err := os.ReadFile(p.path("db.sqlite"))
	if err != nil {
		return err
	}
	part := filepath.Join(filepath.Dir(kept), filepath.Base(p.dir))
	if err := os.WriteFile(part, empty, 0o600); err != nil {
		return err
	}
	return os.Rename(part, kept) // nobody finds half of it
}

// migrate makes the tables as an operator would.
func (p *Peer) migrate(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, binary, "migrate", "sql", "-e", "--yes", "-c", p.path("kratos.json"))
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	return nil
}

// run starts the process and waits until it is ready.
func (p *Peer) run(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, binary, "serve", "--dev", "--sqa-opt-out", "-c", p.path("kratos.json"))
	cmd.Env, cmd.SysProcAttr = environment(), attributes()
	p.printed = &tail{}
	out := io.MultiWriter(p.printed, p.o.Log)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	p.process = cmd
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	return p.ready(ctx)
}

// environment keeps settings of the caller's from Kratos, which reads each of its own from variables too.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()} }

// ready asks both doors until they answer.
func (p *Peer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, d := range []struct {
		client *http.Client
		path   string
	}{{p.public, "/health/ready"}, {p.admin, "/admin/health/ready"}} {
		for status := 0; status != http.StatusOK; {
			status, _, _ = p.call(ctx, d.client, http.MethodGet, d.path, nil)
			select {
			case <-p.ended:
				return fmt.Errorf("the process ended:\n%s", p.printed)
			case <-ctx.Done():
				return fmt.Errorf("not ready: %w\n%s", context.Cause(ctx), p.printed)
			case <-time.After(askAgain):
			}
		}
	}
	return nil
}

// Stop ends the process, closes both doors and removes the folder. It can be called more than once.
func (p *Peer) Stop() {
	p.panel.Set(panel.Up) // lets go of those who wait for an answer
	p.adminPanel.Set(panel.Up)
	if p.process != nil {
		_ = p.process.Process.Kill()
		<-p.ended
	}
	for _, s := range p.servers {
		_ = s.Close()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// URL is the public door: whoami and everything for the users themselves. No '/' at its end.
func (p *Peer) URL() string { return p.url }

// AdminURL is the administrators' door. No '/' at its end. Nobody is asked who they are there.
func (p *Peer) AdminURL() string { return p.adminURL }

// Panel turns the public door and knows what it was shown.
func (p *Peer) Panel() *panel.Panel { return p.panel }

// AdminPanel turns the administrators' door and knows what it was shown.
func (p *Peer) AdminPanel() *panel.Panel { return p.adminPanel }

// Close is Stop for those who want an error, which is nil.
func (p *Peer) Close() error {
	p.Stop()
	return nil
}

// ServeHTTP is the public door, for those who serve it themselves at Options.URL.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.door.ServeHTTP(w, r) }

// TokenKey verifies tokenized sessions (ES256, key id "peer").
func (p *Peer) TokenKey() *ecdsa.PublicKey { return p.tokenKey }

// tail keeps the end of what the process printed.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// maxTail is how much of it, in bytes.
const maxTail = 16 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(b)
	if over := t.b.Len() - maxTail; over > 0 {
		t.b.Next(over)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// errStatus is an answer of another status than the one that was expected.
var errStatus = errors.New("unexpected status")
