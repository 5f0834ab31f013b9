package storetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver, to make databases with

	"penstock/internal/store"
)

// Making the tables takes longer than most tests do with them, with the race
// detector most of a second. So they are made once and copied: in a process for
// SQLite, on a server for PostgreSQL. Tests of making them ask for an empty one.

// SQLite opens a database of its own, with the tables and without rows.
func SQLite(tb testing.TB) *store.DB {
	tb.Helper()
	return openURL(tb, SQLiteURL(tb))
}

// SQLiteURL makes a database with the tables and returns its URL.
func SQLiteURL(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "penstock.db")
	SQLiteFile(tb, path)
	return "sqlite:" + path
}

// SQLiteFile makes a database with the tables at path.
func SQLiteFile(tb testing.TB, path string) {
	tb.Helper()
	file, err := sqliteTemplate()
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// sqliteTemplate is the file of a database with the tables and without rows.
var sqliteTemplate = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "penstock-template-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "penstock.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // whole: the last connection has taken in the log
})

// migrate makes the tables in the empty database at url.
func migrate(url string) error {
	db, err := store.Open(context.Background(), url, store.Options{})
	if err != nil {
		return err
	}
	return db.Close()
}

// Postgres opens a database of its own, with the tables and without rows, on
// the server that TEST_POSTGRES_DSN names.
func Postgres(tb testing.TB) *store.DB {
	tb.Helper()
	return openURL(tb, PostgresURL(tb))
}

// PostgresURL makes a database with the tables and returns its URL. The server
// is the one that TEST_POSTGRES_DSN names (a URL or keywords, of a user who may
// create databases). Without it the test is skipped, or fails where CI=true says
// that it must run.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	dsn := server(tb)
	template, err := postgresTemplate()
	if err != nil {
		tb.Fatal(err)
	}
	return createPostgres(tb, dsn, " TEMPLATE "+template)
}

// EmptyPostgresURL is PostgresURL without tables: for tests of making them, and
// of databases that are not ours.
func EmptyPostgresURL(tb testing.TB) string {
	tb.Helper()
	return createPostgres(tb, server(tb), "")
}

func server(tb testing.TB) string {
	tb.Helper()
	dsn := os.Getenv("TEST_POSTGRES_DSN")
	if dsn == "" {
		const what = "TEST_POSTGRES_DSN names no PostgreSQL server, so the store is not tested on one"
		if os.Getenv("CI") == "true" {
			tb.Fatal(what)
		}
		tb.Skip(what)
	}
	return dsn
}

func createPostgres(tb testing.TB, dsn, how string) string {
	tb.Helper()
	server, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	name := newName()
	if _, err := server.ExecContext(tb.Context(), "CREATE DATABASE "+name+how); err != nil {
		tb.Fatal(errors.Join(err, server.Close()))
	}
	tb.Cleanup(func() {
		// The test's context is over by now.
		if err := errors.Join(drop(context.WithoutCancel(tb.Context()), server, name), server.Close()); err != nil {
			tb.Error(err)
		}
	})
	url, err := named(dsn, name)
	if err != nil {
		tb.Fatal(err)
	}
	return url
}

func newName() string { return "penstock_test_" + strings.ToLower(rand.Text()) }

func drop(ctx context.Context, server *sql.DB, name string) error {
	_, err := server.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
	return err
}

// named is the data source of another database on the same server.
func named(dsn, name string) (string, error) {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// postgresTemplate is the name of a database to copy. It stays on the server, for
// other packages' tests, and is known by a hash of the migrations: others make
// another one.
var postgresTemplate = sync.OnceValues(func() (string, error) {
	name, err := makePostgresTemplate(context.Background(), os.Getenv("TEST_POSTGRES_DSN"))
	if err != nil {
		return "", fmt.Errorf("make the PostgreSQL database that tests copy: %w", err)
	}
	return name, nil
})

func makePostgresTemplate(ctx context.Context, dsn string) (name string, err error) {
	server, err := sql.Open("pgx", dsn)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	// Made under a name of its own and renamed when it is done: of processes that
	// make it at once the first wins, and none sees half of it.
	ours := newName()
	if _, err := server.ExecContext(ctx, "CREATE DATABASE "+ours); err != nil {
		return "", err
	}
	kept := false
	defer func() {
		if !kept {
			err = errors.Join(err, drop(ctx, server, ours))
		}
	}()
	url, err := named(dsn, ours)
	if err != nil {
		return "", err
	}
	plan, err := store.Plan(ctx, url)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, m := range plan {
		fmt.Fprintln(sum, m.Version, m.Name, m.SQL)
	}
	name = "penstock_template_" + hex.EncodeToString(sum.Sum(nil)[:8])
	there, err := exists(ctx, server, name)
	if err != nil || there {
		return name, err
	}
	if err := migrate(url); err != nil {
		return "", err
	}
	if _, err := server.ExecContext(ctx, "ALTER DATABASE "+ours+" RENAME TO "+name); err != nil {
		if there, lookErr := exists(ctx, server, name); lookErr != nil || !there {
			return "", errors.Join(err, lookErr)
		}
		return name, nil
	}
	kept = true
	return name, nil
}

func exists(ctx context.Context, server *sql.DB, name string) (there bool, err error) {
	err = server.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there)
	return there, err
}
