package config

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/identity"
	"github.com/sessionward/sessionward/policy"
	"github.com/sessionward/sessionward/session"
	"github.com/sessionward/sessionward/source"
)

// TestAllowedWordsAreTheRooms holds the words the loader takes against the rooms that act on them: every word is
// taken, and another one is not.
func TestAllowedWordsAreTheRooms(t *testing.T) {
	rooms := map[string]func(word string) error{
		"policy.RouteOptions.access": func(w string) error {
			return tableOf(policy.RouteOptions{Name: "a", Access: policy.Access(w)})
		},
		"policy.RouteOptions.unauthenticated": func(w string) error {
			return tableOf(policy.RouteOptions{Name: "a", Unauthenticated: policy.Unauthenticated(w)})
		},
		"policy.RuleOptions.aal": func(w string) error {
			return tableOf(policy.RouteOptions{Name: "a", Require: policy.RuleOptions{AAL: w}})
		},
		"identity.Options.families": func(w string) error {
			_, err := identity.New(identity.Options{Families: []string{w}}, nil)
			return err
		},
		"identity.HeaderOptions.encode": func(w string) error {
			_, err := identity.New(identity.Options{Headers: []identity.HeaderOptions{{Name: "X-A", Value: "identity.claims.a", Encode: w}}}, nil)
			return err
		},
		"source.OIDCOptions.auth_method": func(w string) error {
			o := source.OIDCOptions{Issuer: "https://id.example.com", ClientID: "a", AuthMethod: w}
			if w != "none" {
				o.ClientSecret = session.NewSecret("s3cret")
			}
			return source.Options{Name: "a", OIDC: &o}.Validate()
		},
		"source.OIDCOptions.algorithms": func(w string) error {
			return source.Options{Name: "a", OIDC: &source.OIDCOptions{Issuer: "https://id.example.com", ClientID: "a",
				AuthMethod: "none", Algorithms: []string{w}}}.Validate()
		},
		"source.JWTIssuer.algorithms": func(w string) error {
			return jwtOf(source.JWTIssuer{Issuer: "https://id.example.com", Audiences: []string{"a"}, Algorithms: []string{w}})
		},
		"source.JWTIssuer.profile": func(w string) error {
			return jwtOf(source.JWTIssuer{Issuer: "https://id.example.com", Audiences: []string{"a"}, Profile: w})
		},
	}
	for owner, try := range rooms {
		require.NotEmpty(t, allowedValues(owner), owner)
		for _, word := range allowedValues(owner) {
			require.NoError(t, try(word), "%s: %s", owner, word)
		}
		require.Error(t, try("bogus"), owner)
	}
	for _, typ := range structTypes(reflect.TypeFor[Config]()) {
		for _, f := range fieldsOf(typ) {
			if allowedValues(f.owner) != nil && f.owner[:7] != "config." {
				require.Contains(t, rooms, f.owner)
			}
		}
	}
}

func tableOf(o policy.RouteOptions) error {
	_, err := policy.NewTable([]policy.RouteOptions{o})
	return err
}

func jwtOf(i source.JWTIssuer) error {
	return source.Options{Name: "a", JWT: &source.JWTOptions{Issuers: []source.JWTIssuer{i}}}.Validate()
}

// TestEveryOptionCanBeDecoded finds fields of option types that the loader has no way to fill, and fields somebody
// forgot to tag.
func TestEveryOptionCanBeDecoded(t *testing.T) {
	for _, typ := range structTypes(reflect.TypeFor[Config]()) {
		for _, f := range fieldsOf(typ) {
			leaf := f.typ
			for leaf.Kind() == reflect.Pointer || leaf.Kind() == reflect.Slice || leaf.Kind() == reflect.Map {
				leaf = leaf.Elem()
			}
			v := reflect.Zero(leaf)
			ok := isText(leaf) || leaf.Kind() == reflect.Struct || leaf.Kind() == reflect.String || leaf.Kind() == reflect.Bool || v.CanInt() || v.CanFloat()
			require.True(t, ok, "%s has a type no file can give: %s", f.owner, f.typ)
			require.Regexp(t, `^[a-z][a-z0-9_]*$`, f.name)
		}
		for f := range typ.Fields() {
			if f.IsExported() {
				require.NotEmpty(t, f.Tag.Get("yaml"), "%s.%s has no yaml tag", typ, f.Name)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"idle_timeout", "max_lifetime", "touch_every", "refresh_before"}
	for word, want := range map[string]string{
		"refesh_before": "refresh_before", "idletimeout": "idle_timeout", "Max_Lifetime": "max_lifetime",
		"ilde_timeout": "idle_timeout", "colour": "", "": "",
	} {
		require.Equal(t, want, nearest(word, known), word)
	}
}
