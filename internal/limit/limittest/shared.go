package limittest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/limit"
)

// RunShared plays the contract of limit.Shared against what open opens: a store
// that nobody has used, on the clock now.
func RunShared(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	t.Run("steps", func(t *testing.T) { steps(t, open) })
	t.Run("many meters at once", func(t *testing.T) { many(t, open) })
	t.Run("replicas that race never get more than there is", func(t *testing.T) { race(t, open) })
	t.Run("replicas come and go", func(t *testing.T) { beats(t, open) })
	t.Run("recalls reach every replica", func(t *testing.T) { recalls(t, open) })
}

var (
	rate     = limit.Meter{Scope: limit.Scope{Kind: limit.KeyScope, ID: "k"}, Kind: limit.Requests}
	parallel = limit.Meter{Scope: limit.Scope{Kind: limit.TeamScope, ID: "a:{b} ü"}, Kind: limit.Parallel, Model: "openai/*"}
	money    = limit.Meter{Scope: limit.Scope{Kind: limit.MemberScope, ID: "u", Of: "t"}, Kind: limit.Money, Window: limit.Window{N: 1, Unit: limit.Days}, Start: 1_773_792_000}
)

// said is one ask and what must come of it.
type said struct {
	after time.Duration
	by    string // replica; "one" if empty
	ask   limit.Ask
	want  limit.Grant
}

func steps(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	sec := Epoch.Unix()
	at := Epoch.UnixMicro()
	for _, tt := range []struct {
		name  string
		meter limit.Meter
		steps []said
	}{
		{"what is needed is given as far as it fits", rate, []said{
			{ask: limit.Ask{Fresh: true, Amount: 10, Need: 4}, want: limit.Grant{Held: 4, Taken: 4}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 10, Need: 9}, want: limit.Grant{Held: 6, Taken: 10, Short: true, Tight: true}},
			{by: "two", ask: limit.Ask{Amount: 10, Keep: 2}, want: limit.Grant{Held: 2, Taken: 6, Tight: true}},
			{ask: limit.Ask{Amount: 10, Keep: 4, Need: 3}, want: limit.Grant{Held: 7, Taken: 9, Tight: true}},
		}},
		{"what is too little for any call is given back", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 10, Need: 3, BaseAt: at}, want: limit.Grant{Held: 3, Taken: 3}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 10, Need: 6}, want: limit.Grant{Held: 6, Taken: 9}},
			{ask: limit.Ask{Amount: 10, Keep: 3, Need: 2, Scrap: 3, Least: 5}, want: limit.Grant{Taken: 6, Short: true, Tight: true}},
			{by: "two", ask: limit.Ask{Amount: 10, Keep: 6, Need: 7, Scrap: 2, Least: 5}, want: limit.Grant{Held: 10, Taken: 10, Short: true, Tight: true}},
			{ask: limit.Ask{Amount: 10, Need: 1}, want: limit.Grant{Taken: 10, Idle: 1, Short: true, Tight: true}},
		}},
		{"a wish is granted if the need fits, and something for later if there is plenty", rate, []said{
			{ask: limit.Ask{Fresh: true, Amount: 1000, Need: 10, Wish: 90, Spare: 500, Replicas: 3}, want: limit.Grant{Held: 175, Taken: 175}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 1000, Need: 10, Spare: 20, Replicas: 3}, want: limit.Grant{Held: 30, Taken: 205, Idle: 165}},
			{by: "two", ask: limit.Ask{Amount: 1000, Keep: 30, Wish: 2000}, want: limit.Grant{Held: 825, Taken: 1000, Idle: 165}},
		}},
		{"after a shortage nothing is given for later", rate, []said{
			{ask: limit.Ask{Fresh: true, Amount: 100, Need: 200}, want: limit.Grant{Held: 100, Taken: 100, Short: true, Tight: true}},
			{ask: limit.Ask{Amount: 100, Keep: 0}, want: limit.Grant{Tight: true}},
			{ask: limit.Ask{Amount: 100, Need: 1, Spare: 50}, want: limit.Grant{Held: 1, Taken: 1, Tight: true}},
			{after: limit.TightFor, ask: limit.Ask{Amount: 100, Keep: 1, Spare: 50}, want: limit.Grant{Held: 25, Taken: 25}},
		}},
		{"what was used of a rate comes back a minute later, to the second", rate, []said{
			{ask: limit.Ask{Fresh: true, Amount: 10, Need: 10}, want: limit.Grant{Held: 10, Taken: 10}},
			{after: 10 * time.Second, by: "two", ask: limit.Ask{Fresh: true, Amount: 10}, want: limit.Grant{Taken: 10}},
			{ask: limit.Ask{Amount: 10, Used: []limit.Second{{At: sec, N: 4}, {At: sec + 10, N: 6}}}, want: limit.Grant{Taken: 10}},
			{after: 50 * time.Second, by: "two", ask: limit.Ask{Amount: 10, Need: 1}, want: limit.Grant{Taken: 10, Short: true, Tight: true, Rate: []limit.Second{{At: sec, N: 4}, {At: sec + 10, N: 6}}}},
			{after: time.Second, by: "two", ask: limit.Ask{Amount: 10, Need: 5}, want: limit.Grant{Held: 4, Taken: 10, Short: true, Tight: true, Rate: []limit.Second{{At: sec + 10, N: 6}}}},
			{ask: limit.Ask{Amount: 10, Used: []limit.Second{{At: sec, N: 9}, {At: sec + 10, N: -5}}}, want: limit.Grant{Taken: 5, Idle: 0, Tight: true}},
		}},
		{"an ask that comes twice, or late, is played once", rate, []said{
			{ask: limit.Ask{Seq: 5, Fresh: true, Amount: 10, Need: 3, Used: []limit.Second{{At: sec, N: 2}}}, want: limit.Grant{Held: 3, Taken: 5}},
			{ask: limit.Ask{Seq: 5, Fresh: true, Amount: 10, Need: 3, Used: []limit.Second{{At: sec, N: 2}}}, want: limit.Grant{Held: 3, Taken: 5}},
			{ask: limit.Ask{Seq: 4, Amount: 10, Need: 7}, want: limit.Grant{Held: 3, Taken: 5, Short: true, Rate: []limit.Second{{At: sec, N: 2}}}},
		}},
		{"what is in use is held, whether it fits or not", parallel, []said{
			{ask: limit.Ask{Fresh: true, Amount: 2, Keep: 3}, want: limit.Grant{Held: 3, Taken: 3}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 2, Need: 1}, want: limit.Grant{Taken: 3, Short: true, Tight: true}},
		}},
		{"slots of a replica that is not heard of come back", parallel, []said{
			{ask: limit.Ask{Fresh: true, Amount: 2, Need: 2}, want: limit.Grant{Held: 2, Taken: 2}},
			{after: limit.LeaseTTL - time.Second, by: "two", ask: limit.Ask{Fresh: true, Amount: 2, Need: 1}, want: limit.Grant{Taken: 2, Short: true, Tight: true}},
			{after: time.Second, by: "two", ask: limit.Ask{Amount: 2, Need: 2}, want: limit.Grant{Held: 2, Taken: 2, Tight: true}},
			{ask: limit.Ask{Amount: 2, Keep: 2}, want: limit.Grant{Status: limit.Lost}},
		}},
		{"what such a replica held of a rate counts for another minute", rate, []said{
			{ask: limit.Ask{Fresh: true, Amount: 2, Need: 2}, want: limit.Grant{Held: 2, Taken: 2}},
			{after: limit.LeaseTTL + 60*time.Second, by: "two", ask: limit.Ask{Fresh: true, Amount: 2, Need: 1}, want: limit.Grant{Taken: 2, Short: true, Tight: true}},
			{after: time.Second, by: "two", ask: limit.Ask{Amount: 2, Need: 1}, want: limit.Grant{Held: 1, Taken: 1, Tight: true}},
		}},
		{"a replica that starts again on its data has nothing in flight", parallel, []said{
			{ask: limit.Ask{Epoch: 1, Fresh: true, Amount: 2, Need: 2}, want: limit.Grant{Held: 2, Taken: 2}},
			{ask: limit.Ask{Epoch: 2, Fresh: true, Amount: 2, Need: 1}, want: limit.Grant{Held: 1, Taken: 1}},
			{ask: limit.Ask{Epoch: 1, Amount: 2, Keep: 2}, want: limit.Grant{Status: limit.Superseded}},
		}},
		{"but may have used what it held of a rate", rate, []said{
			{ask: limit.Ask{Epoch: 1, Fresh: true, Amount: 10, Need: 4}, want: limit.Grant{Held: 4, Taken: 4}},
			{ask: limit.Ask{Epoch: 2, Fresh: true, Amount: 10, Need: 7}, want: limit.Grant{Held: 6, Taken: 10, Short: true, Tight: true, Rate: []limit.Second{{At: sec, N: 4}}}},
		}},
		{"a budget begins with what is booked", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 100, Need: 10}, want: limit.Grant{Status: limit.NeedBase}},
			{ask: limit.Ask{Fresh: true, Amount: 100, Need: 10, Base: 70, BaseAt: at}, want: limit.Grant{Held: 10, Taken: 80, Base: 70}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 100, Need: 30}, want: limit.Grant{Held: 20, Taken: 100, Base: 70, Short: true, Tight: true}},
		}},
		{"money goes from held to booked in one step, and is never counted less than once", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 100, Need: 50, BaseAt: at}, want: limit.Grant{Held: 50, Taken: 50}},
			{by: "two", ask: limit.Ask{Fresh: true, Amount: 100, Need: 30}, want: limit.Grant{Held: 30, Taken: 80}},
			// Both have booked, two's sum has one's in it, and comes first.
			{by: "two", ask: limit.Ask{Amount: 100, Keep: 10, Base: 60, BaseAt: at + 2}, want: limit.Grant{Held: 10, Taken: 120, Base: 60}},
			{ask: limit.Ask{Amount: 100, Keep: 10, Base: 40, BaseAt: at + 1}, want: limit.Grant{Held: 10, Taken: 80, Base: 60}},
		}},
		{"a correction downwards is believed if it is clearly newer", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 100, Base: 90, BaseAt: at}, want: limit.Grant{Taken: 90, Base: 90}},
			{ask: limit.Ask{Amount: 100, Base: 10, BaseAt: at + limit.BaseSettles.Microseconds()}, want: limit.Grant{Taken: 90, Base: 90}},
			{ask: limit.Ask{Amount: 100, Base: 10, BaseAt: at + limit.BaseSettles.Microseconds() + 1}, want: limit.Grant{Taken: 10, Base: 10}},
		}},
		{"replicas with ledgers of their own add what they book", money, []said{
			{ask: limit.Ask{Seq: 1, Fresh: true, Amount: 100, Keep: 20, Base: 5, BaseAt: 1}, want: limit.Grant{Held: 20, Taken: 25, Base: 5}},
			{ask: limit.Ask{Seq: 2, Amount: 100, Keep: 5, Add: 15}, want: limit.Grant{Held: 5, Taken: 25, Base: 20}},
			{ask: limit.Ask{Seq: 2, Amount: 100, Keep: 5, Add: 15}, want: limit.Grant{Held: 5, Taken: 25, Base: 20}},
		}},
		{"money of a replica that is not heard of is withheld until it starts again", money, []said{
			{ask: limit.Ask{Epoch: 1, Fresh: true, Amount: 100, Need: 40, BaseAt: at}, want: limit.Grant{Held: 40, Taken: 40}},
			{after: 20 * time.Minute, by: "two", ask: limit.Ask{Fresh: true, Amount: 100, Need: 100}, want: limit.Grant{Held: 60, Taken: 100, Idle: 40, Short: true, Tight: true}},
			{ask: limit.Ask{Epoch: 2, Fresh: true, Amount: 100}, want: limit.Grant{Status: limit.NeedBase}},
			{ask: limit.Ask{Epoch: 2, Fresh: true, Amount: 100, Base: 25, BaseAt: at + 1}, want: limit.Grant{Taken: 85, Base: 25, Tight: true}},
		}},
		{"or for an hour", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 100, Need: 40, BaseAt: at}, want: limit.Grant{Held: 40, Taken: 40}},
			{after: limit.LeaseTTL + limit.Withheld - time.Second, by: "two", ask: limit.Ask{Fresh: true, Amount: 100, Need: 100}, want: limit.Grant{Held: 60, Taken: 100, Idle: 40, Short: true, Tight: true}},
			{after: time.Second, by: "two", ask: limit.Ask{Amount: 100, Need: 100}, want: limit.Grant{Held: 100, Taken: 100, Tight: true}},
		}},
		{"who is not known must say so", rate, []said{
			{ask: limit.Ask{Amount: 10, Need: 1}, want: limit.Grant{Status: limit.Lost}},
		}},
		{"amounts of a great budget are exact", money, []said{
			{ask: limit.Ask{Fresh: true, Amount: 9_000_000_000_000_000, Need: 1, Base: 8_999_999_999_999_998, BaseAt: at}, want: limit.Grant{Held: 1, Taken: 8_999_999_999_999_999, Base: 8_999_999_999_999_998}},
			{ask: limit.Ask{Amount: 9_000_000_000_000_000, Keep: 1, Need: 2}, want: limit.Grant{Held: 2, Taken: 9_000_000_000_000_000, Base: 8_999_999_999_999_998, Short: true, Tight: true}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := NewClock(Epoch)
			s := open(t, clock.Now)
			for i, st := range tt.steps {
				clock.Set(clock.Now().Add(st.after))
				a := st.ask
				a.Meter = tt.meter
				a.Epoch, a.Replicas = max(a.Epoch, 1), max(a.Replicas, 1)
				if a.Seq == 0 {
					a.Seq = int64(i + 1)
				}
				by := st.by
				if by == "" {
					by = "one"
				}
				g, err := s.Apply(t.Context(), by, []limit.Ask{a})
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				slices.SortFunc(g[0].Rate, func(a, b limit.Second) int { return int(a.At - b.At) })
				if d := cmp.Diff(st.want, g[0]); d != "" {
					t.Errorf("step %d: want -, got +\n%s", i, d)
				}
			}
		})
	}
}

func many(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	s := open(t, func() time.Time { return Epoch })
	asks := []limit.Ask{
		{Meter: money, Fresh: true, Amount: 5, Need: 3, Epoch: 1, Seq: 1, Replicas: 1},
		{Meter: rate, Fresh: true, Amount: 5, Need: 2, Epoch: 1, Seq: 1, Replicas: 1},
		{Meter: parallel, Fresh: false, Amount: 5, Need: 2, Epoch: 1, Seq: 1, Replicas: 1},
	}
	g, err := s.Apply(t.Context(), "one", asks)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]limit.Grant{{Status: limit.NeedBase}, {Held: 2, Taken: 2}, {Status: limit.Lost}}, g); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func race(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	s := open(t, func() time.Time { return Epoch })
	const replicas, rounds, amount = 4, 50, 101
	got := make(chan int64, replicas)
	for r := range replicas {
		go func() {
			held := int64(0)
			for i := range rounds {
				asks := []limit.Ask{
					{Meter: parallel, Fresh: i == 0, Amount: amount, Keep: held, Need: 1, Epoch: 1, Seq: int64(i + 1), Replicas: replicas},
					{Meter: rate, Fresh: i == 0, Amount: amount, Need: 1, Epoch: 1, Seq: int64(i + 1), Replicas: replicas},
				}
				if i%2 == r%2 {
					slices.Reverse(asks)
				}
				g, err := s.Apply(t.Context(), string(rune('a'+r)), asks)
				if err != nil {
					t.Error(err)
					break
				}
				held = g[slices.IndexFunc(asks, func(a limit.Ask) bool { return a.Meter == parallel })].Held
			}
			got <- held
		}()
	}
	sum := int64(0)
	for range replicas {
		sum += <-got
	}
	if sum != amount {
		t.Errorf("%d leased, want exactly %d", sum, amount)
	}
}

func beats(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	clock := NewClock(Epoch)
	s := open(t, clock.Now)
	for i, st := range []struct {
		after time.Duration
		by    string
		leave bool
		want  int64
		known bool
	}{
		{0, "a", false, 1, false},
		{0, "b", false, 2, false},
		{limit.LeaseTTL / 2, "b", false, 2, true},
		{limit.LeaseTTL/2 + time.Second, "b", false, 1, true}, // a is gone
		{0, "a", false, 2, false},
		{0, "b", true, 0, false},
		{0, "a", false, 1, true},
	} {
		clock.Set(clock.Now().Add(st.after))
		if st.leave {
			if err := s.Leave(t.Context(), st.by); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p, err := s.Beat(t.Context(), st.by)
		if err != nil {
			t.Fatal(err)
		}
		if p.Replicas != st.want || p.Known != st.known || !p.Now.Equal(clock.Now()) {
			t.Errorf("step %d: %+v, want %d replicas, known %v, at %v", i, p, st.want, st.known, clock.Now())
		}
	}
}

func recalls(t *testing.T, open func(t *testing.T, now func() time.Time) limit.Shared) {
	s := open(t, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan limit.Meter, 100)
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- s.Recalls(ctx, func(m limit.Meter) { heard <- m }) }()
	}
	defer func() {
		cancel()
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("listening ended with %v", err)
			}
		}
	}()
	// Nobody says when the listeners are ready, so it is said until all have heard.
	deadline := time.After(5 * time.Second)
	for _, m := range []limit.Meter{parallel, money, rate} {
		for n := 0; n < 2; {
			if err := s.Recall(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got == m {
					n++
				}
			case <-time.After(100 * time.Millisecond):
			case <-deadline:
				t.Fatalf("%v is not heard", m)
			}
		}
	}
}
