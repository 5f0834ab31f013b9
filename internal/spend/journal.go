package spend

import (
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sync says when journal records are forced onto the disk. A killed process
// loses nothing in any case: written is with the kernel. Sync is about power.
type Sync int

// The ways to sync.
const (
	SyncGrouped Sync = iota // every 100 ms: power loss costs at most that
	SyncAlways              // before every answer ends
	SyncOff                 // when the kernel likes
)

// SyncEvery is the longest time that SyncGrouped leaves a record unsynced.
const SyncEvery = 100 * time.Millisecond

// ErrFull means that the journal has reached its bound because nothing books
// it. Calls must be refused: their spend could not be remembered.
var ErrFull = errors.New("the spend journal is full because the database does not take its rows")

// Options bound the journal.
type Options struct {
	Sync    Sync
	Segment int64 // bytes after which a lane starts a new file, default 8 MiB
	Max     int64 // bytes not yet booked in all lanes, default 4 GiB
	Lanes   int   // files written side by side, default 4, at most 64

	// Disk is where the files are; nil is the file system. Tests put in its place
	// one that fails, or that ends the process at the n-th step.
	Disk Disk
}

const maxLanes = 64

func (o Options) withDefaults() Options {
	if o.Segment == 0 {
		o.Segment = 8 << 20
	}
	if o.Max == 0 {
		o.Max = 4 << 30
	}
	if o.Lanes == 0 {
		o.Lanes = 4
	}
	o.Lanes = min(o.Lanes, maxLanes)
	if o.Disk == nil {
		o.Disk = OSDisk{}
	}
	return o
}

// Journal is the memory of calls that are not in the store yet: append-only
// files in a directory. A record is with the kernel when Begin, Progress and
// End return, so that a process killed at any instant loses no answered call.
//
// Calls are spread over lanes: there is no lock that all calls share, and a
// call's records stand in one lane in order.
type Journal struct {
	dir   string
	o     Options
	log   *slog.Logger
	lanes []*lane
	seed  maphash.Seed
	size  atomic.Int64 // bytes in all files that are still there
	lost  atomic.Int64 // bytes that could not be read back
	named atomic.Bool  // no file has been made since the directory was synced
	lock  *os.File
	pool  sync.Pool // *[]byte, record buffers
	stop  chan struct{}
	done  chan struct{}
}

// lane is one sequence of files, of which the last is written.
type lane struct {
	n  int
	mu sync.Mutex
	// The rest is guarded by mu.
	files []*file // oldest first
	seq   int64
}

// file is one segment. Only written bytes are read back.
type file struct {
	f     DiskFile
	path  string
	size  int64
	rates map[string]struct{} // those whose terms it has
	bad   bool                // some of it could not be read
	dirty bool                // it was written since it was synced
}

// place is where a record is.
type place struct {
	file *file
	at   int64
	size int
}

// ErrInUse says that another process has the journal open.
var ErrInUse = errors.New("it is in use by another process")

// OpenJournal opens the journal in dir, making it if needed. It refuses a
// directory that another process has open. Files that an earlier process left
// are not touched before Recover.
func OpenJournal(dir string, o Options, log *slog.Logger) (*Journal, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock journal %s: %w", dir, err)
	}
	j := &Journal{
		dir: dir, o: o, log: log, lock: lock, seed: maphash.MakeSeed(),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	j.pool.New = func() any { b := make([]byte, 0, 1024); return &b }
	// Numbers go on where the files that are there end.
	old, err := j.leftovers()
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	next := int64(1)
	for _, name := range old {
		var ln int
		var seq int64
		if _, err := fmt.Sscanf(filepath.Base(name), "lane%d-%d.journal", &ln, &seq); err == nil && seq >= next {
			next = seq + 1
		}
	}
	for i := range o.Lanes {
		j.lanes = append(j.lanes, &lane{n: i, seq: next})
	}
	go j.syncer()
	return j, nil
}

// leftovers returns the files in the directory, in the order they were made.
func (j *Journal) leftovers() ([]string, error) {
	names, err := filepath.Glob(filepath.Join(j.dir, "lane*.journal"))
	if err != nil {
		return nil, fmt.Errorf("list the journal: %w", err)
	}
	slices.SortFunc(names, func(a, b string) int { // by number, whatever the lane
		_, as, _ := strings.Cut(filepath.Base(a), "-")
		_, bs, _ := strings.Cut(filepath.Base(b), "-")
		return strings.Compare(as, bs)
	})
	return names, nil
}

// Begin records that the call was admitted: what is owed if we die now.
func (j *Journal) Begin(r *Row) error {
	if j.size.Load() >= j.o.Max {
		return ErrFull
	}
	return j.write(opened, r)
}

// Progress records how far the call's answer has come.
func (j *Journal) Progress(r *Row) error { return j.write(progress, r) }

// End records the finished call. It must return before the client has the last
// byte of its answer.
func (j *Journal) End(r *Row) error { return j.write(closed, r) }

// locked returns the lane where the call's records stand, locked. A call that has
// none yet gets one that nobody is writing to, if there is one: a disk that is
// slow for a moment must not hold up those who can go elsewhere.
func (j *Journal) locked(r *Row) *lane {
	if r.Lane == 0 {
		n := uint64(len(j.lanes))
		first := maphash.String(j.seed, r.CallID) % n
		r.Lane = uint8(first) + 1
		for i := range n {
			if at := (first + i) % n; j.lanes[at].mu.TryLock() {
				r.Lane = uint8(at) + 1
				return j.lanes[at]
			}
		}
	}
	ln := j.lanes[r.Lane-1]
	ln.mu.Lock()
	return ln
}

func (j *Journal) write(e entry, r *Row) error {
	buf := j.pool.Get().(*[]byte)
	*buf = appendRecord((*buf)[:0], e, r)
	ln := j.locked(r)
	_, err := j.append(ln, *buf, r)
	ln.mu.Unlock()
	if cap(*buf) <= 64<<10 {
		j.pool.Put(buf)
	}
	if err != nil {
		return fmt.Errorf("journal call %s: %w", r.CallID, err)
	}
	return nil
}

// append writes the record of r, and before it the terms of its rate if the
// file does not have them yet. The lane is locked.
func (j *Journal) append(ln *lane, record []byte, r *Row) (place, error) {
	if len(ln.files) == 0 || ln.last().size+int64(len(record)) > j.o.Segment {
		if err := j.rotate(ln); err != nil {
			return place{}, err
		}
	}
	f := ln.last()
	if _, ok := f.rates[r.Rate]; !ok && r.Rate != "" && r.RateTerms != "" {
		if err := j.put(ln, f, appendRecord(nil, terms, r)); err != nil {
			return place{}, err
		}
		if f.rates == nil {
			f.rates = make(map[string]struct{})
		}
		f.rates[r.Rate] = struct{}{}
	}
	p := place{f, f.size, len(record)}
	return p, j.put(ln, f, record)
}

// put writes one record. The lane is locked.
func (j *Journal) put(ln *lane, f *file, record []byte) error {
	n, err := f.f.Write(record)
	if err != nil {
		// Half a record must not stand before the next whole one.
		if n > 0 {
			if terr := f.f.Truncate(f.size); terr != nil {
				return errors.Join(err, terr, j.rotate(ln))
			}
			if _, serr := f.f.Seek(f.size, 0); serr != nil {
				return errors.Join(err, serr, j.rotate(ln))
			}
		}
		return err
	}
	f.size += int64(n)
	j.size.Add(int64(n))
	if j.o.Sync == SyncAlways {
		return f.f.Sync()
	}
	f.dirty = true
	return nil
}

func (ln *lane) last() *file { return ln.files[len(ln.files)-1] }

// rotate starts a new file. The lane is locked.
func (j *Journal) rotate(ln *lane) error {
	path := filepath.Join(j.dir, fmt.Sprintf("lane%02d-%012d.journal", ln.n, ln.seq))
	f, err := j.o.Disk.Create(path)
	if err != nil {
		return err
	}
	ln.seq++
	ln.files = append(ln.files, &file{f: f, path: path})
	j.named.Store(false)
	if j.o.Sync == SyncAlways {
		return j.name()
	}
	return nil
}

// name forces the names of new files onto the disk: without its name, what is in
// a file is lost.
func (j *Journal) name() error {
	if j.named.Swap(true) {
		return nil
	}
	if err := j.o.Disk.SyncDir(j.dir); err != nil {
		j.named.Store(false)
		return fmt.Errorf("sync the journal's directory: %w", err)
	}
	return nil
}

// damaged notes bytes of f that hold no record: the disk has lost them.
func (j *Journal) damaged(f *file, from, to int64) {
	f.bad = true
	j.lost.Add(to - from)
	j.log.Error("journal file damaged: the calls in these bytes are not booked; the file is kept", "file", f.path, "from", from, "to", to)
}

// away removes a booked file, or keeps it under another name if it was damaged.
func (j *Journal) away(f *file) error {
	if f.bad {
		return j.o.Disk.Rename(f.path, f.path+".damaged")
	}
	return j.o.Disk.Remove(f.path)
}

// syncer forces written records onto the disk, for SyncGrouped.
func (j *Journal) syncer() {
	defer close(j.done)
	if j.o.Sync != SyncGrouped {
		return
	}
	tick := time.NewTicker(SyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-j.stop:
			j.sync()
			return
		case <-tick.C:
			j.sync()
		}
	}
}

func (j *Journal) sync() {
	if err := j.name(); err != nil {
		j.log.Error("journal not synced", "err", err)
	}
	for _, ln := range j.lanes {
		var dirty []*file
		ln.mu.Lock()
		for _, f := range ln.files {
			// Also those before the last: they were written until a moment ago.
			if f.dirty {
				f.dirty = false
				dirty = append(dirty, f)
			}
		}
		ln.mu.Unlock()
		for _, f := range dirty {
			// Outside the lock: a slow disk must not hold up calls. The file may
			// have been booked and closed meanwhile; then there is nothing to sync.
			if err := f.f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
				j.log.Error("journal not synced; tried again", "file", f.path, "err", err)
				ln.mu.Lock()
				f.dirty = true
				ln.mu.Unlock()
			}
		}
	}
}

// Size returns the bytes that are not booked yet, or booked but not yet removed.
func (j *Journal) Size() int64 { return j.size.Load() }

// Lost returns the bytes that were written and could not be read back: a
// damaged disk. It is 0 where all is well.
func (j *Journal) Lost() int64 { return j.lost.Load() }

// Max returns the bound on Size.
func (j *Journal) Max() int64 { return j.o.Max }

// Close ends the journal. The files stay; what is not booked is booked by the
// next Recover.
func (j *Journal) Close() error {
	close(j.stop)
	<-j.done
	var errs error
	for _, ln := range j.lanes {
		ln.mu.Lock()
		for _, f := range ln.files {
			errs = errors.Join(errs, f.f.Close())
		}
		ln.mu.Unlock()
	}
	return errors.Join(errs, j.lock.Close())
}
