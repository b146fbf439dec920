// Package api is the contract of the cloud's HTTPS API: the routes, the types
// that travel, the problem document, and a [Client]. It imports the standard
// library only; the server (cloud/httpapi) builds its OpenAPI document from the
// same types, whose json, doc, format and enum tags are the document's source.
//
// Every response carries the header Calms-Version. Errors are problem documents
// after RFC 9457, see [Problem]. Times are RFC 3339 in UTC.
package api

import "time"

// Schema is the number of the JSON shapes below, printed with every JSON
// output; it grows when a shape changes in a way that a reader may notice.
const Schema = 1

// VersionHeader carries the program's version in requests and responses.
const VersionHeader = "Calms-Version"

// RequestIDHeader names one request in responses, logs and errors.
const RequestIDHeader = "Calms-Request-Id"

// Page is a list of things. Lists are complete: an installation that outgrows
// that gets a cursor in a later version of the API.
type Page[T any] struct {
	Items []T `json:"items"`
}

// Version is what GET /v1/version answers, to anybody.
type Version struct {
	Version  string `json:"version" doc:"program version"`
	Recovery bool   `json:"recovery" doc:"true where the daemon runs in recovery mode and only restore works"`
}

// Status is one look at the whole installation: GET /v1/status.
type Status struct {
	Version  string        `json:"version"`
	Epoch    string        `json:"epoch" doc:"random id drawn when the history was created or restored"`
	Started  time.Time     `json:"started"`
	Devices  DeviceCounts  `json:"devices"`
	Backup   BackupStatus  `json:"backup"`
	Replay   *ReplayStatus `json:"replay,omitempty" doc:"present while edges replay after a restore, and until the next restart"`
	Alarms   []Alarm       `json:"alarms"`
	RootKey  bool          `json:"rootKeyOnline" doc:"the root authority's key still lies on this machine"`
	Services []Service     `json:"services"`
}

// Service is the readiness of one target of the daemon.
type Service struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"`
}

// DeviceCounts counts the fleet.
type DeviceCounts struct {
	Total     int `json:"total"`
	Connected int `json:"connected"`
	Revoked   int `json:"revoked"`
}

// Alarm is a condition that somebody should look at, while it lasts.
type Alarm struct {
	Kind     string    `json:"kind" doc:"such as disk-full, fork, loss, replay-margin, no-repository"`
	Subject  string    `json:"subject" doc:"device path, service or repository"`
	Severity string    `json:"severity" enum:"warning,critical"`
	Text     string    `json:"text"`
	Hint     string    `json:"hint,omitempty"`
	Since    time.Time `json:"since"`
}
