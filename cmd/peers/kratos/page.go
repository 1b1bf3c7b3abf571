package kratos

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
)

// pagePath is below what the peer serves pages of its own at Kratos' public door.
const pagePath = "/pages/"

const pageText = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Kratos (peer)</title></head><body><h1>Sign in</h1>
{{range .UI.Messages}}<p role="alert">{{.Text}}</p>
{{end}}<form action="{{.UI.Action}}" method="{{.UI.Method}}">
{{range .UI.Nodes}}{{if eq .Attributes.NodeType "input"}}{{with .Attributes}}{{if eq .Type "hidden"}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{else if eq .Type "submit"}}<button type="submit" name="{{.Name}}" value="{{.Value}}">Sign in</button>
{{else}}<p><label>{{.Name}} <input type="{{.Type}}" name="{{.Name}}" id="{{.Name}}"></label></p>
{{end}}{{end}}{{range .Messages}}<p role="alert">{{.Text}}</p>
{{end}}{{end}}{{end}}</form></body></html>
`

// withPages adds the peer's pages to Kratos' public door. They work without JavaScript.
func (p *Peer) withPages(kratos http.Handler) http.Handler {
	page := template.Must(template.New("login").Parse(pageText))
	mux := http.NewServeMux()
	mux.Handle("/", kratos)
	mux.HandleFunc("GET "+pagePath+"{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "This is where Kratos sends browsers that named no other place.")
	})
	mux.HandleFunc("GET "+pagePath+"login", func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("flow")
		if id == "" {
			http.Redirect(w, r, "/self-service/login/browser", http.StatusSeeOther)
			return
		}
		f, err := p.fetchFlow(r.Context(), id, r.Header.Get("Cookie"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, f)
	})
	mux.HandleFunc("GET "+pagePath+"error", func(w http.ResponseWriter, r *http.Request) {
		_, text, err := p.call(r.Context(), p.public, http.MethodGet, "/self-service/errors?id="+url.QueryEscape(r.URL.Query().Get("id")), nil)
		if err != nil {
			text = []byte(err.Error())
		}
		http.Error(w, string(text), http.StatusBadRequest)
	})
	return mux
}
