package api

import "time"

// Org is one organisation, the customer whose stations are watched.
// Routes: POST, GET /v1/orgs; GET, DELETE /v1/orgs/{org}.
type Org struct {
	ID      string    `json:"id"`
	Path    string    `json:"path"`
	Created time.Time `json:"created"`
}

// Site is one place of an organisation.
// Routes: POST, GET /v1/sites; GET, DELETE /v1/sites/{org}/{site}.
type Site struct {
	Path    string    `json:"path"`
	Created time.Time `json:"created"`
}

// The states of a device.
const (
	DeviceProvisioned = "provisioned" // known, not enrolled yet
	DeviceEnrolled    = "enrolled"
	DeviceRevoked     = "revoked" // its credentials and its entries are refused
)

// Device is one edge computer as the cloud knows it.
// Routes: POST, GET /v1/devices; GET, DELETE /v1/devices/{org}/{site}/{device}.
type Device struct {
	ID        string     `json:"id"`
	Path      string     `json:"path"`
	Shard     uint32     `json:"shard"`
	State     string     `json:"state" enum:"provisioned,enrolled,revoked"`
	Created   time.Time  `json:"created"`
	Enrolled  *time.Time `json:"enrolled,omitempty"`
	Connected bool       `json:"connected"`
	LastSeen  *time.Time `json:"lastSeen,omitempty"`
	Journals  []Journal  `json:"journals,omitempty" doc:"only when one device is asked for"`
	Gaps      []Gap      `json:"gaps,omitempty" doc:"only when one device is asked for"`
	Margin    *Margin    `json:"replayMargin,omitempty"`
}

// Journal is the state of one journal of a device in the cloud.
type Journal struct {
	Name        string     `json:"name" doc:"generation and random id"`
	Generation  uint64     `json:"generation"`
	Cursor      uint64     `json:"cursor" doc:"everything up to this number is stored or covered by a gap"`
	Head        uint64     `json:"head" doc:"highest number that the edge told of"`
	Samples     uint64     `json:"samples" doc:"stored of this journal"`
	Covered     uint64     `json:"covered" doc:"up to this number the newest snapshot holds it"`
	Quarantined string     `json:"quarantined,omitempty" doc:"why no more entries are taken"`
	LastEntry   *time.Time `json:"lastEntry,omitempty"`
}

// Gap is a range of entries that the edge declared lost.
type Gap struct {
	Journal string     `json:"journal"`
	First   uint64     `json:"first"`
	Last    uint64     `json:"last"`
	Samples uint64     `json:"samples"`
	From    *time.Time `json:"from,omitempty"`
	To      *time.Time `json:"to,omitempty"`
	Reason  string     `json:"reason"`
}

// Margin is the replay margin of a device: how far back its journal reaches,
// against the age of the newest snapshot.
type Margin struct {
	OldestEntry *time.Time `json:"oldestEntry,omitempty" doc:"time of the oldest entry that the edge still holds"`
	Snapshot    *time.Time `json:"snapshot,omitempty" doc:"time of the newest snapshot"`
	Sufficient  bool       `json:"sufficient" doc:"a restore of the newest snapshot would lose nothing of this device"`
}

// Channel is one measured series.
// Routes: POST, GET /v1/channels; GET, DELETE /v1/channels/{org}/{site}/{device}/{channel}.
type Channel struct {
	Path        string    `json:"path"`
	Unit        string    `json:"unit,omitempty"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Declared    bool      `json:"declared" doc:"created by an operator; else described by the device itself"`
}

// CreateRequest is the body of POST to orgs, sites, devices and channels.
type CreateRequest struct {
	Path        string `json:"path"`
	Unit        string `json:"unit,omitempty" doc:"channels only"`
	Description string `json:"description,omitempty" doc:"channels only"`
}

// ProvisionRequest is the body of POST /v1/devices/{org}/{site}/{device}/provision.
type ProvisionRequest struct {
	TTLSeconds int `json:"ttlSeconds,omitempty" doc:"life of the ticket; 0 is one hour"`
}

// Provisioned is the answer: the device and its one-time ticket.
type Provisioned struct {
	Device  Device    `json:"device"`
	Ticket  string    `json:"ticket" doc:"secret, shown once: the edge's one-time enrolment ticket"`
	Expires time.Time `json:"expires"`
}

// RevokeRequest is the body of POST /v1/devices/{org}/{site}/{device}/revoke.
type RevokeRequest struct {
	Reason string `json:"reason"`
}

// Revoked is the answer. A revocation takes effect at once; it is complete,
// that is safe against the restore of an older backup, when a repository has it.
type Revoked struct {
	Device       Device `json:"device"`
	Disconnected int    `json:"disconnected" doc:"live connections that were cut"`
	Complete     bool   `json:"complete" doc:"the backup repository holds the revocation"`
}
