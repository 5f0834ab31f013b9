package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestMigrateDoesWhatItsPlanSays(t *testing.T) {
	o := Options{DataDir: filepath.Join(t.TempDir(), "data"), Env: func(string) (string, bool) { return "", false }}
	plan, err := Migrate(t.Context(), o, true)
	if err != nil || len(plan) == 0 {
		t.Fatalf("plan: %v, %v", plan, err)
	}
	if _, err := os.Stat(o.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the plan made a directory: %v", err)
	}
	done, err := Migrate(t.Context(), o, false)
	if err != nil || len(done) != len(plan) {
		t.Errorf("done: %v, %v; want what was planned", done, err)
	}
	for _, plan := range []bool{true, false} {
		if todo, err := Migrate(t.Context(), o, plan); err != nil || len(todo) != 0 {
			t.Errorf("again: %v, %v; want nothing", todo, err)
		}
	}
}
