package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) *store.DB { return storetest.SQLite(tb) })
}

func TestPostgres(t *testing.T) {
	storetest.PostgresURL(t) // skips or fails here rather than in every case
	storetest.Run(t, func(tb testing.TB) *store.DB { return storetest.Postgres(tb) })
}

// LiteLLM's URLs have parameters of its database library, and few connections.
func TestPostgresWithParametersOfPrisma(t *testing.T) {
	storetest.PostgresURL(t)
	const extra = "schema=public connection_limit=1 pgbouncer=true pool_timeout=20 socket_timeout=10 statement_cache_size=0"
	storetest.Run(t, func(tb testing.TB) *store.DB {
		url := storetest.PostgresURL(tb)
		if strings.Contains(url, "://") {
			and := "?"
			if strings.Contains(url, "?") {
				and = "&"
			}
			url += and + strings.ReplaceAll(extra, " ", "&")
		} else {
			url += " " + extra
		}
		db, err := store.Open(tb.Context(), url, store.Options{})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = db.Close() })
		return db
	})
}

func TestManyProcessesStartOnOneNewDatabase(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  func(*testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "new.db") }},
		{"postgres", func(t *testing.T) string { return storetest.EmptyPostgresURL(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := tt.url(t)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					db, err := store.Open(t.Context(), url, store.Options{})
					if err != nil {
						t.Errorf("opener %d: %v", i, err)
						return
					}
					defer db.Close()
					if err := db.CreateUser(t.Context(), &gateway.User{ID: string(rune('a' + i))}); err != nil {
						t.Errorf("opener %d: %v", i, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestWhatIsWrittenOutlivesTheProcess(t *testing.T) {
	// A path with characters that mean something in a URL.
	dir := filepath.Join(t.TempDir(), "a b%20?#&")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "penstock.db")
	for range 2 {
		db, err := store.Open(t.Context(), "sqlite:"+file, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := db.Book(t.Context(), []spend.Row{storetest.Row(1)}); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	db, err := store.Open(t.Context(), "sqlite:"+file, store.Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Calls(t.Context(), store.CallFilter{})
	if err != nil || len(rows) != 1 {
		t.Errorf("%d rows and error %v after reopening, want 1 row", len(rows), err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, want only its owner to read it", info.Mode())
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "text")
	if err := os.WriteFile(notADatabase, []byte(strings.Repeat("This is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, url, want string
	}{
		{"no URL", "", "use sqlite:"},
		{"another database", "mysql://u:sesame@h/d", "use sqlite:"},
		{"no file", "sqlite:", "names no file"},
		{"memory, which two pools cannot share", "sqlite::memory:", "names no file"},
		{"no such directory", "sqlite:" + dir + "/no/such/x.db", "create its directory"},
		{"a file of another kind", "sqlite:" + notADatabase, "not a database"},
		{"a URL that cannot be read", "postgres://u:sesame@h:port/d", "cannot be read"},
		{"a password with a special character", "postgres://u:sesame%zz@h/d", "cannot be read"},
		{"no server there", "host=" + dir + " user=u password=sesame dbname=d", "connect to the postgres database"},
		{"no server at the URL", "postgresql://u:sesame@127.0.0.1:1/d?connect_timeout=2", "connect to the postgres database"},
	} {
		db, err := store.Open(context.Background(), tt.url, store.Options{})
		if err == nil {
			db.Close()
			t.Errorf("%s: opened, want an error with %q", tt.name, tt.want)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %q, want one with %q", tt.name, err, tt.want)
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the error shows the password: %q", tt.name, err)
		}
	}
}

// A migration that fails half-way leaves the tables as they were before it, and
// what was done before it is done once.
func TestAFailedMigrationChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  func(*testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "new.db") }},
		{"postgres", func(t *testing.T) string { return storetest.EmptyPostgresURL(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			db, err := store.Connect(tt.url(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			up := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }
			dir := fstest.MapFS{
				"00001_good.sql": up("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);"),
				"00002_bad.sql":  up("CREATE TABLE half (a INTEGER);\nINSERT INTO settings VALUES ('a', '1');\nINSERT INTO nowhere VALUES (1);"),
				"00003_next.sql": up("CREATE TABLE next (a INTEGER);"),
			}
			err = db.MigrateFrom(ctx, dir)
			if err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), "00002_bad.sql") {
				t.Errorf("got error %v, want one that names the migration and what is wrong", err)
			}
			if !db.Has(ctx, "settings") || db.Has(ctx, "half") || db.Has(ctx, "next") {
				t.Error("half of a migration was done")
			}
			if _, err := db.Setting(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a row of the failed migration: got error %v, want ErrNotFound", err)
			}
			if n, err := db.Versions(ctx); err != nil || n != 2 { // and goose's own number 0
				t.Errorf("%d versions, %v; want 2", n, err)
			}
			dir["00002_bad.sql"] = up("CREATE TABLE half (a INTEGER);")
			if err := db.MigrateFrom(ctx, dir); err != nil || !db.Has(ctx, "half") || !db.Has(ctx, "next") {
				t.Errorf("after it was mended: %v", err)
			}
		})
	}
}
