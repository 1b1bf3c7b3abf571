package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrLoginRefused says that the provider did not accept username and password.
var ErrLoginRefused = errors.New("provider: sign-in refused")

// Login signs in as a person with a browser does: it gets startURL, follows the redirects to a provider's sign-in page,
// posts its form, and follows the redirects back to the last page, whose response it returns. The caller closes its
// body. When a session already spares the sign-in, the page it led to is returned. client needs a cookie jar and must
// follow redirects. ErrLoginRefused when username and password are not right.
func Login(ctx context.Context, client *http.Client, startURL, username, password string) (*http.Response, error) {
	if client == nil || client.Jar == nil {
		return nil, errors.New("provider login: client: needs a cookie jar, as a browser has: set http.Client.Jar")
	}
	res, err := send(ctx, client, http.MethodGet, startURL, nil)
	if err != nil || !atLogin(res) {
		return res, err
	}
	form := url.Values{"request": {res.Request.URL.Query().Get("request")}, "username": {username}, "password": {password}}
	page := res.Request.URL.String()
	drain(res)
	res, err = send(ctx, client, http.MethodPost, page, form)
	if err != nil || !atLogin(res) {
		return res, err
	}
	drain(res)
	return nil, fmt.Errorf("%w for %q: status %d", ErrLoginRefused, username, res.StatusCode)
}

// AnswerDevice answers at the page for the codes of a sign-in on another device, as a person does who was shown its address
// with the code in it (verification_uri_complete). client keeps cookies if it has a jar. It returns the last page, whose body
// the caller closes.
func AnswerDevice(ctx context.Context, client *http.Client, page, username, password string, allow bool) (*http.Response, error) {
	res, err := send(ctx, client, http.MethodGet, page, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	drain(res)
	u := res.Request.URL
	form := url.Values{"user_code": {u.Query().Get("user_code")}, "username": {username}, "password": {password}, "answer": {"refuse"}}
	if allow {
		form.Set("answer", "allow")
	}
	return send(ctx, client, http.MethodPost, u.String(), form)
}

func send(ctx context.Context, client *http.Client, method, target string, form url.Values) (*http.Response, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("provider login: %w", err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		// What browsers say when a person follows a link: some gateways redirect nothing else.
		req.Header.Set("Sec-Fetch-Mode", "navigate")
		req.Header.Set("Sec-Fetch-Dest", "document")
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("provider login: %w", err)
	}
	return res, nil
}

func atLogin(res *http.Response) bool { return res.Request.URL.Path == LoginPath }

// drain reads what is left, so that the connection can be used again.
func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	_ = res.Body.Close()
}
