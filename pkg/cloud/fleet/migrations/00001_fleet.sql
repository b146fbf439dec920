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

-- All times are nanoseconds since 1970, UTC. Paths are compared byte by byte.

CREATE TABLE organisations (
	id      TEXT   PRIMARY KEY,
	path    TEXT   NOT NULL UNIQUE,
	created BIGINT NOT NULL
);

CREATE TABLE sites (
	path         TEXT   PRIMARY KEY,
	organisation TEXT   NOT NULL REFERENCES organisations (id),
	created      BIGINT NOT NULL
);

CREATE TABLE devices (
	id       TEXT   PRIMARY KEY,
	path     TEXT   NOT NULL UNIQUE,
	site     TEXT   NOT NULL REFERENCES sites (path),
	shard    BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	enrolled BIGINT,  -- NULL: provisioned only
	seen     BIGINT
);

-- Identities that were deleted and must never be given or adopted again.
CREATE TABLE tombstones (
	id      TEXT   PRIMARY KEY,
	path    TEXT   NOT NULL,
	deleted BIGINT NOT NULL
);

CREATE TABLE channels (
	path        TEXT   PRIMARY KEY,
	device      TEXT   NOT NULL REFERENCES devices (id),
	unit        TEXT   NOT NULL,
	description TEXT   NOT NULL,
	declared    BIGINT NOT NULL, -- 1: created by an operator; 0: described by the device
	created     BIGINT NOT NULL
);

-- Tickets outlive their devices: one that was used is never good again.
CREATE TABLE tickets (
	id              TEXT   PRIMARY KEY,
	device          TEXT   NOT NULL,
	secret_hash     BLOB   NOT NULL, -- SHA-256; empty where only the fact of its use is known
	state           TEXT   NOT NULL, -- open, used, voided
	created         BIGINT NOT NULL,
	expires         BIGINT NOT NULL,
	used            BIGINT,
	key_fingerprint TEXT             -- hex SHA-256 of the public key that enrolled
);
CREATE INDEX tickets_device ON tickets (device);

CREATE TABLE signing_keys (
	number  INTEGER PRIMARY KEY,
	seed    BLOB    NOT NULL, -- Ed25519
	created BIGINT  NOT NULL
);
