package store_test

import (
	"path/filepath"
	"sync"
	"testing"

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
