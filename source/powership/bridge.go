package powership

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// The routes of the application, one for each method of the library.
const (
	handleRequestRoute      = "handle-request"
	trySetSessionRoute      = "try-set-session"
	refreshTokensRoute      = "refresh-tokens"
	loginRoute              = "login"
	logoutRoute             = "logout"
	invalidateSessionsRoute = "invalidate-sessions"
)

// bridge asks an application that has the library.
type bridge struct {
	base        string // ends in /sessions/
	token       session.Secret
	groups      string
	strict      bool
	widen       bool
	rotateAfter time.Duration
	client      *authority.Client
}

func openBridge(o Options, d authority.Deps) (*bridge, error) {
	client, err := authority.NewClient(o.Bridge.ClientOptions, d.Now)
	if err != nil {
		return nil, err
	}
	return &bridge{
		base: strings.TrimSuffix(o.Bridge.URL, "/") + "/sessions/", token: o.Bridge.Token,
		groups: cmp.Or(o.Bridge.GroupsField, DefaultGroupsField), strict: o.Strict, widen: o.WidenLogout,
		rotateAfter: o.RotateAfter, client: client,
	}, nil
}

// sessionRequest is a request as the application gets it.
type sessionRequest struct {
	AuthToken string       `json:"authToken,omitempty"`
	RequestIP string       `json:"requestIp"`
	UserAgent string       `json:"userAgent"`
	User      *requestUser `json:"user,omitempty"`
}

type requestUser struct {
	AccountID string `json:"accountId"`
}

// methodInput is the input of all methods but handleRequest and trySetSession.
type methodInput struct {
	AuthToken string         `json:"authToken,omitempty"`
	Request   sessionRequest `json:"request"`

	Mode      string `json:"mode,omitempty"`
	AccountID string `json:"accountId,omitempty"`
	Widen     bool   `json:"widen,omitempty"`

	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

func asked(from ConnectionInfo) sessionRequest {
	return sessionRequest{RequestIP: from.IP, UserAgent: from.UserAgent}
}

// call asks one method. What the application refuses comes back as a Code.
func (b *bridge) call(ctx context.Context, route string, input any) ([]byte, error) {
	body, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("%w: the question cannot be written", session.ErrUnavailable)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if !b.token.Empty() {
		header.Set("Authorization", "Bearer "+b.token.Reveal())
	}
	reply, err := b.client.Call(ctx, authority.Question{Method: http.MethodPost, URL: b.base + route, Header: header, Body: body})
	if err != nil {
		return nil, err
	}
	if reply.Status == http.StatusOK {
		return reply.Body, nil
	}
	code, err := parseFailure(reply.Body)
	if err != nil {
		return nil, b.client.Nonsense(fmt.Sprintf("%s answered %d and no code of the library", route, reply.Status))
	}
	if code == Unauthorized || code == ServiceNotFound {
		return nil, b.client.Nonsense(fmt.Sprintf("%s does not answer this gateway: %s", route, code))
	}
	b.client.Understood()
	return nil, code
}

// understood notes whether an answer made sense.
func (b *bridge) understood(route string, err error) error {
	if err != nil && !errors.Is(err, InvalidSession) {
		return b.client.Nonsense(route + ": the answer is " + err.Error())
	}
	b.client.Understood()
	return err
}

func (b *bridge) request(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	shown, err := readToken(raw.Reveal())
	if err != nil {
		return nil, TokenVerificationFailed
	}
	in := asked(from)
	in.AuthToken = raw.Reveal()
	body, err := b.call(ctx, handleRequestRoute, in)
	if err != nil {
		return nil, err
	}
	result, err := parseHandled(body, b.groups)
	if err == nil {
		err = result.belongsTo(shown)
	}
	if err := b.understood(handleRequestRoute, err); err != nil {
		return nil, err
	}
	return b.spare(result, shown, raw), nil
}

// spare gives the client its token again while that is young: the application makes a new one with every question, and
// a lenient one takes them all.
func (b *bridge) spare(result *LoginResult, shown *token, raw session.Secret) *LoginResult {
	if result.AuthToken.Equal(raw) {
		result.Exchanged = false
		return result
	}
	if !b.strict && b.rotateAfter > 0 && b.client.Now().Sub(shown.issuedAt) < b.rotateAfter {
		result.AuthToken, result.ExpiresAt, result.Exchanged = raw, shown.expiresAt, false
	}
	return result
}

func (b *bridge) refresh(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	in := asked(from)
	in.AuthToken = raw.Reveal()
	return b.loginResult(ctx, trySetSessionRoute, in, raw)
}

// errSpends is why a strict application is not looked at.
var errSpends = fmt.Errorf("%w: the application is strict: every question exchanges the token, and the new one cannot reach the client now", session.ErrUnavailable)

// look leaves the new token unused, which only a lenient application tolerates.
func (b *bridge) look(ctx context.Context, raw session.Secret, from ConnectionInfo) (*LoginResult, error) {
	if b.strict {
		return nil, errSpends
	}
	return b.loginResult(ctx, refreshTokensRoute, methodInput{AuthToken: raw.Reveal(), Request: asked(from)}, raw)
}

func (b *bridge) loginResult(ctx context.Context, route string, in any, raw session.Secret) (*LoginResult, error) {
	shown, err := readToken(raw.Reveal())
	if err != nil {
		return nil, TokenVerificationFailed
	}
	body, err := b.call(ctx, route, in)
	if err != nil {
		return nil, err
	}
	result, err := parseLogin(body, b.groups)
	if err == nil {
		err = result.belongsTo(shown)
	}
	return result, b.understood(route, err)
}

func (b *bridge) login(ctx context.Context, username string, password session.Secret, from ConnectionInfo) (*LoginResult, error) {
	body, err := b.call(ctx, loginRoute, methodInput{Username: username, Password: password.Reveal(), Request: asked(from)})
	if err != nil {
		return nil, err
	}
	result, err := parseLogin(body, b.groups)
	return result, b.understood(loginRoute, err)
}

// invalidate logs out the session of a token, or with an empty token all sessions of the account.
func (b *bridge) invalidate(ctx context.Context, accountID string, raw session.Secret, from ConnectionInfo) (Invalidated, error) {
	in := methodInput{AuthToken: raw.Reveal(), Request: asked(from), Widen: b.widen && !raw.Empty()}
	in.Request.User = &requestUser{AccountID: accountID}
	route := logoutRoute
	if raw.Empty() {
		route, in.Mode, in.AccountID = invalidateSessionsRoute, ScopeAll, accountID
	}
	body, err := b.call(ctx, route, in)
	if err != nil {
		return Invalidated{}, err
	}
	ended, err := parseInvalidated(body)
	return ended, b.understood(route, err)
}

func (b *bridge) health() error { return b.client.Health() }

func (b *bridge) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (b *bridge) close() error { return nil }
