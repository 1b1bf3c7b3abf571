package kratos

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

// object is a JSON object.
type object = map[string]any

// keyID is the name of the key that signs tokenized sessions.
const keyID = "peer"

// files writes what Kratos reads into the peer's folder: its configuration and the schema of its identities.
func (p *Peer) files() error {
	if err := p.write("person.schema.json", personSchema()); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p.tokenKey = &key.PublicKey
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: keyID, Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return err
	}
	return p.write("kratos.json", p.config("base64://"+base64.StdEncoding.EncodeToString(keys)))
}

func (p *Peer) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(p.path(name), data, 0o600)
}

func (p *Peer) path(name string) string { return filepath.Join(p.dir, name) }

// config is Kratos' configuration file. It listens on sockets in the peer's folder, so that everybody has to come
// through the panels.
func (p *Peer) config(jwks string) object {
	secret := rand.Text() + rand.Text()
	return object{
		"version": "v1.3.1",
		"dsn":     "sqlite://" + p.path("db.sqlite") + "?_fk=true&mode=rwc&_busy_timeout=5000",
		"log":     object{"level": "warning", "format": "text"},
		"serve": object{
			"public": object{"base_url": p.url + "/", "host": "unix:" + p.path("public.sock")},
			"admin":  object{"base_url": p.adminURL + "/", "host": "unix:" + p.path("admin.sock")},
		},
		"identity": object{
			"default_schema_id": "person",
			"schemas":           []any{object{"id": "person", "url": "file://" + p.path("person.schema.json")}},
		},
		"secrets":       object{"cookie": []string{secret[:32]}, "cipher": []string{secret[:32]}},
		"hashers":       object{"algorithm": "bcrypt", "bcrypt": object{"cost": 4}},
		"courier":       object{"smtp": object{"connection_uri": "smtp://127.0.0.1:1/?disable_starttls=true"}},
		"session":       p.sessionConfig(jwks),
		"selfservice":   p.selfServiceConfig(),
		"feature_flags": p.featureFlags(),
	}
}

func (p *Peer) sessionConfig(jwks string) object {
	templates := object{}
	for name, ttl := range p.o.Tokenizers {
		templates[name] = object{"ttl": ttl.String(), "jwks_url": jwks}
	}
	config := object{
		"lifespan": p.o.Lifespan.String(),
		"cookie":   object{"name": p.o.CookieName},
		"whoami":   object{"required_aal": p.o.RequiredAAL, "tokenizer": object{"templates": templates}},
	}
	if p.o.ExtendUntil > 0 {
		config["earliest_possible_extend"] = p.o.ExtendUntil.String()
	}
	return config
}

func (p *Peer) selfServiceConfig() object {
	back := p.o.DefaultReturnURL
	if back == "" {
		back = p.url + pagePath
	}
	return object{
		"default_browser_return_url": back,
		"allowed_return_urls":        append([]string{p.url}, p.o.ReturnURLs...),
		"flows": object{
			"login": object{"ui_url": p.url + pagePath + "login"},
			"error": object{"ui_url": p.url + pagePath + "error"},
		},
		"methods": object{
			"password":      object{"enabled": true, "config": object{"haveibeenpwned_enabled": false}},
			"lookup_secret": object{"enabled": true},
		},
	}
}

func (p *Peer) featureFlags() object {
	flags := object{"faster_session_extend": p.o.FasterExtend}
	if p.o.CacheFor > 0 {
		flags["cacheable_sessions"] = true
		flags["cacheable_sessions_max_age"] = p.o.CacheFor.String()
	}
	return flags
}

// personSchema lets people log in by username or e-mail address.
func personSchema() object {
	text := object{"type": "string"}
	identifier := object{"credentials": object{"password": object{"identifier": true}}}
	return object{
		"$id": "person", "$schema": "http://json-schema.org/draft-07/schema#", "title": "Person", "type": "object",
		"properties": object{"traits": object{
			"type":                 "object",
			"additionalProperties": false,
			"required":             []string{"email"},
			"properties": object{
				"username": object{"type": "string", "ory.sh/kratos": identifier},
				"email": object{"type": "string", "format": "email", "ory.sh/kratos": object{
					"credentials":  object{"password": object{"identifier": true}},
					"verification": object{"via": "email"},
					"recovery":     object{"via": "email"},
				}},
				"name":   text,
				"groups": object{"type": "array", "items": text},
			},
		}},
	}
}

// describe is what the administrators' door takes to make u.
func (u User) describe() object {
	public := object{"groups": append([]string{}, u.Groups...)}
	maps.Copy(public, u.Public)
	return object{
		"schema_id": "person",
		"traits": object{
			"username": u.Username, "email": u.Email, "name": u.Name, "groups": append([]string{}, u.Claimed...),
		},
		"credentials":     object{"password": object{"config": object{"password": u.Password}}},
		"metadata_public": public,
		"metadata_admin":  u.Admin,
		"verifiable_addresses": []any{object{
			"value": u.Email, "verified": true, "via": "email", "status": "completed",
		}},
	}
}

// String is the name of a user in errors.
func (u User) String() string { return fmt.Sprintf("user %q", u.Username) }
