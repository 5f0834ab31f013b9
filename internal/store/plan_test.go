package store_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// Reports look no further than at what they are about: a report on a team does
// not read what all others did on those days.
func TestReportsAreFoundByIndexes(t *testing.T) {
	db := storetest.SQLite(t)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		f    store.FactFilter
		want string
	}{
		{"everything of some days", store.FactFilter{}, "a USING PRIMARY KEY (scope=? AND id=? AND day>? AND day<?)"},
		{"a team", store.FactFilter{Scope: store.Team, IDs: []string{"t"}}, "a USING INDEX activity_context (context=? AND day>? AND day<?)"},
		{"an organization", store.FactFilter{Scope: store.Organization, IDs: []string{"o"}}, "c USING INDEX contexts_org"},
		{"a user", store.FactFilter{Scope: store.User, IDs: []string{"u"}}, "a USING INDEX activity_context (context=? AND day>? AND day<?)"},
		{"a key", store.FactFilter{Keys: []string{"k"}}, "a USING INDEX activity_context (context=? AND day>? AND day<?)"},
		{"a tag", store.FactFilter{Scope: store.Tag, IDs: []string{"x"}}, "a USING PRIMARY KEY (scope=? AND id=? AND day>? AND day<?)"},
	} {
		tt.f.Day0, tt.f.Day1 = day, day.AddDate(0, 1, 0)
		plan, err := db.Explain(t.Context(), tt.f)
		if got := strings.Join(plan, "; "); err != nil || !strings.Contains(strings.ReplaceAll(got, "COVERING ", ""), tt.want) {
			t.Errorf("%s is found by %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

// Nor does a user's report on his programs read what others did, and times are
// looked for in the calls of those days alone.
func TestProgramsAndTimesAreFoundByIndexes(t *testing.T) {
	db := storetest.SQLite(t)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	month := store.TagUseFilter{From: day, To: day.AddDate(0, 1, 0)}
	his, its := month, month
	his.UserID, its.Keys = "u", []string{"k"}
	tags := func(f store.TagUseFilter) func() ([]string, error) {
		return func() ([]string, error) { return db.ExplainTags(t.Context(), f) }
	}
	for _, tt := range []struct {
		name    string
		explain func() ([]string, error)
		want    string
	}{
		{"everything of some days", tags(month), "a USING PRIMARY KEY (scope=? AND id=? AND day>? AND day<?)"},
		{"a user", tags(his), "c USING INDEX contexts_user (user_id=?); SEARCH a USING INDEX activity_context (context=? AND day>? AND day<?)"},
		{"a key", tags(its), "c USING INDEX contexts_key (key_hash=?); SEARCH a USING INDEX activity_context (context=? AND day>? AND day<?)"},
		{"times", func() ([]string, error) {
			return db.ExplainTimes(t.Context(), store.TimingFilter{From: day, To: day.AddDate(0, 1, 0), Group: "m"})
		}, "SEARCH calls USING PRIMARY KEY (started_at>? AND started_at<?); SEARCH c USING INTEGER PRIMARY KEY (rowid=?)"},
	} {
		plan, err := tt.explain()
		if got := strings.Join(plan, "; "); err != nil || !strings.Contains(strings.ReplaceAll(got, "COVERING ", ""), tt.want) {
			t.Errorf("%s: found by %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

// Calls of a key, a team or a model are counted without looking at others.
func TestCallsAreFoundByIndexes(t *testing.T) {
	db := storetest.SQLite(t)
	failed := true
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		f    store.CallFilter
	}{
		{"a key", store.CallFilter{KeyHash: "k"}},
		{"a user", store.CallFilter{UserID: "u"}},
		{"a team", store.CallFilter{TeamID: "t"}},
		{"a model", store.CallFilter{Model: "m"}},
		{"those that failed", store.CallFilter{Failed: &failed}},
	} {
		tt.f.From, tt.f.To = day, day.AddDate(0, 1, 0)
		plan, err := db.ExplainCalls(t.Context(), tt.f)
		want := "SEARCH calls USING COVERING INDEX calls_context (context=? AND started_at>? AND started_at<?)"
		if got := strings.Join(plan, "; "); err != nil || !strings.Contains(got, want) {
			t.Errorf("calls of %s are found by %s, %v; want %s", tt.name, got, err, want)
		}
	}
}

// A page of calls that few of very many are like touches few rows on PostgreSQL.
func TestPagesOfCallsTouchFewRows(t *testing.T) {
	db := storetest.Postgres(t)
	ctx := t.Context()
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const calls = 12_000
	rows := make([]spend.Row, calls)
	for i := range rows {
		r := storetest.Row(i)
		r.Start = day.Add(time.Duration(i) * time.Second)
		r.CallID, r.Failed = callID(r.Start, i), i%1000 == 0
		rows[i] = r
	}
	for len(rows) > 0 {
		if _, err := db.Book(ctx, rows[:4000]); err != nil {
			t.Fatal(err)
		}
		rows = rows[4000:]
	}
	if err := db.AnalyzeCalls(ctx); err != nil {
		t.Fatal(err)
	}
	failed := true
	for _, tt := range []struct {
		name string
		f    store.CallFilter
		want int
		most int64
	}{
		{"those that failed", store.CallFilter{Failed: &failed}, 12, 1000},
		{"the newest", store.CallFilter{}, 10_000, 10_000 + 1000},
	} {
		tt.f.From, tt.f.To, tt.f.Limit = day, day.AddDate(0, 0, 1), 50
		n, err := db.Touched(ctx, func() error {
			page, err := db.PageCalls(ctx, tt.f, store.CallOrder{Count: 10_000})
			if err == nil && page.Total != tt.want {
				t.Errorf("%s: %d calls counted, want %d", tt.name, page.Total, tt.want)
			}
			return err
		})
		t.Logf("%s touches %d rows", tt.name, n)
		if err != nil || n > tt.most {
			t.Errorf("%s touches %d rows, %v; want no more than %d", tt.name, n, err, tt.most)
		}
	}
}
