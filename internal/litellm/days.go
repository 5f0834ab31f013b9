package litellm

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"penstock/internal/store"
)

// dailyTable is one of LiteLLM's tables of daily sums.
type dailyTable struct {
	table, column string // and whose sums they are
	scope         string
	call          string // what a call has of that, in SQL
	from          string // the calls
}

const (
	usersDays = "LiteLLM_DailyUserSpend"
	callsFrom = `"LiteLLM_SpendLogs" s`
)

// Every call stands in the users' days, with the key it was made with.
var dailyTables = []dailyTable{
	{usersDays, "user_id", store.User, `s."user"`, callsFrom},
	{usersDays, "api_key", store.Key, `s.api_key`, callsFrom},
	{usersDays, "", store.Global, `''`, callsFrom},
	{"LiteLLM_DailyTeamSpend", "team_id", store.Team, `s.team_id`, callsFrom},
	{"LiteLLM_DailyOrganizationSpend", "organization_id", store.Organization, `s.organization_id`, callsFrom},
	{"LiteLLM_DailyEndUserSpend", "end_user_id", store.EndUser, `s.end_user`, callsFrom},
	{
		"LiteLLM_DailyTagSpend", "tag", store.Tag, `tag.name`,
		callsFrom + ` CROSS JOIN LATERAL (SELECT DISTINCT jsonb_array_elements_text(CASE WHEN jsonb_typeof(s.request_tags) = 'array' THEN s.request_tags ELSE '[]' END) AS name) tag`,
	},
}

// daySum is a day of LiteLLM's, and what of it is in its calls.
type daySum struct {
	store.DaySpend
	rows           int64 // of LiteLLM's table
	calls          store.Counters
	allDay, allLog store.Counters // of the owner's whole day; requests and cost only
}

// importDays brings daily sums of which LiteLLM no longer has the calls: it
// deletes calls and keeps sums. What is in its calls is not taken again. Days
// that were brought before and cannot change any more are left alone.
func (im *importer) importDays(ctx context.Context) error {
	source, err := im.database(ctx)
	if err != nil {
		return err
	}
	from := ""
	if im.o.Target != nil {
		if from, err = im.o.Target.DaysMark(ctx, source); err != nil {
			return err
		}
	}
	counted := map[string]bool{}
	for _, d := range dailyTables {
		im.done[d.table] = true
		if im.tables[d.table] == nil || d.column != "" && !im.has(d.table, d.column) {
			continue
		}
		if err := im.importDaysOf(ctx, source, from, d, !counted[d.table]); err != nil {
			return fmt.Errorf("import %s: %w", d.table, err)
		}
		counted[d.table] = true
	}
	if im.o.Target == nil {
		return nil
	}
	// Calls of yesterday may still be on their way into LiteLLM's tables.
	return im.o.Target.SetDaysMark(ctx, source, im.o.Now.AddDate(0, 0, -1).Format(time.DateOnly))
}

// database is a name for the source that stays the same from run to run.
func (im *importer) database(ctx context.Context) (string, error) {
	var name string
	err := im.tx.QueryRowContext(ctx, `SELECT current_database() || '/' || current_schema() || '/' || ('"'||$1||'"')::regclass::oid::text`, keysTable).Scan(&name)
	if err != nil {
		return "", fmt.Errorf("read the name of the database: %w", err)
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16]), nil
}

// lastDay is after every day.
const lastDay = "9999-99-99"

// importDaysOf brings the sums of one scope, month by month. count says that the
// rows of the table have not been counted in the report yet.
func (im *importer) importDaysOf(ctx context.Context, source, from string, d dailyTable, count bool) error {
	query, args := im.daysSQL(d, from)
	rows, err := im.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	t := im.r.table(d.table)
	month, begin := "", from
	var list []store.DaySpend
	flush := func(to string) error {
		if im.o.Target != nil {
			created, updated, unchanged, err := im.o.Target.ImportDays(ctx, source, d.scope, begin, to, list)
			if err != nil {
				return err
			}
			if count { // those of other scopes are the same once more
				t.Created, t.Updated, t.Unchanged = t.Created+created, t.Updated+updated, t.Unchanged+unchanged
			}
		}
		begin, list = to, list[:0]
		return nil
	}
	// Of an owner's day no more may come than its calls leave: LiteLLM may have
	// them under another model.
	owner := ""
	var room store.Counters
	err = each(rows, func(r *sql.Rows) error {
		var s daySum
		c, l := &s.Counters, &s.calls
		if err := r.Scan(&s.Day, &s.ID, &s.Model, &s.Provider, &s.rows, &c.Requests, &c.Failures, &c.Prompt, &c.Completion, &c.CacheRead, &c.CacheWrite, &c.Cost,
			&l.Requests, &l.Failures, &l.Prompt, &l.Completion, &l.Cost, &s.allDay.Requests, &s.allDay.Cost, &s.allLog.Requests, &s.allLog.Cost); err != nil {
			return err
		}
		if this := s.Day[:min(len(s.Day), 7)]; this != month {
			if month != "" {
				if err := flush(this); err != nil {
					return err
				}
			}
			month = this
		}
		if at := s.Day + "\n" + s.ID; at != owner {
			owner = at
			room = store.Counters{Requests: max(s.allDay.Requests-s.allLog.Requests, 0), Cost: max(s.allDay.Cost-s.allLog.Cost, 0)}
		}
		m := &remarks{}
		if _, err := time.Parse(time.DateOnly, s.Day); err != nil {
			m.skip = "its date is no day"
		}
		left := s.left(&room)
		switch {
		case m.skip != "":
		case left.Requests > 0 && l.Requests > 0:
			m.note("LiteLLM has only some calls of the day: what is left of the day's sum is kept for reports")
		case left.Requests > 0:
			m.note("LiteLLM has the day's calls no more: its sum is kept for reports, by model and provider and not by endpoint")
		}
		if count {
			im.countDays(t, &s, m)
		}
		id, ok := im.dayOwner(d.scope, s.ID)
		if m.skip == "" && ok && left.Requests > 0 {
			list = append(list, store.DaySpend{Day: s.Day, ID: id, Model: s.Model, Provider: s.Provider, Counters: left})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush(lastDay)
}

// countDays counts the rows of LiteLLM's that a sum was made of.
func (im *importer) countDays(t *Table, s *daySum, m *remarks) {
	t.Read += s.rows
	switch {
	case m.skip != "":
		t.Skipped += s.rows
		t.because(m.skip, true, s.rows, s.Day)
	case len(m.notes) > 0:
		t.Approximate += s.rows
		t.because(m.notes[0], false, s.rows, s.Day)
	default:
		t.Exact += s.rows
	}
}

// dayOwner returns whose sum it is here; false if it is nobody's.
func (im *importer) dayOwner(scope, id string) (string, bool) {
	if scope == store.Key {
		id = im.keyOf(id)
	}
	return id, id != "" || scope == store.Global
}

// left returns what of a day is in no call, at most what room is left for in the
// day of its owner.
func (s *daySum) left(room *store.Counters) store.Counters {
	c, l := &s.Counters, &s.calls
	out := store.Counters{Requests: min(c.Requests-l.Requests, room.Requests)}
	if out.Requests <= 0 {
		return store.Counters{} // what is left of the cost is rounding
	}
	out.Failures = min(max(c.Failures-l.Failures, 0), out.Requests)
	out.Prompt, out.Completion = max(c.Prompt-l.Prompt, 0), max(c.Completion-l.Completion, 0)
	out.Cost = min(max(c.Cost-l.Cost, 0), room.Cost)
	// Calls have no column of what was cached: it is as much as of the others.
	out.CacheRead, out.CacheWrite = c.CacheRead*out.Requests/c.Requests, c.CacheWrite*out.Requests/c.Requests
	room.Requests, room.Cost = room.Requests-out.Requests, room.Cost-out.Cost
	return out
}

// daysSQL selects the sums of the days from from on ("" for all), with what the calls of the
// same day, owner, model and provider add up to, and those of the owner's day.
func (im *importer) daysSQL(d dailyTable, from string) (query string, args []any) {
	args = []any{from}
	since := ""
	sum := func(column string) string {
		if !im.has(d.table, column) {
			return "0::bigint"
		}
		return "COALESCE(SUM(t." + column + "), 0)::bigint"
	}
	col := func(column string) string {
		if !im.has(d.table, column) {
			return "''"
		}
		return "COALESCE(t." + column + ", '')"
	}
	id := "''::text"
	if d.column != "" {
		id = col(d.column)
	}
	requests := sum("api_requests")
	if !im.has(d.table, "api_requests") {
		requests = "COUNT(*)" // of the first releases that had such tables
	}
	failed := "0::bigint"
	if im.has(callsTable, "status") {
		failed = "COUNT(*) FILTER (WHERE s.status = 'failure')"
	}
	group := "''"
	if im.has(callsTable, "model_group") {
		group = "s.model_group"
	}
	calls := `SELECT to_char(s."startTime", 'YYYY-MM-DD') AS date, COALESCE(` + d.call + `, '') AS id, COALESCE(NULLIF(s.model, ''), ` + group + `, '') AS model,
			COALESCE(s.custom_llm_provider, '') AS provider, COUNT(*) AS requests, ` + failed + ` AS failures,
			COALESCE(SUM(s.prompt_tokens), 0)::bigint AS prompt, COALESCE(SUM(s.completion_tokens), 0)::bigint AS completion, ` + nanoSum("s.spend") + ` AS cost
		FROM ` + d.from + ` `
	if from != "" {
		// The calls have an index by time.
		since = `WHERE s."startTime" >= $2::timestamp `
		args = append(args, from)
	}
	calls += since + `GROUP BY 1, 2, 3, 4`
	if im.tables[callsTable] == nil || !im.has(callsTable, "custom_llm_provider") || strings.Contains(d.call, "organization_id") && !im.has(callsTable, "organization_id") {
		calls = `SELECT ''::text AS date, ''::text AS id, ''::text AS model, ''::text AS provider, 0::bigint AS requests, 0::bigint AS failures, 0::bigint AS prompt,
			0::bigint AS completion, 0::bigint AS cost WHERE false`
		args = args[:1]
	}
	query = `WITH days AS (
		SELECT t.date, ` + id + ` AS id, COALESCE(NULLIF(` + col("model") + `, ''), ` + col("model_group") + `) AS model, ` + col("custom_llm_provider") + ` AS provider,
			COUNT(*) AS n, ` + requests + ` AS requests, ` + sum("failed_requests") + ` AS failures, ` + sum("prompt_tokens") + ` AS prompt, ` + sum("completion_tokens") + ` AS completion,
			` + sum("cache_read_input_tokens") + ` AS cache_read, ` + sum("cache_creation_input_tokens") + ` AS cache_write, ` + nanoSum("t.spend") + ` AS cost
		FROM ` + quoted(d.table) + ` t WHERE t.date >= $1 GROUP BY 1, 2, 3, 4),
	calls AS (` + calls + `),
	whole AS (SELECT date, id, SUM(requests)::bigint AS requests, SUM(cost)::bigint AS cost FROM calls GROUP BY 1, 2)
	SELECT d.date, d.id, d.model, d.provider, d.n, d.requests, d.failures, d.prompt, d.completion, d.cache_read, d.cache_write, d.cost,
		COALESCE(c.requests, 0), COALESCE(c.failures, 0), COALESCE(c.prompt, 0), COALESCE(c.completion, 0), COALESCE(c.cost, 0),
		(SUM(d.requests) OVER day)::bigint, (SUM(d.cost) OVER day)::bigint, COALESCE(w.requests, 0), COALESCE(w.cost, 0)
	FROM days d LEFT JOIN calls c USING (date, id, model, provider) LEFT JOIN whole w ON w.date = d.date AND w.id = d.id
	WINDOW day AS (PARTITION BY d.date, d.id) ORDER BY d.date, d.id, d.model, d.provider`
	return query, args
}
