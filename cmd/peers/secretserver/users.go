package secretserver

import "net/http"

// currentUser is the CurrentUserModel of the REST API. The real one leaves out or adds fields by version.
type currentUser struct {
	ID                      int      `json:"id"`
	Username                string   `json:"userName"`
	DisplayName             string   `json:"displayName"`
	Email                   string   `json:"emailAddress"`
	DateOptionID            int      `json:"dateOptionId"`
	TimeOptionID            int      `json:"timeOptionId"`
	UserLCID                int      `json:"userLcid"`
	UserTheme               string   `json:"userTheme"`
	Permissions             []string `json:"permissions"`
	PlatformIntegrationType string   `json:"platformIntegrationType"`
}

// current serves GET /api/v1/users/current. It says whose the token is, and nothing about its end.
func (p *Peer) current(w http.ResponseWriter, _ *http.Request, t *accessToken) {
	if p.isForbidden(t) {
		forbidden(w)
		return
	}
	u := t.session.user
	reply(w, http.StatusOK, currentUser{
		ID: u.ID, Username: u.Username, DisplayName: u.DisplayName, Email: u.Email, DateOptionID: 1, TimeOptionID: 1,
		UserLCID: 1033, Permissions: []string{}, PlatformIntegrationType: "None",
	})
}

// summary serves GET /api/v1/users/current-summary.
func (p *Peer) summary(w http.ResponseWriter, _ *http.Request, t *accessToken) {
	if p.isForbidden(t) {
		forbidden(w)
		return
	}
	reply(w, http.StatusOK, map[string]int{"id": t.session.user.ID})
}

func (p *Peer) isForbidden(t *accessToken) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forbidden[t.session.user.Username]
}

// version serves GET /api/v1/version, which anybody may ask. Older servers wrap the answer.
func (p *Peer) version(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]string{"version": p.o.Version}
	if p.o.WrappedVersion {
		reply(w, http.StatusOK, map[string]any{"success": true, "model": answer})
		return
	}
	reply(w, http.StatusOK, answer)
}
