package api

import "time"

// Repository is where snapshots live. Routes: GET, POST /v1/backup/repository.
type Repository struct {
	Folder     string    `json:"folder" doc:"on the cloud's machine"`
	Recipient  string    `json:"recipient" doc:"age public key that everything in it is sealed to"`
	Recipients []string  `json:"recipients" doc:"age public keys of the people who may restore"`
	Created    time.Time `json:"created"`
}

// RepositoryRequest makes a repository. Its key pair was made by the operator's
// program; the private half arrives only wrapped to the people who may restore.
type RepositoryRequest struct {
	Folder     string   `json:"folder"`
	Recipient  string   `json:"recipient"`
	WrappedKey []byte   `json:"wrappedKey" doc:"the repository's age identity, age-encrypted to the recipients"`
	Recipients []string `json:"recipients"`
}

// BackupStatus is the state of the protection by backups.
type BackupStatus struct {
	Repository   *Repository `json:"repository,omitempty"`
	Newest       *Snapshot   `json:"newest,omitempty" doc:"newest complete snapshot"`
	Next         *time.Time  `json:"next,omitempty"`
	Running      bool        `json:"running"`
	PendingFacts int         `json:"pendingFacts" doc:"revocations and burnt tickets that the repository does not hold yet"`
	Risk         string      `json:"risk,omitempty" doc:"what would be lost, in words, where protection is incomplete"`
}

// The states of a snapshot.
const (
	SnapshotRunning = "running"
	SnapshotDone    = "done"
	SnapshotFailed  = "failed"
)

// Snapshot is one backup. Routes: GET /v1/backup/snapshots, POST the same
// (begins one, answers 202), GET /v1/backup/snapshots/{id}.
type Snapshot struct {
	ID       string            `json:"id"`
	Time     time.Time         `json:"time"`
	State    string            `json:"state" enum:"running,done,failed"`
	Error    string            `json:"error,omitempty"`
	Services []SnapshotService `json:"services,omitempty"`
	Bytes    int64             `json:"bytes" doc:"plaintext size"`
	Stored   int64             `json:"stored" doc:"ciphertext newly written"`
	Duration float64           `json:"durationSeconds"`
}

// SnapshotService is one service's part of a snapshot.
type SnapshotService struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Packs int    `json:"packs"`
}

// Verification is the answer of POST /v1/backup/snapshots/{id}/verify: every
// pack was read and its hash compared, without any read key.
type Verification struct {
	Snapshot string   `json:"snapshot"`
	Packs    int      `json:"packs"`
	Bytes    int64    `json:"bytes"`
	Problems []string `json:"problems" doc:"empty where the snapshot is intact"`
}

// Recovery is the state of a daemon in recovery mode: GET /v1/recovery.
type Recovery struct {
	State     string         `json:"state" enum:"waiting,restoring,restored,failed"`
	Error     string         `json:"error,omitempty"`
	Step      string         `json:"step,omitempty"`
	Done      int64          `json:"done" doc:"bytes"`
	Total     int64          `json:"total" doc:"bytes"`
	Report    *RestoreReport `json:"report,omitempty"`
	Snapshots []Snapshot     `json:"snapshots,omitempty" doc:"what the repository offers, newest first"`
	Key       []byte         `json:"wrappedKey,omitempty" doc:"the repository's age identity, wrapped to the people who may restore"`
}

// RestoreRequest is the body of POST /v1/recovery/restore.
type RestoreRequest struct {
	Snapshot string `json:"snapshot" doc:"id, or latest"`
	Identity string `json:"identity" doc:"secret: the repository's age identity, unwrapped on the operator's machine"`
}

// RestoreReport says what a restore brought back.
type RestoreReport struct {
	Snapshot     string    `json:"snapshot"`
	SnapshotTime time.Time `json:"snapshotTime"`
	Restored     time.Time `json:"restored"`
	Duration     float64   `json:"durationSeconds"`
	Rows         int64     `json:"rows"`
	Bytes        int64     `json:"bytes"`
	Facts        int       `json:"facts" doc:"revocations and burnt tickets younger than the snapshot, applied"`
	Epoch        string    `json:"epoch"`
}

// ReplayStatus tells how far the edges have come in sending again what the
// restored snapshot did not hold.
type ReplayStatus struct {
	Restored     time.Time      `json:"restored"`
	SnapshotTime time.Time      `json:"snapshotTime"`
	Report       *RestoreReport `json:"report,omitempty"`
	Devices      []ReplayDevice `json:"devices"`
	Complete     bool           `json:"complete" doc:"every device that ever sent something, and that is not revoked, has caught up"`
}

// ReplayDevice is one device's part of a replay.
type ReplayDevice struct {
	Path     string `json:"path"`
	Heard    bool   `json:"heard" doc:"it said hello since the restore"`
	Cursor   uint64 `json:"cursor"`
	Head     uint64 `json:"head" doc:"its head at its first hello after the restore"`
	Replayed uint64 `json:"replayed" doc:"entries stored again since the restore"`
	Lost     uint64 `json:"lost" doc:"samples in gaps since the restore"`
	CaughtUp bool   `json:"caughtUp"`
}
