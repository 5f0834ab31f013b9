package app

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// A gateway looks after what lists are found by: what is noted of changes does not
// grow for ever.
func TestListsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CreateKey(t.Context(), &gateway.Key{Hash: auth.Hash("sk-1")}); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	noted := func() (n int) {
		if err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM list_moves`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := noted(); n != 1 {
		t.Fatalf("%d changes noted, want the new key's", n)
	}
	a := &App{store: db, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { a.countLists(ctx, time.Millisecond) })
	for deadline := time.Now().Add(time.Minute); noted() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the change is still noted after a minute")
		}
	}
}
