package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func ask(t *testing.T, h *Health, path string) (int, Report) {
	rec := httptest.NewRecorder()
	Handler(h).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	var r Report
	if path == "/readyz" {
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &r), rec.Body)
	}
	return rec.Code, r
}

func TestReadyz(t *testing.T) {
	var source, store error
	h := NewHealth(Part{Name: "source corp", Health: func() error { return source }}, Part{Name: "store", Vital: true, Health: func() error { return store }})
	code, r := ask(t, h, "/readyz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, Report{Status: OK, Parts: []PartReport{{Name: "source corp", Status: OK}, {Name: "store", Status: OK}}}, r)

	source = errors.New("the answer is not JSON")
	code, r = ask(t, h, "/readyz")
	require.Equal(t, http.StatusOK, code, "one source that is not well takes nobody else out")
	require.Equal(t, Degraded, r.Status)
	require.Equal(t, PartReport{Name: "source corp", Status: Degraded, Reason: "the answer is not JSON"}, r.Parts[0])

	store = errors.New("disk full")
	code, r = ask(t, h, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, Down, r.Status)

	source, store = nil, nil
	h.Stop()
	code, r = ask(t, h, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, Stopping, r.Status)
	code, _ = ask(t, h, "/livez")
	require.Equal(t, http.StatusOK, code, "it lives while it stops")
}
