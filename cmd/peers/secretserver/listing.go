package secretserver

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultTake is the page size when none is asked for.
const defaultTake = 10

// listedSession is one record of GET /api/v1/users/sessions.
type listedSession struct {
	ID        int    `json:"userSessionId"`
	Browser   string `json:"browser"`
	IP        string `json:"ipAddress"`
	LoginDate string `json:"loginDate"` // without a zone, as the real one writes it; here it is UTC
	Current   bool   `json:"current"`
}

// sessionPage is the paging envelope of the REST API.
type sessionPage struct {
	Records     []listedSession `json:"records"`
	Total       int             `json:"total"`
	Skip        int             `json:"skip"`
	Take        int             `json:"take"`
	HasNext     bool            `json:"hasNext"`
	HasPrev     bool            `json:"hasPrev"`
	NextSkip    int             `json:"nextSkip"`
	PrevSkip    int             `json:"prevSkip"`
	PageCount   int             `json:"pageCount"`
	CurrentPage int             `json:"currentPage"`
	BatchCount  int             `json:"batchCount"`
	Success     bool            `json:"success"`
	Severity    string          `json:"severity"`
	SortBy      []any           `json:"sortBy"`
}

// list serves GET /api/v1/users/sessions: the sessions of the calling user only.
func (p *Peer) list(w http.ResponseWriter, r *http.Request, t *accessToken) {
	q := r.URL.Query()
	skip, skipErr := number(q, "skip", 0)
	take, takeErr := number(q, "take", defaultTake)
	if skipErr != nil || takeErr != nil || take == 0 {
		badRequest(w, "skip and take must be numbers")
		return
	}
	p.mu.Lock()
	records := p.records(t.session, strings.EqualFold(q.Get("sortBy[0].direction"), "desc"))
	p.mu.Unlock()
	reply(w, http.StatusOK, page(records, skip, take))
}

// number reads a parameter that is a number and not negative.
func number(q url.Values, name string, absent int) (int, error) {
	if !q.Has(name) {
		return absent, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 31)
	return int(n), err
}

// records are the sessions of the owner of current. The caller holds p.mu.
func (p *Peer) records(current *apiSession, newestFirst bool) []listedSession {
	records := []listedSession{}
	for _, s := range p.sessions {
		if s.user.ID != current.user.ID || !p.listed(s) {
			continue
		}
		records = append(records, listedSession{
			ID: s.id, Browser: s.browser, IP: s.ip, LoginDate: s.loginAt.Format("2006-01-02T15:04:05.000"),
			Current: s == current,
		})
	}
	slices.SortFunc(records, func(a, b listedSession) int {
		if newestFirst {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.LoginDate, b.LoginDate), cmp.Compare(a.ID, b.ID))
	})
	return records
}

// page cuts a page out of all records.
func page(all []listedSession, skip, take int) sessionPage {
	from := min(skip, len(all))
	to := min(from+take, len(all))
	return sessionPage{
		Records: all[from:to], Total: len(all), Skip: skip, Take: take,
		HasNext: to < len(all), HasPrev: from > 0, NextSkip: nextSkip(to, len(all)), PrevSkip: max(0, from-take),
		PageCount: (len(all) + take - 1) / take, CurrentPage: from/take + 1, BatchCount: to - from,
		Success: true, Severity: "None", SortBy: []any{},
	}
}

func nextSkip(to, total int) int {
	if to < total {
		return to
	}
	return 0
}

// terminate serves POST /api/v1/users/sessions/terminate: it ends sessions of the calling user, and all their tokens.
// What the real server answers for an id that is not the user's is not published; this one takes it for bad input.
func (p *Peer) terminate(w http.ResponseWriter, r *http.Request, t *accessToken) {
	var question struct {
		Data struct {
			IDs []int `json:"userSessionIds"`
		} `json:"data"`
	}
	if json.NewDecoder(r.Body).Decode(&question) != nil || len(question.Data.IDs) == 0 {
		badRequest(w, "userSessionIds is missing")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range question.Data.IDs {
		if s := p.sessions[id]; s == nil || s.user.ID != t.session.user.ID {
			badRequest(w, "userSessionIds names a session that is not there")
			return
		}
	}
	for _, id := range question.Data.IDs {
		p.sessions[id].ended = true
	}
	reply(w, http.StatusOK, map[string]bool{"success": true})
}

// expire serves POST /api/v1/oauth-expiration: it ends the calling token at once, and no other. The answer is the
// JSON literal true. Whether the refresh token outlives it is not published: here it does, the worse case for a client.
func (p *Peer) expire(w http.ResponseWriter, _ *http.Request, t *accessToken) {
	p.mu.Lock()
	t.ended = true
	p.mu.Unlock()
	reply(w, http.StatusOK, true)
}
