package spend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/gateway"
)

// fullDisk has no room from its n-th operation that needs some to its m-th. A
// write that fails has written a part.
type fullDisk struct {
	OSDisk
	mu       sync.Mutex
	from, to int
	n        int
}

func (d *fullDisk) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	return d.n >= d.from && d.n < d.to
}

func (d *fullDisk) Create(path string) (DiskFile, error) {
	if d.full() {
		return nil, syscall.ENOSPC
	}
	f, err := d.OSDisk.Create(path)
	return fullFile{f, d}, err
}

type fullFile struct {
	DiskFile
	d *fullDisk
}

func (f fullFile) Write(b []byte) (int, error) {
	if !f.d.full() {
		return f.DiskFile.Write(b)
	}
	n, _ := f.DiskFile.Write(b[:len(b)/3])
	return n, syscall.ENOSPC
}

// Wherever the disk is full, for a moment or for long, calls that have begun are
// booked at what they cost, once, and calls that could not begin are not.
func TestFullDiskLosesNothing(t *testing.T) {
	const calls = 12
	run := func(d *fullDisk) (operations int) {
		dir := t.TempDir()
		j := open(t, dir, Options{Lanes: 1, Segment: 900, Disk: d})
		s := &books{rows: map[string]Row{}}
		b := NewBooker(j, s, quiet())
		want := map[string]gateway.NanoUSD{}
		for i := range calls {
			r := row(fmt.Sprint("call", i), 1)
			if err := j.Begin(r); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("full from operation %d: begin: %v", d.from, err)
				}
				continue // refused
			}
			r.Cost = gateway.NanoUSD(10 + i)
			if err := j.End(r); err != nil {
				b.Add(*r) // as the relay does
			}
			want[r.CallID] = r.Cost
			if i%4 == 3 {
				// While the disk is full a booked file cannot always go.
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_ = b.Flush(ctx)
				cancel()
			}
		}
		d.mu.Lock()
		d.to = 0 // there is room again
		operations = d.n
		d.mu.Unlock()
		if err := errors.Join(b.Flush(t.Context()), b.Close(t.Context()), j.Close()); err != nil {
			t.Errorf("full from operation %d: %v", d.from, err)
		}
		again := recovered(t, dir)
		for id, r := range again.rows {
			if _, ok := s.rows[id]; !ok {
				s.rows[id] = r
			}
		}
		for id, cost := range want {
			if r, ok := s.rows[id]; !ok || r.Cost != cost || r.Interrupted {
				t.Errorf("full from operation %d to %d: call %s is booked %v at %d, want %d", d.from, d.to, id, ok, r.Cost, cost)
			}
			delete(s.rows, id)
		}
		if len(s.rows) > 0 {
			t.Errorf("full from operation %d to %d: refused calls are booked: %v", d.from, d.to, s.rows)
		}
		return operations
	}
	n := run(&fullDisk{})
	for from := 1; from <= n; from++ {
		for _, long := range []int{1, 5, 1000} {
			run(&fullDisk{from: from, to: from + long})
		}
	}
}

// A store that is away for ten minutes costs nothing but journal, and that has a
// bound; who looks can see it.
func TestStoreAwayForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, t.TempDir(), Options{Lanes: 2, Segment: 4 << 10, Max: 64 << 10})
		away := true
		s := &books{fail: func(int) error {
			if away {
				return errors.New("connection refused")
			}
			return nil
		}}
		b := NewBooker(j, s, quiet())
		begun, refused := 0, 0
		for i := range 600 {
			r := row(fmt.Sprint(i), 1)
			if err := j.Begin(r); err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				refused++
			} else {
				begun++
				if err := j.End(r); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second) // of the bubble
		}
		if refused == 0 || j.Size() > 66<<10 {
			t.Errorf("%d calls begun, %d refused, %d bytes of journal; want it full at its bound", begun, refused, j.Size())
		}
		if st := b.Stats(); st.Down < 9*time.Minute || st.Failed < 100 || st.Booked != 0 {
			t.Errorf("after ten minutes: %+v", st)
		}
		s.mu.Lock()
		away = false
		s.mu.Unlock()
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.rows) != begun || b.Stats().Down != 0 || j.Begin(row("again", 1)) != nil {
			t.Errorf("%d of %d calls booked when it was back, %+v", len(s.rows), begun, b.Stats())
		}
		if err := errors.Join(b.Close(t.Context()), j.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

// slowStore takes its time.
type slowStore struct {
	books
	entered, leave chan struct{}
}

func (s *slowStore) Book(ctx context.Context, rows []Row) (int, error) {
	s.entered <- struct{}{}
	<-s.leave
	return s.books.Book(ctx, rows)
}

// However long the store takes, no call waits for it.
func TestSlowStoreHoldsUpNoCall(t *testing.T) {
	j := open(t, t.TempDir(), Options{Lanes: 1, Segment: 2 << 10})
	s := &slowStore{entered: make(chan struct{}), leave: make(chan struct{})}
	b := NewBooker(j, s, quiet())
	if err := j.End(row("first", 1)); err != nil {
		t.Fatal(err)
	}
	<-s.entered
	for i := range 100 { // over many files, while the store is busy with the first
		r := row(fmt.Sprint(i), 1)
		if err := errors.Join(j.Begin(r), j.End(r)); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for range s.entered { // it may book as often as it likes now
		}
	}()
	close(s.leave)
	if err := errors.Join(b.Flush(t.Context()), b.Close(t.Context()), j.Close()); err != nil {
		t.Fatal(err)
	}
	close(s.entered)
	if len(s.rows) != 101 {
		t.Errorf("%d rows booked, want 101", len(s.rows))
	}
}

// deafDisk cannot read one file back.
type deafDisk struct {
	OSDisk
	mu   sync.Mutex
	deaf bool
}

func (d *deafDisk) Create(path string) (DiskFile, error) {
	f, err := d.OSDisk.Create(path)
	return &deafFile{f, filepath.Base(path)[:len("lane00")], d}, err
}

type deafFile struct {
	DiskFile
	lane string
	d    *deafDisk
}

func (f *deafFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.deaf && f.lane == "lane00" {
		return 0, syscall.EIO
	}
	return f.DiskFile.ReadAt(b, off)
}

// A file that cannot be read holds up the calls in it, not those of other lanes,
// and is told of.
func TestAnUnreadableFileHoldsUpOnlyItself(t *testing.T) {
	d := &deafDisk{deaf: true}
	j := open(t, t.TempDir(), Options{Lanes: 2, Disk: d})
	s := &books{rows: map[string]Row{}}
	b := NewBooker(j, s, quiet())
	in0 := 0
	for i := range 40 {
		r := row(fmt.Sprint(i), 1)
		if err := j.End(r); err != nil {
			t.Fatal(err)
		}
		if r.Lane == 1 {
			in0++
		}
	}
	for deadline := time.Now().Add(10 * time.Second); b.Stats().Failed == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody was told")
		}
		runtime.Gosched()
	}
	if n := b.Stats().Booked; n != int64(40-in0) {
		t.Errorf("%d calls booked, want %d of the other lane", n, 40-in0)
	}
	d.mu.Lock()
	d.deaf = false
	d.mu.Unlock()
	if err := errors.Join(b.Flush(t.Context()), b.Close(t.Context()), j.Close()); err != nil || len(s.rows) != 40 {
		t.Errorf("%v: %d calls booked in the end, want 40", err, len(s.rows))
	}
}

// Spend in memory has a bound before which calls are no longer begun.
func TestRoomForSpendInMemoryEnds(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	s := &books{fail: func(int) error { return errors.New("away") }}
	b := NewBooker(j, s, quiet())
	n := 0
	for ; b.Room() && n < 10*maxExtra; n++ {
		b.Add(*row(fmt.Sprint(n), 1))
	}
	if n != maxExtra || b.Stats().Memory != maxExtra {
		t.Errorf("room for %d rows, %d there; want %d", n, b.Stats().Memory, maxExtra)
	}
	s.mu.Lock()
	s.fail = nil
	s.mu.Unlock()
	if err := b.Flush(t.Context()); err != nil || !b.Room() || len(s.rows) != maxExtra || b.Stats().Memory != 0 {
		t.Errorf("%v: %d rows booked, %+v", err, len(s.rows), b.Stats())
	}
	if err := errors.Join(b.Close(t.Context()), j.Close()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(j.dir, "*.journal")); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}

// powerDisk forgets, when the power is cut, what was not synced: bytes, and
// files whose names were not.
type powerDisk struct {
	OSDisk
	mu     sync.Mutex
	synced map[string]int64 // by path: how many bytes are safe
	size   map[string]int64
	named  map[string]bool
}

func (d *powerDisk) Create(path string) (DiskFile, error) {
	f, err := d.OSDisk.Create(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size[path] = 0
	return &powerFile{f, path, d}, err
}

func (d *powerDisk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.size {
		d.named[path] = true
	}
	return nil
}

// cut leaves in dir what is safe.
func (d *powerDisk) cut(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.size {
		var err error
		if d.named[path] {
			err = os.Truncate(path, d.synced[path])
		} else {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

type powerFile struct {
	DiskFile
	path string
	d    *powerDisk
}

func (f *powerFile) Write(b []byte) (int, error) {
	n, err := f.DiskFile.Write(b)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.size[f.path] += int64(n)
	return n, err
}

func (f *powerFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.synced[f.path] = f.d.size[f.path]
	return nil
}

// A power cut costs what the setting says, and no more.
func TestPowerCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		sync Sync
		wait time.Duration // between the last call and the cut
		want func(booked int) bool
	}{
		{"synced always: no answered call", SyncAlways, 0, func(n int) bool { return n == 100 }},
		{"synced in groups: no call that was answered 100 ms before", SyncGrouped, SyncEvery + time.Millisecond, func(n int) bool { return n == 100 }},
		{"synced in groups: at most the last 100 ms", SyncGrouped, 0, func(n int) bool { return n >= 89 }},
		{"not synced: whatever there is", SyncOff, time.Hour, func(n int) bool { return n == 0 }},
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			d := &powerDisk{synced: map[string]int64{}, size: map[string]int64{}, named: map[string]bool{}}
			j := open(t, dir, Options{Lanes: 2, Segment: 4 << 10, Sync: tt.sync, Disk: d})
			for i := range 100 {
				r := row(fmt.Sprint(i), 1)
				if err := errors.Join(j.Begin(r), j.End(r)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond) // of the bubble
			}
			time.Sleep(tt.wait)
			synctest.Wait()
			d.cut(t)
			// The process is gone without a word: what Close syncs is too late.
			d.mu.Lock()
			d.size = map[string]int64{}
			d.mu.Unlock()
			_ = j.Close()
			n := 0
			for _, r := range recovered(t, dir).rows {
				if !r.Interrupted {
					n++
				}
			}
			if !tt.want(n) {
				t.Errorf("%s: %d of 100 calls are there", tt.name, n)
			}
		})
	}
}
