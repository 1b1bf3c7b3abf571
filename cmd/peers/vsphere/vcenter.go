package vsphere

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	lookupsim "github.com/vmware/govmomi/lookup/simulator"
	lookup "github.com/vmware/govmomi/lookup/types"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/ssoadmin/simulator" // registers itself
	_ "github.com/vmware/govmomi/sts/simulator"      // registers itself
	_ "github.com/vmware/govmomi/vapi/simulator"     // registers itself
	"github.com/vmware/govmomi/vim25/types"
)

const restSession = "/rest/com/vmware/cis/session"

// vcenter is the simulators without a listener.
type vcenter struct {
	http.Handler
	base     string // the URL the simulators believe they are at
	opts     Options
	services *lookupsim.ServiceRegistration
	entries  []lookup.LookupServiceRegistrationInfo

	mu sync.Mutex // around the register: the simulator reads it unlocked
}

func newVCenter(o Options) (*vcenter, error) {
	m := simulator.VPX()
	m.Datacenter, m.Host, m.Cluster, m.Machine = 0, 0, 0, 0
	if err := m.Create(); err != nil {
		return nil, fmt.Errorf("vsphere: start the simulator: %w", err)
	}
	m.Service.RegisterEndpoints = true
	m.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("checked", "below")}
	server := m.Service.NewServer()
	// After the start: the simulator of single sign-on sets its own.
	m.Map().SessionManager().ValidLogin = func(l *types.Login) bool { return o.knows(l.UserName, l.Password) }
	server.Close() // requests reach it through the front alone
	m.Map().SessionManager().TLS = noCertificate
	vc := &vcenter{Handler: m.Service.ServeMux, base: server.URL.Scheme + "://" + server.URL.Host, opts: o}
	vc.readRegister(m)
	return vc, nil
}

// noCertificate is that of a simulator without TLS.
func noCertificate() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{nil}}}}
}

// readRegister lets the lookup service fill its register, which it does when it is asked the first time.
func (v *vcenter) readRegister(m *simulator.Model) {
	const ask = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><RetrieveServiceContent xmlns="urn:lookup">` +
		`<_this type="LookupServiceInstance">ServiceInstance</_this></RetrieveServiceContent></Body></Envelope>`
	v.ask(http.MethodPost, "/lookupservice/sdk", nil, ask)
	ref := types.ManagedObjectReference{Type: "LookupServiceRegistration", Value: "ServiceRegistration"}
	ctx := m.Service.Context.For("/lookupservice/sdk")
	v.services = ctx.Map.Get(ref).(*lookupsim.ServiceRegistration)
	v.entries = v.services.Info
}

// ask asks the simulators directly.
func (v *vcenter) ask(method, target string, header http.Header, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w
}

// create makes a session for user, whose password is known here.
func (v *vcenter) create(user string) string {
	for _, u := range v.opts.Users {
		if u.Name == user {
			id, _ := v.login(basic(u.Name, u.Password))
			return id
		}
	}
	id, _ := v.login("SIGN ")
	return id
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// login asks the simulator for a session.
func (v *vcenter) login(authorization string) (id string, ok bool) {
	w := v.ask(http.MethodPost, restSession, http.Header{"Authorization": {authorization}, "Vmware-Use-Header-Authn": {"true"}}, "")
	var answer struct{ Value string }
	if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		return "", false
	}
	return answer.Value, true
}

// user asks the simulator whose session id is.
func (v *vcenter) user(id string) (string, bool) {
	w := v.ask(http.MethodPost, restSession+"?~action=get", http.Header{"Vmware-Api-Session-Id": {id}}, "")
	var answer struct{ Value struct{ User string } }
	if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		return "", false
	}
	return answer.Value.User, true
}

func (v *vcenter) remove(id string) {
	v.ask(http.MethodDelete, restSession, http.Header{"Vmware-Api-Session-Id": {id}}, "")
}
