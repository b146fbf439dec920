-- +goose Up
CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
	at      BIGINT  NOT NULL,    -- nanoseconds since 1970, UTC
	actor   TEXT    NOT NULL,    -- who did it: "operator:first", "device:d-…", "system"
	action  TEXT    NOT NULL,    -- what was done: "device.revoke"
	subject TEXT    NOT NULL,    -- on what: a path or an id
	detail  TEXT    NOT NULL     -- JSON object: before, after, reason; no secret
);

-- All times are nanoseconds since 1970, UTC.

-- The repository; no row where none is set up.
CREATE TABLE repository (
	one         BIGINT PRIMARY KEY CHECK (one = 1),
	location    TEXT   NOT NULL, -- a folder
	about       TEXT   NOT NULL, -- JSON, as in repository.json
	naming_key  BLOB   NOT NULL, -- 32 bytes, HMAC-SHA-256: names packs and facts
	signing_key BLOB   NOT NULL  -- 32 bytes, Ed25519 seed: signs manifests and facts
);

CREATE TABLE snapshots (
	id        TEXT   PRIMARY KEY,
	number    BIGINT NOT NULL,   -- of its manifest; 0 until there is one
	state     TEXT   NOT NULL,   -- running, done, failed
	started   BIGINT NOT NULL,
	finished  BIGINT NOT NULL,   -- 0 while it runs
	size      BIGINT NOT NULL,   -- bytes of plaintext
	stored    BIGINT NOT NULL,   -- bytes of ciphertext newly written
	services  TEXT   NOT NULL,   -- JSON: list of name, bytes, packs, marks
	error     TEXT   NOT NULL,   -- empty unless failed
	announced BIGINT NOT NULL,   -- 1: those who wait for a snapshot know of it
	verified  BIGINT NOT NULL,   -- 0: never
	problems  BIGINT NOT NULL    -- number found when it was verified
);

-- Where a segment's plaintext lies in the repository.
CREATE TABLE packs (
	digest TEXT   PRIMARY KEY, -- hex HMAC-SHA-256 of the plaintext
	name   TEXT   NOT NULL UNIQUE,
	sha256 TEXT   NOT NULL,    -- hex, of the ciphertext
	size   BIGINT NOT NULL     -- bytes of ciphertext
);

-- Facts that the repository does not have yet, sealed.
CREATE TABLE pending_facts (
	name   TEXT PRIMARY KEY,
	sealed BLOB NOT NULL
);
