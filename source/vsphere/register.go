package vsphere

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sessionward/sessionward/source/authority"
)

const (
	lookupPath   = "/lookupservice/sdk"
	lookupAction = "urn:lookup/2.0"

	registerTTL = time.Hour        // how long what the register said is believed
	missingTTL  = 30 * time.Second // how long it is not asked again after it gave nothing
)

// service is what the register is asked for.
type service struct{ kind, protocol, endpoint string }

func tokenServiceEntry() service {
	return service{"cs.identity", "wsTrust", "com.vmware.cis.cs.identity.sso"}
}

func sessionAPI() service {
	return service{"cs.vapi", "vapi.json.https.public", "com.vmware.vapi.endpoint"}
}

// place is where a service is. through is nil when it is asked like the vCenter itself.
type place struct {
	url     string
	through *http.Client
}

// register is the lookup service: it needs no login and says where the other services are.
type register struct {
	url      string
	base     string
	insecure bool
	client   *authority.Client

	mu    sync.Mutex
	known map[service]entry
}

type entry struct {
	place place
	until time.Time
}

func newRegister(o Options, base string, client *authority.Client) *register {
	return &register{url: cmp.Or(o.LookupURL, base+lookupPath), base: base, insecure: o.InsecureHTTP, client: client, known: map[service]entry{}}
}

// place returns where a service is: as the register says, or otherwise when it says nothing or cannot be asked.
func (r *register) place(ctx context.Context, s service, otherwise place) place {
	now := r.client.Now()
	r.mu.Lock()
	e, ok := r.known[s]
	r.mu.Unlock()
	if ok && now.Before(e.until) {
		return e.place
	}
	e = entry{place: otherwise, until: now.Add(missingTTL)}
	if found, err := r.ask(ctx, s); err == nil {
		e = entry{place: found, until: now.Add(registerTTL)}
	} else if ctx.Err() != nil {
		return otherwise // the caller gave up: that says nothing about the register
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[s] = e
	return e.place
}

// forget makes the register be asked anew: what it named cannot be reached.
func (r *register) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
}

func (r *register) ask(ctx context.Context, s service) (place, error) {
	reply, err := r.client.Call(ctx, question(r.url, lookupAction, contentMessage()))
	if err != nil {
		return place{}, err
	}
	reference, err := parseContent(reply.Body)
	if err != nil {
		return place{}, err
	}
	if reply, err = r.client.Call(ctx, question(r.url, lookupAction, listMessage(reference, s))); err != nil {
		return place{}, err
	}
	found, err := parseEndpoints(reply.Body)
	if err != nil {
		return place{}, err
	}
	return r.usable(found[0], s)
}

// usable turns what the register says into a place. A service on another host must show a certificate the register names;
// one on a host of the configuration is trusted as that is.
func (r *register) usable(e endpoint, s service) (place, error) {
	if err := authority.CheckURL(e.URL, r.insecure, false); err != nil {
		return place{}, err
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return place{}, errors.New("not a URL")
	}
	p := place{url: u.String()}
	if s == sessionAPI() {
		p.url = u.Scheme + "://" + u.Host // the entry names the JSON-RPC form of the API at /api
	}
	if r.sameHost(u) || u.Scheme != "https" || len(e.Trust) == 0 {
		return p, nil
	}
	certificates, err := readTrust(e.Trust)
	if err != nil {
		return place{}, err
	}
	p.through = &http.Client{Timeout: r.client.Timeout(), Transport: newPinned(certificates, r.client.Timeout())}
	return p, nil
}

func (r *register) sameHost(u *url.URL) bool {
	base, err := url.Parse(r.base)
	return err == nil && strings.EqualFold(base.Hostname(), u.Hostname())
}

// readTrust reads sslTrust: certificates as base64 of DER, with or without line breaks.
func readTrust(texts []string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, text := range texts {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, errors.New("a certificate that is not base64")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("a certificate that is none")
		}
		out = append(out, c)
	}
	return out, nil
}
