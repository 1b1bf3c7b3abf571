package session

import (
	"context"
	"fmt"
)

// What follows are logins at an authority of its own, begun by somebody who cannot show its pages: a command line. They end
// as Create does, in a session of ours and the value of its cookie.

// BeginDevice has the named source make the codes of a login on another device.
func (o *Operations) BeginDevice(ctx context.Context, source string) (DeviceAuthorization, error) {
	src, err := loginAt[DeviceLogin](o, source, "on another device")
	if err != nil {
		return DeviceAuthorization{}, err
	}
	return src.BeginDevice(ctx)
}

// FinishDevice waits until the user has agreed to a, and makes the session for device. When ctx ends nothing was made.
func (o *Operations) FinishDevice(ctx context.Context, source string, a DeviceAuthorization, device Device) (*Session, Secret, error) {
	src, err := loginAt[DeviceLogin](o, source, "on another device")
	if err != nil {
		return nil, Secret{}, err
	}
	answered, err := src.FinishDevice(ctx, a)
	return o.begun(ctx, answered, err, device)
}

// BeginRedirect returns where a browser is to be sent for the login t at the named source.
func (o *Operations) BeginRedirect(ctx context.Context, source string, t Transaction) (string, error) {
	src, err := loginAt[RedirectLogin](o, source, "by a redirect")
	if err != nil {
		return "", err
	}
	return src.AuthorizationURL(ctx, t)
}

// FinishRedirect exchanges what the browser came back with, and makes the session for device. The caller has checked what
// RedirectLogin.Exchange leaves to it, and that t was not answered before.
func (o *Operations) FinishRedirect(ctx context.Context, source string, t Transaction, cb Callback, device Device) (*Session, Secret, error) {
	src, err := loginAt[RedirectLogin](o, source, "by a redirect")
	if err != nil {
		return nil, Secret{}, err
	}
	answered, err := src.Exchange(ctx, t, cb)
	return o.begun(ctx, answered, err, device)
}

// loginAt returns the named source as one people log in at in that way.
func loginAt[T Source](o *Operations, source, way string) (can T, err error) {
	src, err := o.named(source)
	if err != nil {
		return can, err
	}
	can, ok := src.(T)
	if !ok {
		return can, fmt.Errorf("source %q (%s) has no login %s: %w", src.Name(), src.Kind(), way, ErrUnsupported)
	}
	return can, nil
}
