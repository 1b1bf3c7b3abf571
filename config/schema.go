package config

import (
	"bytes"
	_ "embed" // for the schema
)

//go:generate go test -run TestSchemaIsCurrent . -update

// schemaJSON is made of the option types and their comments, by a test, because the comments are not in the program.
//
//go:embed sessionward.schema.json
var schemaJSON []byte

// Schema returns the JSON Schema (draft 2020-12) of a configuration file, with the documentation of every key, for
// editors. The bytes are the caller's.
func Schema() []byte { return bytes.Clone(schemaJSON) }
