package pingam

import (
	"encoding/json"
	"net/http"
	"time"
)

// object is a JSON object of an answer.
type object map[string]any

// reply writes an answer as the REST layer of the product does.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// fail writes the error envelope.
func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, object{"code": status, "reason": http.StatusText(status), "message": message})
}

// dead is the answer about a subject whose token is not known, or no longer.
func dead(w http.ResponseWriter) { reply(w, http.StatusOK, object{"valid": false}) }

// seconds writes a time as most answers do, millis as the latest access time in a query.
func seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
func millis(t time.Time) string  { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
