package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// Bounds of a login on another device, whatever the provider says.
const (
	maxDeviceLifetime     = 30 * time.Minute
	defaultDeviceInterval = 5           // seconds, RFC 8628 §3.2
	maxDeviceInterval     = time.Minute // between two questions of a provider that is down
	maxDeviceText         = 2048        // bytes of a code or an address that people are to read
)

// BeginDevice implements session.DeviceLogin (RFC 8628 §3.1). session.ErrUnsupported when the provider names no
// device_authorization_endpoint, or does not allow our client this grant.
func (o *OIDC) BeginDevice(ctx context.Context) (_ session.DeviceAuthorization, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "begin login on another device")
	var none session.DeviceAuthorization
	meta, err := o.meta.get(ctx)
	if err != nil {
		return none, err
	}
	if meta.DeviceAuthorizationEndpoint == "" {
		return none, authority.Unsupported("the provider names no device_authorization_endpoint")
	}
	// golang.org/x/oauth2 would ask as if every client were public, and RFC 8628 §3.1 wants ours to prove who it is.
	form := url.Values{"client_id": {o.opts.ClientID}, "scope": {strings.Join(o.opts.scopes(), " ")}}
	req, err := o.clientRequest(ctx, meta.DeviceAuthorizationEndpoint, form)
	if err != nil {
		return none, err
	}
	asked := o.now()
	r, err := o.client.Do(req)
	if err != nil {
		return none, err
	}
	if r.Status != http.StatusOK {
		return none, o.deviceRefusal(r, req.URL.Host)
	}
	return o.readDevice(r.Body, asked)
}

// deviceRefusal classes an answer without codes. It says nothing about any user.
func (o *OIDC) deviceRefusal(r authority.Reply, host string) error {
	if body, err := authority.DecodeObject(r.Body); err == nil && r.Status < http.StatusInternalServerError {
		if code := authority.Text(body["error"]); slices.Contains([]string{"unauthorized_client", "unsupported_grant_type"}, code) {
			return authority.Unsupported("the provider does not let our client log in on another device (" + code + ")")
		}
	}
	return r.Unavailable(host, o.now())
}

// readDevice reads an answer with codes (RFC 8628 §3.2). People will be shown what is in it, and may open it.
func (o *OIDC) readDevice(body []byte, asked time.Time) (none session.DeviceAuthorization, err error) {
	var said struct {
		ExpiresIn *int64 `json:"expires_in"`
	}
	da := &oauth2.DeviceAuthResponse{}
	if json.Unmarshal(body, da) != nil || json.Unmarshal(body, &said) != nil || said.ExpiresIn == nil {
		return none, o.client.Nonsense("the device authorization endpoint's answer is not JSON with codes and their end in it")
	}
	lifetime, interval := *said.ExpiresIn, cmp.Or(da.Interval, defaultDeviceInterval)
	switch {
	case da.DeviceCode == "" || !legible(da.UserCode):
		return none, o.client.Nonsense("the device authorization endpoint gave no codes that could be used")
	case lifetime <= 0 || interval < 0 || interval >= min(lifetime, int64(maxDeviceLifetime/time.Second)):
		return none, o.client.Nonsense("the device authorization endpoint gave times that cannot be meant")
	case !o.mayBeOpened(da.VerificationURI), da.VerificationURIComplete != "" && !o.mayBeOpened(da.VerificationURIComplete):
		return none, o.client.Nonsense("the device authorization endpoint gave an address nobody should open")
	}
	o.client.Understood()
	return session.DeviceAuthorization{
		DeviceCode: session.NewSecret(da.DeviceCode), UserCode: da.UserCode,
		VerificationURI: da.VerificationURI, VerificationURIComplete: da.VerificationURIComplete,
		ExpiresAt: asked.Add(time.Duration(min(lifetime, int64(maxDeviceLifetime/time.Second))) * time.Second).UTC(),
		Interval:  time.Duration(interval) * time.Second,
	}, nil
}

// legible reports whether people can be shown text as it is.
func legible(text string) bool {
	return text != "" && len(text) <= maxDeviceText && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// mayBeOpened reports whether a browser can be sent to address. Some providers have a page of theirs behind a '#'.
func (o *OIDC) mayBeOpened(address string) bool {
	page, _, _ := strings.Cut(address, "#")
	return legible(address) && authority.CheckURL(page, o.opts.InsecureHTTP, true) == nil
}

// FinishDevice implements session.DeviceLogin (RFC 8628 §3.4). The ID token gets every check of Exchange but that of the
// nonce: the grant has none, as no browser carries anything that could be exchanged for another's.
func (o *OIDC) FinishDevice(ctx context.Context, a session.DeviceAuthorization) (_ *session.Session, err error) {
	defer authority.Wrap(&err, "oidc "+o.name, "finish login on another device")
	meta, err := o.meta.get(ctx)
	if err != nil {
		return nil, err
	}
	token, err := o.awaitDevice(ctx, meta, a)
	if err != nil {
		return nil, err
	}
	return o.loggedIn(ctx, meta, token, func(map[string]any) error { return nil })
}

// awaitDevice asks for tokens until the answer is definite or the codes have ended. A provider that cannot be asked now is
// asked again, ever more seldom (RFC 8628 §3.5).
func (o *OIDC) awaitDevice(ctx context.Context, meta *metadata, a session.DeviceAuthorization) (*oauth2.Token, error) {
	codesLive, end := context.WithCancel(ctx) // no deadline: that our time is up says nothing about the provider's health
	defer end()
	defer time.AfterFunc(min(a.ExpiresAt.Sub(o.now()), maxDeviceLifetime), end).Stop()
	interval := max(a.Interval.Round(time.Second), time.Second)
	var down error // why the provider could not be asked when it was asked last
	for {
		began := time.Now()
		token, err := o.oauth(meta, session.Transaction{}).DeviceAccessToken(o.withClient(codesLive), &oauth2.DeviceAuthResponse{
			DeviceCode: a.DeviceCode.Reveal(), Interval: int64(interval / time.Second),
		})
		if err == nil {
			return token, nil
		}
		switch {
		case ctx.Err() != nil:
			return nil, authority.GaveUp(ctx)
		case codesLive.Err() != nil && down != nil && time.Since(began) < interval+o.spender.Timeout:
			return nil, down // it may not have answered since
		case codesLive.Err() != nil:
			return nil, errDeviceEnded
		}
		var definite bool
		if down, definite = o.deviceError(codesLive, meta, err); definite {
			return nil, down
		}
		o.log.WarnContext(ctx, "a login on another device waits: its provider cannot be asked", "source", o.name, "error", down)
		interval = max(min(2*interval, maxDeviceInterval), session.RetryAfter(down).Round(time.Second))
	}
}

var (
	errDeviceEnded   = authority.Rejected("nobody agreed in time, and the code has ended")
	errDeviceRefused = authority.Rejected("the user refused the login")
)

// deviceError classes an answer that ends the asking, and reports whether asking again could not change it (RFC 8628 §3.5).
func (o *OIDC) deviceError(ctx context.Context, meta *metadata, err error) (_ error, definite bool) {
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := re.Response.StatusCode
		definite = status < http.StatusInternalServerError && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
		switch {
		case definite && re.ErrorCode == "access_denied":
			return errDeviceRefused, true
		case definite && re.ErrorCode == "expired_token":
			return errDeviceEnded, true
		}
	}
	return o.tokenError(ctx, meta, err), definite
}

var _ session.DeviceLogin = (*OIDC)(nil)
