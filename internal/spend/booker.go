package spend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// batch is how many rows go into the store at once.
const batch = 1000

// interrupted is what the row of a call says that the process did not live to finish.
const interrupted = "the gateway stopped before the call had ended"

// Booker moves the journal into the store, off the path. There is one per
// Journal.
type Booker struct {
	j     *Journal
	store Store
	log   *slog.Logger
	every time.Duration

	// Only run touches these.
	at     []int64             // per lane: how far its oldest file has been read
	open   map[string]inFlight // calls that have begun and not ended
	broken time.Time           // since when the store refuses, zero if it does not

	mu     sync.Mutex
	extra  []Row // rows that the journal could not take
	ask    chan chan struct{}
	stop   chan struct{}
	done   chan struct{}
	cancel context.CancelFunc
	booked atomic.Int64
	failed atomic.Int64
	down   atomic.Bool
}

// inFlight is a call that has begun: its latest row and the lane that knows it.
type inFlight struct {
	row  Row
	lane int
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
	ended := map[string]bool{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		for rest := data; len(rest) > 0; {
			var r Row
			e, n, err := parseRecord(rest, &r)
			if err != nil {
				// The process died while it wrote this record, so nobody was
				// told that its call had ended.
				j.log.Warn("journal file ends in half a record", "file", name, "bytes", len(rest))
				break
			}
			rest = rest[n:]
			if e == closed {
				delete(open, r.CallID)
				ended[r.CallID] = true
				rows = append(rows, r)
			} else if !ended[r.CallID] {
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
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("remove a booked journal file: %w", err)
		}
	}
	return nil
}

// NewBooker starts booking j into store. Close stops it.
func NewBooker(j *Journal, store Store, log *slog.Logger) *Booker {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Booker{
		j: j, store: store, log: log, every: 200 * time.Millisecond,
		at: make([]int64, len(j.lanes)), open: map[string]inFlight{},
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

// Stats is what the booker has done.
type Stats struct {
	Booked int64 // rows in the store
	Failed int64 // tries that the store refused
	Down   bool  // the last try failed
}

// Stats returns what the booker has done so far.
func (b *Booker) Stats() Stats { return Stats{b.booked.Load(), b.failed.Load(), b.down.Load()} }

func (b *Booker) run(ctx context.Context) {
	defer close(b.done)
	wait := b.every
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
		err := b.pass(ctx)
		for err != nil && (answer != nil || stopping) && ctx.Err() == nil {
			// Somebody waits: try again soon.
			select {
			case <-ctx.Done():
			case <-time.After(b.every):
			}
			err = b.pass(ctx)
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
		if wait = b.every; err != nil {
			wait = 2 * time.Second // the store is down: the journal can wait
		}
	}
}

// pass books all that is in the journal now.
func (b *Booker) pass(ctx context.Context) error {
	b.mu.Lock()
	extra := b.extra
	b.extra = nil
	b.mu.Unlock()
	if err := b.book(ctx, extra); err != nil {
		b.mu.Lock()
		b.extra = append(extra, b.extra...)
		b.mu.Unlock()
		return err
	}
	var errs error
	for i := range b.j.lanes {
		errs = errors.Join(errs, b.lane(ctx, i))
	}
	return errs
}

func (b *Booker) lane(ctx context.Context, i int) error {
	ln, at := b.j.lanes[i], &b.at[i]
	for {
		ln.mu.Lock()
		if len(ln.files) == 0 {
			ln.mu.Unlock()
			return nil
		}
		f, size, last := ln.files[0], ln.files[0].size, len(ln.files) == 1
		ln.mu.Unlock()

		next, err := b.file(ctx, i, f, *at, size)
		*at = next
		if err != nil {
			return err
		}
		if last && size < b.j.o.Segment/2 {
			return nil // still being written
		}
		if last {
			// Start a new file, so that this one can go.
			ln.mu.Lock()
			if len(ln.files) == 1 && ln.files[0].size > *at {
				ln.mu.Unlock()
				continue
			}
			err := b.j.rotate(ln)
			ln.mu.Unlock()
			if err != nil {
				return fmt.Errorf("start a journal file: %w", err)
			}
		}
		if err := b.drop(i, f); err != nil {
			return err
		}
		*at = 0
	}
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
	for _, o := range b.open {
		if o.lane != i {
			continue
		}
		if err := b.j.append(ln, appendRecord(nil, carried, &o.row)); err != nil {
			return fmt.Errorf("carry an open call over: %w", err)
		}
	}
	ln.mu.Lock()
	ln.files = ln.files[1:]
	ln.mu.Unlock()
	err := errors.Join(f.f.Close(), os.Remove(f.path))
	b.j.size.Add(-f.size)
	if err != nil {
		return fmt.Errorf("remove a booked journal file: %w", err)
	}
	return nil
}

// file books the records of f from offset to size and returns how far it came.
func (b *Booker) file(ctx context.Context, i int, f *file, offset, size int64) (int64, error) {
	if offset == size {
		return offset, nil
	}
	data := make([]byte, size-offset)
	if _, err := io.ReadFull(io.NewSectionReader(f.f, offset, size-offset), data); err != nil {
		return offset, fmt.Errorf("read the journal: %w", err)
	}
	var rows []Row
	var began []Row
	var ended []string
	for rest := data; len(rest) > 0; {
		var r Row
		e, n, err := parseRecord(rest, &r)
		if err != nil {
			// Only whole records count as written: this is a damaged disk.
			return offset, fmt.Errorf("journal file %s at byte %d: %w", f.path, size-int64(len(rest)), err)
		}
		rest = rest[n:]
		switch e {
		case closed:
			rows, ended = append(rows, r), append(ended, r.CallID)
		case carried:
			// It may have ended between our looking and our writing; then its
			// end stands before this record, and it is not to come to life again.
		default:
			began = append(began, r)
		}
		if len(rows) == batch || len(rest) == 0 {
			if err := b.book(ctx, rows); err != nil {
				return offset, err
			}
			for _, r := range began {
				b.open[r.CallID] = inFlight{r, i}
			}
			for _, id := range ended {
				delete(b.open, id)
			}
			rows, began, ended = rows[:0], began[:0], ended[:0]
			offset = size - int64(len(rest))
		}
	}
	return offset, nil
}

func (b *Booker) book(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	n, err := b.store.Book(ctx, rows)
	if err != nil {
		b.failed.Add(1)
		b.down.Store(true)
		if b.broken.IsZero() {
			b.broken = time.Now()
			b.log.Error("spend not booked; it stays in the journal and is tried again", "rows", len(rows), "journal_bytes", b.j.Size(), "err", err)
		}
		return err
	}
	if !b.broken.IsZero() {
		b.log.Info("spend is booked again", "after", time.Since(b.broken).Round(time.Millisecond).String())
		b.broken = time.Time{}
	}
	b.down.Store(false)
	b.booked.Add(int64(n))
	return nil
}
