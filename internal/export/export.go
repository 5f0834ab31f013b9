package export

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"penstock/internal/gateway"
)

// Destination delivers records somewhere.
//
// Send is never called concurrently for one destination, and returns soon
// after ctx ends. The slice must not be kept after Send returns; the records
// in it may be, and must not be changed. An error that wraps ErrPermanent drops
// the batch, any other is tried again.
type Destination interface {
	Name() string
	Send(ctx context.Context, batch []*gateway.Record) error
}

// ErrPermanent marks a batch that no retry will deliver.
var ErrPermanent = errors.New("refused for good")

// RetryAfter is the error of a destination that said when to come back.
type RetryAfter struct {
	Wait time.Duration
	Err  error
}

// Error implements error.
func (e *RetryAfter) Error() string { return fmt.Sprintf("%v; try again in %s", e.Err, e.Wait) }

// Unwrap returns the cause.
func (e *RetryAfter) Unwrap() error { return e.Err }

// Target is a destination with what it is to receive.
type Target struct {
	Destination Destination
	Type        string // as package all knows it
	OnSuccess   bool   // calls that were answered
	OnFailure   bool   // calls that failed or were refused
	Content     bool   // prompts and answers too
	Pace        Pace
}

// Pace is how a destination wants its records where that is not the options'
// way. Zero values leave it to the options.
type Pace struct {
	// Sample is the share of calls that are sent, from 0 to 1; nil is all of
	// them. Which ones depends on their ids alone, so that several destinations
	// with the same share, and several gateways, keep the same calls.
	Sample *float64
	Flush  time.Duration
	Batch  int
}

// ParsePace reads a destination's sample_rate, flush_interval (seconds) and
// batch_size. The error names the setting.
func ParsePace(settings map[string]string) (Pace, error) {
	var p Pace
	if v := settings["sample_rate"]; v != "" {
		share, err := strconv.ParseFloat(v, 64)
		if err != nil || !(share >= 0 && share <= 1) {
			return p, fmt.Errorf("sample_rate: want a number from 0 to 1, got %q", v)
		}
		p.Sample = &share
	}
	if v := settings["flush_interval"]; v != "" {
		s, err := strconv.ParseFloat(v, 64)
		if err != nil || !(s > 0 && s <= 3600) {
			return p, fmt.Errorf("flush_interval: want a number of seconds above 0 and up to 3600, got %q", v)
		}
		p.Flush = time.Duration(s * float64(time.Second))
	}
	if v := settings["batch_size"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 10_000 {
			return p, fmt.Errorf("batch_size: want a whole number from 1 to 10000, got %q", v)
		}
		p.Batch = n
	}
	return p, nil
}

// keeps reports whether the call of that id is among those that are sent.
func (p *Pace) keeps(id string) bool {
	if p.Sample == nil {
		return true
	}
	sum := sha256.Sum256([]byte(id))
	return float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < *p.Sample
}

// single is a destination that takes one record at a time: had it a batch, a
// failure in the middle of it would send the first ones again.
type single interface{ Single() bool }

// pace returns the options as the target wants them.
func (o Options) pace(t *Target) Options {
	o.Flush, o.Batch = cmp.Or(t.Pace.Flush, o.Flush), cmp.Or(t.Pace.Batch, o.Batch)
	if s, ok := t.Destination.(single); ok && s.Single() {
		o.Batch = 1
	}
	return o
}

// Options bound what one destination may hold and how it is tried.
type Options struct {
	Queue    int           // records that wait, default 8192
	Bytes    int           // their approximate size in bytes, default 32 MB
	Batch    int           // records in one Send, default 100
	Flush    time.Duration // longest wait for a full batch, default 1 s
	Timeout  time.Duration // of one Send, default 20 s
	RetryMin time.Duration // wait after the first failure, default 500 ms; it doubles
	RetryMax time.Duration // longest wait between two tries, default 30 s
}

func (o Options) withDefaults() Options {
	if o.Queue == 0 {
		o.Queue = 8192
	}
	if o.Bytes == 0 {
		o.Bytes = 32 << 20
	}
	if o.Batch == 0 {
		o.Batch = 100
	}
	if o.Flush == 0 {
		o.Flush = time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.RetryMin == 0 {
		o.RetryMin = 500 * time.Millisecond
	}
	if o.RetryMax == 0 {
		o.RetryMax = 30 * time.Second
	}
	return o
}

// Stats are the counters of one destination.
type Stats struct {
	Name    string
	Queued  int64 // records that wait, those being sent included
	Sent    int64 // records delivered
	Dropped int64 // records lost: queue full, refused for good, or closed
	Failed  int64 // tries that failed
}

// Exporter fans records out to destinations. The zero Exporter drops them all.
type Exporter struct {
	workers []*worker
	content bool
	closing sync.Once
	closed  error // set by closing
}

// New starts one worker per destination. Call Close to deliver what is queued
// and to end them.
func New(o Options, log *slog.Logger, targets ...Target) *Exporter {
	e := &Exporter{}
	for _, t := range targets {
		ctx, cancel := context.WithCancel(context.Background())
		w := &worker{
			Target: t, ctx: ctx, cancel: cancel, o: o.withDefaults().pace(&t), log: log.With("destination", t.Destination.Name()),
			wake: make(chan struct{}, 1), done: make(chan struct{}),
		}
		go w.run()
		e.workers = append(e.workers, w)
		e.content = e.content || t.Content
	}
	return e
}

// Emit queues rec at every destination that wants it, without waiting. A
// destination whose queue is full drops its oldest record. After Close, rec is
// dropped and counted.
func (e *Exporter) Emit(rec *gateway.Record) { e.EmitBut(rec, nil) }

// EmitBut is Emit for all destinations but those of some types.
func (e *Exporter) EmitBut(rec *gateway.Record, types []string) {
	for _, w := range e.workers {
		if len(types) > 0 && slices.Contains(types, typeOf(w.Type)) {
			continue
		}
		if (rec.Err == nil && w.OnSuccess || rec.Err != nil && w.OnFailure) && w.Pace.keeps(rec.Call.ID) {
			w.put(rec)
		}
	}
}

// Wants reports whether there is any destination.
func (e *Exporter) Wants() bool { return len(e.workers) > 0 }

// WantsContent reports whether some destination wants prompts and answers.
func (e *Exporter) WantsContent() bool { return e.content }

// Stats returns the counters of every destination.
func (e *Exporter) Stats() []Stats {
	out := make([]Stats, len(e.workers))
	for i, w := range e.workers {
		out[i] = w.stats()
	}
	return out
}

// Close delivers what is queued, until ctx ends. The error says how many
// records of which destination were lost. A second Close waits for the first
// and returns the same.
func (e *Exporter) Close(ctx context.Context) error {
	e.closing.Do(func() {
		for _, w := range e.workers {
			w.finish()
		}
		for _, w := range e.workers {
			select {
			case <-w.done:
			case <-ctx.Done():
				w.cancel()
				<-w.done
			}
			w.cancel()
			if n := w.abandon(); n > 0 {
				e.closed = errors.Join(e.closed, fmt.Errorf("%s: %d records not delivered: %w", w.Destination.Name(), n, ctx.Err()))
			}
		}
	})
	return e.closed
}

// recordSize is about what a record without content takes in memory.
const recordSize = 1 << 10

// longestWait bounds how long a destination may tell us to stay away.
const longestWait = 5 * time.Minute

type item struct {
	rec  *gateway.Record
	at   time.Time
	size int
}

// worker owns one destination. Only run touches the destination; Emit's side
// touches only the queue.
type worker struct {
	Target
	o      Options
	log    *slog.Logger
	wake   chan struct{}   // holds one: the queue has become worth a look
	done   chan struct{}   // closed when run has ended
	ctx    context.Context //nolint:containedctx // the worker's own life, not a caller's
	cancel context.CancelFunc

	mu      sync.Mutex
	queue   []item // guarded by mu, as is all below; oldest first
	bytes   int    // of queue
	flight  int    // records being sent
	closing bool
	sent    int64
	dropped int64
	failed  int64
	last    error // why the last try failed
}

// put queues rec, at the cost of the oldest records if there is no room.
func (w *worker) put(rec *gateway.Record) {
	size := recordSize + len(rec.Input) + len(rec.Output) + len(rec.Call.Metadata)
	w.mu.Lock()
	if w.closing {
		w.dropped++
		w.mu.Unlock()
		return
	}
	w.queue = append(w.queue, item{rec, time.Now(), size})
	w.bytes += size
	gone := 0
	for len(w.queue)-gone > 1 && (len(w.queue)-gone > w.o.Queue || w.bytes > w.o.Bytes) {
		w.bytes -= w.queue[gone].size
		w.queue[gone] = item{}
		gone++
	}
	w.queue = w.queue[gone:]
	w.dropped += int64(gone)
	n := len(w.queue)
	w.mu.Unlock()
	// Only two changes matter to a worker that waits: the first record starts
	// its clock, and a full batch ends it.
	if n == 1 || n >= w.o.Batch {
		w.nudge()
	}
}

func (w *worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// finish lets run end once the queue is empty.
func (w *worker) finish() {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.nudge()
}

// abandon counts what is left after the worker's end as lost.
func (w *worker) abandon() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.queue) + w.flight
	w.dropped += int64(n)
	w.queue, w.flight, w.bytes = nil, 0, 0
	return n
}

func (w *worker) stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Stats{w.Destination.Name(), int64(len(w.queue) + w.flight), w.sent, w.dropped, w.failed}
}

// run delivers batches until the queue is closed and empty, or ctx ends.
func (w *worker) run() {
	defer close(w.done)
	batch := make([]*gateway.Record, 0, w.o.Batch)
	for {
		var more bool
		if batch, more = w.next(batch[:0]); !more || !w.deliver(batch) {
			return
		}
		clear(batch)
	}
}

// next waits for a batch: a full one, or what there is after Flush.
func (w *worker) next(batch []*gateway.Record) ([]*gateway.Record, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		w.mu.Lock()
		n, wait, closing := len(w.queue), time.Hour, w.closing
		if n > 0 {
			wait = w.o.Flush - time.Since(w.queue[0].at)
		}
		if n >= w.o.Batch || n > 0 && (closing || wait <= 0) {
			n = min(n, w.o.Batch)
			for i := range w.queue[:n] {
				batch = append(batch, w.queue[i].rec)
				w.bytes -= w.queue[i].size
			}
			clear(w.queue[:n])
			w.queue, w.flight = w.queue[n:], n
			w.mu.Unlock()
			return batch, true
		}
		w.mu.Unlock()
		if closing {
			return nil, false
		}
		timer.Reset(wait)
		select {
		case <-w.wake:
		case <-timer.C:
		case <-w.ctx.Done():
			return nil, false
		}
	}
}

// deliver sends the batch for as long as it takes. It reports false if ctx
// ended first; the batch is then still in flight.
func (w *worker) deliver(batch []*gateway.Record) bool {
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(w.ctx, w.o.Timeout)
		err := w.Destination.Send(ctx, batch)
		cancel()
		switch {
		case err == nil:
			if try > 0 {
				w.log.Info("destination is up again", "tries", try+1)
			}
			w.settle(func() { w.sent += int64(len(batch)); w.flight = 0 })
			return true
		case errors.Is(err, ErrPermanent):
			w.log.Warn("destination refused records", "count", len(batch), "err", err)
			w.settle(func() { w.dropped += int64(len(batch)); w.failed++; w.flight, w.last = 0, err })
			return true
		}
		w.settle(func() { w.failed++; w.last = err })
		if try == 0 && w.ctx.Err() == nil {
			w.log.Warn("destination does not take records, trying again", "err", err)
		}
		if !w.pause(w.wait(try, err)) {
			return false
		}
	}
}

func (w *worker) settle(count func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	count()
}

// wait returns how long to stay away after so many failures in a row. Half of
// it is chance, so that many gateways do not come back at once.
func (w *worker) wait(try int, err error) time.Duration {
	d := w.o.RetryMax
	if try < 30 && w.o.RetryMin<<try < d {
		d = w.o.RetryMin << try
	}
	d = d/2 + rand.N(d/2+1)
	if asked, ok := errors.AsType[*RetryAfter](err); ok {
		d = max(d, min(asked.Wait, longestWait))
	}
	return d
}

func (w *worker) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// Test queues rec at the destination of that name and waits until it has been
// delivered, or refused, or ctx ends.
func (e *Exporter) Test(ctx context.Context, name string, rec *gateway.Record) error {
	i := slices.IndexFunc(e.workers, func(w *worker) bool { return w.Destination.Name() == name })
	if i < 0 {
		return fmt.Errorf("no logging destination %q: %w", name, ErrUnknown)
	}
	w := e.workers[i]
	before := w.stats()
	w.put(rec)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		switch s := w.stats(); {
		case s.Failed > before.Failed || s.Dropped > before.Dropped:
			return fmt.Errorf("%s does not take records: %w", name, w.why())
		case s.Queued == 0:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has not taken the record: %w", name, ctx.Err())
		}
	}
}

// ErrUnknown says that there is no destination of that name.
var ErrUnknown = errors.New("not configured")

func (w *worker) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}
