package secretserver

import (
	"encoding/json"
	"net/http"
)

// The sentences of refusals that clients tell apart.
const (
	// ExpiredMessage comes with 403 for a token that has expired or was ended. A 403 with any other sentence is about
	// rights, and the token is as good as before.
	ExpiredMessage = "Authentication failed or expired token."
	// LoginFailed comes with 400 for a wrong user, password, domain or one-time password.
	LoginFailed = "Login failed."
)

// reply writes body as JSON.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// tokenRefused is how the token endpoint says no. The real status of a failed login and of an exhausted refresh is not
// published; clients take 400, 401 and 403 alike.
func tokenRefused(w http.ResponseWriter, text string) {
	reply(w, http.StatusBadRequest, map[string]string{"error": text})
}

// unknownToken answers a bearer the server never issued.
func unknownToken(w http.ResponseWriter) {
	reply(w, http.StatusUnauthorized, map[string]string{"message": "Authorization has been denied for this request."})
}

// expired answers a bearer that was good once.
func expired(w http.ResponseWriter) {
	reply(w, http.StatusForbidden, map[string]string{"message": ExpiredMessage})
}

// forbidden answers a good bearer whose user lacks a right.
func forbidden(w http.ResponseWriter) {
	reply(w, http.StatusForbidden, map[string]string{"message": "Access Denied", "errorCode": "API_AccessDenied"})
}

// badRequest answers what makes no sense.
func badRequest(w http.ResponseWriter, detail string) {
	reply(w, http.StatusBadRequest, map[string]any{
		"message": "The request is invalid.", "messageDetail": detail, "errorCode": "API_InvalidRequest",
		"modelState": map[string][]string{},
	})
}

// fault answers as a server does that broke inside: with what must never reach a client.
func fault(w http.ResponseWriter) {
	reply(w, http.StatusInternalServerError, map[string]string{
		"message": "An error has occurred.", "exceptionMessage": "Object reference not set to an instance of an object.",
		"exceptionType": "System.NullReferenceException", "stackTrace": "   at Thycotic.ihawu.Web.Api.UsersController.Current()",
	})
}
