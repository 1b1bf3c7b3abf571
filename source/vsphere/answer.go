package vsphere

import (
	"errors"
	"strings"
	"time"
)

// stsAnswer is what the token service said: a token or a fault.
type stsAnswer struct {
	assertion string // byte for byte
	expires   time.Time
	fault     string // local name of the code
}

type tokenResponse struct {
	Requested struct {
		Assertion string `xml:",innerxml"`
	} `xml:"RequestedSecurityToken"`
	Expires string `xml:"Lifetime>Expires"`
}

// fault is a SOAP fault (SOAP 1.1 §4.4).
type fault struct {
	Code string `xml:"faultcode"`
}

// parseAnswer reads an answer of the token service: Issue answers a collection of one, Renew the response alone.
func parseAnswer(data []byte) (stsAnswer, error) {
	var envelope struct {
		Many  []tokenResponse `xml:"Body>RequestSecurityTokenResponseCollection>RequestSecurityTokenResponse"`
		One   []tokenResponse `xml:"Body>RequestSecurityTokenResponse"`
		Fault *fault          `xml:"Body>Fault"`
	}
	if err := unmarshal(data, &envelope); err != nil {
		return stsAnswer{}, err
	}
	if envelope.Fault != nil {
		return envelope.Fault.answer()
	}
	responses := append(envelope.Many, envelope.One...)
	if len(responses) != 1 || responses[0].Requested.Assertion == "" {
		return stsAnswer{}, errors.New("not one token")
	}
	return responses[0].answer()
}

func (f *fault) answer() (stsAnswer, error) {
	code := strings.TrimSpace(f.Code)
	if code = code[strings.LastIndexByte(code, ':')+1:]; code == "" {
		return stsAnswer{}, errors.New("a fault without a code")
	}
	return stsAnswer{fault: code}, nil
}

func (r tokenResponse) answer() (stsAnswer, error) {
	a := stsAnswer{assertion: strings.TrimSpace(r.Requested.Assertion)}
	text := strings.TrimSpace(r.Expires)
	if text == "" {
		return a, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return stsAnswer{}, errors.New("of a lifetime that is none")
	}
	a.expires = at.UTC()
	return a, nil
}
