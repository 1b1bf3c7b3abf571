package pingam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

// ReadProperties implements session.PropertyReader: those of the authority's allow-list, asked with the session's own
// token.
func (s *Source) ReadProperties(ctx context.Context, held *session.Session) (_ map[string]string, err error) {
	defer authority.Wrap(&err, s.subject(), "read properties")
	token, err := s.tokenOf(held)
	if err != nil {
		return nil, err
	}
	return s.properties(ctx, question{action: getSessionProperties, caller: token})
}

// UpdateProperties implements session.PropertyUpdater with the session's own token. OpenAM wants exactly its allow-list
// named, and PingAM may: then the other properties are read and sent along, so that a change somebody else makes to one of
// them in between is undone. session.ErrUnsupported for client-side sessions, which are sealed at the login.
func (s *Source) UpdateProperties(ctx context.Context, held *session.Session, properties map[string]string) (_ map[string]string, err error) {
	defer authority.Wrap(&err, s.subject(), "update properties")
	token, err := s.tokenOf(held)
	if err != nil {
		return nil, err
	}
	if tokenType(token) == typeClient {
		return nil, authority.Unsupported("client-side sessions cannot be changed")
	}
	if _, reserved := properties["tokenId"]; reserved { // would name somebody else's session
		return nil, fmt.Errorf("%w: tokenId is not a property", session.ErrInsufficient)
	}
	if len(properties) == 0 {
		return s.properties(ctx, question{action: getSessionProperties, caller: token})
	}
	if !s.o.openAM() {
		all, err := s.write(ctx, token, properties)
		if !errors.Is(err, session.ErrInsufficient) {
			return all, err
		}
	}
	return s.writeAll(ctx, token, properties)
}

// writeAll sends the changes together with the rest of the allow-list.
func (s *Source) writeAll(ctx context.Context, token session.Secret, changes map[string]string) (map[string]string, error) {
	all, err := s.properties(ctx, question{action: getSessionProperties, caller: token})
	if err != nil {
		return nil, err
	}
	for name := range changes {
		if _, listed := all[name]; !listed {
			return nil, fmt.Errorf("%w: the authority does not let users change %q", session.ErrInsufficient, name)
		}
	}
	maps.Copy(all, changes)
	return s.write(ctx, token, all)
}

func (s *Source) write(ctx context.Context, token session.Secret, properties map[string]string) (map[string]string, error) {
	body := make(map[string]any, len(properties))
	for name, value := range properties {
		body[name] = value
	}
	return s.properties(ctx, question{action: updateSessionProperties, caller: token, body: body})
}

// properties asks a question whose answer is properties.
func (s *Source) properties(ctx context.Context, q question) (map[string]string, error) {
	r, err := s.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if r.Status != http.StatusOK {
		return nil, s.refusal(r)
	}
	p, err := parseProperties(r.Body)
	return p, s.understood(err)
}
