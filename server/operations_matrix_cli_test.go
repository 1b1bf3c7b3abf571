package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/sessionward/sessionward/admin"
)

// secretFile writes a secret where a command finds it.
func (w *matrixWorld) secretFile(name, secret string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(secret), 0o600))
	return path
}

// commandLine runs each command on a session of the kind that lives at its authority, or of ours where it has none.
func (w *matrixWorld) commandLine(powers []string) {
	for _, run := range []func(side string, expect func(name string) string){w.commandsThatLook, w.commandsThatAct, w.commandsThatMake, w.commandsThatEnd} {
		side := sideOf(w.begin == nil)
		run(side, func(name string) string {
			for _, o := range matrixOperations() {
				if o.name == name {
					if _, has := o.needs[side]; !has {
						return o.expected(w.kind, ofSource, powers)
					}
					return o.expected(w.kind, side, powers)
				}
			}
			require.Fail(w.t, "no such operation: "+name)
			return ""
		})
	}
}

// told runs a command that works, and wants each fact in what it prints.
func (w *matrixWorld) told(args []string, facts ...string) {
	w.t.Helper()
	out, errs := w.command(0, args...)
	for _, fact := range facts {
		require.Regexp(w.t, fact, out+errs, "%v", args)
	}
}

// toldOr is told where reason is "", and otherwise wants the exit status 1 and the reason.
func (w *matrixWorld) toldOr(reason string, h held, args []string, facts ...string) {
	w.t.Helper()
	if reason == "" {
		w.told(args, facts...)
		return
	}
	out, errs := w.command(1, args...)
	require.Empty(w.t, out)
	said := strings.ToLower(strings.ReplaceAll(matrixSource.ReplaceAllString(errs, "the source"), "session "+h.handle+": ", ""))
	require.Contains(w.t, said, strings.ToLower(strings.TrimSuffix(reason, ".")))
}

func (w *matrixWorld) commandsThatLook(side string, expect func(string) string) {
	h := w.make(side == ofOurs)
	w.told([]string{"sources"}, w.source+` +`+w.kind)
	w.told([]string{"sessions", "list", "--user", "alice", "--source", w.source, "--active"}, h.handle+` +alice +`+w.source, "active")
	w.told([]string{"sessions", "get", h.handle}, `state +active`, `source +`+w.source, `kept +`+map[bool]string{true: "here", false: "at its authority"}[h.own])
	w.told([]string{"sessions", "devices", h.handle}, `127\.0\.0\.1`)
	ends := map[bool]string{true: "true", false: "not known"}[h.own || w.endKnown]
	w.told([]string{"sessions", "ttl", h.handle, "--within", "1000h"}, `session holds +true`, `ends within 1000h0m0s +`+ends)
	w.toldOr(expect("validate"), h, []string{"sessions", "validate", h.handle}, `state +active`)
	if h.own {
		w.told([]string{"sessions", "introspect", "--token-file", w.secretFile("cookie", w.cookie(h.browser))}, `session +`+h.handle)
	} else {
		_, errs := w.command(1, "sessions", "introspect", "--token-file", w.secretFile("cookie", h.credential))
		require.Contains(w.t, errs, "opens no session")
	}
	w.holds(h)
}

func (w *matrixWorld) commandsThatAct(side string, expect func(string) string) {
	h := w.make(side == ofOurs)
	w.toldOr(expect("touch"), h, []string{"sessions", "touch", h.handle}, `state +active`)
	w.toldOr(expect("refresh"), h, []string{"sessions", "refresh", h.handle}, `state +active`)
	w.toldOr(expect("extend"), h, []string{"sessions", "extend", h.handle}, `state +active`)
	w.toldOr(expect("properties set"), h, []string{"sessions", "properties", "set", h.handle, w.property + "=dark"}, w.property+` +dark`)
	if expect("properties set") == "" {
		w.told([]string{"sessions", "properties", "get", h.handle}, w.property+` +dark`)
	} else {
		w.command(0, "sessions", "properties", "get", h.handle)
	}
	template := "app"
	if !h.own && w.template != "" {
		template = w.template
	}
	w.toldOr(expect("tokenize"), h, []string{"sessions", "tokenize", h.handle, "--template", template}, `^eyJ[^.]+\.[^.]+\.[^.]+\n$`)
	w.holds(h)
}

func (w *matrixWorld) commandsThatMake(_ string, expect func(string) string) {
	for from, proof := range w.proofs() {
		args := []string{"--source", w.source}
		switch from {
		case "password":
			args = append(args, "--username", proof.Username, "--password-file", w.secretFile("password", proof.Password))
		case "token":
			args = append(args, "--token-file", w.secretFile("token", proof.Token))
			if proof.Header != "" {
				args = append(args, "--header", proof.Header)
			}
		case "assertion":
			args = append(args, "--assertion-file", w.secretFile("assertion", proof.Assertion))
		}
		reason := expect("create " + from)
		create := append([]string{"sessions", "create", "--ip", "192.0.2.7", "--user-agent", powershipAgent}, args...)
		w.toldOr(reason, held{}, create, `sessionward=`, ` of alice at `+w.source)
		if from == "token" && w.kind == "powership" {
			continue // its tokens hold for the client program they were made for, and that is not this one
		}
		login := append([]string{"login"}, args...)
		if reason != "" {
			w.toldOr(reason, held{}, login)
			continue
		}
		out, _ := w.command(0, login...)
		_, value, ok := strings.Cut(strings.TrimSpace(out), "=")
		require.True(w.t, ok)
		w.holds(held{own: true, browser: w.withCookie(admin.Cookie{Name: "sessionward", Value: value})})
	}
}

func (w *matrixWorld) commandsThatEnd(side string, expect func(string) string) {
	own := side == ofOurs
	said := map[bool]string{true: "ended here; its authority is being asked", false: "ended here and at its authority"}[own]
	h := w.make(own)
	w.told([]string{"sessions", "logout", h.handle}, h.handle+` +`+said)
	w.ended(h)
	h = w.make(own)
	w.told([]string{"sessions", "revoke", h.handle, "--yes"}, h.handle+` +`+said, "ended 1 session")
	w.ended(h)

	h = w.make(own)
	user := []string{"sessions", "revoke", "--source", w.source, "--subject", h.entry.Identity.Subject, "--yes"}
	if h.entry.Realm != "" {
		user = append(user, "--realm", h.entry.Realm)
	}
	w.told(user, h.handle+` +`+said)
	w.ended(h)
	w.commandAtAuthority(own, user, expect("revoke-user"))

	kept, gone := w.make(own), w.make(own)
	w.told([]string{"sessions", "revoke", "--all-sessions", "--keep", kept.handle, "--yes"}, gone.handle+` +`+said)
	w.holds(kept)
	require.Equal(w.t, http.StatusUnauthorized, w.use(gone).StatusCode)
	w.told([]string{"sessions", "revoke", "--all-sessions", "--yes"}, kept.handle+` +`+said)
	w.ended(kept)
}

// commandAtAuthority ends what the gateway has never seen as well.
func (w *matrixWorld) commandAtAuthority(own bool, user []string, reason string) {
	h := w.make(own)
	code, unseen := 0, ""
	if reason != "" {
		code = 1
	}
	if !own {
		unseen = w.begin()
	}
	out, errs := w.command(code, append(user, "--at-authority")...)
	require.Contains(w.t, out, h.handle)
	w.ended(h)
	if reason != "" {
		require.Contains(w.t, strings.ToLower(matrixSource.ReplaceAllString(errs, "the source")), strings.ToLower(strings.TrimSuffix(reason, ".")))
		return
	}
	require.Regexp(w.t, `the authority ended (all sessions|\d+ sessions?) of the user`, errs)
	require.False(w.t, w.alive(unseen))
}
