package pingam

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
)

// loginPage is …/XUI/?realm=…&goto=…: it leaves the session cookie and sends the browser to goto.
func (p *Peer) loginPage(w http.ResponseWriter, r *http.Request) {
	realm, to := cmp.Or(r.FormValue("realm"), "/"), r.FormValue("goto")
	if u, err := url.Parse(to); err != nil || (to != "" && (u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"))) {
		http.Error(w, "goto: must be an absolute http or https URL", http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodPost {
		p.showForm(w, realm, to, "")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.user(realm, r.FormValue("username"), r.FormValue("password"))
	if u == nil || (u.Code != "" && u.Code != r.FormValue("code")) {
		p.showForm(w, realm, to, "Authentication Failed")
		return
	}
	s := p.login(*u)
	http.SetCookie(w, &http.Cookie{Name: p.o.CookieName, Value: s.token, Path: "/", HttpOnly: true})
	http.Redirect(w, r, cmp.Or(to, p.o.Base+"/XUI/"), http.StatusFound)
}

func (p *Peer) showForm(w http.ResponseWriter, realm, to, message string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if message != "" {
		w.WriteHeader(http.StatusUnauthorized)
	}
	page := template.Must(template.New("login").Parse(form))
	_ = page.Execute(w, map[string]string{"Action": p.o.Base + "/XUI/", "Realm": realm, "Goto": to, "Message": message})
}

const form = `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Sign in to AM</title>
<h1>Sign in to AM</h1>{{with .Message}}<p role="alert">{{.}}</p>{{end}}
<form method="post" action="{{.Action}}">
<input type="hidden" name="realm" value="{{.Realm}}"><input type="hidden" name="goto" value="{{.Goto}}">
<label>User Name <input name="username" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<label>One Time Password <input name="code" autocomplete="one-time-code"></label>
<button>Log In</button>
</form></html>
`
