package vsphere

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

const wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

// verifyMessage returns the certificate that signed a message: one that is in its security header, over its timestamp and
// its body as they stand there (WSS X.509 Token Profile 1.1, exclusive canonical XML, RSA with SHA-256).
func verifyMessage(doc *etree.Document, security *etree.Element) (*x509.Certificate, error) {
	signature := security.FindElement("./Signature")
	cert, err := readCertificate(textAt(security, "./BinarySecurityToken"))
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	reference := signature.FindElement("./KeyInfo/SecurityTokenReference/Reference")
	if reference == nil || reference.SelectAttrValue("URI", "") != "#"+security.FindElement("./BinarySecurityToken").SelectAttrValue("Id", "") {
		return nil, errors.New("KeyInfo does not point at the certificate")
	}
	info := signature.FindElement("./SignedInfo")
	text, err := canonical(info)
	if err != nil {
		return nil, err
	}
	value, err := base64.StdEncoding.DecodeString(textAt(signature, "./SignatureValue"))
	if err != nil {
		return nil, err
	}
	if err := cert.CheckSignature(x509.SHA256WithRSA, text, value); err != nil {
		return nil, err
	}
	return cert, checkReferences(doc, info)
}

// checkReferences wants the digests of body and timestamp to be right.
func checkReferences(doc *etree.Document, info *etree.Element) error {
	covered := map[string]bool{}
	for _, ref := range info.FindElements("./Reference") {
		el, err := checkReference(doc, ref)
		if err != nil {
			return err
		}
		covered[el.Tag] = true
	}
	if !covered["Body"] || !covered["Timestamp"] {
		return errors.New("body and timestamp must both be signed")
	}
	return nil
}

// checkReference returns the element a reference stands for when its digest is right.
func checkReference(doc *etree.Document, ref *etree.Element) (*etree.Element, error) {
	id := ref.SelectAttrValue("URI", "#")[1:]
	var found []*etree.Element
	for _, el := range doc.FindElements("//*") {
		if el.SelectAttrValue("wsu:Id", "") == id {
			found = append(found, el)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d elements have the id of a reference", len(found))
	}
	text, err := canonical(found[0])
	if err != nil {
		return nil, err
	}
	want, err := base64.StdEncoding.DecodeString(textAt(ref, "./DigestValue"))
	sum := sha256.Sum256(text)
	if err != nil || subtle.ConstantTimeCompare(want, sum[:]) != 1 {
		return nil, fmt.Errorf("the digest of %s is wrong", found[0].Tag)
	}
	return found[0], nil
}

// canonical is el as it stands in its document, in exclusive canonical form.
func canonical(el *etree.Element) ([]byte, error) {
	scope, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, err
	}
	alone, err := etreeutils.NSDetatch(scope, el)
	if err != nil {
		return nil, err
	}
	return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(alone)
}
