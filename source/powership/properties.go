package powership

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	maxPropertyName  = 64
	maxPropertyValue = 1 << 10 // bytes
)

// propertyName reports whether name may stand beside the address and the user agent of a connection.
func propertyName(name string) bool {
	return printable(name) && len(name) <= maxPropertyName && name != ipField && name != userAgentField &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_", r)
		})
}

// ReadProperties implements session.PropertyReader in native mode: the configured properties, which stand in the
// connection info of the session document.
func (s *Source) ReadProperties(ctx context.Context, known *session.Session) (_ map[string]string, err error) {
	if s.native == nil {
		return nil, errBridge
	}
	defer authority.Wrap(&err, "powership "+s.name, "read properties")
	result, err := s.native.look(ctx, known.Tokens.Access, connectionOf(known))
	if err != nil {
		return nil, err
	}
	return s.shown(result.Session), nil
}

// shown are the configured properties of d; one that is not set is "".
func (s *Source) shown(d Document) map[string]string {
	texts := map[string]string{}
	for _, name := range s.native.o.Properties {
		texts[name] = d.Connection.Extra[name]
	}
	return texts
}

// UpdateProperties implements session.PropertyUpdater in native mode. The empty text removes a property.
// session.ErrInsufficient when one of them is not configured, session.ErrMalformed when a text is too long: then nothing
// is changed.
func (s *Source) UpdateProperties(ctx context.Context, known *session.Session, properties map[string]string) (_ map[string]string, err error) {
	if s.native == nil {
		return nil, errBridge
	}
	defer authority.Wrap(&err, "powership "+s.name, "update properties")
	for name, text := range properties {
		if !slices.Contains(s.native.o.Properties, name) {
			return nil, fmt.Errorf("%w: a property may not be changed", session.ErrInsufficient)
		}
		if len(text) > maxPropertyValue {
			return nil, fmt.Errorf("%w: property %s is longer than %d bytes", session.ErrMalformed, name, maxPropertyValue)
		}
	}
	found, err := s.native.look(ctx, known.Tokens.Access, connectionOf(known))
	if err != nil {
		return nil, err
	}
	d, err := s.native.docs.update(ctx, found.Session.cursor(), func(d *Document) error {
		d.setExtra(properties)
		return nil
	})
	if s.native.note(ctx, err); err != nil {
		return nil, err
	}
	return s.shown(d), nil
}

// setExtra writes texts beside the address and user agent of d.
func (d *Document) setExtra(texts map[string]string) {
	for name, text := range texts {
		if text == "" {
			delete(d.Connection.Extra, name)
			continue
		}
		if d.Connection.Extra == nil {
			d.Connection.Extra = map[string]string{}
		}
		d.Connection.Extra[name] = text
	}
}

var (
	_ session.PropertyReader  = (*Source)(nil)
	_ session.PropertyUpdater = (*Source)(nil)
)
