package vsphere

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
)

// maxAssertion is how long an assertion may be; those of a vCenter have 4 to 20 kB.
const maxAssertion = 256 << 10 // bytes

const (
	samlNamespace = "urn:oasis:names:tc:SAML:2.0:assertion"
	holderOfKey   = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key" // SAML 2.0 Profiles §3.1
)

// token is a SAML assertion. Its bytes are signed by who issued it, so they are sent on as they came.
type token struct {
	assertion session.Secret
	holder    bool      // it holds for the owner of a key alone
	renewable bool      // the token service gives a new one for it
	expiresAt time.Time // as the token service said beside it; zero when nobody said
}

// assertionXML is what is read of an assertion. It is not judged here: that is the vCenter's.
type assertionXML struct {
	XMLName xml.Name
	Subject struct {
		Confirmation []struct {
			Method string `xml:",attr"`
		} `xml:"SubjectConfirmation"`
	}
}

// readToken returns what an assertion is for. session.ErrMalformed when it is none.
func readToken(assertion session.Secret) (token, error) {
	text := assertion.Reveal()
	if len(text) > maxAssertion {
		return token{}, fmt.Errorf("%w: the assertion has more than %d bytes", session.ErrMalformed, maxAssertion)
	}
	var a assertionXML
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&a); err != nil || a.XMLName != (xml.Name{Space: samlNamespace, Local: "Assertion"}) {
		return token{}, fmt.Errorf("%w: not a SAML 2.0 assertion", session.ErrMalformed)
	}
	t := token{assertion: assertion}
	for _, c := range a.Subject.Confirmation {
		t.holder = t.holder || c.Method == holderOfKey
	}
	return t, nil
}
