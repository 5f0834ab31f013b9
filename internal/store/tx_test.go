package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// busy is a database in which every transaction meets another one.
func busy(t *testing.T) (*DB, error) {
	t.Helper()
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	met := errors.New("met another transaction")
	db.d.again = func(err error) bool { return errors.Is(err, met) }
	return db, met
}

func TestWriteTriesAgain(t *testing.T) {
	db, met := busy(t)
	for _, tt := range []struct {
		name     string
		fails    int
		with     error
		runs     int
		wantFail bool
	}{
		{"a transaction that meets nobody runs once", 0, nil, 1, false},
		{"one that meets another runs again", 3, met, 4, false},
		{"one that always meets another gives up", 100, met, maxTries, true},
		{"another error is final", 100, errors.New("syntax"), 1, true},
	} {
		runs := 0
		err := db.write(t.Context(), func(tx *sql.Tx) error {
			runs++
			if _, err := tx.Exec(`UPDATE change_seq SET seq = seq + 1`); err != nil {
				return err
			}
			if runs <= tt.fails {
				return tt.with
			}
			return nil
		})
		if runs != tt.runs || (err != nil) != tt.wantFail {
			t.Errorf("%s: ran %d times with error %v, want %d times and an error: %t", tt.name, runs, err, tt.runs, tt.wantFail)
		}
	}
	// Of all those runs only the two that succeeded have left something.
	if seq, err := db.LastChange(t.Context()); err != nil || seq != 2 {
		t.Errorf("got %d, %v, want what 2 transactions wrote", seq, err)
	}
}

func TestPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), firstWait)
		defer cancel()
		if err := pause(ctx, maxWait); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want that of the context", err)
		}
		if err := pause(t.Context(), maxWait); err != nil {
			t.Errorf("got error %v after the whole wait, want none", err)
		}
	})
}
