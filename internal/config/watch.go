package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long nothing may happen before a change counts: editors
	// and kubelet make several steps of one.
	settle = 200 * time.Millisecond
	// patience ends the waiting where a directory never rests, for example
	// because a log is written beside the configuration.
	patience = 2 * time.Second
	// poll finds what the kernel does not report: network file systems, and a
	// directory that was deleted and made again.
	poll = 30 * time.Second
)

// Watch calls onChange whenever the content of a file that rep read has
// changed, until ctx ends. onChange runs on Watch's goroutine, loads again and
// returns the report of that Load, or nil to keep comparing with the last one.
// A change between Load and Watch is seen too.
//
// A file that is only touched is no change, and neither is a missing one: it
// may be on its way back. The error is nil when ctx has ended.
func Watch(ctx context.Context, rep *Report, onChange func() *Report) error {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer fs.Close()
	w := &watcher{fs: fs, dirs: map[string]bool{}}
	if err := w.follow(rep); err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	var due <-chan time.Time
	var first time.Time
	tick := time.NewTicker(poll)
	defer tick.Stop()
	wait := time.NewTimer(0) // a first look at once, for changes since Load
	defer wait.Stop()
	due = wait.C
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-fs.Events:
			if !open {
				return nil
			}
			if e.Op == fsnotify.Chmod {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			wait.Reset(min(settle, max(0, patience-time.Since(first))))
		case err, open := <-fs.Errors:
			if !open {
				return nil
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				continue // the poll will find what was missed
			}
			wait.Reset(0)
		case <-tick.C:
			wait.Reset(0)
		case <-due:
			first = time.Time{}
			if w.changed() {
				if next := onChange(); next != nil {
					w.rep = next
				} else {
					w.seen()
				}
			}
			// Symlinks may point elsewhere now. A directory that is gone for
			// the moment is found by the poll.
			_ = w.follow(w.rep)
		}
	}
}

type watcher struct {
	fs   *fsnotify.Watcher
	rep  *Report
	dirs map[string]bool
}

// follow watches the directories of rep's files and of what they link to. A
// watch on the file itself would end when it is replaced, and a ConfigMap
// changes by swapping a link in its directory: the file sees no event at all.
func (w *watcher) follow(rep *Report) error {
	w.rep = rep
	want := map[string]bool{}
	for _, f := range rep.Files {
		want[filepath.Dir(f)] = true
		if target, err := filepath.EvalSymlinks(f); err == nil {
			want[filepath.Dir(target)] = true
		}
	}
	for d := range w.dirs {
		if !want[d] {
			_ = w.fs.Remove(d) // it may have been deleted, and its watch with it
			delete(w.dirs, d)
		}
	}
	var errs []error
	for d := range want {
		if err := w.fs.Add(d); err != nil {
			errs = append(errs, err)
			continue
		}
		w.dirs[d] = true
	}
	return errors.Join(errs...)
}

func (w *watcher) changed() bool {
	for _, f := range w.rep.Files {
		data, err := os.ReadFile(f)
		if err == nil && sha256.Sum256(data) != w.rep.sums[f] {
			return true
		}
	}
	return false
}

// seen takes what is in the files now for what is known.
func (w *watcher) seen() {
	next := *w.rep
	next.sums = map[string][sha256.Size]byte{}
	for _, f := range w.rep.Files {
		next.sums[f] = w.rep.sums[f]
		if data, err := os.ReadFile(f); err == nil {
			next.sums[f] = sha256.Sum256(data)
		}
	}
	w.rep = &next
}
