package pingam

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// loginTry is a login that wants a further step.
type loginTry struct {
	realm string
	user  *User // nil: name and password are still to come
}

// callback is one question of a login.
type callback struct {
	Type   string  `json:"type"`
	Output []entry `json:"output,omitempty"`
	Input  []entry `json:"input"`
}

type entry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// authenticate is POST …/authenticate: one step with name and password in headers, or callbacks to fill in.
func (p *Peer) authenticate(w http.ResponseWriter, r *http.Request, realm string) {
	if _, ok := p.version(w, r, []string{"1.0", "2.0", "2.1"}); !ok {
		return
	}
	if r.Method != http.MethodPost {
		fail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	var body struct {
		AuthID    string     `json:"authId"`
		Callbacks []callback `json:"callbacks"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil && r.ContentLength != 0 {
		fail(w, http.StatusBadRequest, "The request could not be processed because the provided content is not a JSON value")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, password := decodeWords(r.Header.Get("X-OpenAM-Username")), decodeWords(r.Header.Get("X-OpenAM-Password"))
	switch {
	case body.AuthID != "":
		p.nextStep(w, body.AuthID, body.Callbacks)
	case name == "" && password == "":
		p.ask(w, loginTry{realm: realm}, callback{Type: "NameCallback", Output: []entry{{"prompt", "User Name"}}, Input: []entry{{"IDToken1", ""}}},
			callback{Type: "PasswordCallback", Output: []entry{{"prompt", "Password"}}, Input: []entry{{"IDToken2", ""}}})
	default:
		p.checkPassword(w, realm, name, password)
	}
}

// decodeWords reads the RFC 2047 encoded words in which names and passwords beyond ASCII travel.
func decodeWords(header string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		return header
	}
	return decoded
}

func (p *Peer) nextStep(w http.ResponseWriter, authID string, answers []callback) {
	try, known := p.steps[authID]
	delete(p.steps, authID) // each is good for one step
	if !known || len(answers) == 0 {
		fail(w, http.StatusUnauthorized, "Invalid AuthId")
		return
	}
	given := func(i int) string {
		if i >= len(answers) || len(answers[i].Input) == 0 {
			return ""
		}
		return answers[i].Input[0].Value
	}
	switch {
	case try.user == nil:
		p.checkPassword(w, try.realm, given(0), given(1))
	case given(0) != try.user.Code:
		fail(w, http.StatusUnauthorized, "Authentication Failed")
	default:
		p.admit(w, *try.user)
	}
}

func (p *Peer) checkPassword(w http.ResponseWriter, realm, name, password string) {
	u := p.user(realm, name, password)
	if u == nil {
		fail(w, http.StatusUnauthorized, "Authentication Failed")
		return
	}
	if u.Code != "" {
		p.ask(w, loginTry{realm: realm, user: u}, callback{Type: "PasswordCallback", Output: []entry{{"prompt", "One Time Password"}}, Input: []entry{{"IDToken1", ""}}})
		return
	}
	p.admit(w, *u)
}

// user returns who has that name, in any case, and password in the realm; nil: nobody.
func (p *Peer) user(realm, name, password string) *User {
	i := slices.IndexFunc(p.o.Users, func(u User) bool {
		return u.Realm == realm && strings.EqualFold(u.Username, name) && u.Password == password
	})
	if i < 0 {
		return nil
	}
	return &p.o.Users[i]
}

func (p *Peer) ask(w http.ResponseWriter, try loginTry, questions ...callback) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"otk":"` + lower() + `"}`))
	authID := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + claims + "." + c66(43)
	p.steps[authID] = try
	reply(w, http.StatusOK, object{"authId": authID, "callbacks": questions})
}

func (p *Peer) admit(w http.ResponseWriter, u User) {
	s := p.login(u)
	http.SetCookie(w, &http.Cookie{Name: p.o.CookieName, Value: s.token, Path: "/", HttpOnly: p.o.HTTPOnly})
	answer := object{"successUrl": p.o.Base + "/console", "realm": u.Realm}
	if !p.o.HTTPOnly {
		answer["tokenId"] = s.token
	}
	reply(w, http.StatusOK, answer)
}
