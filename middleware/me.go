package middleware

import (
	"encoding/json"
	"net/http"

	"github.com/sessionward/sessionward/session"
)

// Me serves GET /me: the session of whoever asks, without secrets; 401 when there is none.
func (s *Site) Me(w http.ResponseWriter, r *http.Request) {
	q, _ := CanonicalRequest(r.Context())
	own, found, err := s.o.Gate.Session(r.Context(), q)
	switch {
	case err != nil:
		s.WriteError(w, r, problemOfError(err))
	case !found:
		s.WriteError(w, r, Problem{Status: http.StatusUnauthorized, Code: "no_session", Detail: "Nobody is signed in.", SignIn: true, challenge: "Bearer"})
	default:
		reissue(w.Header(), own)
		ownHeaders(w.Header(), "")
		s.allowOrigin(w.Header(), r)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(session.DocumentOf(own))
	}
}
