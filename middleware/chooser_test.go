package middleware

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/session"
)

// TestLoginByEmail: with several logins an address leads to the one of its domain; it decides nothing else.
func TestLoginByEmail(t *testing.T) {
	corp, partner := newAuthority("corp", "Corp"), newAuthority("partner", "Partner")
	corp.domains, partner.domains = []string{"corp.example"}, []string{"partner.example", "p.example"}
	h := newHouse(t, houseOptions{sources: []session.Source{corp, partner}})
	b := h.browser()
	page := text(b.get("/_session/login?return_to=/app"))
	require.Contains(t, page, `name="login_hint"`)
	for address, want := range map[string]int{
		"a@corp.example": 1, "A@CORP.Example": 1, "b@p.example": 1,
		"a@evil.example": 0, "a@badcorp.example": 0, "a@corp.example@evil.example": 0, "corp.example": 0, "@": 0, strings.Repeat("a", 300) + "@corp.example": 0,
	} {
		res := b.get("/_session/login?return_to=/app&login_hint=" + url.QueryEscape(address))
		if want == 1 {
			require.Equal(t, http.StatusFound, res.StatusCode, address)
			continue
		}
		require.Equal(t, http.StatusOK, res.StatusCode, address)
		require.Contains(t, text(res), "No login is known for that address", address)
	}
	require.NotContains(t, text(b.get("/_session/login?login_hint="+url.QueryEscape(`"><script>@x`))), "<script>")

	one := newHouse(t, houseOptions{sources: []session.Source{corp}})
	require.Equal(t, http.StatusFound, one.browser().get("/_session/login").StatusCode, "nothing to find")
}
