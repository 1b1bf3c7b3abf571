package vsphere

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

// soapEnvelope is a message of SOAP 1.1.
const soapEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"

// question is a SOAP request.
func question(address, action, message string) authority.Question {
	return authority.Question{
		Method: http.MethodPost, URL: address, Body: []byte(message),
		Header: http.Header{"Content-Type": {`text/xml; charset="utf-8"`}, "Soapaction": {action}},
	}
}

// unmarshal reads one XML document and nothing after it but space.
func unmarshal(data []byte, v any) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(v); err != nil {
		return errors.New("not the XML that was expected")
	}
	if len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return errors.New("more than one XML document")
	}
	return nil
}

// escaped is text as the content of an XML element.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder never fails
	return b.String()
}

// faults lets SOAP faults through to who asked: SOAP 1.1 §6.2 gives them status 500, which otherwise says nothing.
type faults struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (f faults) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := f.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusInternalServerError && strings.Contains(resp.Header.Get("Content-Type"), "xml") {
		resp.StatusCode = http.StatusBadRequest
	}
	return resp, err
}

const (
	maxReply       = 1 << 20  // bytes of a reply of a pinned host
	maxReplyHeader = 64 << 10 // bytes of its header
)

// pinned speaks to a host that shows one of certain certificates.
type pinned struct{ next *http.Transport }

// newPinned returns a transport that trusts certificates and what they have signed, and nothing else.
func newPinned(certificates []*x509.Certificate, timeout time.Duration) pinned {
	check := func(state tls.ConnectionState) error { return checkPin(certificates, state) }
	return pinned{&http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: timeout}).DialContext,
		// The check replaces the usual one: a vCenter's own certificate is often signed by nobody and names nobody.
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: check},
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: maxReplyHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
	}}
}

// checkPin wants the very certificate, or one for this name that was signed by one of certificates.
func checkPin(certificates []*x509.Certificate, state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range certificates {
		if c.Equal(leaf) {
			return nil
		}
		roots.AddCert(c)
	}
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: state.ServerName, Roots: roots, Intermediates: between})
	return err
}

// RoundTrip implements http.RoundTripper.
func (p pinned) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "sessionward")
	resp, err := p.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxReply)
	return resp, nil
}
