package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed demo.yaml
var configTemplate string

// The gateway's registration at the provider. It is no secret: it is printed here, and the provider is reachable from
// this machine only.
const (
	clientID     = "sessionward"
	clientSecret = "demo-secret"
)

// The files of the gateway within the data folder; the template names the store's.
const (
	configFile = "sessionward.yaml"
	storeFile  = "sessions.db"
	logFile    = "gateway.log"
)

// configuration is what the template of the gateway's configuration needs.
type configuration struct {
	Listen, PublicURL      string
	Admin                  string
	OperatorHash           string // of the token that opens the page for operators
	Issuer                 string
	ClientID, ClientSecret string
	Application            string // URL
}

// write fills the template into a file in dir, for this user's eyes only, and returns its path. Values are written as
// JSON strings, which YAML reads as they are meant.
func (c configuration) write(dir string) (string, error) {
	t := template.Must(template.New("demo.yaml").Funcs(template.FuncMap{
		"q": func(s string) (string, error) {
			b, err := json.Marshal(s)
			return string(b), err
		},
	}).Parse(configTemplate))
	var b bytes.Buffer
	if err := t.Execute(&b, c); err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	path := filepath.Join(dir, configFile)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	return path, nil
}

// publicURL is how a browser on this machine reaches address. Browsers take http://localhost for a safe place, other
// names and addresses need TLS.
func publicURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	if err != nil || host == "" || (ip != nil && (ip.IsLoopback() || ip.IsUnspecified())) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
