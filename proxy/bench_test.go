package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bare is what can be had without any session work: a ReverseProxy tuned in the same way.
func bare(b *testing.B, upstream string) *httptest.Server {
	u, err := url.Parse(upstream)
	require.NoError(b, err)
	t := &http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConnsPerHost: 256,
		DisableCompression:  true,
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(u); pr.SetXForwarded() },
		Transport:  t,
		BufferPool: newBuffers(),
	})
	b.Cleanup(func() { s.Close(); t.CloseIdleConnections() })
	return s
}

func fixed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, page)
}

var page = strings.Repeat("0123456789", 20)

// client keeps its connections and sends what a browser would.
type client struct {
	http.Client
	url string
}

func newClient(b *testing.B, url string) *client {
	t := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	b.Cleanup(t.CloseIdleConnections)
	return &client{Client: http.Client{Transport: t}, url: url}
}

func (c *client) get(b *testing.B) {
	req, err := http.NewRequest(http.MethodGet, c.url+"/path?q=1", nil)
	if err != nil {
		b.Error(err)
		return
	}
	req.Header["Cookie"] = []string{"theme=dark; " + ownCookie + "=0123456789012345678901234567890123456789012"}
	req.Header["Accept"] = []string{"text/html,application/xhtml+xml"}
	res, err := c.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

func BenchmarkBare(b *testing.B) {
	benchmarkClient(b, newClient(b, bare(b, newUpstream(b, fixed)).URL))
}

func BenchmarkProxy(b *testing.B) {
	benchmarkClient(b, newClient(b, newGateway(b, newUpstream(b, fixed), ended).server.URL))
}

// ended gives the passage the channel it has in earnest.
func ended(s *setup) {
	never := make(chan struct{})
	session := alice()
	s.passage = func(_ *http.Request, p *Passage) { p.Watch, p.Session = watching(never), session }
}

func benchmarkClient(b *testing.B, c *client) {
	c.get(b)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.get(b)
		}
	})
}

// BenchmarkProxyAgainstBare takes turns between the two, so that both meet the same machine, and reports time and CPU
// of the whole process (client and upstream included) as a ratio: ours over bare.
func BenchmarkProxyAgainstBare(b *testing.B) {
	upstream := newUpstream(b, fixed)
	plain := newClient(b, bare(b, upstream).URL)
	ours := newClient(b, newGateway(b, upstream, ended).server.URL)
	plain.batch(b)
	ours.batch(b)
	var plainCost, oursCost cost
	for b.Loop() {
		plainCost.add(func() { plain.batch(b) })
		oursCost.add(func() { ours.batch(b) })
	}
	b.ReportMetric(float64(oursCost.wall)/float64(plainCost.wall), "time-ratio")
	b.ReportMetric(float64(oursCost.cpu)/float64(plainCost.cpu), "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}

const batchWorkers, batchRequests = 16, 32

// batch sends enough requests at once to keep the machine busy for a while.
func (c *client) batch(b *testing.B) {
	var workers sync.WaitGroup
	for range batchWorkers {
		workers.Go(func() {
			for range batchRequests {
				c.get(b)
			}
		})
	}
	workers.Wait()
}

type cost struct{ wall, cpu time.Duration }

func (c *cost) add(f func()) {
	wall, cpu := time.Now(), processCPU()
	f()
	c.wall += time.Since(wall)
	c.cpu += processCPU() - cpu
}

func BenchmarkOwnCookies(b *testing.B) {
	own, err := newOwnCookies([]string{ownCookie, "__Host-login-*"})
	require.NoError(b, err)
	line := "theme=dark; " + ownCookie + "=0123456789012345678901234567890123456789012; lang=en"
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		h["Cookie"] = []string{line}
		own.strip(h)
	}
}
