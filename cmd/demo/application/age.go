package application

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// age describes the time a header value carries: a timestamp (RFC 3339), or a JWT by its iat and exp. "" when it
// carries none. The JWT is only looked at, not verified.
func age(value string, now time.Time) string {
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return relative(t, now)
	}
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		IssuedAt  float64 `json:"iat"`
		ExpiresAt float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	var notes []string
	if claims.IssuedAt > 0 {
		notes = append(notes, "issued "+relative(unix(claims.IssuedAt), now))
	}
	if claims.ExpiresAt > 0 {
		notes = append(notes, "ends "+relative(unix(claims.ExpiresAt), now))
	}
	return strings.Join(notes, ", ")
}

// unix returns the time of a NumericDate (RFC 7519 §2), held to the years 1970 to 9999.
func unix(seconds float64) time.Time {
	const end = 253402300799
	return time.Unix(int64(min(max(seconds, 0), end)), 0)
}

// relative says when t is, seen from now.
func relative(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d < 0 {
		return (-d).String() + " ago"
	}
	return "in " + d.String()
}
