-- +goose Up
CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
	at      BIGINT  NOT NULL,    -- nanoseconds since 1970, UTC
	actor   TEXT    NOT NULL,    -- who did it: "operator:first", "device:d-…", "system"
	action  TEXT    NOT NULL,    -- what was done: "device.revoke"
	subject TEXT    NOT NULL,    -- on what: a path or an id
	detail  TEXT    NOT NULL     -- JSON object: before, after, reason; no secret
);

CREATE TABLE facts (
	number  INTEGER PRIMARY KEY,
	kind    TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	at      BIGINT  NOT NULL,   -- nanoseconds since 1970, UTC
	detail  TEXT    NOT NULL    -- JSON object of strings
);

-- All times are nanoseconds since 1970, UTC.

CREATE TABLE authorities (
	number      INTEGER PRIMARY KEY,    -- in the order of making
	id          TEXT    NOT NULL UNIQUE, -- hex SHA-256 of the certificate
	kind        TEXT    NOT NULL,        -- root, devices, services
	certificate BLOB    NOT NULL,        -- DER
	private_key BLOB,                    -- PKCS #8 DER; the root's is in no database
	created     BIGINT  NOT NULL,
	confirmed   BIGINT                   -- since when it may issue; NULL: pending
);

CREATE TABLE certificates (
	serial          TEXT   PRIMARY KEY, -- hex
	authority       TEXT   NOT NULL REFERENCES authorities (id),
	subject         TEXT   NOT NULL,    -- device id, or name of the service
	key_fingerprint TEXT   NOT NULL,    -- hex SHA-256 of the public key
	issued          BIGINT NOT NULL,
	not_after       BIGINT NOT NULL,
	superseded      BIGINT,             -- when a newer one was issued to the same subject
	unknown         BIGINT              -- when it was first shown to us without our remembering it
);
CREATE INDEX certificates_subject ON certificates (subject, issued);

CREATE TABLE revocations (
	device  TEXT   PRIMARY KEY,
	revoked BIGINT NOT NULL,
	reason  TEXT   NOT NULL
);
