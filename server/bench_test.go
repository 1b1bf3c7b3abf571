package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmark measures processes as an operator sees them: the built binary beside a tuned plain reverse proxy with no
// session work, both in front of one upstream, in turns, on one machine. CPU is what the operating system accounts to
// the process, per request. Only the ratios mean anything elsewhere.

const (
	benchRole        = "SESSIONWARD_BENCH_ROLE"
	benchUpstream    = "SESSIONWARD_BENCH_UPSTREAM"
	benchConnections = 64
	benchSample      = 1500 * time.Millisecond
	benchRounds      = 5
)

// playRole makes this test binary the upstream, or the bare proxy, of a benchmark in another process.
func playRole(role string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat("0123456789", 20))
	})
	if role == "bare" {
		h = bareProxy(os.Getenv(benchUpstream))
	}
	_ = http.Serve(l, h)
}

func bareProxy(upstream string) http.Handler {
	u, err := url.Parse(upstream)
	if err != nil {
		panic(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(u); pr.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		BufferPool: &bufferPool{},
	}
}

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }

// contender is one process under measurement and the request it gets.
type contender struct {
	name    string
	addr    string
	pid     int
	request string
	cpu     []float64 // µs per request, a sample each
	rps     []float64
	p99     []float64 // ms
}

func startRole(b *testing.B, role, upstream string) (addr string, pid int) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchRole+"="+role, benchUpstream+"="+upstream)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(line), cmd.Process.Pid
}

// BenchmarkAgainstBare prints what a request costs beside the same request through the bare proxy.
func BenchmarkAgainstBare(b *testing.B) {
	upstream, _ := startRole(b, "upstream", "")
	bareAddr, barePID := startRole(b, "bare", "http://"+upstream)
	issuer := newTokenIssuer(b)
	quiet := newWorld(b, benchWorld(upstream, issuer, "warn"))
	logging := newWorld(b, benchWorld(upstream, issuer, "info"))
	token := "Authorization: Bearer " + issuer.token("svc") + "\r\n"
	cookie := func(w *world) string {
		browser, res := w.loginAnywhere("/")
		_ = res.Body.Close()
		return "Cookie: " + cookieHeader(browser, w.url) + "\r\n"
	}
	all := []*contender{
		{name: "bare", addr: bareAddr, pid: barePID},
		{name: "cookie", addr: quiet.addr, pid: quiet.gateway.cmd.Process.Pid, request: cookie(quiet)},
		{name: "bearer", addr: quiet.addr, pid: quiet.gateway.cmd.Process.Pid, request: token},
		{name: "logged", addr: logging.addr, pid: logging.gateway.cmd.Process.Pid, request: cookie(logging)},
	}
	idle := rssOf(b, quiet.gateway.cmd.Process.Pid)
	b.ResetTimer()
	for range b.N {
		for range benchRounds {
			for _, c := range all {
				c.sample(b)
			}
		}
	}
	report(b, all)
	b.ReportMetric(idle, "idle-MiB")
	b.ReportMetric(rssOf(b, quiet.gateway.cmd.Process.Pid), "loaded-MiB")
}

func benchWorld(upstream string, issuer *tokenIssuer, level string) worldOptions {
	return worldOptions{
		logLevel: level, sources: issuer.source(),
		routes: fmt.Sprintf("\n  - {name: app, upstream: {url: %q}}\n", "http://"+upstream),
	}
}

// sample loads the contender for a while with keep-alive connections, one request at a time on each.
func (c *contender) sample(b *testing.B) {
	b.Helper()
	request := []byte("GET /path HTTP/1.1\r\nHost: " + c.addr + "\r\nUser-Agent: bench\r\nAccept: text/html\r\n" + c.request + "\r\n")
	stop := time.Now().Add(benchSample)
	latencies := make([][]time.Duration, benchConnections)
	cpu, began := cpuOf(b, c.pid), time.Now()
	var wg sync.WaitGroup
	for i := range benchConnections {
		wg.Go(func() { latencies[i] = hammer(b, c.addr, request, stop) })
	}
	wg.Wait()
	took, spent := time.Since(began), cpuOf(b, c.pid)-cpu
	all := slices.Concat(latencies...)
	if len(all) == 0 {
		b.Fatalf("%s: no request came through", c.name)
	}
	slices.Sort(all)
	c.cpu = append(c.cpu, float64(spent.Microseconds())/float64(len(all)))
	c.rps = append(c.rps, float64(len(all))/took.Seconds())
	c.p99 = append(c.p99, float64(all[len(all)*99/100].Microseconds())/1000)
}

// hammer sends request over one connection until stop and returns how long each took.
func hammer(b *testing.B, addr string, request []byte, stop time.Time) []time.Duration {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	var took []time.Duration
	for time.Now().Before(stop) {
		began := time.Now()
		if _, err := conn.Write(request); err != nil {
			b.Error(err)
			return took
		}
		if err := readReply(r); err != nil {
			b.Error(err)
			return took
		}
		took = append(took, time.Since(began))
	}
	return took
}

// readReply reads a reply with a Content-Length and wants status 200.
func readReply(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := string(line)
		switch {
		case first && !strings.HasPrefix(text, "HTTP/1.1 200 "):
			return fmt.Errorf("reply: %s", text)
		case strings.HasPrefix(text, "Content-Length: "):
			if length, err = strconv.Atoi(strings.TrimSpace(text[len("Content-Length: "):])); err != nil {
				return err
			}
		case text == "\r\n":
			_, err = r.Discard(max(length, 0))
			return err
		}
	}
}

// cpuOf is the time the operating system has accounted to a process, user and system.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		b.Skipf("no /proc here, so no CPU by process: %v", err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	require.NoError(b, err1)
	require.NoError(b, err2)
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}

// rssOf is the resident memory of a process.
func rssOf(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(b, err)
	_, rest, ok := strings.Cut(string(data), "VmRSS:")
	require.True(b, ok)
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(b, err)
	return kib / 1024
}

func report(b *testing.B, all []*contender) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	bare := all[0]
	b.ReportMetric(median(bare.cpu), "bare-µs-cpu/req")
	for _, c := range all[1:] {
		b.ReportMetric(ratio(c.cpu, bare.cpu), c.name+"-cpu-x-bare")
		b.ReportMetric(ratio(c.rps, bare.rps), c.name+"-rps-x-bare")
		b.ReportMetric(ratio(c.p99, bare.p99), c.name+"-p99-x-bare")
	}
	b.ReportMetric(ratio(all[3].cpu, all[1].cpu), "log-on-cpu-x-off")
}

// ratio is the median of the ratios of samples taken one after the other.
func ratio(of, to []float64) float64 {
	var r []float64
	for i := range of {
		r = append(r, of[i]/to[i])
	}
	return median(r)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
