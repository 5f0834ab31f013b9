package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOnlyAnotherContentIsAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("model_list: []")
	_, rep, err := Load(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{rep: rep}
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing has happened", func() {}, false},
		{"the file was touched", func() {
			if err := os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"the same was written again", func() { write("model_list: []") }, false},
		{"the file is gone", func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"it is back", func() { write("model_list: []") }, false},
		{"a space was added", func() { write("model_list:  []") }, true},
		{"what is there was taken as known", w.seen, false},
	} {
		step.do()
		if got := w.changed(); got != step.want {
			t.Errorf("%s: changed = %v, want %v", step.name, got, step.want)
		}
	}
}
