package vsphere

import (
	"net/http"
	"strings"

	"github.com/vmware/govmomi/lookup/types"
)

// stsPath is where the token service of a vCenter is.
const stsPath = "/sts/STSService/vsphere.local"

// lookup is the simulator's lookup service, whose register names the addresses at which the client can reach them.
func (p *Peer) lookup(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	tokens, api := p.tokens, p.api
	p.mu.Unlock()
	p.vcenter.mu.Lock()
	defer p.vcenter.mu.Unlock()
	p.vcenter.services.Info = p.vcenter.register(baseURL(r), tokens, api)
	p.vcenter.ServeHTTP(w, r)
}

// register is that of the simulator with its addresses put right, and with tokens and api where they are given.
func (v *vcenter) register(base string, tokens, api Service) []types.LookupServiceRegistrationInfo {
	var out []types.LookupServiceRegistrationInfo
	for _, info := range v.entries {
		endpoints := make([]types.LookupServiceRegistrationEndpoint, 0, len(info.ServiceEndpoints))
		for _, e := range info.ServiceEndpoints {
			e.Url, e.SslTrust = strings.Replace(e.Url, v.base, base, 1), nil
			if e.EndpointType.Protocol == "wsTrust" && tokens.URL != "" {
				e.Url, e.SslTrust = tokens.URL, tokens.Certificates
			}
			endpoints = append(endpoints, e)
		}
		info.ServiceEndpoints = endpoints
		out = append(out, info)
	}
	if api.URL != "" {
		out = append(out, apiEntry(api))
	}
	return out
}

// apiEntry is how a vCenter registers its API; the simulator does not.
func apiEntry(s Service) types.LookupServiceRegistrationInfo {
	var info types.LookupServiceRegistrationInfo
	info.ServiceType = types.LookupServiceRegistrationServiceType{Product: "com.vmware.cis", Type: "cs.vapi"}
	info.ServiceEndpoints = []types.LookupServiceRegistrationEndpoint{{
		Url: s.URL, SslTrust: s.Certificates,
		EndpointType: types.LookupServiceRegistrationEndpointType{Protocol: "vapi.json.https.public", Type: "com.vmware.vapi.endpoint"},
	}}
	info.ServiceId, info.SiteId = "vapi", "vcsim"
	return info
}
