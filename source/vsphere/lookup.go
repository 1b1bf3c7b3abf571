package vsphere

import (
	"errors"
	"fmt"
)

// contentMessage asks the lookup service what there is (vSphere Lookup Service 2.0). It needs no login.
func contentMessage() string {
	return `<Envelope xmlns="` + soapEnvelope + `"><Body><RetrieveServiceContent xmlns="urn:lookup">` +
		`<_this type="LookupServiceInstance">ServiceInstance</_this></RetrieveServiceContent></Body></Envelope>`
}

// listMessage asks for the entries of one service. Without a filter the answer is a fault.
func listMessage(reference string, s service) string {
	return fmt.Sprintf(`<Envelope xmlns="`+soapEnvelope+`"><Body><List xmlns="urn:lookup"><_this type="LookupServiceRegistration">%s</_this>`+
		`<filterCriteria><serviceType><product>com.vmware.cis</product><type>%s</type></serviceType>`+
		`<endpointType><protocol>%s</protocol><type>%s</type></endpointType></filterCriteria></List></Body></Envelope>`,
		escaped(reference), s.kind, s.protocol, s.endpoint)
}

// parseContent returns the reference of the service registration.
func parseContent(data []byte) (string, error) {
	var answer struct {
		Reference string `xml:"Body>RetrieveServiceContentResponse>returnval>serviceRegistration"`
	}
	if err := unmarshal(data, &answer); err != nil {
		return "", err
	}
	if answer.Reference == "" {
		return "", errors.New("no service registration")
	}
	return answer.Reference, nil
}

// endpoint is one address of a service.
type endpoint struct {
	URL   string   `xml:"url"`
	Trust []string `xml:"sslTrust"`
}

// parseEndpoints returns the addresses of the entries, at least one.
func parseEndpoints(data []byte) ([]endpoint, error) {
	var answer struct {
		Entries []struct {
			Endpoints []endpoint `xml:"serviceEndpoints"`
		} `xml:"Body>ListResponse>returnval"`
	}
	if err := unmarshal(data, &answer); err != nil {
		return nil, err
	}
	var out []endpoint
	for _, e := range answer.Entries {
		out = append(out, e.Endpoints...)
	}
	if len(out) == 0 {
		return nil, errors.New("no entry")
	}
	return out, nil
}
