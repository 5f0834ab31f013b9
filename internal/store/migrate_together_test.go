package store_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// Replicas that start together on an empty database take turns, and none fails.
func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	for _, e := range []struct {
		name string
		url  func(*testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "new.db") }},
		{"postgres", func(t *testing.T) string { return storetest.EmptyPostgresURL(t) }},
	} {
		t.Run(e.name, func(t *testing.T) {
			url := e.url(t)
			plan, err := store.Plan(t.Context(), url)
			if err != nil || len(plan) == 0 {
				t.Fatalf("the plan for an empty database: %v, %v", plan, err)
			}
			var wg sync.WaitGroup
			begin := make(chan struct{})
			for range 4 {
				wg.Go(func() {
					<-begin
					db, err := store.Open(t.Context(), url, store.Options{})
					if err != nil {
						t.Error(err)
						return
					}
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			close(begin)
			wg.Wait()
			db, err := store.Connect(url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			// And goose's own number 0.
			if n, err := db.Rows(t.Context(), "goose_db_version"); err != nil || n != len(plan)+1 {
				t.Errorf("%d migrations were run, %v; the plan has %d", n, err, len(plan))
			}
			if left, err := store.Plan(t.Context(), url); err != nil || len(left) != 0 {
				t.Errorf("left to do: %v, %v", left, err)
			}
		})
	}
}

// Of two processes that run one migration on an SQLite file, the second changes
// nothing, though the migration itself would go through twice.
func TestAMigrationIsTakenDownOnce(t *testing.T) {
	db, err := store.Connect("sqlite:" + filepath.Join(t.TempDir(), "new.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	up := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }
	dir := fstest.MapFS{
		"00001_table.sql": up("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);\nCREATE TABLE added (n INTEGER);"),
		// The other process has come as far while this one ran it.
		"00002_twice.sql": up("INSERT INTO added VALUES (1);\nINSERT INTO goose_db_version (version_id, is_applied) VALUES (2, TRUE);"),
	}
	if err := db.MigrateFrom(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("a version that is there already is taken down again: %v", err)
	}
	if n, err := db.Rows(t.Context(), "added"); n != 0 || err != nil {
		t.Errorf("%d rows were added, %v, want none: the migration was not taken down", n, err)
	}
}
