package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the "sqlite" driver
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	// w is the writers' pool and r the readers'. SQLite has one writer at a
	// time: a pool of one connection queues writers in Go, where waiting is
	// fair and ends with the context, instead of in SQLite's busy loop. On
	// PostgreSQL both are the same pool.
	w, r *sql.DB
	d    dialect
	bulk bulkSQL
	// What is known to be in the database, so that it need not be asked.
	contexts contexts
	agents   agents
	days     knownDays
	detailed knownDays // of which activity is known to be whole
	chain    bool
}

// Options tune Open. The zero value works.
type Options struct {
	// MaxConns bounds the connections to PostgreSQL, or the readers of SQLite.
	// Default 16 and 4.
	MaxConns int
	// Keep leaves the tables as they are: if they are of another version than
	// this program's, Open fails.
	Keep bool
	// Chain has a hash chain kept over what is booked.
	Chain bool
}

// Open opens the database at url and brings its tables up to date. url is
// "sqlite:" and a file path, a "postgres://" or "postgresql://" URL, or a
// PostgreSQL keyword string such as "host=/run/postgresql dbname=penstock".
// Close the DB when done.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	db, err := connect(url, o)
	if err != nil {
		return nil, err
	}
	db.chain = o.Chain
	if err := db.migrate(ctx, o.Keep); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// connect opens the database as it is.
func connect(url string, o Options) (*DB, error) {
	switch path, isFile := strings.CutPrefix(url, "sqlite:"); {
	case isFile:
		return openSQLite(path, o)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"), strings.Contains(url, "host="):
		return openPostgres(url, o)
	}
	// The URL may hold a password, so it is not repeated here.
	return nil, errors.New("the database URL is of no known kind: use sqlite:/path/to/file.db or postgres://user@host/database")
}

func openSQLite(path string, o Options) (*DB, error) {
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("database URL sqlite:%s names no file: use sqlite:/path/to/file.db", path)
	}
	if dir := filepath.Dir(path); dir != "." {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("open database %s: create its directory first: %w", path, err)
		}
	}
	// SQLite would make a file that everybody on the machine can read.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}

	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	// Pragmas stand in the DSN because every connection of a pool needs them.
	// synchronous is FULL, not NORMAL: once rows are booked their journal is
	// deleted, so a commit must survive a power cut. It costs one fsync a batch.
	const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)"
	w, err := sql.Open("sqlite", file+pragmas+"&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	w.SetMaxOpenConns(1)
	r, err := sql.Open("sqlite", file+pragmas+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), w.Close())
	}
	n := o.MaxConns
	if n <= 0 {
		n = 4
	}
	r.SetMaxOpenConns(n)
	r.SetMaxIdleConns(n)
	return newDB(w, r, sqliteDialect()), nil
}

func openPostgres(dsn string, o Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's error quotes the URL, in which the password may be
		// misplaced where no redaction finds it.
		return nil, errors.New("the PostgreSQL URL cannot be read: use postgres://user:password@host:5432/database, with %-escapes for special characters in the password")
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "penstock"
	}
	limit := prisma(cfg)
	pool := stdlib.OpenDB(*cfg)
	n := o.MaxConns
	if n <= 0 {
		n = 16
	}
	if limit > 0 {
		n = min(n, limit)
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return newDB(pool, pool, postgresDialect()), nil
}

// prisma takes the parameters of LiteLLM's database library out of what a
// PostgreSQL server is told, which would refuse to talk to us over them. It
// returns the most connections that they allow, 0 if they say nothing of it.
func prisma(cfg *pgx.ConnConfig) (limit int) {
	take := func(name string) string {
		v := cfg.RuntimeParams[name]
		delete(cfg.RuntimeParams, name)
		return v
	}
	if schema := take("schema"); schema != "" {
		// Quoted, as it is one name whatever is in it.
		cfg.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	}
	if take("pgbouncer") == "true" {
		// A pooler gives every transaction another connection, on which a
		// statement prepared before is unknown.
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	// One connection is too few for a query within a transaction.
	if n, err := strconv.Atoi(take("connection_limit")); err == nil && n > 0 {
		limit = max(n, 2)
	}
	for _, name := range [...]string{"pool_timeout", "socket_timeout", "statement_cache_size", "sslaccept", "sslidentity"} {
		take(name)
	}
	return limit
}

func newDB(w, r *sql.DB, d dialect) *DB {
	return &DB{w: w, r: r, d: d, bulk: newBulkSQL(d)}
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error {
	err := db.w.Close()
	if db.r != db.w {
		err = errors.Join(err, db.r.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.r.PingContext(ctx); err != nil {
		return fmt.Errorf("ping %s: %w", db.d.name, err)
	}
	return nil
}

// Dialect returns "sqlite" or "postgres".
func (db *DB) Dialect() string { return db.d.name }
