package vsphere

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/sessionward/sessionward/source/authority"
)

const (
	wsuNamespace  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	wsseNamespace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	dsigNamespace = "http://www.w3.org/2000/09/xmldsig#"
	x509v3        = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
	base64Binary  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
	excC14N       = "http://www.w3.org/2001/10/xml-exc-c14n#"
	rsaSHA256     = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	sha256URI     = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// secured is a SOAP message with a security header: a timestamp, the user's name and password if there are any, and with
// a key its certificate and a signature over timestamp and body (WSS SOAP Message Security 1.1, X.509 Token Profile 1.1).
func secured(request, user string, now time.Time, key *tls.Certificate, keyID string) (string, error) {
	stampID, bodyID, certificateID := newID(), newID(), newID()
	stamp := `<wsu:Timestamp wsu:Id="` + stampID + `">` + period(now, now.Add(messageLifetime)) + `</wsu:Timestamp>`
	certificate := ""
	if key != nil {
		certificate = fmt.Sprintf(`<wsse:BinarySecurityToken EncodingType=%q ValueType=%q wsu:Id=%q>%s</wsse:BinarySecurityToken>`,
			base64Binary, x509v3, certificateID, base64.StdEncoding.EncodeToString(key.Certificate[0]))
	}
	head := `<soap:Envelope xmlns:soap="` + soapEnvelope + `"><soap:Header><wsse:Security xmlns:wsse="` + wsseNamespace + `" xmlns:wsu="` + wsuNamespace + `">` +
		stamp + certificate + user
	tail := `</wsse:Security></soap:Header><soap:Body xmlns:wsu="` + wsuNamespace + `" wsu:Id="` + bodyID + `">` + request + `</soap:Body></soap:Envelope>`
	if key == nil {
		return head + tail, nil
	}
	info, err := signedInfo(head+tail, stampID, bodyID)
	if err != nil {
		return "", err
	}
	value, err := signRSA(key, []byte(info))
	if err != nil {
		return "", err
	}
	signature := `<ds:Signature xmlns:ds="` + dsigNamespace + `" Id="` + keyID + `">` + info + `<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(value) +
		`</ds:SignatureValue><ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#` + certificateID + `" ValueType="` + x509v3 +
		`"></wsse:Reference></wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>`
	return head + signature + tail, nil
}

// signedInfo is what is signed, in canonical form already: the digests of the elements with these ids.
func signedInfo(message string, ids ...string) (string, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(message); err != nil {
		return "", authority.Unavailable("the message to sign is not XML")
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `<ds:SignedInfo xmlns:ds="%s"><ds:CanonicalizationMethod Algorithm="%s"></ds:CanonicalizationMethod>`+
		`<ds:SignatureMethod Algorithm="%s"></ds:SignatureMethod>`, dsigNamespace, excC14N, rsaSHA256)
	for _, id := range ids {
		text, err := canonical(doc, id)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(text)
		_, _ = fmt.Fprintf(&b, `<ds:Reference URI="#%s"><ds:Transforms><ds:Transform Algorithm="%s"></ds:Transform></ds:Transforms>`+
			`<ds:DigestMethod Algorithm="%s"></ds:DigestMethod><ds:DigestValue>%s</ds:DigestValue></ds:Reference>`,
			id, excC14N, sha256URI, base64.StdEncoding.EncodeToString(sum[:]))
	}
	_, _ = b.WriteString(`</ds:SignedInfo>`)
	return b.String(), nil
}

// canonical is the element with that id in exclusive canonical form (Exclusive XML Canonicalization 1.0).
func canonical(doc *etree.Document, id string) ([]byte, error) {
	el := doc.FindElement(`//[@wsu:Id='` + id + `']`)
	if el == nil {
		return nil, authority.Unavailable("the message to sign lacks a part")
	}
	scope, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, authority.Unavailable("the message to sign has unknown prefixes")
	}
	alone, err := etreeutils.NSDetatch(scope, el)
	if err != nil {
		return nil, authority.Unavailable("the message to sign has unknown prefixes")
	}
	text, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(alone)
	if err != nil {
		return nil, authority.Unavailable("the message to sign has no canonical form")
	}
	return text, nil
}
