package vsphere

import (
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// trust13 is the namespace of WS-Trust 1.3.
const trust13 = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"

// refusal is a SOAP fault of the token service. Its code is one of WS-Trust 1.3 §11.
type refusal struct{ code, text string }

func (e *refusal) Error() string { return e.code + ": " + e.text }

// sts serves the token service: Issue and Renew of WS-Trust 1.3.
func (p *Peer) sts(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	var answer string
	switch action := strings.Trim(r.Header.Get("SOAPAction"), `"`); path.Base(action) {
	case "Issue":
		answer, err = p.issue(body)
	case "Renew":
		answer, err = p.renew(body)
	default:
		err = &refusal{"BadRequest", "unknown action"}
	}
	w.Header().Set("Content-Type", "text/xml;charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError) // SOAP 1.1 §6.2
		answer = fault(err)
	}
	_, _ = io.WriteString(w, envelope(answer))
}

func envelope(body string) string {
	return `<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>` + body + `</S:Body></S:Envelope>`
}

func fault(err error) string {
	code, text := "RequestFailed", err.Error()
	if f, ok := errors.AsType[*refusal](err); ok {
		code, text = f.code, f.text
	}
	return fmt.Sprintf(`<S:Fault xmlns:ns4="http://www.w3.org/2003/05/soap-envelope"><faultcode xmlns:ns0=%q>ns0:%s</faultcode><faultstring>%s</faultstring></S:Fault>`,
		trust13+"/", code, html.EscapeString(text))
}

// issue answers a request for a token for the user and password in the header.
func (p *Peer) issue(message []byte) (string, error) {
	m, err := p.readMessage(message)
	if err != nil {
		return "", err
	}
	if !p.opts.knows(m.username, m.password) {
		return "", &refusal{"FailedAuthentication", "Invalid credentials"}
	}
	c := claim{subject: m.username, renewable: m.renewable, delegable: m.delegable, ttl: min(m.ttl, p.opts.BearerTTL)}
	switch m.keyType {
	case trust13 + "/Bearer":
	case trust13 + "/PublicKey":
		if m.signer == nil {
			return "", &refusal{"InvalidSecurity", "a key is needed, and the message is not signed"}
		}
		c.holder, c.ttl = m.signer, min(m.ttl, p.opts.HolderTTL)
	default:
		return "", &refusal{"BadRequest", "unknown KeyType"}
	}
	return `<wst:RequestSecurityTokenResponseCollection xmlns:wst="` + trust13 + `">` + p.response(c) + `</wst:RequestSecurityTokenResponseCollection>`, nil
}

// renew answers a request for a new token in the place of a renewable one, signed with the key it was issued to.
func (p *Peer) renew(message []byte) (string, error) {
	m, err := p.readMessage(message)
	if err != nil {
		return "", err
	}
	c, err := p.issuer.verify(m.renewTarget)
	switch {
	case err != nil:
		return "", &refusal{"UnableToRenew", err.Error()}
	case !c.renewable || c.holder == nil:
		return "", &refusal{"UnableToRenew", "the token is not renewable"}
	case m.signer == nil || !m.signer.Equal(c.holder):
		return "", &refusal{"FailedAuthentication", "the message is not signed with the key of the token"}
	}
	c.ttl = min(m.ttl, p.opts.HolderTTL)
	return p.response(c), nil
}

func (p *Peer) response(c claim) string {
	now := p.panel.Now()
	return `<wst:RequestSecurityTokenResponse xmlns:wst="` + trust13 + `" xmlns:wsu="` + wsu + `"><wst:TokenType>urn:oasis:names:tc:SAML:2.0:assertion</wst:TokenType>` +
		`<wst:RequestedSecurityToken>` + p.issuer.issue(c) + `</wst:RequestedSecurityToken>` +
		`<wst:Lifetime><wsu:Created>` + now.Format(samlTime) + `</wsu:Created><wsu:Expires>` + now.Add(c.ttl).Format(samlTime) + `</wsu:Expires></wst:Lifetime>` +
		`</wst:RequestSecurityTokenResponse>`
}

// message is a request for a token.
type message struct {
	username, password string
	keyType            string
	ttl                time.Duration
	renewable          bool
	delegable          bool
	renewTarget        string            // byte for byte
	signer             *x509.Certificate // nil: not signed
}

func (p *Peer) readMessage(data []byte) (message, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(data); err != nil || doc.Root() == nil {
		return message{}, &refusal{"BadRequest", "not XML"}
	}
	security, rst := doc.FindElement("/Envelope/Header/Security"), doc.FindElement("/Envelope/Body/RequestSecurityToken")
	if security == nil || rst == nil {
		return message{}, &refusal{"BadRequest", "no security header or no request"}
	}
	if err := p.checkTimestamp(security.FindElement("./Timestamp")); err != nil {
		return message{}, err
	}
	m := message{
		username: textAt(security, "./UsernameToken/Username"), password: textAt(security, "./UsernameToken/Password"),
		keyType: textAt(rst, "./KeyType"), delegable: textAt(rst, "./Delegatable") == "true",
		renewTarget: between(string(data), "RenewTarget"),
	}
	m.renewable = rst.FindElement("./Renewing[@Allow='true']") != nil
	created, expires, err := period(rst.FindElement("./Lifetime"))
	if err != nil || !created.Before(expires) {
		return message{}, &refusal{"InvalidTimeRange", "Lifetime"}
	}
	m.ttl = expires.Sub(created)
	if security.FindElement("./Signature") != nil {
		if m.signer, err = verifyMessage(doc, security); err != nil {
			return message{}, &refusal{"InvalidSecurity", err.Error()}
		}
	}
	return m, nil
}

// checkTimestamp refuses a message that is not of now (WSS SOAP Message Security 1.1 §10).
func (p *Peer) checkTimestamp(el *etree.Element) error {
	created, expires, err := period(el)
	now := p.panel.Now()
	if err != nil || now.Before(created.Add(-clockSkew)) || !now.Before(expires.Add(clockSkew)) {
		return &refusal{"InvalidTimeRange", "Timestamp"}
	}
	return nil
}

func period(el *etree.Element) (created, expires time.Time, err error) {
	if el == nil {
		return created, expires, errors.New("no period")
	}
	created, err = time.Parse(samlTime, textAt(el, "./Created"))
	if err == nil {
		expires, err = time.Parse(samlTime, textAt(el, "./Expires"))
	}
	return created, expires, err
}

func textAt(el *etree.Element, path string) string {
	if found := el.FindElement(path); found != nil {
		return found.Text()
	}
	return ""
}

// between returns the bytes inside the first element of that local name, "" when there is none.
func between(text, name string) string {
	_, rest, ok := strings.Cut(text, name+">")
	if !ok {
		return ""
	}
	end := strings.LastIndex(rest, name+">")
	if end < 0 {
		return ""
	}
	return rest[:strings.LastIndex(rest[:end], "</")]
}
