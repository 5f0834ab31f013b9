package store

import (
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is everything in which the two engines differ.
type dialect struct {
	name  string
	goose goose.Dialect
	// forUpdate ends a SELECT that reads a row in order to write it back.
	// SQLite needs nothing: a writing transaction is alone from its BEGIN.
	forUpdate string
	// listen is the statement after which a connection is told of changes, ""
	// if there is none.
	listen string
	// trigrams says that parts of texts are found in tables of their own, as
	// SQLite does, instead of by an index of the table itself.
	trigrams bool
	// spendOrder says that the order by spend stands in a table of its own.
	spendOrder bool
	// hasVersions asks whether the table of versions is there.
	hasVersions string
	// param is the n-th parameter of a generated statement, counted from 1.
	// SQLite takes $1 too, but looks every such name up in a list, which is
	// quadratic in a statement with thousands of them; ?1 is not.
	param func(n int) string
	// response is the condition beside "response_id = …" by which an index finds
	// an answer's id, and otherID the same for a call's id that is no UUID.
	response, otherID string
	// daily says that a walk over an owner's calls goes over the days of which the
	// daily sums know some, and that the engine is told whether to walk at all.
	daily bool
	// size asks how many bytes the ledger takes.
	size string
	// elements selects the texts of the JSON array that is put into it.
	elements string
	// hexID is the stored form of a call's id in hexadecimal, lower case.
	hexID string
	// byTag is calls once for each of their tags.
	byTag string
	// agentName is the name of a context's program (c.agent), without its version.
	agentName string
	// partitions says that calls are partitioned by day.
	partitions bool
	// bulk is how many rows one INSERT carries at most, a power of two. On
	// PostgreSQL many rows save round trips. SQLite has none to save and finds
	// its parameters slower the more there are: booking 500 rows took 87 ms in
	// pieces of 64, 58 in pieces of 32, and 11 with one row prepared once,
	// which is what 1 means.
	bulk int
	// again reports whether a transaction failed only for meeting another one.
	again func(error) bool
	// unique returns the index or column that a write collided on, "" if the
	// error is another one.
	unique func(error) string
}

func sqliteDialect() dialect {
	return dialect{
		name:        "sqlite",
		goose:       goose.DialectSQLite3,
		hasVersions: `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')`,
		trigrams:    true,
		param:       func(n int) string { return "?" + strconv.Itoa(n) },
		// Ids of answers are in the index hour by hour, and these are the hours
		// there are: each step of the recursion is one look into that index.
		response: `calls.started_at / 3600000000 IN (
			WITH RECURSIVE hours (n) AS (
				SELECT MAX(started_at / 3600000000) FROM calls WHERE response_id IS NOT NULL
				UNION ALL
				SELECT (SELECT MAX(started_at / 3600000000) FROM calls WHERE response_id IS NOT NULL AND started_at / 3600000000 < hours.n)
				FROM hours WHERE n IS NOT NULL
			) SELECT n FROM hours WHERE n IS NOT NULL)`,
		otherID:  `calls.call_id >= X'FF'`,
		elements: `SELECT value FROM json_each(%s)`,
		hexID:    `LOWER(HEX(calls.call_id))`,
		size:     `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`,
		byTag: `(SELECT DISTINCT c.started_at, c.call_id, c.context, c.prompt, c.completion, c.cache_read, c.cache_write, c.cache_write_1h, c.cost, c.took, j.value AS tag
			FROM calls AS c, json_each(c.tags) AS j WHERE c.tags IS NOT NULL) AS c`,
		agentName: `CASE WHEN INSTR(c.agent, '/') > 1 THEN SUBSTR(c.agent, 1, INSTR(c.agent, '/') - 1) ELSE c.agent END`,
		daily:     true,
		bulk:      1,
		again: func(err error) bool {
			e, ok := errors.AsType[*sqlite.Error](err)
			if !ok {
				return false
			}
			// The low byte is the primary code, the rest says more.
			switch e.Code() & 0xff {
			case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
				return true
			}
			return false
		},
		unique: func(err error) string {
			e, ok := errors.AsType[*sqlite.Error](err)
			if !ok {
				return ""
			}
			switch e.Code() {
			case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
				return e.Error()
			}
			return ""
		},
	}
}

func postgresDialect() dialect {
	return dialect{
		name:        "postgres",
		goose:       goose.DialectPostgres,
		hasVersions: `SELECT to_regclass('goose_db_version') IS NOT NULL`,
		forUpdate:   " FOR UPDATE",
		listen:      "LISTEN " + channel,
		param:       func(n int) string { return "$" + strconv.Itoa(n) },
		response:    `calls.response_id IS NOT NULL`,
		size:        `SELECT COALESCE(SUM(pg_total_relation_size(relid)), 0)::BIGINT FROM pg_partition_tree('calls')`,
		byTag: `(SELECT DISTINCT c.started_at, c.call_id, c.context, c.prompt, c.completion, c.cache_read, c.cache_write, c.cache_write_1h, c.cost, c.took, j.value AS tag
			FROM calls AS c, jsonb_array_elements_text(CAST(c.tags AS JSONB)) AS j (value) WHERE c.tags IS NOT NULL) AS c`,
		agentName:  `CASE WHEN STRPOS(c.agent, '/') > 1 THEN SUBSTR(c.agent, 1, STRPOS(c.agent, '/') - 1) ELSE c.agent END`,
		partitions: true,
		spendOrder: true,
		otherID:    `calls.call_id >= '\xff'::BYTEA`,
		elements:   `SELECT unnest(ARRAY(SELECT jsonb_array_elements_text(CAST(%s AS JSONB))))`,
		hexID:      `encode(calls.call_id, 'hex')`,
		bulk:       128,
		again: func(err error) bool {
			e, ok := errors.AsType[*pgconn.PgError](err)
			// Serialization failure, deadlock.
			return ok && (e.Code == "40001" || e.Code == "40P01")
		},
		unique: func(err error) string {
			e, ok := errors.AsType[*pgconn.PgError](err)
			if !ok || e.Code != "23505" {
				return ""
			}
			return e.ConstraintName
		},
	}
}
