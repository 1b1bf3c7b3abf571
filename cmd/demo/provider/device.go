package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// deviceTTL is how long the codes of a sign-in on another device last.
const deviceTTL = 10 * time.Minute

// deviceLogin is one sign-in on another device under way (RFC 8628).
type deviceLogin struct {
	grant
	expiring
	userCode     string // without its dash
	askedAt      time.Time
	done, denied bool
}

// deviceKey finds in a context where the grant is to be put that a device code was exchanged for.
type deviceKey struct{}

// beginDevice is the device authorization endpoint. The library would take a client with a secret at its word (RFC 8628 §3.1).
func (p *Provider) beginDevice(w http.ResponseWriter, r *http.Request) {
	id, authenticated, err := op.ClientIDFromRequest(r, p.op)
	if c, ok := p.store.clients[id]; err != nil || !ok || authenticated != (c.Secret != "") {
		op.RequestError(w, r, oidc.ErrInvalidClient().WithDescription("client authentication failed"), p.log)
		return
	}
	p.op.ServeHTTP(w, r)
}

// token is the token endpoint.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.op.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), deviceKey{}, new(grant))))
}

// grantOf returns what a request of the library was granted.
func grantOf(ctx context.Context, r any) (grant, bool) {
	if _, ok := r.(*op.DeviceAuthorizationState); ok {
		g, ok := ctx.Value(deviceKey{}).(*grant)
		return *g, ok
	}
	g, ok := r.(granted)
	if !ok {
		return grant{}, false
	}
	return g.allowed(), true
}

// StoreDeviceAuthorization implements op.DeviceAuthorizationStorage.
func (s *storage) StoreDeviceAuthorization(_ context.Context, clientID, deviceCode, userCode string, _ time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	s.sweep(now)
	if len(s.devices) >= maxRequests {
		return oidc.ErrServerError().WithDescription("too many sign-ins under way")
	}
	for _, d := range s.devices {
		if d.userCode == plainCode(userCode) {
			return op.ErrDuplicateUserCode
		}
	}
	s.devices[deviceCode] = &deviceLogin{
		grant:    grant{clientID: clientID, familyID: deviceCode, scopes: slices.Clone(scopes)},
		expiring: expiring{now.Add(deviceTTL)}, userCode: plainCode(userCode), askedAt: now,
	}
	return nil
}

// GetDeviceAuthorizatonState implements op.DeviceAuthorizationStorage. A code is good for tokens once, and who asks faster
// than agreed is told to slow down, which the library does for this error.
func (s *storage) GetDeviceAuthorizatonState(ctx context.Context, clientID, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[deviceCode]
	if !ok || d.clientID != clientID {
		return nil, errUnknown
	}
	now := s.o.Now()
	early := now.Sub(d.askedAt) < s.o.DeviceInterval*9/10
	if d.askedAt = now; early {
		return nil, context.DeadlineExceeded
	}
	state := &op.DeviceAuthorizationState{
		ClientID: clientID, Scopes: d.GetScopes(), Done: d.done, Denied: d.denied, Subject: d.subject, AMR: d.GetAMR(), AuthTime: d.authTime,
	}
	if !d.ended(now) {
		state.Expires = time.Now().Add(time.Minute) // the library goes by the system's clock, and this is for this answer
	}
	if d.done || d.denied {
		delete(s.devices, deviceCode)
	}
	if g, ok := ctx.Value(deviceKey{}).(*grant); ok && d.done {
		*g = d.grant
	}
	return state, nil
}

// plainCode is a code as it is compared: people leave out the dash and write it small (RFC 8628 §6.1).
func plainCode(code string) string {
	return strings.Map(func(r rune) rune {
		if r < 'A' || r > 'Z' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
}

// deviceOf returns the client that waits for an answer to this code.
func (s *storage) deviceOf(userCode string) (clientID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.waiting(userCode)
	if !ok {
		return "", false
	}
	return d.clientID, true
}

// waiting returns the sign-in that waits for an answer to this code. The caller holds s.mu.
func (s *storage) waiting(userCode string) (*deviceLogin, bool) {
	now := s.o.Now()
	for _, d := range s.devices {
		if d.userCode == plainCode(userCode) && !d.done && !d.denied && !d.ended(now) {
			return d, true
		}
	}
	return nil, false
}

// answerDevice notes the answer of the person behind b; nil is no.
func (s *storage) answerDevice(userCode string, b *browserSession) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.waiting(userCode)
	switch {
	case !ok:
		return false
	case b == nil:
		d.denied = true
	default:
		d.done, d.subject, d.sid, d.authTime, d.amr = true, b.subject, b.sid, b.authTime, b.amr
	}
	return true
}

// device is the page where people type a code, see who waits for it, and answer.
func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	page := devicePage{Code: r.FormValue("user_code")}
	client, ok := p.store.deviceOf(page.Code)
	page.Client = client
	if b, in := p.store.session(cookieValue(r, sessionCookie)); in {
		page.SignedIn = p.store.nameOf(b.subject)
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.pages.problem(w, http.StatusMethodNotAllowed, "This page answers GET and POST.")
	case page.Code != "" && !ok:
		page.Unknown = true
		p.pages.device(w, http.StatusNotFound, page)
	case r.Method != http.MethodPost:
		p.pages.device(w, http.StatusOK, page)
	case http.NewCrossOriginProtection().Check(r) != nil:
		p.pages.problem(w, http.StatusForbidden, "This page can only be answered by itself.")
	default:
		p.answerDevice(w, r, page)
	}
}

func (p *Provider) answerDevice(w http.ResponseWriter, r *http.Request, page devicePage) {
	if r.PostFormValue("answer") != "allow" {
		p.store.answerDevice(page.Code, nil)
		p.log.Info("sign-in on another device refused", "client", page.Client)
		p.pages.notice(w, "Refused", "Nobody was signed in. You can close this window.")
		return
	}
	b, ok := p.store.session(cookieValue(r, sessionCookie))
	if !ok {
		u, right := p.store.verify(r.PostFormValue("username"), r.PostFormValue("password"))
		if !right {
			page.Failed, page.Username = true, r.PostFormValue("username")
			p.log.Warn("sign-in refused", "username", page.Username)
			p.pages.device(w, http.StatusUnauthorized, page)
			return
		}
		var cookie string
		cookie, b = p.store.signIn("", u.Subject)
		p.setCookie(w, sessionCookie, cookie, int(browserTTL.Seconds()))
	}
	if !p.store.answerDevice(page.Code, &b) {
		p.pages.device(w, http.StatusNotFound, devicePage{Unknown: true})
		return
	}
	p.log.Info("signed in on another device", "client", page.Client)
	p.pages.notice(w, "Signed in", "Your other device goes on by itself. You can close this window.")
}

// nameOf is the name a user signs in with.
func (s *storage) nameOf(subject string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[subject].Username
}

var _ op.DeviceAuthorizationStorage = (*storage)(nil)
