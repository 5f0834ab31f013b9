package spend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// A round books what all lanes have, but no more than this of each: about four
// thousand calls in one transaction.
const roundBytes = 512 << 10

// batch is how many rows go into the store at once when a journal of an earlier
// process is read.
const batch = 4000

// When little happens a call is booked within idleWait, so that it soon shows.
// When busyRows come in that time the booker waits up to busyWait: few large
// transactions cost less than many small ones.
const (
	idleWait = 200 * time.Millisecond
	busyWait = time.Second
	busyRows = 1000
)

// interrupted is what the row of a call says that the process did not live to finish.
const interrupted = "the gateway stopped before the call had ended"

// Booker moves the journal into the store, off the path. There is one per
// Journal.
type Booker struct {
	j     *Journal
	store Store
	log   *slog.Logger

	// Only run touches these.
	at     []int64          // per lane: how far its oldest file has been read
	open   map[string]place // calls that have begun and not ended: their latest record
	rates  map[string]string
	parser parser
	buf    []byte
	rows   []Row
	broken time.Time // since when the store refuses, zero if it does not
	told   bool      // of what is wrong with the journal

	mu      sync.Mutex
	extra   []Row // rows that the journal could not take
	ask     chan chan struct{}
	stop    chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc
	booked  atomic.Int64
	failed  atomic.Int64
	down    atomic.Int64 // since when the store refuses, Unix nanoseconds; 0 if it does not
	waiting atomic.Int64 // rows in extra, or on their way from there
}

// Recover books what an earlier process left in j's directory: finished calls
// as they are, unfinished ones at what was known of them, marked interrupted.
// It must be called once, before the first Begin. It removes the files it has
// booked. report is called now and then with how many rows are in the books.
func (j *Journal) Recover(ctx context.Context, store Store, report func(rows int)) error {
	names, err := j.leftovers()
	if err != nil {
		return err
	}
	open := map[string]Row{}
	var rows []Row
	total := 0
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		if _, err := store.Book(ctx, rows); err != nil {
			return fmt.Errorf("book %d rows left in the journal: %w", len(rows), err)
		}
		total += len(rows)
		rows = rows[:0]
		report(total)
		return nil
	}
	var p parser
	rates := map[string]string{}
	files := make([]*file, len(names))
	for i, name := range names {
		f := &file{path: name}
		files[i] = f
		data, err := j.o.Disk.Read(name)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		for rest := data; len(rest) > 0; {
			var r Row
			e, n, err := p.parse(rest, &r)
			if err != nil {
				skip := intact(rest)
				if skip == len(rest) {
					// The process died while it wrote this record, so nobody was
					// told that its call had ended.
					j.log.Warn("journal file ends in half a record", "file", f.path, "bytes", len(rest))
					break
				}
				at := int64(len(data) - len(rest))
				j.damaged(f, at, at+int64(skip))
				rest = rest[skip:]
				continue
			}
			rest = rest[n:]
			if e == terms {
				rates[r.Rate] = r.RateTerms
				continue
			}
			r.RateTerms = rates[r.Rate]
			switch e {
			case closed:
				delete(open, r.CallID)
				rows = append(rows, r)
			default:
				// A call may have ended just before it was carried over. Its end
				// is booked first then, and the store takes no second row of it.
				open[r.CallID] = r
			}
			if len(rows) >= batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	for _, r := range open {
		r.Interrupted, r.Failed, r.Error = true, true, interrupted
		if r.End.IsZero() {
			r.End = r.Start
		}
		rows = append(rows, r)
		if len(rows) >= batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for _, f := range files {
		if err := j.away(f); err != nil {
			return fmt.Errorf("remove a booked journal file: %w", err)
		}
	}
	return nil
}

// NewBooker starts booking j into store. Close stops it.
func NewBooker(j *Journal, store Store, log *slog.Logger) *Booker {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Booker{
		j: j, store: store, log: log,
		at: make([]int64, len(j.lanes)), open: map[string]place{}, rates: map[string]string{},
		ask: make(chan chan struct{}), stop: make(chan struct{}), done: make(chan struct{}), cancel: cancel,
	}
	go b.run(ctx)
	return b
}

// Add books a finished row that the journal could not take. It is kept in
// memory until the store has it.
func (b *Booker) Add(r Row) {
	b.mu.Lock()
	b.extra = append(b.extra, r)
	b.waiting.Add(1)
	b.mu.Unlock()
}

// Flush returns when every call that had ended before it was called is in the
// store, or with the context's error.
func (b *Booker) Flush(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case b.ask <- answer:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.done:
		return errors.New("the booker has stopped")
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.done:
		return errors.New("the booker has stopped")
	}
}

// Close books what is left, until ctx ends. What remains stays in the journal.
func (b *Booker) Close(ctx context.Context) error {
	close(b.stop)
	defer b.cancel()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		b.cancel()
		<-b.done
		return fmt.Errorf("%d bytes of the journal not booked; they will be at the next start: %w", b.j.Size(), ctx.Err())
	}
}

// maxExtra is how many calls may be in memory only before no more are begun.
const maxExtra = 20_000

// Room reports whether a call may begin that the journal cannot take.
func (b *Booker) Room() bool { return b.waiting.Load() < maxExtra }

// Stats is what the booker has done.
type Stats struct {
	Booked int64 // rows in the store
	Failed int64 // tries that the store refused
	Memory int64 // rows that are in memory only
	// Down is how long ago the store began to refuse, 0 if it does not.
	Down time.Duration
}

// Stats returns what the booker has done so far.
func (b *Booker) Stats() Stats {
	s := Stats{Booked: b.booked.Load(), Failed: b.failed.Load(), Memory: b.waiting.Load()}
	if at := b.down.Load(); at != 0 {
		s.Down = max(time.Since(time.Unix(0, at)), 1)
	}
	return s
}

func (b *Booker) run(ctx context.Context) {
	defer close(b.done)
	wait := idleWait
	for {
		var answer chan struct{}
		stopping := false
		timer := time.NewTimer(wait)
		select {
		case <-b.stop:
			stopping = true
		case answer = <-b.ask:
		case <-timer.C:
		}
		timer.Stop()
		n, err := b.pass(ctx)
		for err != nil && (answer != nil || stopping) && ctx.Err() == nil {
			// Somebody waits: try again soon.
			select {
			case <-ctx.Done():
			case <-time.After(idleWait):
			}
			n, err = b.pass(ctx)
		}
		if answer != nil && err == nil {
			close(answer)
		}
		if stopping && err == nil && len(b.open) == 0 {
			b.clear()
		}
		if stopping || ctx.Err() != nil {
			return
		}
		b.tell(err)
		wait = idleWait + (busyWait-idleWait)*time.Duration(min(n, busyRows))/busyRows
		if err != nil {
			wait = 2 * time.Second // the store is down: the journal can wait
		}
	}
}

// tell says once that the journal itself makes trouble; book tells of the store's.
func (b *Booker) tell(err error) {
	switch {
	case err == nil:
		b.told = false
	case b.broken.IsZero():
		b.failed.Add(1)
		if !b.told {
			b.told = true
			b.log.Error("a part of the spend journal is not booked or not removed; tried again", "journal_bytes", b.j.Size(), "err", err)
		}
	}
}

// pass books all that is in the journal now, and returns how many rows.
func (b *Booker) pass(ctx context.Context) (int, error) {
	total := 0
	for {
		n, more, err := b.round(ctx)
		if total += n; err != nil || !more {
			return total, err
		}
	}
}

// step is how far a round reads a lane.
type step struct {
	file     *file // its oldest
	from, to int64
	size     int64 // of the file, as far as it was written
	last     bool  // there is no file after it
}

// round reads a piece of every lane, books it in one transaction, and only then
// remembers that it has been read. more says that there is more to read.
func (b *Booker) round(ctx context.Context) (n int, more bool, err error) {
	b.mu.Lock()
	extra := b.extra
	b.extra = nil
	b.mu.Unlock()
	defer func() {
		if err != nil && len(extra) > 0 {
			b.mu.Lock()
			b.extra = append(extra, b.extra...)
			b.mu.Unlock()
		}
	}()
	b.rows = append(b.rows[:0], extra...)
	steps := make([]step, len(b.j.lanes))
	began := map[string]place{}
	var errs error // of single lanes, which do not hold up the others
	for i := range b.j.lanes {
		var rerr error
		if steps[i], rerr = b.read(i, began); rerr != nil {
			steps[i], errs = step{}, errors.Join(errs, rerr)
		}
	}
	if err = b.book(ctx, b.rows); err != nil {
		return 0, false, err
	}
	b.waiting.Add(-int64(len(extra)))
	extra = nil
	n = len(b.rows)
	maps.Copy(b.open, began)
	for i := range b.rows {
		delete(b.open, b.rows[i].CallID)
	}
	if clear(b.rows); cap(b.rows) > 4096 { // hold no texts of calls, nor the memory of a burst
		b.rows = nil
	}
	for i := range steps {
		again, ferr := b.finish(i, &steps[i])
		errs = errors.Join(errs, ferr)
		more = more || again && ferr == nil
	}
	return n, more && errs == nil, errs
}

// read reads the next records of lane i: ended calls are added to rows, and
// where the records of running ones are to began.
func (b *Booker) read(i int, began map[string]place) (step, error) {
	ln := b.j.lanes[i]
	ln.mu.Lock()
	if len(ln.files) == 0 {
		ln.mu.Unlock()
		return step{}, nil
	}
	s := step{file: ln.files[0], from: b.at[i], size: ln.files[0].size, last: len(ln.files) == 1}
	ln.mu.Unlock()

	// A record may be longer than a piece; then the piece grows.
	for most := int64(roundBytes); ; most *= 2 {
		n := min(s.size-s.from, most)
		if int64(cap(b.buf)) < n {
			b.buf = make([]byte, n)
		}
		data := b.buf[:n]
		if _, err := io.ReadFull(io.NewSectionReader(s.file.f, s.from, n), data); err != nil {
			return s, fmt.Errorf("read the journal: %w", err)
		}
		s.to = b.parse(s.file, s.from, data, began)
		if s.to > s.from || s.from == s.size {
			return s, nil
		}
		if s.from+n == s.size {
			// Only whole records count as written: this is a damaged disk.
			s.to = s.from + int64(intact(data))
			b.j.damaged(s.file, s.from, s.to)
			return s, nil
		}
	}
}

// parse reads the records in data, which stand at offset in f, and returns the
// offset behind the last whole one.
func (b *Booker) parse(f *file, offset int64, data []byte, began map[string]place) int64 {
	for len(data) > 0 {
		e, body, n, err := nextRecord(data)
		if err != nil {
			return offset
		}
		switch e {
		case closed:
			b.rows = append(b.rows, Row{})
			r := &b.rows[len(b.rows)-1]
			if b.parser.row(e, body, r) != nil {
				b.rows = b.rows[:len(b.rows)-1]
				return offset
			}
			r.RateTerms = b.rates[r.Rate]
		case terms:
			var r Row
			if b.parser.row(e, body, &r) != nil {
				return offset
			}
			b.rates[r.Rate] = r.RateTerms
		case carried:
			// It may have ended between our looking and our writing; then its
			// end stands before this record, and it is not to come to life again.
		default:
			// What it says matters only if its file goes before its end comes.
			id, err := callID(body)
			if err != nil {
				return offset
			}
			began[id] = place{f, offset, n}
		}
		data, offset = data[n:], offset+int64(n)
	}
	return offset
}

// finish remembers how far lane i has been booked, and removes its oldest file
// when that is done with. It says whether there is more to read.
func (b *Booker) finish(i int, s *step) (more bool, err error) {
	if s.file == nil {
		return false, nil
	}
	ln := b.j.lanes[i]
	b.at[i] = s.to
	if s.to < s.size {
		return true, nil
	}
	if s.last && s.size < b.j.o.Segment/2 {
		return false, nil // still being written
	}
	ln.mu.Lock()
	grown := s.file.size > s.to
	if !grown && len(ln.files) == 1 {
		// Start a new file, so that this one can go.
		err = b.j.rotate(ln)
	}
	ln.mu.Unlock()
	if err != nil {
		return false, fmt.Errorf("start a journal file: %w", err)
	}
	if grown {
		return true, nil
	}
	if err := b.drop(i, s.file); err != nil {
		return false, err
	}
	b.at[i] = 0
	return true, nil
}

// clear removes the files when all that is in them is booked and nothing runs
// any more, so that the next start has nothing to read again.
func (b *Booker) clear() {
	for i, ln := range b.j.lanes {
		for {
			ln.mu.Lock()
			if len(ln.files) == 0 || len(ln.files) == 1 && ln.files[0].size > b.at[i] {
				ln.mu.Unlock()
				break
			}
			f := ln.files[0]
			ln.mu.Unlock()
			if err := b.drop(i, f); err != nil {
				b.log.Warn("a booked journal file stays; it is read again at the next start", "err", err)
				break
			}
			b.at[i] = 0
		}
	}
}

// drop removes a booked file. Calls in it that have not ended are written
// again to the lane's current file first, or a crash would forget them.
func (b *Booker) drop(i int, f *file) error {
	ln := b.j.lanes[i]
	for id, p := range b.open {
		if p.file != f {
			continue
		}
		next, err := b.carry(ln, p)
		if err != nil {
			return fmt.Errorf("carry open call %s over: %w", id, err)
		}
		b.open[id] = next
	}
	ln.mu.Lock()
	ln.files = ln.files[1:]
	ln.mu.Unlock()
	err := errors.Join(f.f.Close(), b.j.away(f))
	b.j.size.Add(-f.size)
	if err != nil {
		return fmt.Errorf("remove a booked journal file: %w", err)
	}
	return nil
}

// carry writes the record at p again, to the lane's current file.
func (b *Booker) carry(ln *lane, p place) (place, error) {
	data := make([]byte, p.size)
	if _, err := io.ReadFull(io.NewSectionReader(p.file.f, p.at, int64(p.size)), data); err != nil {
		return p, err
	}
	var r Row
	if _, _, err := b.parser.parse(data, &r); err != nil {
		return p, err
	}
	r.RateTerms = b.rates[r.Rate]
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return b.j.append(ln, appendRecord(nil, carried, &r), &r)
}

func (b *Booker) book(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	n, err := b.store.Book(ctx, rows)
	if err != nil {
		b.failed.Add(1)
		if b.broken.IsZero() {
			b.broken = time.Now()
			b.down.Store(b.broken.UnixNano())
			b.log.Error("spend not booked; it stays in the journal and is tried again", "rows", len(rows), "journal_bytes", b.j.Size(), "err", err)
		}
		return err
	}
	if !b.broken.IsZero() {
		b.log.Info("spend is booked again", "after", time.Since(b.broken).Round(time.Millisecond).String())
		b.broken = time.Time{}
	}
	b.down.Store(0)
	b.booked.Add(int64(n))
	return nil
}
