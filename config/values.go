package config

// allowedValues lists the values of settings that take one of a few words, nil for all others. A room that gets such a
// setting gets a line here; a test holds the lines against the rooms' own checks.
func allowedValues(owner string) []string {
	switch owner {
	case "config.LogOptions.level":
		return []string{"debug", "info", "warn", "error"}
	case "config.LogOptions.format":
		return []string{"json", "text"}
	case "config.CookieOptions.same_site":
		return []string{"lax", "none"}
	case "policy.RouteOptions.access":
		return []string{"required", "optional", "public"}
	case "policy.RouteOptions.unauthenticated":
		return []string{"auto", "redirect", "unauthorized"}
	case "policy.RuleOptions.aal":
		return []string{"aal1", "aal2", "aal3"}
	case "identity.Options.families":
		return []string{"x-forwarded", "x-auth-request", "remote", "x-sessionward", "none"}
	case "identity.HeaderOptions.encode":
		return []string{"join", "json", "base64"}
	case "source.OIDCOptions.auth_method":
		return []string{"client_secret_basic", "client_secret_post", "none"}
	case "source.OIDCOptions.algorithms", "source.JWTIssuer.algorithms":
		return []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
	case "source.JWTIssuer.profile":
		return []string{"rfc9068"}
	}
	return nil
}
