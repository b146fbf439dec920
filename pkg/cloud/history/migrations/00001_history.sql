-- +goose Up
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

-- One row per journal of a device: the cloud's cursor in it.
CREATE TABLE journals (
	id          INTEGER PRIMARY KEY,
	device      TEXT   NOT NULL,
	generation  BIGINT NOT NULL,
	random      BLOB   NOT NULL, -- 8 bytes
	cursor      BIGINT NOT NULL, -- everything up to it is stored or covered by a gap
	hash        BLOB   NOT NULL, -- of that entry, 32 bytes
	total       BIGINT NOT NULL, -- samples of the journal up to and with it
	samples     BIGINT NOT NULL, -- of them stored here
	head        BIGINT NOT NULL, -- highest number that the edge told of
	oldest      BIGINT NOT NULL, -- UTC nanoseconds of the oldest sample that the edge held, 0 where unknown
	held        BIGINT NOT NULL, -- lowest number that the edge held
	covered     BIGINT NOT NULL, -- the newest snapshot holds everything up to it
	last_entry  BIGINT NOT NULL, -- UTC nanoseconds at which the newest entry was stored
	UNIQUE (device, generation, random)
);

-- Session objects, needed to open entries that arrive after a restart.
CREATE TABLE objects (
	device TEXT NOT NULL,
	name   BLOB NOT NULL, -- SHA-256 of object
	object BLOB NOT NULL,
	PRIMARY KEY (device, name)
);

-- Lists of channels that batches refer to by index.
CREATE TABLE channel_lists (
	id       INTEGER PRIMARY KEY,
	device   TEXT NOT NULL,
	hash     BLOB NOT NULL, -- SHA-256 of channels
	channels BLOB NOT NULL, -- wire encoding of the list
	UNIQUE (device, hash)
);

CREATE TABLE boots (
	device TEXT   NOT NULL,
	boot   BLOB   NOT NULL, -- 16 bytes
	span   BIGINT NOT NULL, -- longest batch, nanoseconds
	placed BIGINT,          -- UTC minus monotonic time, nanoseconds; NULL where no anchor is known
	error  BIGINT,          -- bound of its error
	PRIMARY KEY (device, boot)
);

CREATE TABLE batches (
	id       INTEGER PRIMARY KEY,
	device   TEXT   NOT NULL,
	boot     BLOB   NOT NULL,
	first    BIGINT NOT NULL, -- monotonic nanoseconds
	last     BIGINT NOT NULL,
	journal  BIGINT NOT NULL REFERENCES journals,
	number   BIGINT NOT NULL,
	channels BIGINT NOT NULL REFERENCES channel_lists,
	samples  BIGINT NOT NULL,
	batch    BLOB   NOT NULL, -- package batch
	UNIQUE (journal, number)
);
CREATE INDEX batches_by_time ON batches (device, boot, first);

-- Entries that are no batches, as they were sealed.
CREATE TABLE notes (
	journal BIGINT NOT NULL REFERENCES journals,
	number  BIGINT NOT NULL,
	kind    BIGINT NOT NULL,
	content BLOB   NOT NULL,
	PRIMARY KEY (journal, number)
);

-- The gap ledger.
CREATE TABLE gaps (
	journal BIGINT NOT NULL REFERENCES journals,
	first   BIGINT NOT NULL,
	last    BIGINT NOT NULL,
	samples BIGINT NOT NULL,
	since   BIGINT NOT NULL, -- UTC nanoseconds, 0 where unknown
	until   BIGINT NOT NULL,
	reason  TEXT   NOT NULL,
	stored  BIGINT NOT NULL, -- UTC nanoseconds at which the gap was stored
	PRIMARY KEY (journal, first)
);

-- What edges stated about the ends of their journals, and the branches of
-- forked journals, whose entries are refused.
CREATE TABLE statements (
	device     TEXT   NOT NULL,
	kind       BIGINT NOT NULL, -- wire.StatementKind
	generation BIGINT NOT NULL,
	random     BLOB   NOT NULL,
	number     BIGINT NOT NULL,
	hash       BLOB   NOT NULL,
	reason     TEXT   NOT NULL,
	stored     BIGINT NOT NULL, -- UTC nanoseconds
	PRIMARY KEY (device, kind, generation, random, number, hash)
);

-- +goose Down
DROP TABLE statements;
DROP TABLE gaps;
DROP TABLE notes;
DROP TABLE batches;
DROP TABLE boots;
DROP TABLE channel_lists;
DROP TABLE objects;
DROP TABLE journals;
DROP TABLE meta;
