package export_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"penstock/internal/export"
	"penstock/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a destination that is down for its first tries.
type fake struct {
	name  string
	down  int           // tries that fail; -1: all
	with  error         // what they fail with
	block chan struct{} // Send waits for it, if set
	mu    sync.Mutex
	got   []*gateway.Record
	tries int
}

func (f *fake) Name() string { return f.name }

func (f *fake) Send(ctx context.Context, batch []*gateway.Record) error {
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if f.down < 0 || f.tries <= f.down {
		return f.with
	}
	f.got = append(f.got, batch...)
	return nil
}

func (f *fake) sent() (records, tries int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.got), f.tries
}

func target(f *fake) export.Target {
	return export.Target{Destination: f, OnSuccess: true, OnFailure: true}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestDelivery(t *testing.T) {
	down := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		down  int
		with  error
		want  int
		tries int
		took  time.Duration // at least
	}{
		{"at once", 0, nil, 3, 1, 0},
		{"after an outage", 8, down, 3, 9, 10 * time.Second},
		{"not when it is refused for good", 1, export.ErrPermanent, 0, 1, 0},
		{"as late as the destination asks", 1, &export.RetryAfter{Wait: time.Minute, Err: down}, 3, 2, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &fake{name: "d", down: tt.down, with: tt.with}
				e := export.New(export.Options{}, quiet(), target(d))
				start := time.Now()
				for range 3 {
					e.Emit(&gateway.Record{})
				}
				err := e.Close(t.Context())
				if len(d.got) != tt.want || d.tries != tt.tries || err != nil {
					t.Errorf("%d records after %d tries, %v; want %d after %d", len(d.got), d.tries, err, tt.want, tt.tries)
				}
				if took := time.Since(start); took < tt.took {
					t.Errorf("took %v, want at least %v", took, tt.took)
				}
			})
		})
	}
}

// A destination that hangs loses its own oldest records and holds up nobody.
func TestSlowDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick := &fake{name: "slow", block: make(chan struct{})}, &fake{name: "quick"}
		e := export.New(export.Options{Queue: 2, Batch: 1, Timeout: time.Hour}, quiet(), target(slow), target(quick))
		recs := make([]*gateway.Record, 10)
		for i := range recs {
			recs[i] = &gateway.Record{Retries: i}
			e.Emit(recs[i])
			synctest.Wait()
		}
		if len(quick.got) != 10 {
			t.Errorf("the quick destination got %d records, want 10", len(quick.got))
		}
		close(slow.block)
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var kept []int
		for _, r := range slow.got {
			kept = append(kept, r.Retries)
		}
		if len(kept) != 3 || kept[0] != 0 || kept[1] != 8 || kept[2] != 9 {
			t.Errorf("the slow destination got %v, want the one in hand and the two newest: [0 8 9]", kept)
		}
		if s := e.Stats()[0]; s.Dropped != 7 || s.Sent != 3 {
			t.Errorf("stats %+v, want 7 dropped and 3 sent", s)
		}
	})
}

func TestCloseSaysWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fake{name: "d", down: -1, with: errors.New("down")}
		e := export.New(export.Options{Batch: 2}, quiet(), target(d))
		for range 5 {
			e.Emit(&gateway.Record{})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := e.Close(ctx); err == nil {
			t.Error("Close said nothing of the records that were lost")
		}
		e.Emit(&gateway.Record{}) // a call that outlived a reload: counted, not a panic
		if s := e.Stats()[0]; s.Dropped != 6 {
			t.Errorf("stats %+v, want 6 dropped", s)
		}
	})
}

func TestOnlyWhatItWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := &fake{name: "good"}, &fake{name: "bad"}
		e := export.New(export.Options{}, quiet(), export.Target{Destination: good, OnSuccess: true}, export.Target{Destination: bad, OnFailure: true})
		e.Emit(&gateway.Record{})
		e.Emit(&gateway.Record{})
		e.Emit(&gateway.Record{Err: &gateway.Error{}})
		if err := e.Close(t.Context()); err != nil || len(good.got) != 2 || len(bad.got) != 1 {
			t.Errorf("%d successes and %d failures delivered (%v), want 2 and 1", len(good.got), len(bad.got), err)
		}
	})
}

func TestADestinationHasItsOwnPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, err := export.ParsePace(map[string]string{"sample_rate": "0.25", "flush_interval": "7", "batch_size": "1000"})
		if err != nil {
			t.Fatal(err)
		}
		some, same, none, all := &fake{name: "some"}, &fake{name: "same"}, &fake{name: "none"}, &fake{name: "all"}
		paced := func(f *fake, p export.Pace) export.Target { x := target(f); x.Pace = p; return x }
		nothing, err := export.ParsePace(map[string]string{"sample_rate": "0"})
		if err != nil {
			t.Fatal(err)
		}
		e := export.New(export.Options{}, quiet(), paced(some, pace), paced(same, pace), paced(none, nothing), target(all))
		const calls = 900
		for i := range calls {
			e.Emit(&gateway.Record{Call: gateway.Call{ID: strconv.Itoa(i)}})
		}
		time.Sleep(6 * time.Second) // of the bubble's clock
		synctest.Wait()
		if _, tries := some.sent(); tries != 0 {
			t.Error("sent before its flush_interval")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		n, tries := some.sent()
		if tries != 1 || n < calls/5 || n > calls/3 {
			t.Errorf("a quarter of %d calls is %d in %d batches", calls, n, tries)
		}
		as, _ := same.sent()
		zero, _ := none.sent()
		every, _ := all.sent()
		if as != n || zero != 0 || every != calls {
			t.Errorf("same share: %d, no share: %d, all: %d", as, zero, every)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for name, bad := range map[string]string{"sample_rate": "1.1", "flush_interval": "0", "batch_size": "many"} {
		if _, err := export.ParsePace(map[string]string{name: bad}); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s %q: %v", name, bad, err)
		}
	}
}
