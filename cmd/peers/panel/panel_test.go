package panel

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func start(t *testing.T) (*Panel, *httptest.Server) {
	p := New()
	s := httptest.NewServer(p.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("echo "), body...))
	})))
	t.Cleanup(func() {
		p.Set(Up)
		s.Close()
	})
	return p, s
}

func ask(ctx context.Context, base string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/x?y=1", strings.NewReader("token=in-the-body"))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer in-the-header")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(data), err
}

func TestPanelRemembersWhatItWasShown(t *testing.T) {
	p, s := start(t)
	status, body, err := ask(t.Context(), s.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "echo token=in-the-body", body, "the handler gets the whole body")
	require.Equal(t, 1, p.Asked())
	for _, text := range []string{"POST /x?y=1", "Bearer in-the-header", "token=in-the-body"} {
		require.True(t, p.Saw(text), text)
	}
	require.False(t, p.Saw("something else"))
}

func TestPanelModes(t *testing.T) {
	p, s := start(t)
	for mode, want := range map[Mode]int{Failing: 503, HTML: 200, Garbage: 200, Huge: 200, Redirect: 302} {
		p.Set(mode)
		status, _, err := ask(t.Context(), s.URL)
		require.NoError(t, err, mode)
		require.Equal(t, want, status, mode)
	}
	p.Set(Down)
	_, _, err := ask(t.Context(), s.URL)
	require.Error(t, err)
	for _, mode := range []Mode{Stall, Drip} {
		p.Set(mode)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, _, err = ask(ctx, s.URL)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, mode)
	}
}

func TestPanelOverHTTP(t *testing.T) {
	p, s := start(t)
	res, err := http.PostForm(s.URL+"/_panel/clock", url.Values{"advance": {"90s"}})
	require.NoError(t, err)
	_ = res.Body.Close()
	require.WithinDuration(t, time.Now().Add(90*time.Second), p.Now(), 10*time.Second)
	res, err = http.PostForm(s.URL+"/_panel/mode", url.Values{"mode": {"failing"}})
	require.NoError(t, err)
	_ = res.Body.Close()
	status, _, err := ask(t.Context(), s.URL)
	require.NoError(t, err)
	require.Equal(t, 503, status)
	for path, form := range map[string]url.Values{"clock": {"advance": {"tomorrow"}}, "mode": {"mode": {"odd"}}} {
		res, err = http.PostForm(s.URL+"/_panel/"+path, form)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, 400, res.StatusCode)
	}
	res, err = http.Get(s.URL + "/_panel/shown")
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, 1, p.Asked(), "the panel's own requests are not counted")
}
