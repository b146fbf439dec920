-- +goose Up
CREATE TABLE outbox (
	number  INTEGER PRIMARY KEY,
	at      BIGINT  NOT NULL,
	actor   TEXT    NOT NULL,
	action  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	detail  TEXT    NOT NULL
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
