package ledger_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // to meddle with the books behind the store's back

	"penstock/internal/gateway"
	"penstock/internal/ledger"
	"penstock/internal/price"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func terms(t *testing.T, text string) *price.Rate {
	t.Helper()
	r, err := price.ParseTerms(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// call is call n of a series: with everybody to charge that there is.
func call(t *testing.T, n int, rate *price.Rate) spend.Row {
	t.Helper()
	r := storetest.Row(n)
	r.OrgID, r.ProjectID, r.EndUser, r.Tags = "org", fmt.Sprint("project-", n%2), fmt.Sprint("customer-", n%4), []string{"a", fmt.Sprint("b", n%3), "a"}
	r.Start = r.Start.Add(time.Duration(n) * time.Hour)
	r.End = r.Start.Add(time.Second)
	r.Usage.CacheRead = int64(n)
	r.Agent = fmt.Sprint("coder/", n%2)
	r.Cost, r.Rate, r.RateTerms = rate.Cost(r.Usage), rate.ID(), rate.Terms()
	r.KeyWindow = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r.Windows = []spend.Window{{Scope: "organization", ID: "org", Duration: "1mo", Start: r.KeyWindow}}
	return r
}

// books are opened on a database that the test can also reach with plain SQL.
type books struct {
	db  *store.DB
	raw *sql.DB
	url string
}

func open(t *testing.T, driver, url string, chain bool) books {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Chain: chain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	raw, err := sql.Open(driver, strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return books{db, raw, url}
}

func engines(t *testing.T, chain bool, run func(t *testing.T, b books)) {
	t.Run("sqlite", func(t *testing.T) {
		run(t, open(t, "sqlite", storetest.SQLiteURL(t), chain))
	})
	t.Run("postgres", func(t *testing.T) { run(t, open(t, "pgx", storetest.PostgresURL(t), chain)) })
}

func (b books) fill(t *testing.T, n int, rate *price.Rate) []spend.Row {
	t.Helper()
	for i := range 9 {
		if err := b.db.CreateKey(t.Context(), &gateway.Key{Hash: storetest.Row(i).KeyHash}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.db.CreateUser(t.Context(), &gateway.User{ID: "user-1"}); err != nil {
		t.Fatal(err)
	}
	if err := b.db.CreateTeam(t.Context(), &gateway.Team{ID: "team-1"}); err != nil {
		t.Fatal(err)
	}
	var rows []spend.Row
	for i := range n {
		rows = append(rows, call(t, i, rate))
	}
	for at := 0; at < n; at += 7 {
		if _, err := b.db.Book(t.Context(), rows[at:min(at+7, n)]); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func quiet(int64, int64) {}

func (b books) verify(t *testing.T, chain bool) *ledger.Report {
	t.Helper()
	r, err := ledger.Verify(t.Context(), b.db, chain, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b books) right(t *testing.T, when string) {
	t.Helper()
	if r := b.verify(t, true); r.Problems != 0 {
		t.Errorf("%s: %d problems, want none:\n%s", when, r.Problems, strings.Join(r.Findings, "\n"))
	}
}

// Calls that the release before has booked are in reports like any other, and
// days whose calls are gone keep what is known of them.
func TestActivityOfAnOlderProgram(t *testing.T) {
	rate := terms(t, "input=1.5e-7 output=6e-7 cache_read=7.5e-8")
	engines(t, false, func(t *testing.T, b books) {
		rows := b.fill(t, 60, rate)
		dearer := terms(t, "input=3e-7 output=12e-7")
		adjusted := []store.Adjusted{{Call: &rows[3], N: 1, Cost: dearer.Cost(rows[3].Usage) - rows[3].Cost, Rate: dearer.ID(), Terms: dearer.Terms()}}
		if n, err := b.db.Adjust(t.Context(), adjusted); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		want := adjusted[0].Cost
		for _, r := range rows {
			want += r.Cost
		}
		for _, forget := range []string{`DELETE FROM activity`, `DELETE FROM activity WHERE requests = (SELECT MIN(requests) FROM activity) AND scope = ''`, `UPDATE activity SET cost = 0 WHERE scope = ''`} {
			db, err := store.Open(t.Context(), b.url, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.raw.Exec(forget); err != nil {
				t.Fatal(err)
			}
			if facts, err := db.Facts(t.Context(), store.FactFilter{}, nil, store.FactOrder{}); err != nil || len(facts) != 1 || facts[0].Cost != want || facts[0].Requests != 60 {
				t.Errorf("after %s: %+v, %v, want 60 calls for %s", forget, facts, err, want)
			}
			b.right(t, "after "+forget)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}

		// The first day goes, and with it all but its daily sums.
		first := rows[0].Start.Format(time.DateOnly)
		if n, err := b.db.DropBefore(t.Context(), rows[0].Start.AddDate(0, 0, 1)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for _, kept := range []bool{true, false} {
			if !kept {
				if _, err := b.raw.Exec(`DELETE FROM activity WHERE day = '` + first + `'`); err != nil {
					t.Fatal(err)
				}
			}
			db, err := store.Open(t.Context(), b.url, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			facts, err := db.Facts(t.Context(), store.FactFilter{Scope: store.Team}, []store.Facet{store.OfDay, store.OfKey, store.OfModel}, store.FactOrder{})
			if err != nil {
				t.Fatal(err)
			}
			var sum gateway.NanoUSD
			rest := 0
			for _, f := range facts {
				sum += f.Cost
				if f.Of(store.OfKey) == store.Rest {
					rest++
				}
			}
			if sum != want || (rest == 0) != kept {
				t.Errorf("activity kept %t: %s in all, %d facts without a key; want %s", kept, sum, rest, want)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Whatever is changed behind the gateway's back, verify finds it.
func TestVerifyFindsWhatWasChanged(t *testing.T) {
	rate := terms(t, "input=1.5e-7 output=6e-7 cache_read=7.5e-8")
	for _, tt := range []struct {
		name  string
		chain bool // found only with the chain
		sql   []string
		want  string
	}{
		{"nothing", false, nil, ""},
		{"a cost", false, []string{`UPDATE calls SET cost = cost + 1 WHERE started_at = (SELECT MIN(started_at) FROM calls)`}, "comes to"},
		{"the tokens of a call", false, []string{`UPDATE calls SET completion = completion + 1 WHERE started_at = (SELECT MIN(started_at) FROM calls)`}, "comes to"},
		{"a call taken out", false, []string{`DELETE FROM calls WHERE started_at = (SELECT MIN(started_at) FROM calls)`}, "daily sum"},
		{"the total of a key", false, []string{`UPDATE keys SET spend_total = spend_total - 1 WHERE hash = (SELECT MAX(hash) FROM keys)`}, "has a total"},
		{"the total of a tag", false, []string{`UPDATE totals SET spend_total = spend_total + 5 WHERE scope = 'tag' AND id = 'a'`}, "tag a has a total"},
		{"a daily sum", false, []string{`UPDATE daily SET cost = cost + 1 WHERE scope = 'team'`}, "daily sum"},
		{"a daily count", false, []string{`UPDATE daily SET requests = requests + 1 WHERE scope = 'end_user'`}, "daily sum"},
		{"the activity of a day", false, []string{`UPDATE activity SET cost = cost + 1 WHERE scope = ''`}, "activity of global on"},
		{"the activity of a tag", false, []string{`UPDATE activity SET requests = requests + 1 WHERE scope = 'tag' AND id = 'a'`}, "activity of tag a on"},
		{"activity taken out", false, []string{`DELETE FROM activity WHERE scope = 'end_user'`}, "in no part of the day"},
		{"the terms of a price", false, []string{`UPDATE rates SET terms = 'input=1e-7 output=6e-7'`}, "terms of another one"},
		{"the address of a client", true, []string{`UPDATE calls SET client_ip = '203.0.113.9' WHERE started_at = (SELECT MIN(started_at) FROM calls)`}, "was changed"},
		{"the program of a client", true, []string{`UPDATE contexts SET agent = 'browser/1' WHERE agent = 'coder/1'`}, "was changed"},
		{"a link taken out", true, []string{`UPDATE calls SET link = NULL WHERE link = 2`, `DELETE FROM chain WHERE link = 2`}, "no link 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engines(t, true, func(t *testing.T, b books) {
				b.fill(t, 40, rate)
				for _, q := range tt.sql {
					if _, err := b.raw.Exec(q); err != nil {
						t.Fatal(err)
					}
				}
				r := b.verify(t, false)
				if found := r.Problems > 0; found != (tt.want != "" && !tt.chain) {
					t.Errorf("without the chain: %d problems: %q", r.Problems, r.Findings)
				}
				r = b.verify(t, true)
				if all := strings.Join(r.Findings, "\n"); (r.Problems > 0) != (tt.want != "") || !strings.Contains(all, tt.want) {
					t.Errorf("with the chain: %d problems, want %q:\n%s", r.Problems, tt.want, all)
				}
				if r.Calls+r.Links < 40 {
					t.Errorf("%d calls and %d links seen, want 40 and 6", r.Calls, r.Links)
				}
			})
		})
	}
}

// What managers set of totals is told from what was booked; keys that are
// rotated, users that come after their calls and owners that go are all right.
func TestManagersDoNotMakeTheBooksWrong(t *testing.T) {
	rate := terms(t, "input=1e-6 output=2e-6")
	engines(t, false, func(t *testing.T, b books) {
		ctx := t.Context()
		rows := b.fill(t, 30, rate)
		key := rows[0].KeyHash
		if _, err := b.db.UpdateKey(ctx, key, func(k *gateway.Key) error { k.Spend.Total, k.Spend.Window = 0, 0; return nil }); err != nil {
			t.Fatal(err)
		}
		b.right(t, "a key's spend set to nothing")
		if err := b.db.CreateUser(ctx, &gateway.User{ID: "user-2", Spend: gateway.Spend{Total: 77}}); err != nil {
			t.Fatal(err)
		}
		b.right(t, "a user stored after its calls, with a spend")
		if err := b.db.CreateTag(ctx, &gateway.Tag{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		if err := b.db.SetTotal(ctx, store.Tag, "a", gateway.Spend{Total: 5}, "tag", "a"); err != nil {
			t.Fatal(err)
		}
		b.right(t, "a tag's spend set")
		if _, err := b.db.DeleteTeams(ctx, []string{"team-1"}); err != nil {
			t.Fatal(err)
		}
		b.right(t, "a team deleted")
		if err := b.db.CreateTeam(ctx, &gateway.Team{ID: "team-1"}); err != nil {
			t.Fatal(err)
		}
		b.right(t, "a team made again")

		// A call that began before its key was rotated is one of the new key.
		renewed := strings.Repeat("e", 64)
		if _, err := b.db.RotateKey(ctx, key, renewed, time.Now(), time.Time{}, func(*gateway.Key) error { return nil }); err != nil {
			t.Fatal(err)
		}
		late := call(t, 36, rate)
		if late.KeyHash != key {
			t.Fatal("the series has changed")
		}
		if _, err := b.db.Book(ctx, []spend.Row{late}); err != nil {
			t.Fatal(err)
		}
		if k, err := b.db.Key(ctx, renewed); err != nil || k.Spend.Total != late.Cost {
			t.Errorf("the rotated key has spent %v, %v; want %v", k.Spend.Total, err, late.Cost)
		}
		b.right(t, "a key rotated under a running call")
	})
}

func TestRepriceAddsEntriesOnce(t *testing.T) {
	old, dear, back := terms(t, "input=1e-6 output=2e-6"), terms(t, "input=3e-6 output=4e-6"), terms(t, "input=1e-6 output=2e-6")
	engines(t, true, func(t *testing.T, b books) {
		ctx := t.Context()
		rows := b.fill(t, 60, old)
		from := rows[20].Start
		want := func(r *price.Rate) (total gateway.NanoUSD) {
			for _, x := range rows {
				if !x.Start.Before(from) {
					total += r.Cost(x.Usage)
				} else {
					total += x.Cost
				}
			}
			return total
		}
		for i, step := range []struct {
			rate    *price.Rate
			dry     bool
			written int64
		}{{dear, true, 0}, {dear, false, 40}, {dear, false, 0}, {back, false, 40}, {dear, false, 40}, {dear, false, 0}} {
			job := ledger.Reprice{From: from, DryRun: step.dry, Rate: func(*spend.Row) *price.Rate { return step.rate }}
			r, err := job.Run(ctx, b.db, quiet)
			if err != nil {
				t.Fatal(err)
			}
			if r.Written != step.written || r.Calls != 40 {
				t.Errorf("step %d: %d adjustments of %d calls, want %d of 40", i, r.Written, r.Calls, step.written)
			}
			now := step.rate
			if step.dry {
				now = old
			}
			total, err := b.db.Total(ctx, store.Global, "")
			if err != nil || total.Total != want(now) {
				t.Errorf("step %d: spent %v, %v; want %v", i, total.Total, err, want(now))
			}
			b.right(t, fmt.Sprintf("step %d", i))
		}
		// The windows moved as well: all calls began in March's.
		var window gateway.NanoUSD
		if err := b.db.Windows(ctx, func(w spend.Window, spent gateway.NanoUSD) error { window += spent; return nil }); err != nil || window != want(dear) {
			t.Errorf("the organization's month has %v, %v; want %v", window, err, want(dear))
		}
		var keys gateway.NanoUSD
		if err := b.db.AllKeys(ctx, func(k *gateway.Key) error { keys += k.Spend.Window; return nil }); err != nil || keys != want(dear) {
			t.Errorf("the windows of keys have %v, %v; want %v", keys, err, want(dear))
		}
		// History is not edited.
		calls, err := b.db.Calls(ctx, store.CallFilter{Limit: 100})
		if err != nil || len(calls) != 60 {
			t.Fatal(len(calls), err)
		}
		for _, c := range calls {
			if c.Cost != old.Cost(c.Usage) {
				t.Errorf("call %s costs %v in its row, want what it was booked at", c.CallID, c.Cost)
			}
			shown := dear
			if c.Start.Before(from) {
				shown = old
			}
			if c.Cost+c.Adjusted != shown.Cost(c.Usage) {
				t.Errorf("call %s costs %v and %v more, want %v in all", c.CallID, c.Cost, c.Adjusted, shown.Cost(c.Usage))
			}
		}
	})
}

func TestExportHasEveryCentInBothFormats(t *testing.T) {
	old, dear := terms(t, "input=1e-6 output=2e-6"), terms(t, "input=3e-6 output=4e-6")
	engines(t, false, func(t *testing.T, b books) {
		ctx := t.Context()
		rows := b.fill(t, 30, old)
		job := ledger.Reprice{From: rows[25].Start, Rate: func(*spend.Row) *price.Rate { return dear }}
		if _, err := job.Run(ctx, b.db, quiet); err != nil {
			t.Fatal(err)
		}
		total, err := b.db.Total(ctx, store.Global, "")
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			Cost     jsontext.Value `json:"BilledCost"`
			Category string         `json:"ChargeCategory"`
			Currency string         `json:"BillingCurrency"`
			Start    string         `json:"ChargePeriodStart"`
			Call     string         `json:"x_CallId"`
		}
		var out bytes.Buffer
		n, err := ledger.Export(ctx, b.db, &out, ledger.JSONL, time.Time{}, time.Time{}, quiet)
		if err != nil || n != 35 {
			t.Fatalf("%d rows, %v; want 30 calls and 5 adjustments", n, err)
		}
		var sum gateway.NanoUSD
		first, _, _ := strings.Cut(out.String(), "\n")
		for line := range strings.Lines(out.String()) {
			var r row
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			cost, err := price.ParseUSD(string(r.Cost))
			if err != nil {
				t.Fatal(err)
			}
			sum += cost
			if r.Currency != "USD" || r.Call == "" || !strings.HasSuffix(r.Start, "Z") || r.Category != "Usage" && r.Category != "Adjustment" {
				t.Errorf("row %+v", r)
			}
		}
		if sum != total.Total {
			t.Errorf("JSON lines add up to %v, want %v", sum, total.Total)
		}
		out.Reset()
		if _, err := ledger.Export(ctx, b.db, &out, ledger.CSV, time.Time{}, time.Time{}, quiet); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(records) != 36 {
			t.Fatalf("%d records, %v; want a head and 35", len(records), err)
		}
		if d := cmp.Diff(keysOf(t, first), records[0]); d != "" {
			t.Errorf("columns of CSV are not those of JSON lines:\n%s", d)
		}
		sum = 0
		for _, r := range records[1:] {
			cost, err := price.ParseUSD(r[0])
			if err != nil {
				t.Fatal(err)
			}
			sum += cost
		}
		if records[0][0] != "BilledCost" || sum != total.Total {
			t.Errorf("column %s of CSV adds up to %v, want BilledCost and %v", records[0][0], sum, total.Total)
		}
	})
}

// Old days go whole; what is left is proven, what is gone is believed by its
// sums, and a journal that comes back with a gone day doubles nothing.
func TestRetentionDropsWholeDays(t *testing.T) {
	rate := terms(t, "input=1e-6 output=2e-6")
	engines(t, true, func(t *testing.T, b books) {
		ctx := t.Context()
		rows := b.fill(t, 100, rate) // an hour apart, from noon of the first of March on
		dear := terms(t, "input=3e-6 output=4e-6")
		job := ledger.Reprice{To: rows[50].Start, Rate: func(*spend.Row) *price.Rate { return dear }}
		if _, err := job.Run(ctx, b.db, quiet); err != nil {
			t.Fatal(err)
		}
		before, err := b.db.Total(ctx, store.Global, "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := b.db.DropBefore(ctx, time.Date(2026, 3, 3, 17, 0, 0, 0, time.UTC))
		if err != nil || n != 2 {
			t.Fatalf("%d days dropped, %v; want the first and the second of March", n, err)
		}
		left, err := b.db.Calls(ctx, store.CallFilter{Limit: 1000})
		if err != nil || len(left) != 64 || left[63].Start.Before(time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%d calls left, %v; want 64 from the third of March on", len(left), err)
		}
		r := b.verify(t, true)
		if r.Problems != 0 || r.DroppedDays != 2 || r.Calls != 64 {
			t.Errorf("verify: %d problems, %d dropped days, %d calls:\n%s", r.Problems, r.DroppedDays, r.Calls, strings.Join(r.Findings, "\n"))
		}
		if n, err := b.db.Book(ctx, rows); err != nil || n != 0 {
			t.Errorf("booking everything again: %d new, %v; want none", n, err)
		}
		if after, err := b.db.Total(ctx, store.Global, ""); err != nil || after != before {
			t.Errorf("spent %+v, %v; want %+v as before", after, err, before)
		}
		b.right(t, "after booking again")
		if n, err := b.db.DropBefore(ctx, time.Date(2026, 3, 3, 17, 0, 0, 0, time.UTC)); err != nil || n != 0 {
			t.Errorf("a second time: %d days dropped, %v", n, err)
		}
		// What is left can still be found out.
		if _, err := b.raw.Exec(`UPDATE calls SET cost = cost + 1 WHERE started_at = (SELECT MAX(started_at) FROM calls)`); err != nil {
			t.Fatal(err)
		}
		if r := b.verify(t, true); r.Problems == 0 {
			t.Error("a changed cost was not found")
		}
		// A call that somebody puts in is in no link.
		if r := b.verify(t, true); r.Unchained != 0 {
			t.Errorf("%d entries in no link, want none", r.Unchained)
		}
		if _, err := b.raw.Exec(`UPDATE calls SET link = NULL WHERE started_at = (SELECT MAX(started_at) FROM calls)`); err != nil {
			t.Fatal(err)
		}
		if r := b.verify(t, true); r.Unchained != 1 || !r.LastUnchained.Equal(rows[99].Start) {
			t.Errorf("%d entries in no link, the last at %s; want the last call", r.Unchained, r.LastUnchained)
		}
	})
}

// keysOf returns the names in a JSON object, in order.
func keysOf(t *testing.T, object string) (out []string) {
	t.Helper()
	dec := jsontext.NewDecoder(strings.NewReader(object))
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, key.String())
		if err := dec.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
