package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessionward/sessionward/session"
)

// maxWaiting bounds how many logins on another device wait at once: each holds a connection here and asks its authority
// every few seconds.
const maxWaiting = 64

// waitingRetryAfter is when a caller who found no room should try again.
const waitingRetryAfter = 30 * time.Second

// Login is the body of POST /sessions/device: where, and for whom the session is.
type Login struct {
	Source string `json:"source"`
	// IP and UserAgent are those of the client the session is for.
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

func (l Login) check() error {
	_, err := netip.ParseAddr(l.IP)
	switch {
	case l.Source == "":
		return fmt.Errorf("source: is missing: %w", session.ErrMalformed)
	case l.IP != "" && err != nil:
		return fmt.Errorf("ip: must be an IP address: %w", session.ErrMalformed)
	}
	return nil
}

func (l Login) device() session.Device { return session.Device{IP: l.IP, UserAgent: l.UserAgent} }

// DeviceStep is one line of the answer of POST /sessions/device: first Codes, for the person who signs in, and when that is
// over Created or Problem.
type DeviceStep struct {
	Codes   *DeviceCodes `json:"codes,omitempty"`
	Created *Created     `json:"created,omitempty"`
	Problem *Problem     `json:"problem,omitempty"`
}

// DeviceCodes is what a person needs to sign in on another device. They open nothing by themselves.
type DeviceCodes struct {
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	// VerificationURIComplete has the code in it; "" when the authority has no such address.
	VerificationURIComplete string    `json:"verification_uri_complete,omitempty"`
	ExpiresAt               time.Time `json:"expires_at"`
}

// loginOnDevice answers with two lines, the second when the user has agreed or there is nothing more to wait for. It ends
// with its caller: nobody else could be given the session.
func (a *API) loginOnDevice(w http.ResponseWriter, r *http.Request) {
	var body Login
	err := read(r, &body)
	if err == nil {
		err = body.check()
	}
	if err == nil {
		var leave func()
		if leave, err = a.wait(); err == nil {
			defer leave()
		}
	}
	var d session.DeviceAuthorization
	if err == nil {
		d, err = a.o.Operations.BeginDevice(r.Context(), body.Source)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // nothing more is read, and a person takes their time
	out := &lines{w: w}
	out.write(DeviceStep{Codes: &DeviceCodes{UserCode: d.UserCode, VerificationURI: d.VerificationURI, VerificationURIComplete: d.VerificationURIComplete, ExpiresAt: d.ExpiresAt}})
	if !out.gone {
		a.awaitDevice(r.Context(), out, body, d)
	}
}

// wait takes one of the places to wait at.
func (a *API) wait() (leave func(), err error) {
	select {
	case a.waiting <- struct{}{}:
		return func() { <-a.waiting }, nil
	default:
		return nil, session.WithRetryAfter(fmt.Errorf("%d logins on another device wait already: %w", cap(a.waiting), session.ErrTooMany), waitingRetryAfter)
	}
}

func (a *API) awaitDevice(ctx context.Context, out *lines, body Login, d session.DeviceAuthorization) {
	s, cookie, err := a.o.Operations.FinishDevice(ctx, body.Source, d, body.device())
	if err != nil {
		p := problemOf(err).filled()
		a.o.Log.InfoContext(ctx, "a login on another device came to nothing", "source", body.Source, "code", p.Code, "detail", p.Detail)
		out.write(DeviceStep{Problem: &p})
		return
	}
	created := a.created(ctx, s, cookie)
	if ctx.Err() == nil {
		if out.write(DeviceStep{Created: &created}); !out.gone { // a caller who has it may leave before we know
			return
		}
	}
	if _, err := a.o.Operations.Revoke(context.WithoutCancel(ctx), s.Handle, session.EndRevoked); err != nil {
		a.o.Log.WarnContext(ctx, "a session whose cookie nobody took was not ended", "session", s.Handle, "error", err)
	}
}
