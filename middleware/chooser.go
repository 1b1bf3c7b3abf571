package middleware

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
)

// labelled is a source that knows what people call it.
type labelled interface{ DisplayName() string }

// domained is a source that knows the e-mail domains of its people, in lower case.
type domained interface{ EmailDomains() []string }

func label(src session.Source) string {
	if d, ok := src.(labelled); ok && d.DisplayName() != "" {
		return d.DisplayName()
	}
	return src.Name()
}

// signInPage is the data of sign_in.html.
type signInPage struct {
	Action, ReturnTo, Prompt, Username, Problem string
	// AskEmail offers to find the right login by an e-mail address, Email is the one that was given.
	AskEmail bool
	Email    string
	Forms    []signInForm
	Links    []signInLink
}

type signInForm struct{ Name, Label string }

type signInLink struct{ Label, URL string }

// maxEmail is the longest e-mail address there can be (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

func clipText(s string, limit int) string {
	if len(s) > limit {
		return ""
	}
	return s
}

// byEmail returns the source that the domain of an e-mail address belongs to, nil when there is none. It is a
// convenience and decides nothing: whoever logs in there is judged by what the source says of them.
func byEmail(sources []session.Source, address string) session.Source {
	_, domain, ok := strings.Cut(address, "@")
	if !ok || len(address) > maxEmail {
		return nil
	}
	domain = strings.ToLower(domain)
	for _, src := range sources {
		if d, ok := src.(domained); ok && slices.Contains(d.EmailDomains(), domain) {
			return src
		}
	}
	return nil
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, status int, sources []session.Source, data signInPage, prompt string) {
	data.Action, data.Prompt = s.path("login"), prompt
	for _, src := range sources {
		if d, ok := src.(domained); ok && len(d.EmailDomains()) > 0 && len(sources) > 1 {
			data.AskEmail = true
		}
		if _, ok := s.logins.password[src.Name()]; ok {
			data.Forms = append(data.Forms, signInForm{Name: src.Name(), Label: label(src)})
			continue
		}
		q := url.Values{"source": {src.Name()}, "return_to": {data.ReturnTo}}
		if prompt != "" {
			q.Set("prompt", prompt)
		}
		data.Links = append(data.Links, signInLink{Label: label(src), URL: s.path("login") + "?" + q.Encode()})
	}
	formHeaders(w.Header(), strings.Join(s.origins[1:], " "))
	s.pages.write(w, s, r, status, "sign_in", "Sign in", data)
}
