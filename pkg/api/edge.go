package api

import "time"

// EnrollRequest is the body of POST /v1/edge/enroll, the one request that a
// ticket stands for. The certificate request's signature proves the possession
// of the private key, which never travels.
type EnrollRequest struct {
	TicketID string `json:"ticketId"`
	Secret   []byte `json:"secret" doc:"the ticket's secret"`
	CSR      []byte `json:"csr" doc:"PKCS #10 certificate request, DER"`
	DeviceID string `json:"deviceId,omitempty" doc:"the device that the edge believes to be; a ticket of another one is refused with conflict before it is used"`
}

// Enrollment is everything that an edge needs to begin.
type Enrollment struct {
	DeviceID     string   `json:"deviceId"`
	Path         string   `json:"path"`
	Shard        uint32   `json:"shard"`
	Certificate  [][]byte `json:"certificate" doc:"device certificate and its chain, DER, leaf first"`
	Registration []byte   `json:"registration" doc:"signed by the cloud; the edge keeps it and shows it in every hello"`
	Generation   uint64   `json:"generation" doc:"the edge's journal generation must be larger"`
	Links
}

// Links is what an edge must know of the cloud; enrolment and renewal bring it.
type Links struct {
	Authorities [][]byte    `json:"authorities" doc:"root certificates to trust, DER"`
	Broker      string      `json:"broker" doc:"host:port of the MQTT listener"`
	API         string      `json:"api" doc:"base URL"`
	IngestKeys  []IngestKey `json:"ingestKeys" doc:"usable to seal, newest first"`
}

// IngestKey is a public key that batches are sealed to.
type IngestKey struct {
	ID        string    `json:"id"`
	PublicKey []byte    `json:"publicKey" doc:"RSA, PKIX DER"`
	Created   time.Time `json:"created"`
}

// RenewRequest is the body of POST /v1/edge/renew, sent over TLS with the
// present certificate, which may have expired (see the service's bounds).
type RenewRequest struct {
	CSR []byte `json:"csr" doc:"PKCS #10 request for a new key, DER"`
}

// Renewed is the answer.
type Renewed struct {
	Certificate [][]byte `json:"certificate" doc:"DER, leaf first"`
	Links
}
