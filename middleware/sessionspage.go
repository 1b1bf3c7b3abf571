package middleware

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sessionward/sessionward/gate"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
)

const (
	maxRead   = 2000 // sessions of one user that are looked at for a page
	maxRows   = 100  // sessions a page shows
	maxPlaces = 4    // further devices it shows of one session
)

// sessionsPage is the data of sessions.html.
type sessionsPage struct {
	Action, User string
	// Done and Undone say what the click before did.
	Done, Undone []string
	Rows         []sessionRow
	// Others is true when there is or may be another session to end, Hidden when there are more than are shown.
	Others, Hidden bool
	// Authority is what people call the source; AsksAuthority that it is asked as well when all others end; Silent that it
	// could not say which sessions it knows.
	Authority             string
	AsksAuthority, Silent bool
}

// sessionRow is one session on the page.
type sessionRow struct {
	Handle, Device, IP, How string
	This                    bool
	// Shared sessions are this one, seen in another way: they end with it.
	Shared bool
	// Elsewhere sessions are known to their authority alone. Stuck ones cannot be ended one by one.
	Elsewhere, Stuck bool
	First, Last      *moment
	Places           []sessionPlace

	usedAt time.Time
}

// sessionPlace is a further device of a session.
type sessionPlace struct {
	Device, IP string
	Last       *moment
}

// Sessions serves GET /: a person sees where they are signed in, and ends what they do not know.
func (s *Site) Sessions(w http.ResponseWriter, r *http.Request) {
	current, ok := s.whoAsks(w, r)
	if !ok {
		return
	}
	data, err := s.sessionsData(r, current)
	if err != nil {
		s.o.Log.ErrorContext(r.Context(), "a user's sessions cannot be listed", "request_id", RequestID(r.Context()), "error", err)
		s.WriteError(w, r, problemOfError(err))
		return
	}
	reissue(w.Header(), current)
	s.logoutHeaders(w.Header(), r, current, "")
	s.pages.write(w, s, r, http.StatusOK, "sessions", "Where you are signed in", data)
}

// whoAsks returns the session of whoever sent r. Where there is none a browser is sent to log in and come back, and others
// are told; then it is answered, and ok is false.
func (s *Site) whoAsks(w http.ResponseWriter, r *http.Request) (current *session.Session, ok bool) {
	q, _ := CanonicalRequest(r.Context())
	current, found, err := s.o.Gate.Session(r.Context(), q)
	if err != nil {
		s.WriteError(w, r, problemOfError(err))
		return nil, false
	}
	if found {
		return current, true
	}
	back := s.returnTo(policy.Request{Scheme: q.Scheme, Host: q.Host, RawPath: s.path("")})
	if s.logins.any() && gate.WantsHTML(q) && s.cookieReaches(back) {
		s.redirect(w, r, s.loginURL(url.Values{}, back), http.StatusSeeOther)
		return nil, false
	}
	s.WriteError(w, r, Problem{Status: http.StatusUnauthorized, Code: "no_session", Detail: "Nobody is signed in.", SignIn: true, challenge: "Bearer"})
	return nil, false
}

// sessionsData collects what the page shows of the user of current.
func (s *Site) sessionsData(r *http.Request, current *session.Session) (sessionsPage, error) {
	ctx, now := r.Context(), s.o.Now()
	data := sessionsPage{Action: s.path("sessions/end"), User: userName(current), Authority: s.sourceLabel(current.Source)}
	foreign, err := s.isForeign(r, current)
	if err != nil {
		return data, err
	}
	entries, more, err := s.readMine(ctx, current)
	if err != nil {
		return data, err
	}
	if !slices.ContainsFunc(entries, func(e session.Entry) bool { return e.Session.Handle == current.Handle }) {
		entries = append(entries, session.Entry{Session: current, Foreign: foreign, Active: true})
	}
	for _, e := range entries {
		row := s.row(e.Session, now)
		row.This = e.Session.Handle == current.Handle
		row.Shared = !row.This && sameSession(current, foreign, e)
		if row.This {
			row.usedBy(r, now)
		}
		data.Others = data.Others || !row.This && !row.Shared
		data.Rows = append(data.Rows, row)
	}
	there, known := s.elsewhere(ctx, current, entries)
	data.Silent = !known
	data.addElsewhere(s, current, there, now)
	data.sort(more)
	if n, ok := s.noticeOf(r, current); ok {
		data.Done, data.Undone = n.sentences(data.Authority)
	}
	return data, nil
}

// readMine reads the sessions of the user of current, as many as a page can think about.
func (s *Site) readMine(ctx context.Context, current *session.Session) (entries []session.Entry, more bool, err error) {
	for e, err := range s.mine(ctx, current) {
		if err != nil {
			return nil, false, err
		}
		if len(entries) == maxRead {
			return entries, true, nil
		}
		entries = append(entries, e)
	}
	return entries, false, nil
}

// addElsewhere adds what only the authority knows.
func (p *sessionsPage) addElsewhere(s *Site, current *session.Session, there []*session.Session, now time.Time) {
	src := s.sourceOf(current.Source)
	_, one := src.(session.OwnRevoker)
	_, p.AsksAuthority = src.(session.OthersRevoker)
	p.Others = p.Others || p.AsksAuthority && p.Silent
	for _, t := range there {
		row := s.row(t, now)
		row.Elsewhere, row.Stuck = true, !one
		p.Others = p.Others || p.AsksAuthority
		p.Rows = append(p.Rows, row)
	}
}

// sort puts this session first and then the newest use, and leaves out what is too much.
func (p *sessionsPage) sort(more bool) {
	slices.SortStableFunc(p.Rows, func(a, b sessionRow) int {
		if a.This != b.This {
			if a.This {
				return -1
			}
			return 1
		}
		return cmp.Or(b.usedAt.Compare(a.usedAt), cmp.Compare(a.Handle, b.Handle))
	})
	p.Hidden = more || len(p.Rows) > maxRows
	p.Others = p.Others || p.Hidden
	p.Rows = p.Rows[:min(len(p.Rows), maxRows)]
}

// row shows a session.
func (s *Site) row(e *session.Session, now time.Time) sessionRow {
	row := sessionRow{Handle: e.Handle, Device: unknownDevice, How: s.howSignedIn(e)}
	first, last := e.IssuedAt, e.LastAccessAt
	for i, d := range lastUsed(e.Devices) {
		if !d.FirstSeenAt.IsZero() && (first.IsZero() || d.FirstSeenAt.Before(first)) {
			first = d.FirstSeenAt
		}
		if d.LastSeenAt.After(last) {
			last = d.LastSeenAt
		}
		if name, ip := deviceName(d.UserAgent), plainIP(d.IP); i == 0 {
			row.Device, row.IP = name, ip
		} else if i <= maxPlaces {
			row.Places = append(row.Places, sessionPlace{Device: name, IP: ip, Last: momentOf(d.LastSeenAt, now)})
		}
	}
	row.First, row.Last, row.usedAt = momentOf(first, now), momentOf(last, now), last
	if last.IsZero() {
		row.usedAt = first
	}
	return row
}

// usedBy shows that r uses the session right now, from wherever it comes. The record of it may be a minute behind.
func (row *sessionRow) usedBy(r *http.Request, now time.Time) {
	device, ip := deviceName(r.UserAgent()), plainIP(clientIP(r))
	before := sessionPlace{Device: row.Device, IP: row.IP, Last: row.Last}
	here := func(p sessionPlace) bool { return p.Device == device && p.IP == ip }
	row.Places = slices.DeleteFunc(row.Places, here)
	if !here(before) && row.Last != nil {
		row.Places = slices.Insert(row.Places, 0, before)
		row.Places = row.Places[:min(len(row.Places), maxPlaces)]
	}
	row.Device, row.IP = device, ip
	row.Last, row.usedAt = momentOf(now, now), now
	if row.First == nil {
		row.First = row.Last
	}
}

// factors says to people what an assurance level means (NIST SP 800-63B).
var factors = map[string]string{"aal1": "one factor", "aal2": "two factors", "aal3": "two factors, one of them hardware"}

// howSignedIn says where its user proved who they are, and how well.
func (s *Site) howSignedIn(e *session.Session) string {
	how := s.sourceLabel(e.Source)
	if f := factors[strings.ToLower(e.AAL)]; f != "" {
		how += ", " + f
	}
	return how
}

// userName is what a person is called who is signed in.
func userName(s *session.Session) string {
	return cmp.Or(s.Identity.Username, s.Identity.Name, s.Identity.Email, s.Identity.Subject)
}
