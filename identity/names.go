package identity

// identityNames lists the names under which well-known gateways, load balancers and access proxies tell applications
// who the user is. Applications that once stood behind one of them may still believe these headers, so they are
// removed from every request, whatever this gateway itself is set up to write. A name that ends in '*' is a prefix.
//
// Names that clients use to show their own credentials (Authorization, X-Api-Key, X-Auth-Token, X-Access-Token,
// Cf-Access-Client-Id) are not here: they claim nothing that the application does not check. Prefixes are chosen long
// enough not to reach ordinary headers once the punctuation is gone: "X-Vouch-*" would take X-Voucher, and
// "X-Webauth-*" would take X-Webauthn.
func identityNames() []string {
	return []string{
		// The families of this package.
		"X-Sessionward-*", "X-Auth-Request-*",
		"X-Forwarded-User*", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Group", "X-Forwarded-Roles",
		"X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Forwarded-Id-Token",
		"Remote-User*", "Remote-Email", "Remote-Groups", "Remote-Group", "Remote-Name", "Remote-Sub", "Remote-Roles",
		// Names applications commonly trust behind any proxy.
		"X-Remote-User*", "X-Remote-Group*", "X-Remote-Extra-*", "X-Remote-Uid", "X-Remote-Email", "X-Remote-Name",
		"X-Authenticated-*",
		"X-Auth-User*", "X-Auth-Email", "X-Auth-Groups", "X-Auth-Group", "X-Auth-Roles", "X-Auth-Name",
		"X-Auth-Subject", "X-Auth-Given-Name", "X-Auth-Family-Name", "X-Auth-Audience", "X-Auth-Expiresin",
		"X-User", "X-User-Id", "X-User-Name", "X-Username", "X-User-Email", "X-User-Groups", "X-User-Roles",
		"X-User-Role", "X-Email", "X-Groups", "X-Roles", "X-Userinfo", "X-Proxy-User", "X-Jwt-Assertion",
		"X-Webauth-User", "X-Webauth-Email", "X-Webauth-Name", "X-Webauth-Groups", "X-Webauth-Roles", "X-Webauth-Role",
		// Access proxies.
		"X-Pomerium-*", "X-Authentik-*", "X-Vouch-User", "X-Vouch-Success", "X-Vouch-Idp-*", "Gap-Auth", "Gap-Signature",
		"Oidc-Claim-*", "Oidc-Access-Token*", "Oidc-Id-Token*", "Oidc-Refresh-Token", "Oidc-Userinfo*",
		"Sm-User*", "Sm-Universalid", "Iv-User*", "Iv-Groups", "Iv-Creds", "Oam-Remote-User", "Oam-Identity-Domain", "Shib-*",
		"Teleport-Jwt-Assertion", "Tailscale-User-*", "Tailscale-App-Capabilities",
		// API gateways and clouds.
		"X-Consumer-Id", "X-Consumer-Username", "X-Consumer-Custom-Id", "X-Consumer-Groups", "X-Credential-Identifier",
		"X-Anonymous-Consumer", "X-Endpoint-Api-Userinfo", "X-Apigateway-Api-Userinfo",
		"Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-*", "X-Goog-Authenticated-User-*",
		"X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-*", "X-Ms-Client-Principal*", "X-Ms-Token-*",
		// Client certificates as seen by whatever ended TLS.
		"X-Ssl-Client-*", "Ssl-Client-*", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert*", "X-Client-Cert*",
		"X-Client-Dn", "Client-Cert", "Client-Cert-Chain", "X-Arr-Clientcert", "X-Amzn-Mtls-Clientcert*",
	}
}

// ForwardingNames lists the headers by which proxies tell where a request came from and what it asked for before they
// changed it. Who forwards a request removes all of them, in every spelling, and then sets the honest ones. The
// caller owns the slice; give it to [NewStripper].
func ForwardingNames() []string {
	return []string{
		"Forwarded",
		"X-Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
		"X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Forwarded-Method",
		"X-Forwarded-Server", "X-Forwarded-By", "X-Forwarded-Scheme", "X-Forwarded-Protocol", "X-Forwarded-Ssl",
		"X-Forwarded-Https", "X-Forwarded-Client-Ip", "Forwarded-For", "Forwarded-For-Ip", "X-Forward-For",
		"X-Url-Scheme", "X-Scheme", "Front-End-Https",
		"X-Original-Url", "X-Original-Uri", "X-Original-Method", "X-Original-Host", "X-Original-Proto",
		"X-Original-For", "X-Original-Remote-Addr", "X-Original-Forwarded-For", "X-Rewrite-Url", "X-Host",
		"X-Http-Destinationurl", "X-Http-Host-Override", "X-Script-Name",
		"X-Real-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "X-Remote-Addr", "X-Remote-Ip", "Remote-Addr",
		"X-Originating-Ip", "X-Proxyuser-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6",
		"Fastly-Client-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Appengine-User-Ip",
		"X-Envoy-External-Address", "X-Envoy-Original-Path", "X-Envoy-Original-Host", "X-Envoy-Original-Method",
		"X-Envoy-Internal",
	}
}
