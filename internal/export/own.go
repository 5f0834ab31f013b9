package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// What the destinations of keys and teams may hold together: 500 of them with a
// megabyte each at the most. One that had nothing to do for ownIdle is closed.
const (
	maxOwn     = 500
	ownIdle    = 10 * time.Minute
	ownSweep   = time.Minute
	ownClosing = 30 * time.Second
	// evictEvery is how often room is looked for when there is none.
	evictEvery = time.Second
)

// OwnOptions are what Own is made from. Open is needed.
type OwnOptions struct {
	// Open unseals a destination and builds it. Two with the same id are the same.
	Open func(owner gateway.LogOwner, t *gateway.LogTarget) (id string, target Target, err error)
	Max  int // live destinations, 500 unless set
	Now  func() time.Time
	Log  *slog.Logger
}

// Own holds the destinations that keys and teams have of their own, as far as
// calls need them. A destination is made when the first call needs it and closed
// when none has for a while.
type Own struct {
	o OwnOptions

	mu     sync.RWMutex
	known  map[string]*own // by what is stored; guarded by mu, as is all below
	live   map[string]*own // by id
	next   time.Time       // before it no room is looked for
	past   Stats           // of those that were closed
	closed bool

	closing sync.WaitGroup // destinations that deliver what they hold
}

// own is one destination; x is nil if it cannot be built, which err says.
type own struct {
	id      string
	x       *Exporter
	content bool
	err     error
	used    atomic.Int64 // Unix nanoseconds of the last call
}

// NewOwn returns an empty Own. Run must run; Close ends it.
func NewOwn(o OwnOptions) *Own {
	if o.Max == 0 {
		o.Max = maxOwn
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Own{o: o, known: map[string]*own{}, live: map[string]*own{}, past: Stats{Name: "keys and teams"}}
}

// Emit queues rec at the destinations of to that want it, without waiting. It
// returns the types of configured destinations that they stand for: a project of
// its own at Langfuse takes the place of the common one.
func (o *Own) Emit(owner gateway.LogOwner, to []gateway.LogTarget, rec *gateway.Record) (instead []string) {
	for i := range to {
		t := &to[i]
		if typeOf(t.Name) == langfuseType {
			instead = append(instead, langfuseType)
		}
		if rec.Err == nil && !t.OnSuccess || rec.Err != nil && !t.OnFailure || !Ours(t.Name) {
			continue
		}
		d := o.get(owner, t)
		if d == nil || d.x == nil {
			o.mu.Lock()
			o.past.Dropped++
			o.mu.Unlock()
			continue
		}
		d.x.Emit(d.view(rec))
	}
	return instead
}

// view is rec as the destination may see it.
func (d *own) view(rec *gateway.Record) *gateway.Record {
	if d.content || rec.Input == nil && rec.Output == nil {
		return rec
	}
	bare := *rec
	bare.Input, bare.Output = nil, nil
	return &bare
}

// key is what a destination is known by: all that is stored of it.
func key(owner gateway.LogOwner, t *gateway.LogTarget) string {
	flags := [...]byte{'0', '0', '0'}
	for i, set := range [...]bool{t.OnSuccess, t.OnFailure, t.Trusted} {
		if set {
			flags[i] = '1'
		}
	}
	return strings.Join([]string{owner.Kind, owner.ID, t.Name, string(flags[:]), string(t.Vars)}, "\x00")
}

// get returns the destination, nil if there is no room for another one.
func (o *Own) get(owner gateway.LogOwner, t *gateway.LogTarget) *own {
	now, k := o.o.Now(), key(owner, t)
	o.mu.RLock()
	d := o.known[k]
	if d != nil {
		d.used.Store(now.UnixNano())
	}
	o.mu.RUnlock()
	if d != nil {
		return d
	}
	id, target, err := o.o.Open(owner, t)
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.known[k]; d != nil || o.closed { // another call has made it
		return d
	}
	if err != nil {
		id = k
	}
	d = o.live[id]
	if d == nil {
		if len(o.live) >= o.o.Max && !o.evict(now) {
			return nil
		}
		d = &own{id: id, err: err, content: target.Content}
		if err != nil {
			o.o.Log.Warn("a logging destination cannot be used; calls are not told there", "of", owner.Kind, "id", owner.ID, "destination", t.Name, "err", err)
		} else {
			target.OnSuccess, target.OnFailure = true, true // Emit has looked
			d.x = New(Options{Queue: 500, Bytes: 1 << 20}, o.o.Log.With("of", owner.Kind, "id", owner.ID), target)
		}
		o.live[id] = d
	}
	d.used.Store(now.UnixNano())
	o.known[k] = d
	return d
}

// evict closes the destination that was not used for longest, if it holds
// nothing. mu is held.
func (o *Own) evict(now time.Time) bool {
	if now.Before(o.next) {
		return false
	}
	o.next = now.Add(evictEvery)
	var oldest *own
	for _, d := range o.live {
		if (oldest == nil || d.used.Load() < oldest.used.Load()) && (d.x == nil || d.x.Stats()[0].Queued == 0) && now.Sub(time.Unix(0, d.used.Load())) > evictEvery {
			oldest = d
		}
	}
	if oldest == nil {
		o.o.Log.Warn("too many keys and teams have logging destinations of their own at once; the calls of some are not told there", "destinations", o.o.Max)
		return false
	}
	o.drop(oldest)
	return true
}

// drop closes a destination. mu is held.
func (o *Own) drop(d *own) {
	delete(o.live, d.id)
	maps.DeleteFunc(o.known, func(_ string, have *own) bool { return have == d })
	if d.x == nil {
		return
	}
	o.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), ownClosing)
		defer cancel()
		if err := o.end(ctx, d); err != nil {
			o.o.Log.Warn("records of a key's or a team's own logging were lost", "err", err)
		}
	})
}

// end closes a destination and keeps what it has counted.
func (o *Own) end(ctx context.Context, d *own) error {
	err := d.x.Close(ctx)
	s := d.x.Stats()[0]
	o.mu.Lock()
	defer o.mu.Unlock()
	o.past.Sent += s.Sent
	o.past.Dropped += s.Dropped
	o.past.Failed += s.Failed
	return err
}

// Run closes destinations that nobody uses, until ctx ends.
func (o *Own) Run(ctx context.Context) {
	tick := time.NewTicker(ownSweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.sweep()
		}
	}
}

func (o *Own) sweep() {
	now := o.o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range slices.Collect(maps.Values(o.live)) {
		if now.Sub(time.Unix(0, d.used.Load())) >= ownIdle {
			o.drop(d)
		}
	}
}

// Stats are the counters of all of them together, and how many there are.
func (o *Own) Stats() (sum Stats, live int) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	sum = o.past
	for _, d := range o.live {
		if d.x == nil {
			continue
		}
		s := d.x.Stats()[0]
		sum.Queued += s.Queued
		sum.Sent += s.Sent
		sum.Dropped += s.Dropped
		sum.Failed += s.Failed
	}
	return sum, len(o.live)
}

// Test sends rec to one destination and waits until it has been delivered, or
// refused, or ctx ends.
func (o *Own) Test(ctx context.Context, owner gateway.LogOwner, t *gateway.LogTarget, rec *gateway.Record) error {
	if !Ours(t.Name) {
		return fmt.Errorf("there is no destination %q for keys and teams", t.Name)
	}
	d := o.get(owner, t)
	switch {
	case d == nil:
		return errors.New("too many destinations are in use at the moment")
	case d.err != nil:
		return d.err
	}
	return d.x.Test(ctx, d.x.Stats()[0].Name, rec)
}

// Close delivers what all of them hold, until ctx ends.
func (o *Own) Close(ctx context.Context) error {
	o.mu.Lock()
	o.closed = true
	all := slices.Collect(maps.Values(o.live))
	clear(o.live)
	clear(o.known)
	o.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		if d.x != nil {
			wg.Go(func() { errs[i] = o.end(ctx, d) })
		}
	}
	wg.Wait()
	o.closing.Wait()
	return errors.Join(errs...)
}
