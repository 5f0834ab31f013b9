package store_test

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// BenchmarkMillionRows prints what lists cost where there are a million keys,
// users, teams, customers and calls: the middle and the 95th percentile of forty lists
// of each kind, in milliseconds. Every list is one of the management API.
func BenchmarkMillionRows(b *testing.B) {
	const rows = 1_000_000
	engines(b, func(b *testing.B, db *store.DB) {
		ctx := b.Context()
		begin := time.Now()
		if err := db.FillMany(ctx, rows); err != nil {
			b.Fatal(err)
		}
		b.Logf("filled in %v", time.Since(begin).Round(time.Second))
		// What a start does.
		d := auth.NewDirectory()
		begin = time.Now()
		if err := db.AllKeys(ctx, func(k *gateway.Key) error { d.PutKey(k); return nil }); err != nil || d.Keys() != rows {
			b.Fatal(d.Keys(), err)
		}
		b.Logf("%d keys loaded in %v", rows, time.Since(begin).Round(10*time.Millisecond))
		d = nil

		// What a gateway does every minute.
		begin = time.Now()
		if err := db.CountLists(ctx); err != nil {
			b.Fatal(err)
		}
		b.Logf("lists counted in %v", time.Since(begin).Round(10*time.Millisecond))
		millionLists(b, db, rows)
		const calls = rows / 4 // which take as long to book
		fillCalls(b, db, calls)
		millionCalls(b, db, calls)
	})
}

// looks returns a function that reports what a list costs, of forty looks at it.
func looks(b *testing.B) func(name string, list func(i int) error) {
	const looks = 40
	return func(name string, list func(i int) error) {
		b.Run(name, func(b *testing.B) {
			took := make([]time.Duration, looks)
			for b.Loop() {
				for i := range took {
					begin := time.Now()
					if err := list(i); err != nil {
						b.Fatal(err)
					}
					took[i] = time.Since(begin)
				}
			}
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(took[looks/2]), "p50-ms")
			b.ReportMetric(ms(took[looks*95/100]), "p95-ms")
		})
	}
}

// callsFrom is when the first of a million calls was.
var callsFrom = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const callsApart = 2592 * time.Millisecond

// fillCalls books n calls of a thousand keys.
func fillCalls(b *testing.B, db *store.DB, n int) {
	b.Helper()
	batch := make([]spend.Row, 0, 4000)
	models := []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "gemini-2.5-pro", "mistral-large"}
	for i := range n {
		r := storetest.Row(i)
		of := i * 7919 % 1000
		r.Start = callsFrom.Add(time.Duration(i) * callsApart)
		r.FirstByte, r.End = r.Start.Add(300*time.Millisecond), r.Start.Add(time.Second)
		r.CallID, r.ResponseID = callID(r.Start, i), fmt.Sprintf("chatcmpl-%030d", i)
		r.KeyHash = fmt.Sprintf("%08x%056d", uint32(of*2654435761), of)
		r.UserID, r.TeamID = fmt.Sprintf("user-%030d", of/10), fmt.Sprintf("team-%030d", of)
		r.Model = models[i%len(models)]
		r.Group, r.Session = r.Model, fmt.Sprintf("session-%d", i/20)
		r.Failed = i%100 == 0
		if batch = append(batch, r); len(batch) == cap(batch) || i == n-1 {
			if _, err := db.Book(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := db.AnalyzeCalls(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// callID is the n-th id, as the gateway makes them at a time.
func callID(at time.Time, n int) string {
	h := sha256.Sum256([]byte(strconv.Itoa(n)))
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", ms>>16, ms&0xffff, h[0], h[1], h[2:8])
}

// millionCalls reports what lists of calls cost, of /spend/logs/v2.
func millionCalls(b *testing.B, db *store.DB, rows int) {
	ctx := b.Context()
	run := looks(b)
	const count = 10_000 // as the management API counts
	list := func(f store.CallFilter, o store.CallOrder) error {
		if f.From.IsZero() {
			f.From, f.To = callsFrom, callsFrom.Add(time.Duration(rows)*callsApart)
		}
		f.Limit, o.Count = 50, count
		page, err := db.PageCalls(ctx, f, o)
		if err == nil && len(page.Rows) == 0 {
			err = errors.New("no call found")
		}
		return err
	}
	failed := true
	key := func(i int) string { return fmt.Sprintf("%08x%056d", uint32(i*7*2654435761), i*7) }
	var last store.Cursor
	run("calls: newest", func(int) error { return list(store.CallFilter{}, store.CallOrder{}) })
	run("calls: page by page", func(int) error {
		f := store.CallFilter{From: callsFrom, To: callsFrom.Add(time.Duration(rows) * callsApart), Before: last, Limit: 50}
		page, err := db.PageCalls(ctx, f, store.CallOrder{Count: count})
		if err == nil {
			r := page.Rows[len(page.Rows)-1]
			last = store.Cursor{Start: r.Start, CallID: r.CallID}
		}
		return err
	})
	run("calls: any of the first 200 pages", func(i int) error { return list(store.CallFilter{}, store.CallOrder{Skip: i * 250}) })
	run("calls: of a team", func(i int) error {
		return list(store.CallFilter{TeamID: fmt.Sprintf("team-%030d", i*7)}, store.CallOrder{})
	})
	run("calls: of a key", func(i int) error { return list(store.CallFilter{KeyHash: key(i)}, store.CallOrder{}) })
	run("calls: of a model", func(int) error { return list(store.CallFilter{Model: "gpt-4o"}, store.CallOrder{}) })
	run("calls: failed", func(int) error { return list(store.CallFilter{Failed: &failed}, store.CallOrder{}) })
	run("calls: failed, of a key", func(i int) error {
		return list(store.CallFilter{KeyHash: fmt.Sprintf("%08x%056d", uint32(i%10*100*2654435761), i%10*100), Failed: &failed}, store.CallOrder{})
	})
	run("calls: of a session", func(i int) error {
		return list(store.CallFilter{Session: fmt.Sprintf("session-%d", i*rows/1000)}, store.CallOrder{})
	})
	run("calls: by the answer's id", func(i int) error {
		return list(store.CallFilter{RequestID: fmt.Sprintf("chatcmpl-%030d", i*997)}, store.CallOrder{})
	})
	run("calls: of a day, by spend", func(i int) error {
		day := callsFrom.AddDate(0, 0, i%7)
		return list(store.CallFilter{From: day, To: day.AddDate(0, 0, 1)}, store.CallOrder{By: "spend"})
	})
	run("calls: of a team, by spend", func(i int) error {
		return list(store.CallFilter{TeamID: fmt.Sprintf("team-%030d", i*7)}, store.CallOrder{By: "spend"})
	})
}

func millionLists(b *testing.B, db *store.DB, rows int) {
	ctx := b.Context()
	run := looks(b)
	keys := func(f store.KeyFilter, p store.Page) error {
		_, _, err := db.ListKeys(ctx, f, p)
		return err
	}
	users := func(f store.UserFilter, p store.Page) error {
		_, _, err := db.ListUsers(ctx, f, p)
		return err
	}
	teams := func(f store.TeamFilter, p store.Page) error {
		_, _, err := db.ListTeams(ctx, f, p)
		return err
	}
	customers := func(f store.EndUserFilter, p store.Page) error {
		_, _, err := db.ListEndUsers(ctx, f, p)
		return err
	}
	newest := store.Page{Limit: 50, Desc: true}
	anywhere := func(i int, sort string) store.Page {
		return store.Page{Limit: 50, Desc: true, Sort: sort, Offset: (i * 7919 * 50) % rows}
	}

	var next string
	run("keys: page by page", func(int) error {
		return keys(store.KeyFilter{}, store.Page{Limit: 50, Desc: true, After: next, Next: &next})
	})
	run("keys: any page by number", func(i int) error { return keys(store.KeyFilter{}, anywhere(i, "")) })
	run("keys: of a team", func(i int) error {
		return keys(store.KeyFilter{TeamID: fmt.Sprintf("team-%030d", i*7)}, newest)
	})
	run("keys: of a user", func(i int) error {
		return keys(store.KeyFilter{UserID: fmt.Sprintf("user-%030d", i*997)}, newest)
	})
	run("keys: of an organization", func(i int) error {
		return keys(store.KeyFilter{OrganizationID: fmt.Sprintf("org-%030d", i%50)}, newest)
	})
	run("keys: of an organization, by spend", func(i int) error {
		return keys(store.KeyFilter{OrganizationID: fmt.Sprintf("org-%030d", i%50)}, store.Page{Limit: 50, Desc: true, Sort: "spend"})
	})
	run("keys: by alias", func(i int) error {
		return keys(store.KeyFilter{Alias: fmt.Sprintf("service-%06d-production", i*9973)}, store.Page{Limit: 50})
	})
	run("keys: by part of the alias", func(i int) error {
		return keys(store.KeyFilter{AliasContains: fmt.Sprintf("ICE-%05d", i*997)}, newest)
	})
	run("keys: search that finds a few", func(i int) error {
		return keys(store.KeyFilter{Search: fmt.Sprintf("e-%05d", i*997)}, newest)
	})
	run("keys: search that finds everything", func(int) error { return keys(store.KeyFilter{Search: "production"}, newest) })
	run("keys: search that finds nothing", func(i int) error {
		return keys(store.KeyFilter{Search: fmt.Sprintf("nothing-%d", i)}, newest)
	})
	run("keys: two characters", func(i int) error { return keys(store.KeyFilter{Search: fmt.Sprintf("%02d", i)}, newest) })
	for _, sort := range []string{"spend", "max_budget", "updated_at", "key_alias", "token"} {
		run("keys: by "+sort+", first page", func(int) error {
			return keys(store.KeyFilter{}, store.Page{Limit: 50, Desc: true, Sort: sort})
		})
		run("keys: by "+sort+", any page by number", func(i int) error { return keys(store.KeyFilter{}, anywhere(i, sort)) })
	}
	run("key aliases: any page by number", func(i int) error {
		return keys(store.KeyFilter{HasAlias: true}, store.Page{Limit: 50, Sort: "key_alias", Offset: (i * 7919 * 50) % 100_000})
	})
	run("key aliases: search", func(i int) error {
		return keys(store.KeyFilter{HasAlias: true, AliasContains: fmt.Sprintf("ice-%04d", i*97)}, store.Page{Limit: 50, Sort: "key_alias"})
	})
	for _, sort := range []string{"created_at", "spend", "max_budget", "updated_at", "user_alias", "user_id", "user_email", "user_role"} {
		run("users: by "+sort+", first page", func(int) error {
			return users(store.UserFilter{}, store.Page{Limit: 50, Desc: true, Sort: sort})
		})
	}
	run("users: any page by number", func(i int) error { return users(store.UserFilter{}, anywhere(i, "")) })
	run("users: of a role that nearly all have", func(int) error { return users(store.UserFilter{Role: gateway.InternalUser}, newest) })
	run("users: by part of the email", func(i int) error {
		return users(store.UserFilter{EmailContains: fmt.Sprintf("n%05d", i*997)}, newest)
	})
	run("users: search that finds a few", func(i int) error { return users(store.UserFilter{Search: fmt.Sprintf("son %04d", i*97)}, newest) })
	run("users: search that finds everything", func(int) error { return users(store.UserFilter{Search: "example.com"}, newest) })
	for _, sort := range []string{"created_at", "spend", "max_budget", "updated_at", "team_alias", "team_id"} {
		run("teams: by "+sort+", first page", func(int) error {
			return teams(store.TeamFilter{}, store.Page{Limit: 50, Desc: true, Sort: sort})
		})
	}
	run("teams: any page by number", func(i int) error { return teams(store.TeamFilter{}, anywhere(i, "")) })
	run("teams: of an organization", func(i int) error {
		return teams(store.TeamFilter{OrganizationID: fmt.Sprintf("org-%030d", i%50)}, newest)
	})
	run("teams: search that finds a few", func(i int) error { return teams(store.TeamFilter{Search: fmt.Sprintf("ion %04d", i*97)}, newest) })
	run("customers: any page by number", func(i int) error { return customers(store.EndUserFilter{}, anywhere(i, "")) })
	run("customers: of a budget", func(int) error { return customers(store.EndUserFilter{BudgetID: "free"}, newest) })
	run("customers: search that finds a few", func(i int) error {
		return customers(store.EndUserFilter{Search: fmt.Sprintf("ent %04d", i*97)}, newest)
	})
}

// A search that means very many keys finds the first of them all the same.
func TestSearchesOfManyKeys(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { manyKeys(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { manyKeys(t, storetest.Postgres(t)) })
}

func manyKeys(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(t, db.Fill(ctx, 3500))
	list, total, err := db.ListKeys(ctx, store.KeyFilter{Search: "PRODUCTION"}, store.Page{Limit: 2, Desc: true})
	must(t, err)
	if total != 3000 || len(list) != 2 || list[0].Alias != "service-003499-production" || list[1].Alias != "service-003498-production" {
		t.Errorf("found %d, first %+v", total, list)
	}
	list, total, err = db.ListKeys(ctx, store.KeyFilter{Search: "production", TeamID: "team-000000000000000000000000000007"}, store.Page{})
	must(t, err)
	if total != 4 || len(list) != 4 || list[0].Alias != "service-000007-production" {
		t.Errorf("of a team: found %d, first %+v", total, list)
	}
	// Pages by number are the same from either end.
	for _, offset := range []int{0, 1749, 1750, 1751, 3400, 3499, 3500} {
		list, total, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{Limit: 3, Offset: offset})
		must(t, err)
		want := min(3, 3500-offset)
		if total != 3500 || len(list) != want || want > 0 && list[0].Alias != fmt.Sprintf("service-%06d-production", offset) ||
			want > 1 && list[1].Alias != fmt.Sprintf("service-%06d-production", offset+1) {
			t.Errorf("from %d on: %d keys of %d", offset, len(list), total)
		}
	}
}

// Pages by number are those of the whole list, whatever is added, deleted,
// renamed, charged and moved, and the counts are right.
func TestPagesOfManyRows(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { manyPages(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { manyPages(t, storetest.Postgres(t)) })
}

func manyPages(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.Fill(ctx, 3000))
	all := func() []*gateway.Key {
		var list []*gateway.Key
		must(db.AllKeys(ctx, func(k *gateway.Key) error { list = append(list, k); return nil }))
		return list
	}
	// Some go, some come at other times, some change.
	var gone []string
	for i, k := range all() {
		switch {
		case i%11 == 0:
			gone = append(gone, k.Hash)
		case i%101 == 1:
			_, err := db.UpdateKey(ctx, k.Hash, func(k *gateway.Key) error {
				k.Spend.Total += gateway.NanoUSD(i) * 1_000_000_000
				k.CreatedAt = k.CreatedAt.AddDate(0, i%40-20, 0)
				return nil
			})
			must(err)
		}
	}
	_, err := db.DeleteKeys(ctx, gone)
	must(err)
	for i, at := range []time.Time{time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)} {
		must(db.CreateKey(ctx, &gateway.Key{Hash: auth.Hash(fmt.Sprint("new", i)), CreatedAt: at.UTC(), Spend: gateway.Spend{Total: gateway.NanoUSD(i)}}))
	}
	want := all()
	_, err = db.RotateKey(ctx, want[5].Hash, auth.Hash("rotated"), time.Now(), time.Time{}, func(*gateway.Key) error { return nil })
	must(err)
	r := storetest.Row(1)
	r.KeyHash = want[7].Hash
	_, err = db.Book(ctx, []spend.Row{r})
	must(err)
	want = all()

	for name, of := range map[string]func(*gateway.Key) int64{
		"created_at": func(k *gateway.Key) int64 { return k.CreatedAt.UnixMicro() },
		"spend":      func(k *gateway.Key) int64 { return int64(k.Spend.Total) },
	} {
		slices.SortFunc(want, func(a, b *gateway.Key) int { return cmp.Or(cmp.Compare(of(a), of(b)), cmp.Compare(a.Hash, b.Hash)) })
		for _, desc := range []bool{false, true} {
			if desc {
				slices.Reverse(want)
			}
			for offset := 0; offset <= len(want); offset += 61 {
				list, total, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{Sort: name, Desc: desc, Offset: offset, Limit: 3})
				must(err)
				var got, expected []string
				for _, k := range list {
					got = append(got, k.Hash)
				}
				for _, k := range want[offset:min(offset+3, len(want))] {
					expected = append(expected, k.Hash)
				}
				if total != len(want) || !slices.Equal(got, expected) {
					t.Fatalf("by %s, descending %v, from %d on: got %q of %d, want %q of %d", name, desc, offset, got, total, expected, len(want))
				}
			}
		}
	}
}

// Searches and orders of users, teams and customers are those of the rows as
// they are now.
func TestListsFollowChanges(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { changedLists(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { changedLists(t, storetest.Postgres(t)) })
}

func changedLists(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		id := fmt.Sprint("row-", i)
		must(db.CreateUser(ctx, &gateway.User{ID: id, Alias: "Alias " + id, Email: id + "@example.com", Spend: gateway.Spend{Total: gateway.NanoUSD(i)}}))
		must(db.CreateTeam(ctx, &gateway.Team{ID: id, Alias: "Alias " + id, Spend: gateway.Spend{Total: gateway.NanoUSD(i)}}))
		must(db.CreateEndUser(ctx, &gateway.EndUser{ID: id, Alias: "Alias " + id, Spend: gateway.Spend{Total: gateway.NanoUSD(i)}}))
	}
	_, err := db.UpdateUser(ctx, "row-1", func(u *gateway.User) error { u.Email, u.Spend.Total = "new@elsewhere.org", 9; return nil })
	must(err)
	_, err = db.UpdateTeam(ctx, "row-1", func(tm *gateway.Team) error { tm.Alias, tm.Spend.Total = "elsewhere", 9; return nil })
	must(err)
	_, err = db.UpdateEndUser(ctx, "row-1", func(e *gateway.EndUser) error { e.Alias, e.Spend.Total = "elsewhere", 9; return nil })
	must(err)
	_, err = db.DeleteUsers(ctx, []string{"row-2"})
	must(err)
	_, err = db.DeleteTeams(ctx, []string{"row-2"})
	must(err)
	_, err = db.DeleteEndUsers(ctx, []string{"row-2"})
	must(err)
	for _, tt := range []struct {
		name, search, sort, want string
	}{
		{"everything, by spend", "", "spend", "row-0 row-3 row-1"},
		{"a part that all have", "ROW", "spend", "row-0 row-3 row-1"},
		{"what one of them has now", "elsewhere", "spend", "row-1"},
		{"what is gone", "row-2", "spend", ""},
		{"two characters", "-3", "spend", "row-3"},
		{"a quote is only a quote", `el"se`, "spend", ""},
	} {
		page := store.Page{Sort: tt.sort}
		users, n, err := db.ListUsers(ctx, store.UserFilter{Search: tt.search}, page)
		must(err)
		teams, m, err := db.ListTeams(ctx, store.TeamFilter{Search: tt.search}, page)
		must(err)
		customers, c, err := db.ListEndUsers(ctx, store.EndUserFilter{Search: tt.search}, page)
		must(err)
		var got [3][]string
		for _, u := range users {
			got[0] = append(got[0], u.ID)
		}
		for _, tm := range teams {
			got[1] = append(got[1], tm.ID)
		}
		for _, e := range customers {
			got[2] = append(got[2], e.ID)
		}
		for i, of := range []string{"users", "teams", "customers"} {
			if list := strings.Join(got[i], " "); list != tt.want || []int{n, m, c}[i] != len(got[i]) {
				t.Errorf("%s: got %s %q of %d, want %q", tt.name, of, list, []int{n, m, c}[i], tt.want)
			}
		}
	}
	list, n, err := db.ListUsers(ctx, store.UserFilter{EmailContains: "ELSEWHERE", Search: "row"}, store.Page{})
	must(err)
	if n != 1 || len(list) != 1 || list[0].ID != "row-1" {
		t.Errorf("two parts at once: got %d users of %d", len(list), n)
	}
}
