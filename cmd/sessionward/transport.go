package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// httpClient trusts caFile beside the system, shows the client certificate of r, and follows no redirect: a token is for
// the address it was meant for.
func (c *cli) httpClient(r *remote, name, caFile string) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		if t.RootCAs, err = x509.SystemCertPool(); err != nil {
			t.RootCAs = x509.NewCertPool()
		}
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: holds no PEM certificate", caFile)
		}
	}
	if (r.certFile == "") != (r.keyOf == "") {
		return nil, errors.New("--admin-cert-file and --admin-key-file go together")
	}
	if r.certFile != "" {
		cert, err := tls.LoadX509KeyPair(r.certFile, r.keyOf)
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{cert}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// nameOf is a name the certificate in a file is made out for.
func nameOf(certFile string) (string, error) {
	data, err := os.ReadFile(certFile)
	if err != nil {
		return "", err
	}
	cert, err := firstCertificate(data)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", certFile, err)
	case len(cert.DNSNames) > 0:
		return strings.Replace(cert.DNSNames[0], "*", "gateway", 1), nil
	case len(cert.IPAddresses) > 0:
		return cert.IPAddresses[0].String(), nil
	}
	return "", fmt.Errorf("%s: is made out for no name", certFile)
}

func firstCertificate(data []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("holds no PEM certificate")
}
