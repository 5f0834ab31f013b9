package store_test

import (
	"testing"
	"time"

	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func openLeases(t *testing.T, now func() time.Time) limit.Shared {
	t.Helper()
	l, err := store.OpenLeases(t.Context(), storetest.PostgresURL(t), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLeases(t *testing.T) { limittest.RunShared(t, openLeases) }

func TestLeasesKeepTheContract(t *testing.T) { limittest.RunLeases(t, openLeases) }

func TestTidyForgetsWhatNobodyNeeds(t *testing.T) {
	clock := limittest.NewClock(limittest.Epoch)
	l := openLeases(t, clock.Now).(*store.Leases)
	ask := limit.Ask{Meter: limit.Meter{Scope: limit.Scope{Kind: limit.KeyScope, ID: "k"}, Kind: limit.Requests}, Amount: 2, Epoch: 1, Seq: 1, Fresh: true, Need: 1, Replicas: 1}
	if _, err := l.Apply(t.Context(), "one", []limit.Ask{ask}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after time.Duration
		left  int
	}{{time.Minute, 1}, {5 * time.Minute, 0}} {
		clock.Set(limittest.Epoch.Add(tt.after))
		if err := l.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Meters(t.Context()); err != nil || n != tt.left {
			t.Errorf("%v later %d meters are left (%v), want %d", tt.after, n, err, tt.left)
		}
	}
}
