package config

import (
	"fmt"
	"net"

	"github.com/sessionward/sessionward/admin"
)

// admin checks the listener for operators: what it answers may travel in the clear on this machine alone.
func (k *checker) admin() {
	o := k.config.Admin
	if !k.config.AdminListens() {
		return
	}
	host, _, err := net.SplitHostPort(o.Listen)
	switch {
	case o.TLS.CertFile == "" && o.TLS.KeyFile != "":
		k.refuse("admin.tls.cert_file", "add it, or remove key_file", "is missing beside key_file")
	case o.TLS.CertFile != "" && o.TLS.KeyFile == "":
		k.refuse("admin.tls.key_file", "add it, or remove cert_file", "is missing beside cert_file")
	case o.TLS.CertFile == "" && o.TLS.ClientCAFile != "":
		k.refuse("admin.tls.client_ca_file", "add cert_file and key_file: client certificates need https", "is set without a certificate")
	case err == nil && o.TLS.CertFile == "" && !isLoopback(host):
		k.refuse("admin.listen", "listen on 127.0.0.1, or add tls", "%q reaches other machines, and tokens and sessions would travel there in the clear", o.Listen)
	}
	if err := admin.ValidateTokens(o.Tokens); err != nil {
		k.room("admin.tokens", fmt.Errorf("admin.%w", err))
	}
	for i, audience := range o.TokenAudiences {
		if audience == "" {
			k.refuse(itemPath("admin.token_audiences", i), "write the audience an application expects", "is empty")
		}
	}
	for i, c := range o.Clients {
		section := itemPath("admin.clients", i)
		if c.Name == "" {
			k.refuse(section+".name", "write the common name of the certificate", "is missing")
		}
		if c.Scope != "" && c.Scope != admin.Read && c.Scope != admin.Write {
			k.refuse(section+".scope", "write read or write", "%q is not known", c.Scope)
		}
		if o.TLS.ClientCAFile == "" {
			k.refuse(section, "add admin.tls.client_ca_file, which says whose certificates are believed", "can never be known")
		}
	}
}
