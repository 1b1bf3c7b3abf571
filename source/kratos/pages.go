package kratos

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source/authority"
)

const (
	defaultPageSize = 100   // sessions, with identities and devices: a page stays below the largest reply
	maxPages        = 10000 // of one list: an authority that never ends is not listened to for ever
)

// listing is where a list is asked for: a path with its query, at one of the two listeners.
type listing struct {
	client *authority.Client
	path   string
	ask    func(ctx context.Context, path string) (authority.Reply, error)
	// numbered says that pages have numbers. What Kratos v1.3.1 links to as the next page of such a list is not it: it
	// counts from 0 in links and from 1 in the database, so that the first page comes twice and the last never. We count
	// ourselves, from 0, until a page is not full, and leave out what has come before.
	numbered bool
}

// first is where l begins.
func (l listing) first(size int) url.Values {
	if l.numbered {
		return url.Values{"page": {"0"}, "per_page": {strconv.Itoa(size)}}
	}
	return url.Values{"page_size": {strconv.Itoa(size)}}
}

// next is where the page after number n begins, nil when that was the last. It held so many sessions, some of them new.
func (l listing) next(h http.Header, n, size, held, fresh int) url.Values {
	switch {
	case !l.numbered:
		return nextPage(h)
	case held < size, fresh == 0 && n > 1:
		return nil
	}
	return url.Values{"page": {strconv.Itoa(n + 1)}, "per_page": {strconv.Itoa(size)}}
}

// sessions lists l page by page, those that want accepts.
func (s *Source) sessions(ctx context.Context, l listing, want func(*session.Session) bool) iter.Seq2[*session.Session, error] {
	return func(yield func(*session.Session, error) bool) {
		err := s.each(ctx, l, func(a answer) bool {
			one := s.session(a)
			return !want(one) || yield(one, nil)
		})
		if authority.Wrap(&err, "kratos "+s.name, "list"); err != nil {
			yield(nil, err)
		}
	}
}

// each calls visit once for every session of l until that returns false.
func (s *Source) each(ctx context.Context, l listing, visit func(answer) bool) error {
	plain, fixed, _ := strings.Cut(l.path, "?")
	seen := map[string]bool{}
	query := l.first(s.pageSize)
	for n := range maxPages {
		r, err := l.ask(ctx, plain+"?"+joined(fixed, query))
		if err != nil {
			return err
		}
		list, err := s.page(l.client, r)
		if err != nil {
			return err
		}
		before := len(seen)
		for _, a := range list {
			if !seen[a.id] && !visit(a) {
				return nil
			}
			seen[a.id] = true
		}
		if query = l.next(r.Header, n, s.pageSize, len(list), len(seen)-before); query == nil {
			return nil
		}
	}
	return authority.Unavailable("the list has no end")
}

// page reads one page. A list that is not there is empty.
func (s *Source) page(c *authority.Client, r authority.Reply) ([]answer, error) {
	switch r.Status {
	case http.StatusOK:
	case http.StatusNotFound:
		_, err := s.fault(c, r)
		return nil, err
	default:
		return nil, r.Unavailable("Kratos", c.Now())
	}
	list, err := readAnswers(r.Body)
	if err != nil {
		return nil, c.Nonsense(err.Error())
	}
	c.Understood()
	return list, nil
}

// joined is a query of what always stands there and what changes from page to page.
func joined(fixed string, query url.Values) string {
	if fixed == "" {
		return query.Encode()
	}
	return fixed + "&" + query.Encode()
}

// nextPage reads where the next page begins from Link (RFC 8288), nil when this was the last. Only the parameters that
// say so are taken: the address is ours.
func nextPage(h http.Header) url.Values {
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ","), ",") {
		target, parameters, _ := strings.Cut(strings.TrimSpace(link), ";")
		if !strings.Contains(parameters, `rel="next"`) || !strings.HasPrefix(target, "<") || !strings.HasSuffix(target, ">") {
			continue
		}
		u, err := url.Parse(target[1 : len(target)-1])
		if err != nil {
			return nil
		}
		next, from := url.Values{}, u.Query()
		for _, name := range []string{"page_size", "page_token"} {
			if v := from.Get(name); v != "" {
				next.Set(name, v)
			}
		}
		if next.Get("page_token") == "" {
			return nil
		}
		return next
	}
	return nil
}
