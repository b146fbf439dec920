-- +goose Up
CREATE TABLE journals (
	generation BIGINT PRIMARY KEY,
	random     BLOB   NOT NULL, -- 8 bytes; with the generation it names the journal
	reason     TEXT   NOT NULL, -- why it was begun
	head       BIGINT NOT NULL, -- highest number ever written
	hash       BLOB   NOT NULL, -- of the head, 32 bytes
	total      BIGINT NOT NULL, -- samples up to and with the head
	cursor     BIGINT NOT NULL, -- the cloud's, as far as it is known
	covered    BIGINT NOT NULL  -- what the newest snapshot covers, as far as it is known
);

CREATE TABLE entries (
	generation BIGINT  NOT NULL REFERENCES journals,
	number     BIGINT  NOT NULL,
	samples    BIGINT  NOT NULL,
	since      BIGINT  NOT NULL, -- UTC nanoseconds of its first sample, 0 where unknown
	until      BIGINT  NOT NULL, -- of its last one
	entry      BLOB    NOT NULL, -- the sealed entry as it travels
	PRIMARY KEY (generation, number)
);

-- The ledger: ranges of entries that are no longer held.
CREATE TABLE lost (
	generation BIGINT NOT NULL REFERENCES journals,
	first      BIGINT NOT NULL,
	last       BIGINT NOT NULL,
	hash       BLOB   NOT NULL, -- of entry last
	total      BIGINT NOT NULL, -- samples up to and with entry last
	since      BIGINT NOT NULL,
	until      BIGINT NOT NULL,
	reason     TEXT   NOT NULL,
	PRIMARY KEY (generation, first)
);

CREATE TABLE objects (
	name       BLOB   PRIMARY KEY, -- SHA-256 of object
	object     BLOB   NOT NULL,
	generation BIGINT NOT NULL, -- the newest entry that names it
	number     BIGINT NOT NULL
);

-- What is to be told of the ends of journals, in every hello.
CREATE TABLE statements (
	kind       BIGINT NOT NULL, -- wire.StatementKind
	generation BIGINT NOT NULL REFERENCES journals,
	number     BIGINT NOT NULL,
	hash       BLOB   NOT NULL,
	reason     TEXT   NOT NULL,
	PRIMARY KEY (kind, generation, number)
);

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
);

-- +goose Down
DROP TABLE meta;
DROP TABLE statements;
DROP TABLE objects;
DROP TABLE lost;
DROP TABLE entries;
DROP TABLE journals;
