package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

func callsRoundTrip(t *testing.T, db *store.DB) {
	full := spend.Row{
		CallID: "c1", ResponseID: "r1", KeyHash: hash(1), UserID: "u", TeamID: "t", OrgID: "o", EndUser: "e", Tags: []string{"b", "a", "b"},
		Operation: gateway.Embed, Route: "/v1/embeddings", Group: "g", Model: "m", Provider: "p", Deployment: "d", Session: "s", Why: []byte{1, 0, 255}, ClientIP: "::1", Agent: "coder/1.0 (cli)",
		Failed: true, Kind: gateway.UpstreamCut, Error: strings.Repeat("é", 250), Interrupted: true, Stream: true, Finish: "stop", Retries: 3, Fallbacks: 2,
		Usage: gateway.Usage{
			Prompt: math.MaxInt64, CacheRead: 1, CacheWrite: 2, CacheWrite1h: 3, AudioIn: 4, ImageIn: 5, Completion: 6,
			Reasoning: 7, AudioOut: 8, ImageOut: 9, WebSearches: 10, Tier: "flex", Estimated: true,
		},
		Cost: math.MaxInt64, Priced: true, Price: "v7",
		Start: at(0).Add(time.Microsecond), FirstByte: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
	}
	bare := spend.Row{CallID: "c2", Start: at(-5)}
	book(t, db, []spend.Row{bare, full}, 2)
	same(t, "rows, the newest first", got(db.Calls(t.Context(), store.CallFilter{}))(t), []spend.Row{full, bare})
}

func callsPages(t *testing.T, db *store.DB) {
	var all []spend.Row
	for n := range 25 {
		r := Row(n)
		r.Start = at(n / 4) // four calls begin together
		all = append(all, r)
	}
	book(t, db, all, len(all))
	slices.Reverse(all)
	var paged []spend.Row
	f := store.CallFilter{Limit: 3}
	for {
		page := got(db.Calls(t.Context(), f))(t)
		paged = append(paged, page...)
		if len(page) < f.Limit || len(paged) > len(all) {
			break
		}
		last := page[len(page)-1]
		f.Before = store.Cursor{Start: last.Start, CallID: last.CallID}
	}
	same(t, "all pages", paged, all)
}

func callsFilter(t *testing.T, db *store.DB) {
	all := rows(0, 30)
	for i := range all {
		all[i].EndUser, all[i].Session = fmt.Sprint("e", i%7), fmt.Sprint("s", i%11)
	}
	book(t, db, all, 30)
	for _, tt := range []struct {
		name string
		f    store.CallFilter
		want func(n int) bool
	}{
		{"by call", store.CallFilter{CallID: "call-000003"}, func(n int) bool { return n == 3 }},
		{"by the answer's id", store.CallFilter{RequestID: "chatcmpl-000004"}, func(n int) bool { return n == 4 }},
		{"by the call's id as request id", store.CallFilter{RequestID: "call-000004"}, func(n int) bool { return n == 4 }},
		{"by key", store.CallFilter{KeyHash: hash(2)}, func(n int) bool { return n%9 == 2 }},
		{"by user", store.CallFilter{UserID: "user-1"}, func(n int) bool { return n%5 == 1 }},
		{"by team", store.CallFilter{TeamID: "team-2"}, func(n int) bool { return n%3 == 2 }},
		{"by end user", store.CallFilter{EndUser: "e3"}, func(n int) bool { return n%7 == 3 }},
		{"by session", store.CallFilter{Session: "s5"}, func(n int) bool { return n%11 == 5 }},
		{"by key and user", store.CallFilter{KeyHash: hash(2), UserID: "user-1"}, func(n int) bool { return n%9 == 2 && n%5 == 1 }},
		{"from included, to not", store.CallFilter{From: at(5), To: at(8)}, func(n int) bool { return n >= 5 && n < 8 }},
		{"of nobody", store.CallFilter{KeyHash: "nobody"}, func(int) bool { return false }},
	} {
		var want []spend.Row
		for n, a := range slices.Backward(all) {
			if tt.want(n) {
				want = append(want, a)
			}
		}
		same(t, tt.name, got(db.Calls(t.Context(), tt.f))(t), want)
	}
}

func bookTwice(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0)}))
	book(t, db, nil, 0)
	book(t, db, rows(0, 300), 300)
	book(t, db, rows(0, 300), 0)
	book(t, db, rows(290, 310), 10)
	same(t, "global total", got(db.Total(ctx, store.Global, ""))(t).Total, costs(rows(0, 310)))

	// In one batch, the first of two rows with one id counts.
	first, other := Row(900), Row(900)
	other.Cost = 5
	book(t, db, []spend.Row{first, other}, 1)
	same(t, "global total", got(db.Total(ctx, store.Global, ""))(t).Total, costs(rows(0, 310))+first.Cost)

	k := got(db.Key(ctx, hash(0)))(t)
	same(t, "last active", k.LastActive, Row(900).End)
	book(t, db, []spend.Row{func() spend.Row { r := Row(9); r.CallID = "late"; return r }()}, 1)
	same(t, "last active after an older row", got(db.Key(ctx, hash(0)))(t).LastActive, Row(900).End)
}

// windowRow is a row of key 0 in budget window w (0: lifetime).
func windowRow(n, w int, cost gateway.NanoUSD) spend.Row {
	r := Row(n)
	r.KeyHash, r.UserID, r.TeamID, r.Cost = hash(0), "u", "t", cost
	if w > 0 {
		r.KeyWindow, r.UserWindow, r.TeamWindow, r.GlobalWindow = at(w), at(w), at(w), at(w)
	}
	return r
}

func bookWindows(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0)}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u"}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t"}))
	for i, tt := range []struct {
		name string
		rows []spend.Row
		want gateway.Spend
	}{
		{"a lifetime budget has one window", []spend.Row{windowRow(0, 0, 1), windowRow(1, 0, 2)}, gateway.Spend{Window: 3, Total: 3}},
		{"a first window starts from nothing", []spend.Row{windowRow(2, 10, 5)}, gateway.Spend{Window: 5, WindowStart: at(10), Total: 8}},
		{"the same window goes on", []spend.Row{windowRow(3, 10, 5)}, gateway.Spend{Window: 10, WindowStart: at(10), Total: 13}},
		{"a later window starts from nothing", []spend.Row{windowRow(4, 20, 1)}, gateway.Spend{Window: 1, WindowStart: at(20), Total: 14}},
		{"a late row of an earlier window counts in the total only", []spend.Row{windowRow(5, 10, 100)}, gateway.Spend{Window: 1, WindowStart: at(20), Total: 114}},
		{"a batch over two windows ends in the later", []spend.Row{windowRow(6, 30, 2), windowRow(7, 20, 4), windowRow(8, 30, 8)}, gateway.Spend{Window: 10, WindowStart: at(30), Total: 128}},
		{"a refund is a negative cost", []spend.Row{windowRow(9, 30, -3)}, gateway.Spend{Window: 7, WindowStart: at(30), Total: 125}},
	} {
		book(t, db, tt.rows, len(tt.rows))
		name := fmt.Sprintf("%d. %s: ", i+1, tt.name)
		same(t, name+"key", got(db.Key(ctx, hash(0)))(t).Spend, tt.want)
		same(t, name+"user", got(db.User(ctx, "u"))(t).Spend, tt.want)
		same(t, name+"team", got(db.Team(ctx, "t"))(t).Spend, tt.want)
		same(t, name+"global", got(db.Total(ctx, store.Global, ""))(t), tt.want)
	}
	// A reset by a manager is an update.
	got(db.UpdateKey(ctx, hash(0), func(k *gateway.Key) error { k.Spend.Window = 0; return nil }))(t)
	book(t, db, []spend.Row{windowRow(10, 30, 4)}, 1)
	same(t, "after a reset", got(db.Key(ctx, hash(0)))(t).Spend, gateway.Spend{Window: 4, WindowStart: at(30), Total: 129})
}

func bookOneByOne(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0)}))
	rng := rand.New(rand.NewPCG(1, 2))
	var want gateway.Spend
	for n := 0; n < 200; {
		var batch []spend.Row
		for range rng.IntN(6) + 1 {
			r := windowRow(n, 1+n/20+rng.IntN(3), gateway.NanoUSD(rng.IntN(1000)))
			batch = append(batch, r)
			n++
			switch {
			case r.KeyWindow.After(want.WindowStart):
				want.Window, want.WindowStart = r.Cost, r.KeyWindow
			case r.KeyWindow.Equal(want.WindowStart):
				want.Window += r.Cost
			}
			want.Total += r.Cost
		}
		book(t, db, batch, len(batch))
		if spent := got(db.Key(ctx, hash(0)))(t).Spend; spent != want {
			t.Fatalf("after %d rows: got %+v, want %+v", n, spent, want)
		}
	}
}

func bookScopes(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateUser(ctx, &gateway.User{ID: "user-1"}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "team-1"}))
	r := Row(1) // its key is not stored: deleted meanwhile
	r.OrgID, r.EndUser, r.Tags = "o", "e", []string{"x", "y", "x"}
	s := Row(2)
	s.KeyHash, s.UserID, s.TeamID = "", "", "" // of the master key
	book(t, db, []spend.Row{r, s}, 2)
	same(t, "user", got(db.User(ctx, "user-1"))(t).Spend.Total, r.Cost)
	same(t, "team", got(db.Team(ctx, "team-1"))(t).Spend.Total, r.Cost)
	for scope, want := range map[string]map[string]gateway.Spend{
		store.Global:       {"": {Window: r.Cost + s.Cost, Total: r.Cost + s.Cost}},
		store.Organization: {"o": {Window: r.Cost, Total: r.Cost}},
		store.EndUser:      {"e": {Window: r.Cost, Total: r.Cost}},
		store.Tag:          {"x": {Window: r.Cost, Total: r.Cost}, "y": {Window: r.Cost, Total: r.Cost}},
		store.Key:          {},
	} {
		same(t, "totals of "+scope, got(db.Totals(ctx, scope))(t), want)
	}
	same(t, "total of nobody", got(db.Total(ctx, store.Tag, "z"))(t), gateway.Spend{})
}

func bookDays(t *testing.T, db *store.DB) {
	ctx := t.Context()
	row := func(n, hours int, edit func(*spend.Row)) spend.Row {
		r := Row(n)
		r.KeyHash, r.UserID, r.Cost, r.Usage = hash(0), "u", 10, gateway.Usage{Prompt: 7, Completion: 3, CacheRead: 2, CacheWrite: 1, CacheWrite1h: 1}
		r.Start = day0.Add(time.Duration(hours) * time.Hour) // day0 is noon
		if edit != nil {
			edit(&r)
		}
		return r
	}
	book(t, db, []spend.Row{
		row(1, 0, nil),
		row(2, 11, nil),
		row(3, 12, nil), // midnight
		row(4, 13, func(r *spend.Row) {
			r.Start = r.Start.In(time.FixedZone("west", -8*3600)) // still UTC's day
		}),
		row(5, 0, func(r *spend.Row) { r.Failed, r.Model, r.Provider, r.Cost, r.Usage = true, "", "", 0, gateway.Usage{} }),
		row(6, 36, func(r *spend.Row) { r.UserID = "v" }),
	}, 6)
	book(t, db, []spend.Row{row(7, 1, nil)}, 1)

	sum := func(n int64) store.Counters {
		return store.Counters{Requests: n, Prompt: 7 * n, Completion: 3 * n, CacheRead: 2 * n, CacheWrite: 2 * n, Cost: gateway.NanoUSD(10 * n)}
	}
	first := store.DaySpend{Day: "2026-03-01", ID: "u", Model: "gpt-4o-mini", Provider: "openai", Counters: sum(3)}
	failed := store.DaySpend{Day: "2026-03-01", ID: "u", Model: "small", Counters: store.Counters{Requests: 1, Failures: 1}}
	second := store.DaySpend{Day: "2026-03-02", ID: "u", Model: "gpt-4o-mini", Provider: "openai", Counters: sum(2)}
	third := store.DaySpend{Day: "2026-03-03", ID: "v", Model: "gpt-4o-mini", Provider: "openai", Counters: sum(1)}
	global := func(d store.DaySpend) store.DaySpend { d.ID = ""; return d }
	for _, tt := range []struct {
		name string
		f    store.DayFilter
		want []store.DaySpend
	}{
		{"all users", store.DayFilter{Scope: store.User}, []store.DaySpend{first, failed, second, third}},
		{"one user", store.DayFilter{Scope: store.User, ID: "v"}, []store.DaySpend{third}},
		{"both ends of a range count", store.DayFilter{Scope: store.User, From: day0, To: day0.Add(13 * time.Hour)}, []store.DaySpend{first, failed, second}},
		{"from the second day on", store.DayFilter{Scope: store.User, From: day0.AddDate(0, 0, 1)}, []store.DaySpend{second, third}},
		{"everybody", store.DayFilter{}, []store.DaySpend{global(first), global(failed), global(second), global(third)}},
		{"nobody", store.DayFilter{Scope: store.Tag}, nil},
	} {
		same(t, tt.name, got(db.SpendByDay(ctx, tt.f))(t), tt.want)
	}
}

func bookFails(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := db.Book(ctx, rows(0, 10)); !errors.Is(err, context.Canceled) || n != 0 {
		t.Errorf("booking with a context that is over: %d, %v, want 0 and context.Canceled", n, err)
	}
	if n, err := db.Book(t.Context(), append(rows(0, 10), spend.Row{})); err == nil || n != 0 {
		t.Errorf("booking a row without an id: %d, %v, want 0 and an error", n, err)
	}
	same(t, "rows", got(db.Calls(t.Context(), store.CallFilter{}))(t), []spend.Row(nil))
	same(t, "total", got(db.Total(t.Context(), store.Global, ""))(t), gateway.Spend{})
	book(t, db, rows(0, 10), 10)
}
