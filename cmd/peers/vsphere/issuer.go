package vsphere

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	samlTime     = "2006-01-02T15:04:05.000Z"
	methodBearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	methodHolder = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
)

// issuer issues SAML assertions and knows its own again.
type issuer struct {
	now  func() time.Time
	key  *rsa.PrivateKey
	cert *x509.Certificate

	mu     sync.Mutex
	issued map[string][sha256.Size]byte // by ID: what was issued, byte for byte
}

// claim is what an assertion says.
type claim struct {
	subject   string
	ttl       time.Duration
	holder    *x509.Certificate // nil: a bearer token
	renewable bool
	delegable bool

	id            string
	notBefore     time.Time
	notOnOrAfter  time.Time
	confirmMethod string
}

func newIssuer(now func() time.Time) (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ssoserverSign"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &issuer{now: now, key: key, cert: cert, issued: map[string][sha256.Size]byte{}}, err
}

// issue returns the assertion. Its bytes are such as a token service really makes, and would not survive being written
// anew: a base64 text over several lines, an entity, an empty element.
func (i *issuer) issue(c claim) string {
	now := i.now()
	id := "_" + rand.Text()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(assertionText(c, id, now)); err != nil {
		panic("vsphere: own assertion: " + err.Error())
	}
	signer, err := dsig.NewSigningContext(i.key, [][]byte{i.cert.Raw})
	if err != nil {
		panic("vsphere: " + err.Error())
	}
	signer.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	signature, err := signer.ConstructSignature(doc.Root(), true)
	if err != nil {
		panic("vsphere: sign: " + err.Error())
	}
	for _, path := range []string{"SignatureValue", "KeyInfo/X509Data/X509Certificate"} {
		el := signature.FindElement("./" + path)
		el.SetText(wrapped(el.Text()))
	}
	doc.Root().InsertChildAt(1, signature)
	text, err := doc.WriteToString()
	if err != nil {
		panic("vsphere: write: " + err.Error())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued[id] = sha256.Sum256([]byte(text))
	return text
}

// wrapped breaks base64 into lines of 76.
func wrapped(text string) string {
	var out strings.Builder
	for len(text) > 76 {
		_, _ = out.WriteString(text[:76] + "\n")
		text = text[76:]
	}
	return out.String() + text
}

func assertionText(c claim, id string, now time.Time) string {
	end := now.Add(c.ttl)
	method, keyInfo := methodBearer, ""
	if c.holder != nil {
		method = methodHolder
		keyInfo = `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
			base64.StdEncoding.EncodeToString(c.holder.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
	}
	conditions := ""
	if c.delegable {
		conditions += `<saml2:ProxyRestriction Count="10"/>`
	}
	if c.renewable {
		conditions += `<saml2:Condition xmlns:rsa="http://www.rsa.com/names/2009/12/std-ext/SAML2.0" ` +
			`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Count="10" xsi:type="rsa:RenewRestrictionType"/>`
	}
	return fmt.Sprintf(`<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="%s" IssueInstant="%s" Version="2.0">`+
		`<saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">https://vcenter.example/websso/SAML2/Metadata/vsphere.local</saml2:Issuer>`+
		`<saml2:Subject><saml2:NameID Format="http://schemas.xmlsoap.org/claims/UPN">%s</saml2:NameID>`+
		`<saml2:SubjectConfirmation Method="%s"><saml2:SubjectConfirmationData NotOnOrAfter="%s">%s</saml2:SubjectConfirmationData></saml2:SubjectConfirmation></saml2:Subject>`+
		`<saml2:Conditions NotBefore="%s" NotOnOrAfter="%s">%s</saml2:Conditions>`+
		`<saml2:AttributeStatement><saml2:Attribute FriendlyName="surname" Name="surname"><saml2:AttributeValue>O&apos;Hara &amp; co</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion>`,
		id, now.Format(samlTime), html.EscapeString(c.subject), method, end.Format(samlTime), keyInfo, now.Format(samlTime), end.Format(samlTime), conditions)
}

// verify returns what assertion says when it is one of the issuer's, unchanged to the byte, and good now.
func (i *issuer) verify(assertion string) (claim, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(assertion); err != nil || doc.Root() == nil {
		return claim{}, errors.New("the assertion is not XML")
	}
	trust := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{i.cert}})
	if _, err := trust.Validate(doc.Root()); err != nil {
		return claim{}, fmt.Errorf("the assertion's signature: %w", err)
	}
	c, err := readClaim(doc.Root())
	if err != nil {
		return claim{}, err
	}
	i.mu.Lock()
	same := i.issued[c.id] == sha256.Sum256([]byte(assertion))
	i.mu.Unlock()
	now := i.now()
	switch {
	case !same:
		return claim{}, errors.New("the assertion is not byte for byte what was issued")
	case now.Before(c.notBefore) || !now.Before(c.notOnOrAfter):
		return claim{}, errors.New("the assertion is not good now")
	}
	return c, nil
}

func readClaim(root *etree.Element) (claim, error) {
	c := claim{id: root.SelectAttrValue("ID", "")}
	conditions, name, confirmation := root.FindElement("./Conditions"), root.FindElement("./Subject/NameID"), root.FindElement("./Subject/SubjectConfirmation")
	if conditions == nil || name == nil || confirmation == nil {
		return claim{}, errors.New("the assertion lacks conditions or subject")
	}
	c.subject, c.confirmMethod = name.Text(), confirmation.SelectAttrValue("Method", "")
	c.delegable, c.renewable = conditions.FindElement("./ProxyRestriction") != nil, conditions.FindElement("./Condition") != nil
	var err, err2 error
	c.notBefore, err = time.Parse(time.RFC3339, conditions.SelectAttrValue("NotBefore", ""))
	c.notOnOrAfter, err2 = time.Parse(time.RFC3339, conditions.SelectAttrValue("NotOnOrAfter", ""))
	if err != nil || err2 != nil {
		return claim{}, errors.Join(err, err2)
	}
	if key := confirmation.FindElement(".//X509Certificate"); key != nil {
		c.holder, err = readCertificate(key.Text())
	}
	return c, err
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
