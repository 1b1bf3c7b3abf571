package provider

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// authorize begins a sign-in and ties it to the browser.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithValue(withRedirect(r), browserKey{}, p.browser(w, r))
	p.op.ServeHTTP(&issuerWriter{w, p.issuer}, r.WithContext(ctx))
}

// callback sends the browser back to the client with a code, if the sign-in is this browser's.
func (p *Provider) callback(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.store.requestOf(cookieValue(r, browserCookie), r.FormValue("id")); !ok {
		p.pages.problem(w, http.StatusBadRequest, strayRequest)
		return
	}
	p.op.ServeHTTP(&issuerWriter{w, p.issuer}, r)
}

const strayRequest = "This sign-in has expired, is finished, or was begun in another browser. Go back to the application and sign in from there."

// login is the sign-in page: GET shows it or, with a browser session, goes on at once; POST tries name and password.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	a, ok := p.store.requestOf(cookieValue(r, browserCookie), r.FormValue("request"))
	if !ok {
		p.pages.problem(w, http.StatusBadRequest, strayRequest)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p.beginLogin(w, r, a)
	case http.MethodPost:
		p.tryLogin(w, r, a)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		p.pages.problem(w, http.StatusMethodNotAllowed, "This page answers GET and POST.")
	}
}

func (p *Provider) beginLogin(w http.ResponseWriter, r *http.Request, a *authRequest) {
	b, ok := p.store.session(cookieValue(r, sessionCookie))
	if ok && a.accepts(b, p.store.o.Now()) {
		p.finishLogin(w, r, a, b)
		return
	}
	if slices.Contains(a.in.Prompt, oidc.PromptNone) {
		op.AuthRequestError(&issuerWriter{w, p.issuer}, r, a, oidc.ErrLoginRequired(), p.op)
		return
	}
	p.pages.login(w, http.StatusOK, loginPage{Request: a.id, Client: a.clientID, Username: a.in.LoginHint})
}

func (p *Provider) tryLogin(w http.ResponseWriter, r *http.Request, a *authRequest) {
	name := r.PostFormValue("username")
	u, ok := p.store.verify(name, r.PostFormValue("password"))
	if !ok {
		p.log.Warn("sign-in refused", "username", name)
		p.pages.login(w, http.StatusUnauthorized, loginPage{Request: a.id, Client: a.clientID, Username: name, Failed: true})
		return
	}
	cookie, b := p.store.signIn(cookieValue(r, sessionCookie), u.Subject)
	p.setCookie(w, sessionCookie, cookie, int(browserTTL.Seconds()))
	p.log.Info("signed in", "username", u.Username, "client", a.clientID)
	p.finishLogin(w, r, a, b)
}

func (p *Provider) finishLogin(w http.ResponseWriter, r *http.Request, a *authRequest, b browserSession) {
	p.store.finish(a.id, b)
	http.Redirect(w, r, CallbackPath+"?"+url.Values{"id": {a.id}}.Encode(), http.StatusSeeOther)
}
