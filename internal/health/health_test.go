package health_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/health"
)

// ward is a loop over two deployments whose checks take a second.
type ward struct {
	health.Loop
	mu      sync.Mutex
	s       health.Settings
	checked []string
	changes []string
	known   []health.Result
	ill     bool
}

func newWard() *ward {
	w := &ward{s: health.Settings{Background: true, Every: time.Minute, Concurrency: 1}}
	w.Board = health.NewBoard()
	w.Settings = func() health.Settings { w.mu.Lock(); defer w.mu.Unlock(); return w.s }
	w.Deployments = func() []*gateway.Deployment {
		return []*gateway.Deployment{{ID: "a"}, {ID: "b"}, {ID: "off", Check: gateway.Check{Off: true}}}
	}
	w.Check = func(_ context.Context, d *gateway.Deployment) health.Result {
		at := time.Now()
		time.Sleep(time.Second) // of the bubble's clock
		w.mu.Lock()
		defer w.mu.Unlock()
		w.checked = append(w.checked, d.ID)
		return health.Result{Deployment: d.ID, At: at, OK: !w.ill, Kind: gateway.UpstreamFailed}
	}
	w.Known = func(context.Context, time.Time) []health.Result { return w.known }
	w.Heard = func(_ context.Context, r health.Result, changed bool) {
		if changed {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, r.Deployment)
		}
	}
	return w
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		looks := func(about string, want ...string) {
			t.Helper()
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			if !slices.Equal(w.checked, want) {
				t.Errorf("%s: checked %v, want %v", about, w.checked, want)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		looks("one at a time", "a")
		time.Sleep(10 * time.Second)
		looks("a round, without the one that is off", "a", "b")
		time.Sleep(50 * time.Second)
		looks("a round takes its time, and the pause comes after it", "a", "b")
		time.Sleep(5 * time.Second)
		looks("the next round", "a", "b", "a", "b")
		if !slices.Equal(w.changes, []string{"a", "b"}) {
			t.Errorf("news: %v, want each once, as the second round found nothing new", w.changes)
		}
		w.mu.Lock()
		w.ill = true
		w.known = []health.Result{{Deployment: "b", At: time.Now().Add(50 * time.Second), OK: true}}
		w.mu.Unlock()
		time.Sleep(time.Minute)
		looks("what another replica has just checked is not checked again", "a", "b", "a", "b", "a")
		if r, _ := w.Board.Get("a"); r.OK || !slices.Equal(w.changes, []string{"a", "b", "a"}) {
			t.Errorf("a is ill: %+v, news %v", r, w.changes)
		}
		w.mu.Lock()
		w.s.Background = false
		w.mu.Unlock()
		time.Sleep(10 * time.Minute)
		looks("switched off", "a", "b", "a", "b", "a")
		cancel()
		<-done
	})
}

func TestIllUntil(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	failed := health.Result{At: at, Kind: gateway.UpstreamFailed}
	limited := health.Result{At: at, Kind: gateway.UpstreamLimited}
	on := health.Settings{Routing: true, Every: time.Minute}
	for _, tt := range []struct {
		name string
		s    health.Settings
		r    health.Result
		want time.Time
	}{
		{"a failure counts for two rounds", on, failed, at.Add(2 * time.Minute)},
		{"or as long as is set", health.Settings{Routing: true, Stale: time.Hour}, failed, at.Add(time.Hour)},
		{"not if routing does not go by checks", health.Settings{}, failed, time.Time{}},
		{"one that is well is not ill", on, health.Result{At: at, OK: true}, time.Time{}},
		{"one that was not checked is not ill", on, health.Result{At: at, Unknown: "x"}, time.Time{}},
		{"a rate limit counts", on, limited, at.Add(2 * time.Minute)},
		{"but not if what passes is ignored", health.Settings{Routing: true, IgnoreTransient: true}, limited, time.Time{}},
	} {
		if got := tt.s.IllUntil(&tt.r); !got.Equal(tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestBoardKeepsTheNewest(t *testing.T) {
	b := health.NewBoard()
	now := time.Now()
	if !b.Put(health.Result{Deployment: "a", At: now, OK: true}) {
		t.Error("the first result is no news")
	}
	if b.Put(health.Result{Deployment: "a", At: now.Add(-time.Hour)}) {
		t.Error("a check that began before is news")
	}
	if r, ok := b.Get("a"); !ok || !r.OK {
		t.Errorf("kept %+v", r)
	}
	b.Retain(func(string) bool { return false })
	if len(b.All()) != 0 {
		t.Error("a deployment that is gone is still there")
	}
}
