package config

import (
	"reflect"
	"strings"
)

// withoutIt says what happens when nothing is left of a setting that keeps requests out: "" when owner is none of
// those. For them, leaving the key out is the one way to ask for no restriction.
func withoutIt(owner string) string {
	switch owner {
	case "policy.RouteOptions.hosts", "policy.RouteOptions.paths", "policy.RouteOptions.methods":
		return "match every request"
	case "policy.RouteOptions.require":
		return "let everybody in"
	}
	if strings.HasPrefix(owner, "policy.RuleOptions.") {
		return "let everybody in"
	}
	return ""
}

// loosens refuses a restriction that was written and holds nothing: a variable that was left blank, or a list whose
// lines are all commented out, would open what it was meant to close. A file that is named by nothing is refused for
// the same reason: without its certificate a gateway would speak plain http, or believe other authorities.
func (d *decoder) loosens(n *node, t reflect.Type, path, owner string) bool {
	if n.says() {
		return false
	}
	switch effect := withoutIt(owner); {
	case effect != "" && strings.HasSuffix(path, "]"):
		d.refuse(n, path, "write a value, or remove the item", "is empty, which would %s", effect)
	case effect != "" && isScalar(t):
		d.refuse(n, path, "write a value, or remove the key", "is empty, which would %s", effect)
	case effect != "":
		d.refuse(n, path, "list at least one, or remove the key", "is empty, which would %s", effect)
	case strings.HasSuffix(owner, "_file") && n.shape == scalar && !n.blank():
		d.refuse(n, path, "name a file, or remove the key", "is empty")
	default:
		return false
	}
	return true
}
