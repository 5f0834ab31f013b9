package figures_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"penstock/internal/figures"
	"penstock/internal/gateway"
	"penstock/internal/redis"
	"penstock/internal/redis/redistest"
	"penstock/internal/router"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func TestReplicasShareTheirFiguresOverRedis(t *testing.T) {
	url := redistest.URL(t)
	db, err := redis.Open(redis.Options{URL: gateway.Secret(url), Namespace: "test-" + rand.Text()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	share(t, db.Board())
}

func TestReplicasShareTheirFiguresOverPostgreSQL(t *testing.T) {
	db, err := store.Open(t.Context(), storetest.PostgresURL(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	share(t, db.Board())
}

func share(t *testing.T, b figures.Board) {
	t.Helper()
	one, two, three := figures.Share(b, "one"), figures.Share(b, "two"), figures.Share(b, "three")
	now := time.Now()
	near := cmpopts.EquateApproxTime(time.Second) // clocks of one machine, and half a round trip
	exchange := func(f *figures.Shared, at time.Time, own ...router.Figures) []router.Figures {
		t.Helper()
		got, err := f.Exchange(t.Context(), own, at)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	cool := now.Add(time.Minute)
	exchange(one, now, router.Figures{ID: "a", CoolUntil: cool, Requests: 3, Tokens: 30, Latency: 2 * time.Millisecond}, router.Figures{ID: "unused"})
	exchange(two, now, router.Figures{ID: "a", InFlight: 2, Requests: 4, Tokens: 40, Latency: 4 * time.Millisecond}, router.Figures{ID: "b", Requests: 1})
	want := []router.Figures{
		{ID: "a", CoolUntil: cool, InFlight: 2, Requests: 7, Tokens: 70, Latency: 3 * time.Millisecond}, {ID: "b", Requests: 1},
	}
	if diff := cmp.Diff(want, exchange(three, now), near); diff != "" {
		t.Errorf("what the third hears of the others:\n%s", diff)
	}
	// A cooldown that goes to and fro stays what it was.
	last := cool
	for range 20 {
		for _, f := range exchange(two, now, router.Figures{ID: "a", CoolUntil: last}) {
			last = f.CoolUntil
		}
		for _, f := range exchange(one, now, router.Figures{ID: "a", CoolUntil: last}) {
			last = f.CoolUntil
		}
	}
	if d := last.Sub(cool); d < -200*time.Millisecond || d > 200*time.Millisecond {
		t.Errorf("a cooldown moved by %s", d)
	}
	exchange(three, now)
	// One that says nothing more stops counting, and is forgotten at last.
	if got := exchange(three, now.Add(20*time.Second)); len(got) != 0 {
		t.Errorf("of replicas that are silent: %+v", got)
	}
	exchange(three, now.Add(10*time.Minute))
	if got := exchange(figures.Share(b, "four"), now); len(got) != 0 {
		t.Errorf("what is left of those that are gone: %+v", got)
	}
}
