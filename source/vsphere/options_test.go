package vsphere

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

func secret(text string) session.Secret { return session.NewSecret(text) }

func TestOptionsCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no url":             {func(o *Options) { o.URL = "" }, "vsphere.url: is missing"},
		"plain http":         {func(o *Options) { o.URL = "http://vcenter.example.com" }, "vsphere.url: plain http is refused"},
		"url with query":     {func(o *Options) { o.URL += "?a=b" }, "vsphere.url: must be a URL without a query"},
		"lookup url":         {func(o *Options) { o.LookupURL = "vcenter" }, "vsphere.lookup_url: must be an absolute URL"},
		"sts url":            {func(o *Options) { o.STSURL = "ftp://vcenter.example.com/" }, "vsphere.sts_url: only https"},
		"login":              {func(o *Options) { o.Login = "kerberos" }, `vsphere.login: "kerberos" is not known`},
		"certificate alone":  {func(o *Options) { o.CertificateFile = "a.pem" }, "vsphere.certificate_file: and key_file belong together"},
		"key alone":          {func(o *Options) { o.KeyFile = "a.pem" }, "vsphere.certificate_file: and key_file belong together"},
		"negative token":     {func(o *Options) { o.TokenLifetime = -1 }, "vsphere.token_lifetime: is negative"},
		"negative idle":      {func(o *Options) { o.IdleTimeout = -1 }, "vsphere.idle_timeout"},
		"negative lifetime":  {func(o *Options) { o.MaxLifetime = -1 }, "vsphere.idle_timeout"},
		"credential nowhere": {func(o *Options) { o.Credentials.Prefix = "x" }, "vsphere.credentials: names no place"},
		"long timeout":       {func(o *Options) { o.Timeout = time.Hour }, "vsphere.timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{URL: "https://vcenter.example.com"}
			p := authority.NewProblems("x")
			o.Check(p)
			require.NoError(t, p.Err())
			tt.change(&o)
			o.Check(p)
			require.ErrorIs(t, p.Err(), session.ErrMalformed)
			require.ErrorContains(t, p.Err(), tt.want)
		})
	}
}

func TestOpenReadsItsFiles(t *testing.T) {
	certificate, key := writeKey(t)
	_, otherKey := writeKey(t)
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(elliptical)
	require.NoError(t, err)
	curve := filepath.Join(t.TempDir(), "ec.pem")
	require.NoError(t, os.WriteFile(curve, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	d := authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	open := func(certificate, key string) error {
		_, err := Open("vc", Options{URL: "https://vcenter.example.com", CertificateFile: certificate, KeyFile: key}, d)
		return err
	}
	require.NoError(t, open(certificate, key))
	for name, bad := range map[string]string{"another key": otherKey, "no such file": "missing.pem", "not RSA": curve, "not a key": certificate} {
		require.ErrorIs(t, open(certificate, bad), session.ErrMalformed, name)
	}
	_, err = Open("vc", Options{URL: "https://vcenter.example.com", ClientOptions: authority.ClientOptions{CAFile: "missing.pem"}}, d)
	require.ErrorContains(t, err, "vsphere.ca_file")
}

func TestDefaults(t *testing.T) {
	o := Options{}.withDefaults()
	require.Equal(t, []any{30 * time.Minute, time.Duration(0), 5 * time.Minute, "basic"}, []any{o.IdleTimeout, o.MaxLifetime, o.TokenLifetime, o.Login})
	require.Equal(t, []session.Place{{Kind: session.KindHeader, Name: "Vmware-Api-Session-Id"}}, o.Takes().Places())
	require.Equal(t, 8*time.Hour, Options{CertificateFile: "x"}.withDefaults().TokenLifetime)
}

func TestDisplayName(t *testing.T) {
	s, err := Open("vc", Options{URL: "https://vcenter.example.com/"}, authority.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, []string{"vc", "vsphere", "https://vcenter.example.com"}, []string{s.DisplayName(), s.Kind(), s.base})
	require.NoError(t, s.Health(), "nobody was asked")
}
