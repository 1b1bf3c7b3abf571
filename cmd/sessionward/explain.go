package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/sessionward/sessionward/admin"
)

// refuses reports whether err is the API saying that it does not know who asks.
func refuses(err error) bool {
	p, ok := errors.AsType[*admin.Problem](err)
	return ok && p.Status == http.StatusUnauthorized
}

// explain turns an error of a call into what to do about it.
func (g *gatewayClient) explain(err error) error {
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		return g.answered(p)
	}
	_, unknown := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; what was asked for may still be done")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: is the gateway running, and is that its admin.listen? (none switches it off)", g.host)
	case unknown:
		return fmt.Errorf("%w; name who signed it with --admin-ca-file; a certificate that was replaced is shown from the next start on", err)
	}
	return err
}

func (g *gatewayClient) answered(p *admin.Problem) error {
	switch {
	case p.Status == http.StatusUnauthorized:
		return fmt.Errorf("the gateway at %s does not know %s: is it the one of this gateway, and was the gateway restarted since it was added?", g.host, g.shown)
	case p.Code == "insufficient_scope":
		return g.mayOnlyRead()
	case p.Detail == "":
		return errors.New(p.Code)
	}
	return errors.New(p.Detail)
}

func (g *gatewayClient) mayOnlyRead() error {
	return fmt.Errorf("%s may only read; this needs the scope write", g.shown)
}
