package middleware

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sessionward/sessionward/session"
)

// endWithin bounds one click that ends sessions. The click counts even when its browser does not wait for the answer.
const endWithin = 30 * time.Second

var (
	noSuchSession = Problem{
		Status: http.StatusNotFound, Code: "no_such_session",
		Detail: "You have no such session. It may have ended already.",
	}
	oneOfTwo = Problem{Status: http.StatusBadRequest, Code: "malformed_form", Detail: "The form must name one session, or all others."}
)

// EndSessions serves POST /sessions/end: it ends the session handle= of whoever asks, or with others=1 all of theirs but the
// one that asks. A session of somebody else is answered like one that is not there.
func (s *Site) EndSessions(w http.ResponseWriter, r *http.Request) {
	if !s.sameOrigin(r) {
		s.WriteError(w, r, crossSite)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.WriteError(w, r, malformedForm(err))
		return
	}
	handles, others := r.PostForm["handle"], r.PostForm["others"]
	one := len(handles) == 1 && handles[0] != "" && len(others) == 0
	if all := len(others) == 1 && others[0] == "1" && len(handles) == 0; !one && !all {
		s.WriteError(w, r, oneOfTwo)
		return
	}
	current, ok := s.whoAsks(w, r)
	if !ok {
		return
	}
	if one && handles[0] == current.Handle {
		s.endThis(w, r, current)
		return
	}
	reissue(w.Header(), current)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endWithin)
	defer cancel()
	var done notice
	var err error
	if one {
		done, err = s.endOne(ctx, current, handles[0])
	} else {
		done, err = s.endOthers(ctx, r, current)
	}
	s.endedSome(w, r, current, done, err)
}

// endedSome sends the browser back to the page, which says what was done.
func (s *Site) endedSome(w http.ResponseWriter, r *http.Request, current *session.Session, done notice, err error) {
	log := s.o.Log.With("request_id", RequestID(r.Context()), "source", current.Source, "subject", current.Identity.Subject, "session", current.Handle)
	switch {
	case errors.Is(err, session.ErrNotFound):
		s.WriteError(w, r, noSuchSession)
		return
	case errors.Is(err, session.ErrUnsupported):
		s.WriteError(w, r, Problem{Status: http.StatusNotImplemented, Code: "unsupported", Detail: s.sourceLabel(current.Source) + " cannot end that session for you."})
		return
	case err != nil:
		log.ErrorContext(r.Context(), "ending sessions for their user failed", "error", err)
		p := problemOfError(err)
		p.retry = s.path("")
		s.WriteError(w, r, p)
		return
	}
	log.InfoContext(r.Context(), "sessions ended by their user", "ended", done.Ended, "failed", done.Failed, "at_authority", string(done.Authority))
	to, err := s.noticeURL(current, done)
	if err != nil {
		to = s.path("")
	}
	s.redirect(w, r, to, http.StatusSeeOther)
}

// endThis is a logout.
func (s *Site) endThis(w http.ResponseWriter, r *http.Request, current *session.Session) {
	foreign, err := s.isForeign(r, current)
	switch {
	case err != nil:
		s.logoutFailed(w, r, err)
	case foreign:
		s.leave(w, r, current, s.endForeign, "")
	default:
		s.leave(w, r, current, s.endOwn, "")
	}
}

// isForeign reports whether current lives at its authority and not here. To end it in the wrong one of the two would end
// nothing, and say it did: an error means that nobody knows.
func (s *Site) isForeign(r *http.Request, current *session.Session) (bool, error) {
	own, err := s.ownSession(r)
	return own == nil || own.Handle != current.Handle, err
}

// endOne ends one session of the user of current that is not current.
func (s *Site) endOne(ctx context.Context, current *session.Session, handle string) (notice, error) {
	e, err := s.mineByHandle(ctx, current, handle)
	if errors.Is(err, session.ErrNotFound) {
		return notice{Ended: 1, Authority: endedThere}, s.endElsewhere(ctx, current, handle)
	}
	if err != nil {
		return notice{}, err
	}
	done, err := s.o.Operations.Revoke(ctx, e.Session.Handle, session.EndLogout)
	if err != nil {
		return notice{}, err
	}
	n := notice{Ended: 1}
	if e.Foreign {
		n.Authority = s.afterEnd(ctx, current, e, done.AtAuthority)
	}
	return n, nil
}

// endOthers ends all sessions of the user of current but current. It goes on after one that could not be ended. The
// authority is asked once where it can end all others, and otherwise for each session while there is time; whatever it
// says, they end here.
func (s *Site) endOthers(ctx context.Context, r *http.Request, current *session.Session) (notice, error) {
	foreign, err := s.isForeign(r, current)
	if err != nil {
		return notice{}, err
	}
	ask, cancel := context.WithTimeout(ctx, askAuthority)
	defer cancel()
	n := notice{All: true, Authority: s.endOthersElsewhere(ask, current)}
	together := n.Authority != notAsked
	for e, err := range s.mine(ctx, current) {
		if err != nil {
			if n.Ended == 0 && n.Authority != endedThere {
				return n, err
			}
			n.Failed++ // nobody knows how many
			return n, nil
		}
		if sameSession(current, foreign, e) {
			continue
		}
		said, err := s.endOther(ctx, ask, current, e, together)
		if n.Authority = n.Authority.worse(said); err != nil && !errors.Is(err, session.ErrNotFound) {
			s.o.Log.WarnContext(ctx, "a session was not ended for its user", "request_id", RequestID(ctx), "source", e.Session.Source, "session", e.Session.Handle, "error", err)
			n.Failed++
			continue
		}
		n.Ended++
	}
	if !together && n.Authority == endedThere {
		n.Authority = notAsked // one by one: of those nobody has shown here it knows nothing
	}
	return n, nil
}

// endOther ends one of them here, and at its authority unless that was asked about all together, or the time to ask is up.
func (s *Site) endOther(ctx, ask context.Context, current *session.Session, e session.Entry, together bool) (atAuthority, error) {
	if !e.Foreign {
		_, err := s.o.Operations.Revoke(ctx, e.Session.Handle, session.EndLogout)
		return notAsked, err
	}
	if together {
		return notAsked, s.o.Operations.EndForeign(ctx, e.Session)
	}
	if ask.Err() == nil {
		done, err := s.o.Operations.Revoke(ask, e.Session.Handle, session.EndLogout)
		if err == nil {
			return s.afterEnd(ask, current, e, done.AtAuthority), nil
		}
	}
	return unconfirmed, s.o.Operations.EndForeign(ctx, e.Session)
}
