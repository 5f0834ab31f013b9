package config_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"penstock/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a Watch under way over dir/config.yaml.
type watched struct {
	t       *testing.T
	path    string
	retries chan int // num_retries after each change, -1 if the file has a mistake
}

func watch(t *testing.T, path string) *watched {
	t.Helper()
	w := &watched{t, path, make(chan int, 10)}
	load := func() (int, *config.Report) {
		cfg, rep, err := config.Load(config.Options{Path: path, Env: env{}.lookup})
		if err != nil {
			return -1, rep
		}
		return cfg.Router.NumRetries, rep
	}
	_, rep := load()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- config.Watch(ctx, rep, func() *config.Report {
			n, rep := load()
			w.retries <- n
			return rep
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	return w
}

func (w *watched) expect(want int) {
	w.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case got := <-w.retries:
			if got == -1 && want != -1 {
				continue // it was read while it was being written, which is a mistake in it
			}
			if got != want {
				w.t.Fatalf("num_retries is %d after the change, want %d", got, want)
			}
			return
		case <-deadline:
			w.t.Fatalf("no change was seen, want num_retries %d", want)
		}
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchSeesAChangeOfEachKind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	put(t, path, "router_settings: {num_retries: 1}")
	w := watch(t, path)

	put(t, path, "router_settings: {num_retries: 3}")
	w.expect(3)

	next := filepath.Join(dir, "config.yaml.new")
	put(t, next, "router_settings: {num_retries: 4}")
	do(t, os.Rename(next, path))
	w.expect(4)

	do(t, os.Remove(path)) // as some editors save
	put(t, path, "router_settings: {num_retries: 5}")
	w.expect(5)

	put(t, path, "router_settings: {num_retries: x}")
	w.expect(-1)

	put(t, path, "include: [more.yaml]") // a file that is not there yet
	w.expect(-1)
	put(t, filepath.Join(dir, "more.yaml"), "router_settings: {num_retries: 6}")
	w.expect(6)
	put(t, filepath.Join(dir, "more.yaml"), "router_settings: {num_retries: 7}")
	w.expect(7)
}

func TestWatchSeesAConfigMapSwap(t *testing.T) {
	// The layout that kubelet makes: config.yaml -> ..data/config.yaml and
	// ..data -> ..1, where an update only replaces ..data.
	dir := t.TempDir()
	version := func(name, content string) {
		do(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		put(t, filepath.Join(dir, name, "config.yaml"), content)
	}
	swap := func(name string) {
		do(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		do(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", "router_settings: {num_retries: 1}")
	swap("..1")
	path := filepath.Join(dir, "config.yaml")
	do(t, os.Symlink(filepath.Join("..data", "config.yaml"), path))
	w := watch(t, path)

	version("..2", "router_settings: {num_retries: 2}")
	swap("..2")
	do(t, os.RemoveAll(filepath.Join(dir, "..1")))
	w.expect(2)

	version("..3", "router_settings: {num_retries: 3}")
	swap("..3")
	do(t, os.RemoveAll(filepath.Join(dir, "..2")))
	w.expect(3)
}

func TestWatchSeesAChangeBehindALink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	target := filepath.Join(other, "real.yaml")
	put(t, target, "router_settings: {num_retries: 1}")
	path := filepath.Join(dir, "config.yaml")
	do(t, os.Symlink(target, path))
	w := watch(t, path)
	put(t, target, "router_settings: {num_retries: 2}")
	w.expect(2)
}

func TestWatchSeesWhatChangedBeforeItStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, "router_settings: {num_retries: 1}")
	_, rep, err := config.Load(config.Options{Path: path, Env: env{}.lookup})
	do(t, err)
	put(t, path, "router_settings: {num_retries: 2}")
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	seen := false
	err = config.Watch(ctx, rep, func() *config.Report { seen = true; stop(); return nil })
	if err != nil || !seen {
		t.Errorf("seen = %v, error %v", seen, err)
	}
}

func TestWatchOfNothingThereIsAnError(t *testing.T) {
	_, rep, _ := config.Load(config.Options{Path: filepath.Join(t.TempDir(), "no", "config.yaml"), Env: env{}.lookup})
	if err := config.Watch(t.Context(), rep, func() *config.Report { return nil }); err == nil {
		t.Error("got no error for a directory that does not exist")
	}
}
