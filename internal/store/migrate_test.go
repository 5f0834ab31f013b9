package store

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

func TestEachEngineSeesItsOwnMigrations(t *testing.T) {
	dir := fstest.MapFS{
		"00001_both.sql":              {},
		"00002_differs.sql":           {},
		"00002_differs.postgres.sql":  {},
		"00003_only.sqlite.sql":       {},
		"00004_each.sqlite.sql":       {},
		"00004_each.postgres.sql":     {},
		"00005_differs_too.sql":       {},
		"00005_differs_too.mysql.sql": {},
	}
	for _, tt := range []struct {
		engine string
		want   []string
		latest int64
	}{
		{"sqlite", []string{"00001_both.sql", "00002_differs.sql", "00003_only.sqlite.sql", "00004_each.sqlite.sql", "00005_differs_too.sql"}, 5},
		{"postgres", []string{"00001_both.sql", "00002_differs.postgres.sql", "00004_each.postgres.sql", "00005_differs_too.sql"}, 5},
	} {
		v := variants{dir, tt.engine}
		got, err := fs.Glob(v, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.engine, got, tt.want)
		}
		if n, err := latest(v); err != nil || n != tt.latest {
			t.Errorf("%s: latest is %d, %v, want %d", tt.engine, n, err, tt.latest)
		}
	}
	if _, err := latest(variants{fstest.MapFS{"x.sql": {}}, "sqlite"}); err == nil {
		t.Error("a migration without a number was taken")
	}
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.w.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(t.Context(), url, Options{}); err == nil {
		db.Close()
		t.Error("opened, want an error that names both versions")
	} else if !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer penstock") {
		t.Errorf("got error %q, want one that names both versions", err)
	}
}

// What goes up must come down: a release that has to be taken back may need it.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(db.d.goose, db.w, variants{sub, db.d.name}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.w.QueryRow(`SELECT COUNT(*) FROM sqlite_master WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d tables and indexes left, want none", left)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A command beside a running gateway must not change its tables.
func TestTablesCanBeLeftAsTheyAre(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	if db, err := Open(t.Context(), url, Options{Keep: true}); err == nil {
		db.Close()
		t.Error("an empty database was opened, want an error: its tables are of another version")
	} else if !strings.Contains(err.Error(), "start the gateway") {
		t.Errorf("got error %q, want one that says what to do", err)
	}
	for _, o := range []Options{{}, {Keep: true}} {
		db, err := Open(t.Context(), url, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
