-- +goose Up
CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
	at      BIGINT  NOT NULL,    -- nanoseconds since 1970, UTC
	actor   TEXT    NOT NULL,    -- who did it: "operator:first", "device:d-…", "system"
	action  TEXT    NOT NULL,    -- what was done: "device.revoke"
	subject TEXT    NOT NULL,    -- on what: a path or an id
	detail  TEXT    NOT NULL     -- JSON object: before, after, reason; no secret
);

-- The keys that session keys are wrapped to. None is ever deleted: a journal
-- somewhere may still need it.
CREATE TABLE ingest_keys (
	id      TEXT   PRIMARY KEY,
	private BLOB   NOT NULL, -- PKCS #8
	created BIGINT NOT NULL, -- UTC nanoseconds
	active  BIGINT NOT NULL  -- UTC nanoseconds since when edges are told of it, 0 while no repository holds it
);

-- +goose Down
DROP TABLE ingest_keys;
DROP TABLE outbox;
