package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"
)

// maxInformational is how many 1xx replies an upstream may send before the one that counts.
const maxInformational = 16

// hopHeaders are the headers of one connection (RFC 9110 §7.6.1) that must not travel in a 1xx reply.
func hopHeaders() [6]string {
	return [6]string{"Connection", "Keep-Alive", "Proxy-Connection", "Trailer", "Transfer-Encoding", "Upgrade"}
}

// reply is the client's side of an exchange. httputil.ReverseProxy passes 1xx replies on as they come and clears all
// headers after each; reply cleans and counts them, and puts back the headers that others had set for the final one.
// All else goes to the writer beneath.
type reply struct {
	http.ResponseWriter
	cancel        context.CancelCauseFunc
	store         [8]header
	before        []header // the headers that stood before the exchange
	cleared       bool
	hijacked      bool
	informational int
}

type header struct {
	name   string
	values []string
}

func (w *reply) begin(cancel context.CancelCauseFunc) {
	w.cancel = cancel
	w.before = w.store[:0]
	for name, values := range w.ResponseWriter.Header() {
		w.before = append(w.before, header{name, values})
	}
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Header implements http.ResponseWriter.
func (w *reply) Header() http.Header {
	h := w.ResponseWriter.Header()
	if w.cleared {
		w.cleared = false
		for _, f := range w.before {
			h[f.name] = f.values
		}
	}
	return h
}

// WriteHeader implements http.ResponseWriter.
func (w *reply) WriteHeader(status int) {
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.cleared = true
	if w.informational++; w.informational > maxInformational {
		w.cancel(errInformational)
		return
	}
	if status == http.StatusContinue {
		return // the server sends it when the body is read, which is after the upstream's; a client must not get two
	}
	h := w.ResponseWriter.Header()
	delete(h, "Set-Cookie") // browsers take none from a 1xx reply; ours wait for the final one
	for _, name := range hopHeaders() {
		delete(h, name)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Hijack implements http.Hijacker where the writer beneath does. Afterwards nothing can be answered any more.
func (w *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = err == nil
	return c, rw, err
}

// modifyResponse cleans the upstream's reply and finds out whether it is a stream.
func (p *Proxy) modifyResponse(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	if x.body != nil {
		x.body.release()
	}
	p.own.stripSet(res.Header)
	if res.StatusCode == http.StatusSwitchingProtocols {
		if err := checkSwitch(x.in, res); err != nil {
			return p.fail(UpstreamFailed, err)
		}
		return x.beginStream()
	}
	if wantsUpgrade(x.in) {
		res.Header.Set("Connection", "close") // see refuse
	}
	if isStream(res) {
		return x.beginStream()
	}
	return nil
}

// isStream reports whether the reply ends only when somebody ends it.
func isStream(res *http.Response) bool {
	if res.ContentLength < 0 {
		return true
	}
	const events = "text/event-stream"
	media := res.Header.Get("Content-Type")
	return len(media) >= len(events) && equalFold(media[:len(events)], events)
}
