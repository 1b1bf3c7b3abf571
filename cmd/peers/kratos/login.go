package kratos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Login logs the user in as a program does and returns the session token (ory_st_…).
func (p *Peer) Login(ctx context.Context, username, password string) (string, error) {
	reply, err := p.apiFlow(ctx, "/self-service/login/api", "", object{"method": "password", "identifier": username, "password": password})
	if err != nil {
		return "", fmt.Errorf("kratos: login: %w", err)
	}
	var answer struct {
		Token string `json:"session_token"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil || answer.Token == "" {
		return "", errors.Join(errors.New("kratos: login: no session token"), err)
	}
	return answer.Token, nil
}

// LoginWithBrowser logs the user in as a browser does, through the peer's page, and returns the browser. Its jar holds
// Kratos' cookie.
func (p *Peer) LoginWithBrowser(ctx context.Context, username, password string) (*http.Client, error) {
	browser := NewBrowser()
	page, err := p.open(ctx, browser, p.url+"/self-service/login/browser")
	if err != nil {
		return nil, err
	}
	res, err := p.FillIn(ctx, browser, page, url.Values{"method": {"password"}, "identifier": {username}, "password": {password}})
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if p.Cookie(browser) == "" {
		return nil, fmt.Errorf("kratos: login: no cookie: %w: %d", errStatus, res.StatusCode)
	}
	return browser, nil
}

// open goes to rawURL and returns where the browser arrives.
func (p *Peer) open(ctx context.Context, browser *http.Client, rawURL string) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/html")
	res, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.Request.URL, nil
}

// Cookie returns the value of Kratos' session cookie in browser's jar, "" when there is none.
func (p *Peer) Cookie(browser *http.Client) string {
	u, err := url.Parse(p.url)
	if err != nil {
		return ""
	}
	for _, c := range browser.Jar.Cookies(u) {
		if c.Name == p.o.CookieName {
			return c.Value
		}
	}
	return ""
}

// AddSecondFactor gives the user of the session token backup codes (method lookup_secret) and returns them. From then on
// the user can, and by default must, reach aal2; the session of token itself does so at once.
func (p *Peer) AddSecondFactor(ctx context.Context, token string) ([]string, error) {
	f, err := p.beginFlow(ctx, "/self-service/settings/api", token)
	if err != nil {
		return nil, fmt.Errorf("kratos: second factor: %w", err)
	}
	reply, err := p.submitFlow(ctx, f, token, object{"method": "lookup_secret", "lookup_secret_regenerate": true})
	if err != nil {
		return nil, fmt.Errorf("kratos: second factor: %w", err)
	}
	codes, err := readCodes(reply)
	if err != nil {
		return nil, err
	}
	if _, err := p.submitFlow(ctx, f, token, object{"method": "lookup_secret", "lookup_secret_confirm": true}); err != nil {
		return nil, fmt.Errorf("kratos: second factor: %w", err)
	}
	return codes, nil
}

// readCodes finds the codes in the page that shows them.
func readCodes(reply json.RawMessage) ([]string, error) {
	var f flow
	if err := json.Unmarshal(reply, &f); err != nil {
		return nil, err
	}
	for _, n := range f.UI.Nodes {
		if n.Attributes.ID != "lookup_secret_codes" {
			continue
		}
		var shown struct {
			Secrets []struct {
				Context struct {
					Secret string `json:"secret"`
				} `json:"context"`
			} `json:"secrets"`
		}
		if err := json.Unmarshal(n.Attributes.Text.Context, &shown); err != nil {
			return nil, err
		}
		var codes []string
		for _, s := range shown.Secrets {
			codes = append(codes, s.Context.Secret)
		}
		return codes, nil
	}
	return nil, errors.New("kratos: second factor: no codes")
}

// StepUp raises the session of token to aal2 with one of the user's codes.
func (p *Peer) StepUp(ctx context.Context, token, code string) error {
	_, err := p.apiFlow(ctx, "/self-service/login/api?aal=aal2", token, object{"method": "lookup_secret", "lookup_secret": code})
	return err
}
