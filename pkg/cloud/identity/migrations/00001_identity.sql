-- +goose Up
CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
	at      BIGINT  NOT NULL,    -- nanoseconds since 1970, UTC
	actor   TEXT    NOT NULL,    -- who did it: "operator:first", "device:d-…", "system"
	action  TEXT    NOT NULL,    -- what was done: "device.revoke"
	subject TEXT    NOT NULL,    -- on what: a path or an id
	detail  TEXT    NOT NULL     -- JSON object: before, after, reason; no secret
);

CREATE TABLE operators (
	name     TEXT   PRIMARY KEY,
	key_hash BLOB   NOT NULL UNIQUE, -- SHA-256 of the key's text
	created  BIGINT NOT NULL         -- nanoseconds since 1970, UTC
);
