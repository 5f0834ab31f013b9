package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"penstock/internal/spend"
)

// A database that failed and is back may have lost its last transactions, as a
// replica has that was promoted. What was thought to be in it is written again.
func TestADatabaseThatFailedIsNotBelieved(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	row := spend.Row{CallID: "a", KeyHash: "k", Model: "m", Start: time.Now()}
	if _, err := db.Book(t.Context(), []spend.Row{row}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.w.Exec(`DELETE FROM contexts`); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	row.CallID = "b"
	if _, err := db.Book(over, []spend.Row{row}); err == nil {
		t.Fatal("booked with a context that is over")
	}
	if n, err := db.Book(t.Context(), []spend.Row{row}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if got, err := db.Calls(t.Context(), CallFilter{}); err != nil || len(got) != 2 {
		t.Errorf("%d calls found, %v; want both", len(got), err)
	}
}
