package kratos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// flow is one of Kratos' self-service flows, as a page shows it.
type flow struct {
	ID string `json:"id"`
	UI struct {
		Action   string    `json:"action"`
		Method   string    `json:"method"`
		Nodes    []node    `json:"nodes"`
		Messages []message `json:"messages"`
	} `json:"ui"`
}

// node is one field of a flow.
type node struct {
	Group      string `json:"group"`
	Attributes struct {
		Name     string  `json:"name"`
		Type     string  `json:"type"`
		Value    any     `json:"value"`
		NodeType string  `json:"node_type"`
		ID       string  `json:"id"`
		Text     message `json:"text"`
	} `json:"attributes"`
	Messages []message `json:"messages"`
	Meta     struct {
		Label message `json:"label"`
	} `json:"meta"`
}

// message is a text for people.
type message struct {
	Text    string          `json:"text"`
	Context json.RawMessage `json:"context"`
}

// hidden returns the fields a browser sends without asking, the one against forged requests among them.
func (f flow) hidden() url.Values {
	v := url.Values{}
	for _, n := range f.UI.Nodes {
		if n.Attributes.Type == "hidden" {
			v.Set(n.Attributes.Name, fmt.Sprint(n.Attributes.Value))
		}
	}
	return v
}

// path is where the flow's answers go, without the host.
func (f flow) path() (string, error) {
	u, err := url.Parse(f.UI.Action)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

// fetchFlow asks for a login flow as the page it belongs to does: with the browser's cookies.
func (p *Peer) fetchFlow(ctx context.Context, id, cookies string) (flow, error) {
	var f flow
	status, answer, err := p.call(ctx, p.public, http.MethodGet, "/self-service/login/flows?id="+url.QueryEscape(id), nil, "Cookie", cookies)
	if err != nil {
		return f, err
	}
	if status != http.StatusOK {
		return f, fmt.Errorf("%w: flow: %d: %s", errStatus, status, answer)
	}
	return f, json.Unmarshal(answer, &f)
}

// apiFlow begins a flow for programs at path and submits the first answer. It returns what came back.
func (p *Peer) apiFlow(ctx context.Context, path, token string, answer object) (json.RawMessage, error) {
	f, err := p.beginFlow(ctx, path, token)
	if err != nil {
		return nil, err
	}
	return p.submitFlow(ctx, f, token, answer)
}

func (p *Peer) beginFlow(ctx context.Context, path, token string) (flow, error) {
	var f flow
	status, answer, err := p.call(ctx, p.public, http.MethodGet, path, nil, "X-Session-Token", token)
	if err != nil {
		return f, err
	}
	if status != http.StatusOK {
		return f, fmt.Errorf("%w: %s: %d: %s", errStatus, path, status, answer)
	}
	return f, json.Unmarshal(answer, &f)
}

func (p *Peer) submitFlow(ctx context.Context, f flow, token string, answer object) (json.RawMessage, error) {
	path, err := f.path()
	if err != nil {
		return nil, err
	}
	status, reply, err := p.call(ctx, p.public, http.MethodPost, path, answer, "X-Session-Token", token)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%w: %s: %d: %s", errStatus, path, status, reply)
	}
	return reply, nil
}

// NewBrowser returns a client with a jar of its own that follows redirects, as a browser does.
func NewBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // never: there are no options
	}
	return &http.Client{Jar: jar}
}

// FillIn fills in the form of the peer's page that browser has arrived at, and returns where that leads, through whatever
// redirects browser follows. The caller closes the body.
func (p *Peer) FillIn(ctx context.Context, browser *http.Client, page *url.URL, fields url.Values) (*http.Response, error) {
	var cookies strings.Builder
	for _, c := range browser.Jar.Cookies(page) {
		_, _ = io.WriteString(&cookies, c.Name+"="+c.Value+"; ")
	}
	f, err := p.fetchFlow(ctx, page.Query().Get("flow"), strings.TrimSuffix(cookies.String(), "; "))
	if err != nil {
		return nil, err
	}
	form := f.hidden()
	for name, values := range fields {
		form[name] = values
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.UI.Action, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html")
	return browser.Do(req)
}
