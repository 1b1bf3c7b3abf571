package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// What the command line asks the gateway with. They are no settings.
const (
	EnvAdminURL       = EnvPrefix + "ADMIN_URL"
	EnvAdminToken     = EnvPrefix + "ADMIN_TOKEN"
	EnvAdminTokenFile = EnvPrefix + "ADMIN_TOKEN_FILE"
)

// isCommandLine reports whether a variable with our prefix is for the command line and sets nothing.
func isCommandLine(name string) bool {
	return slices.Contains([]string{EnvFile, EnvAdminURL, EnvAdminToken, EnvAdminTokenFile}, name)
}

// LoadAdmin reads what leads to the listener for operators, admin and keys_file, from the configuration at path and the
// variables over it. Nothing else in it is looked at: whoever asks a gateway that runs does not have the secrets it was
// started with. The error is Problems.
func LoadAdmin(path string, env []string) (*Config, error) {
	data, err := readRegular(path, maxFileBytes)
	if err != nil {
		return nil, Problems{{File: path, Message: oneLine(err.Error()), Hint: loadHint(err)}}
	}
	c := Defaults()
	c.file = path
	var problems Problems
	d := newDecoder(filepath.Dir(path), &problems)
	if root := parseYAML(path, data, &problems); root != nil && root.shape == mapping {
		root.entries = slices.DeleteFunc(root.entries, func(e entry) bool { return e.key != "admin" && e.key != "keys_file" })
		expandTree(root, "", newLookup(env), &problems)
		overlay{root: root, problems: &problems}.apply(reflect.TypeFor[Config](), slices.DeleteFunc(slices.Clone(env), notOfAdmin))
		d.decode(root, reflect.ValueOf(&c).Elem(), "", "")
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	c.places = d.places
	if _, given := d.places["keys_file"]; !given {
		c.KeysFile = d.resolve(c.KeysFile)
	}
	return &c, nil
}

func notOfAdmin(variable string) bool {
	return !strings.HasPrefix(variable, EnvPrefix+"ADMIN_") && !strings.HasPrefix(variable, EnvPrefix+"KEYS_FILE=")
}
