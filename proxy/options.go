package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Options describe one upstream. Only URL is required.
type Options struct {
	// URL is where the application listens: http:// or https://, host and port, nothing else.
	URL string `yaml:"url"`
	// PassHostHeader sends the host the client asked for; otherwise the upstream sees the host of URL. The client's
	// host always travels as X-Forwarded-Host.
	PassHostHeader bool `yaml:"pass_host_header"`
	// KeepAuthorization hands the Authorization header to the upstream even when it was the credential. Whoever runs
	// the upstream can then act as the user.
	KeepAuthorization bool `yaml:"keep_authorization"`
	// KeepCookies are cookies that carry credentials of sources and that this upstream is sent, and may set: for the
	// upstream that makes those sessions, such as the login pages of a session system behind the gateway. Never the
	// gateway's own.
	KeepCookies []string `yaml:"keep_cookies"`

	// Timeout is how long to wait for the header of the reply once the request is sent, and how long the upstream may
	// stop taking the body before it is. 30 s when zero. Bodies and streams have no time limit.
	Timeout time.Duration `yaml:"timeout"`
	// DialTimeout limits connecting, and the TLS handshake once more. 5 s when zero.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// IdleConnTimeout is how long an unused connection is kept. 90 s when zero. Keep it below the upstream's own.
	IdleConnTimeout time.Duration `yaml:"idle_conn_timeout"`
	// MaxIdleConns is how many unused connections are kept. 256 when zero: fewer than there are requests at once
	// means dialing for each request.
	MaxIdleConns int `yaml:"max_idle_conns"`
	// MaxResponseHeaderBytes limits the header of a reply. 256 KiB when zero.
	MaxResponseHeaderBytes int64 `yaml:"max_response_header_bytes"`

	// CAFile holds the PEM certificates the upstream's certificate must lead to; the system's roots when empty.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile hold the PEM client certificate to show to the upstream.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name the upstream's certificate must carry; the host of URL when empty.
	ServerName string `yaml:"server_name"`
	// InsecureSkipVerify accepts any certificate: whoever sits between gateway and upstream sees and changes all.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// withDefaults returns o with every zero value that has a default replaced by it.
func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.IdleConnTimeout = cmp.Or(o.IdleConnTimeout, 90*time.Second)
	o.MaxIdleConns = cmp.Or(o.MaxIdleConns, 256)
	o.MaxResponseHeaderBytes = cmp.Or(o.MaxResponseHeaderBytes, 256<<10)
	return o
}

// check reports every option that cannot work, each by its field, with what to write instead.
func (o Options) check(u *url.URL) error {
	var errs []error
	report := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	tlsSet := o.CAFile != "" || o.CertFile != "" || o.KeyFile != "" || o.ServerName != "" || o.InsecureSkipVerify
	report(o.Timeout < 0, "timeout: must be positive, or left out for 30s")
	report(o.DialTimeout < 0, "dial_timeout: must be positive, or left out for 5s")
	report(o.IdleConnTimeout < 0, "idle_conn_timeout: must be positive, or left out for 90s")
	report(o.MaxIdleConns < 0, "max_idle_conns: must be positive, or left out for 256")
	report(o.MaxResponseHeaderBytes < 0, "max_response_header_bytes: must be positive, or left out for 262144")
	report((o.CertFile == "") != (o.KeyFile == ""), "cert_file and key_file: set both or neither")
	report(o.CAFile != "" && o.InsecureSkipVerify, "insecure_skip_verify: makes ca_file meaningless; remove one of them")
	report(tlsSet && u.Scheme != "https", "ca_file, cert_file, key_file, server_name and insecure_skip_verify: need an https:// url")
	return errors.Join(errs...)
}

// parseURL accepts scheme, host and port only: a path or query here would change bytes the gate has judged.
func parseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("url: is missing; write for instance http://127.0.0.1:8080")
	}
	u, err := url.Parse(raw)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a password
		}
		return nil, fmt.Errorf("url: cannot be parsed: %w", err)
	}
	switch {
	case u.User != nil:
		return nil, errors.New("url: must not hold a user or password")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("url: %q must begin with http:// or https:// and name a host", raw)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, fmt.Errorf("url: %q must end after host and port; the path of the request is sent as it came", raw)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
