package store_test

import (
	"strings"
	"testing"
	"time"

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
