package admin

import (
	_ "embed"
	"net/http"
)

// openAPI is the description of the API (OpenAPI 3.1). A test holds it against the table of routes.
//
//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}
