package kratos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// clientIP is where Kratos thinks that people are who log in with Login.
const clientIP = "192.0.2.7"

// Session is what Kratos says of one session, as far as tests want to know.
type Session struct {
	ID        string    `json:"id"`
	Active    bool      `json:"active"`
	ExpiresAt time.Time `json:"expires_at"`
	AAL       string    `json:"authenticator_assurance_level"`
	Identity  *struct {
		ID string `json:"id"`
	} `json:"identity"`
}

// AddUser makes one more user.
func (p *Peer) AddUser(ctx context.Context, u User) error {
	var made struct {
		ID string `json:"id"`
	}
	if err := p.ask(ctx, http.MethodPost, "/admin/identities", u.describe(), http.StatusCreated, &made); err != nil {
		return fmt.Errorf("add %v: %w", u, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[u.Username] = made.ID
	return nil
}

// IdentityID returns the id of the user with that username, "" when there is none.
func (p *Peer) IdentityID(username string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[username]
}

// Disable ends all the user can do, sessions included, until Enable.
func (p *Peer) Disable(ctx context.Context, username string) error {
	return p.setState(ctx, username, "inactive")
}

// Enable puts right what Disable did.
func (p *Peer) Enable(ctx context.Context, username string) error {
	return p.setState(ctx, username, "active")
}

func (p *Peer) setState(ctx context.Context, username, state string) error {
	patch := []any{object{"op": "replace", "path": "/state", "value": state}}
	return p.ask(ctx, http.MethodPatch, "/admin/identities/"+p.IdentityID(username), patch, http.StatusOK, nil)
}

// Session returns the session with that id as the administrators see it.
func (p *Peer) Session(ctx context.Context, id string) (Session, error) {
	var s Session
	return s, p.ask(ctx, http.MethodGet, "/admin/sessions/"+id, nil, http.StatusOK, &s)
}

// Sessions returns the active sessions of the user, newest first.
func (p *Peer) Sessions(ctx context.Context, username string) ([]Session, error) {
	var list []Session
	return list, p.ask(ctx, http.MethodGet, "/admin/identities/"+p.IdentityID(username)+"/sessions?active=true", nil, http.StatusOK, &list)
}

// Revoke ends the session with that id.
func (p *Peer) Revoke(ctx context.Context, id string) error {
	return p.ask(ctx, http.MethodDelete, "/admin/sessions/"+id, nil, http.StatusNoContent, nil)
}

// Extend makes the session begin its lifespan anew, when Kratos finds it late enough for that.
func (p *Peer) Extend(ctx context.Context, id string) error {
	want := http.StatusOK
	if p.o.FasterExtend {
		want = http.StatusNoContent
	}
	return p.ask(ctx, http.MethodPatch, "/admin/sessions/"+id+"/extend", nil, want, nil)
}

// ask asks the administrators' door, past the panel, and decodes the answer into v unless that is nil.
func (p *Peer) ask(ctx context.Context, method, path string, body any, want int, v any) error {
	status, answer, err := p.call(ctx, p.admin, method, path, body)
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("%w: %s %s: %d: %s", errStatus, method, path, status, answer)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}

// call sends body as JSON and reads the answer.
func (p *Peer) call(ctx context.Context, client *http.Client, method, path string, body any, headers ...string) (status int, answer []byte, err error) {
	var encoded []byte
	if body != nil {
		if encoded, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://kratos"+path, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("True-Client-Ip", clientIP)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, answer, err
}
