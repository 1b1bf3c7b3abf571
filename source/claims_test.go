package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/source/authority"
)

func TestClaimsAreFoundByNameThenByPath(t *testing.T) {
	claims, err := authority.DecodeObject([]byte(`{
		"https://example.com/groups": ["by name"],
		"realm_access": {"roles": ["by path"], "deep": {"er": "x"}},
		"a": {"b": "path"}, "a.b": "name"
	}`))
	require.NoError(t, err)
	for path, want := range map[string][]string{
		"https://example.com/groups": {"by name"},
		"realm_access.roles":         {"by path"},
		"realm_access.deep.er":       {"x"},
		"a.b":                        {"name"},
		"realm_access":               nil,
		"realm_access.missing":       nil,
		"realm_access.roles.more":    nil,
		"missing.roles":              nil,
	} {
		require.Equal(t, want, authority.Texts(authority.LookUp(claims, path)), path)
	}
}

func TestGroupsAreNeverSplit(t *testing.T) {
	require.Equal(t, []string{"users,admins"}, authority.Texts("users,admins"))
	require.Equal(t, []string{"a b", "c"}, authority.Texts([]any{"a b", 7, "", nil, map[string]any{"name": "x"}, "c"}))
	require.Nil(t, authority.Texts(7.0))
}

// email_verified speaks of the claim email: an address from any other claim is not verified by it.
func TestOnlyTheClaimEmailCanBeVerified(t *testing.T) {
	claims := map[string]any{"sub": "a", "email": "a@example.com", "upn": "root@example.com", "email_verified": true}
	require.True(t, ClaimsOptions{}.withDefaults().identity(claims).EmailVerified)
	id := ClaimsOptions{Email: "upn"}.withDefaults().identity(claims)
	require.Equal(t, "root@example.com", id.Email)
	require.False(t, id.EmailVerified)
	for value, want := range map[any]bool{true: true, "true": true, false: false, "false": false, "1": false, 1.0: false, nil: false} {
		claims["email_verified"] = value
		require.Equal(t, want, ClaimsOptions{}.withDefaults().identity(claims).EmailVerified, "%v", value)
	}
	delete(claims, "email")
	claims["email_verified"] = true
	require.False(t, ClaimsOptions{}.withDefaults().identity(claims).EmailVerified, "no address, nothing verified")
}
