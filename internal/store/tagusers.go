package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AgentTag stands before the name of a program where it is shown as a tag.
const AgentTag = "User-Agent: "

// maxTagUses bounds what TagUses returns.
const maxTagUses = 10_000

// TagUseFilter selects activity with tags. A program that calls counts as two: by its
// name, and by its name with its version. What is empty selects nothing away.
type TagUseFilter struct {
	From, To time.Time // days, both included and needed
	Tags     []string  // whole; nil for all
	Part     string    // of a tag, in any case of ASCII letters
	Provider string
	UserID   string
	Keys     []string // hashes, nil for all
}

// TagUse is what calls with a tag have used. Calls with two tags are in both.
type TagUse struct {
	Tag   string
	Day   string // "2006-01-02", "" if days are not told apart
	Users int64  // different ones; calls without a user are of none
	Counters
}

// TagUses adds up the activity of tags, day by day if byDay, the newest day first,
// and of each day the tags with the most users; else those with the most calls
// first. It returns 10,000 at most. Days that are known by owner and model only, as
// an import may bring, have no users.
func (db *DB) TagUses(ctx context.Context, f TagUseFilter, byDay bool) ([]TagUse, error) {
	w, from, err := db.tagged(ctx, &f)
	if err != nil {
		return nil, err
	}
	day, order := "''", "4 DESC, 1"
	if byDay {
		day, order = "t.day", "2 DESC, 3 DESC, 4 DESC, 1"
	}
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err := db.r.QueryContext(ctx, "SELECT t.tag, "+day+", COUNT(DISTINCT CASE WHEN t.user_id <> '' THEN t.user_id END), "+tagSums+from+w.sql()+
		" GROUP BY 1, 2 ORDER BY "+order+" LIMIT "+strconv.Itoa(maxTagUses), w.args...)
	var out []TagUse
	err = results(rows, err, func(r *sql.Rows) error {
		var u TagUse
		err := r.Scan(append([]any{&u.Tag, &u.Day, &u.Users}, u.into()...)...)
		out = append(out, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add up tags: %w", err)
	}
	return out, nil
}

// UserUse is what a user's calls by programs have used.
type UserUse struct {
	UserID string
	Agent  string // the program that made most of them, by its name with its version
	Counters
}

// AgentUsers returns users by what their calls by programs have used, those with
// the most calls that did not fail first, and how many there are. Tags and Part of f
// are about programs; each call counts once.
func (db *DB) AgentUsers(ctx context.Context, f TagUseFilter, limit, offset int) (list []UserUse, total int, err error) {
	if _, err := db.detail(ctx, f.From, f.To); err != nil {
		return nil, 0, err
	}
	var w where
	f.among(&w, "a.", "c.")
	w.parts = append(w.parts, "c.id = a.context", f.hidden("a.scope")+" = ''", f.hidden("a.id")+" = ''", "c.agent <> ''", "c.user_id <> ''")
	whole, name := "'"+AgentTag+"' || c.agent", "'"+AgentTag+"' || "+db.d.agentName
	if f.Tags != nil {
		w.either(func(w *where) { w.in(whole, f.Tags); w.in(name, f.Tags) })
	}
	w.contains(f.Part, whole) // the name is a part of it
	from := f.joined()
	if w.bad != nil {
		return nil, 0, w.bad
	}
	if err := db.r.QueryRowContext(ctx, "SELECT COUNT(DISTINCT c.user_id)"+from+w.sql(), w.args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count users of programs: %w", err)
	}
	sums := strings.NewReplacer("t.failures", "CASE WHEN c.failed THEN a.requests ELSE 0 END", "t.", "a.").Replace(tagSums)
	succeeded := "SUM(CASE WHEN c.failed THEN 0 ELSE a.requests END) DESC"
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err := db.r.QueryContext(ctx, "SELECT c.user_id, "+sums+from+w.sql()+" GROUP BY 1 ORDER BY "+succeeded+", 1 LIMIT "+strconv.Itoa(limit)+" OFFSET "+strconv.Itoa(offset), w.args...)
	at := map[string]int{}
	var ids []string
	err = results(rows, err, func(r *sql.Rows) error {
		var u UserUse
		err := r.Scan(append([]any{&u.UserID}, u.into()...)...)
		at[u.UserID] = len(list)
		ids = append(ids, u.UserID)
		list = append(list, u)
		return err
	})
	if err != nil || len(list) == 0 {
		return list, total, err
	}
	w.in("c.user_id", ids)
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err = db.r.QueryContext(ctx, "SELECT c.user_id, c.agent"+from+w.sql()+" GROUP BY 1, 2 ORDER BY SUM(a.requests) DESC, 2", w.args...)
	err = results(rows, err, func(r *sql.Rows) error {
		var id, agent string
		err := r.Scan(&id, &agent)
		if i, ok := at[id]; ok && list[i].Agent == "" {
			list[i].Agent = agent
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read users of programs: %w", err)
	}
	return list, total, nil
}

// tagSums are the counters of tagged, in the order of into.
const tagSums = "CAST(SUM(t.requests) AS BIGINT), CAST(SUM(t.failures) AS BIGINT), CAST(SUM(t.prompt) AS BIGINT), CAST(SUM(t.completion) AS BIGINT), " +
	"CAST(SUM(t.cache_read) AS BIGINT), CAST(SUM(t.cache_write) AS BIGINT), CAST(SUM(t.cost) AS BIGINT)"

func (c *Counters) into() []any {
	return []any{&c.Requests, &c.Failures, &c.Prompt, &c.Completion, &c.CacheRead, &c.CacheWrite, (*int64)(&c.Cost)}
}

// among adds the conditions of f but for tags. Owner is "" where there is none to
// ask about.
func (f *TagUseFilter) among(w *where, sums, owner string) {
	w.parts = append(w.parts, sums+"day >= "+w.arg(day(f.From)), sums+"day <= "+w.arg(day(f.To)))
	provider := sums
	if owner != "" {
		provider = owner
		w.is(owner+"user_id", f.UserID)
		if f.Keys != nil {
			w.in(owner+"key_hash", f.Keys)
		}
	}
	w.is(provider+"provider", f.Provider)
}

// few says that the calls of few contexts are meant.
func (f *TagUseFilter) few() bool { return f.UserID != "" || f.Keys != nil }

// joined is the tables that f is on, those first that have the fewest rows of it.
func (f *TagUseFilter) joined() string {
	if f.few() {
		return " FROM contexts AS c CROSS JOIN activity AS a"
	}
	return " FROM activity AS a CROSS JOIN contexts AS c"
}

// hidden keeps a column of the primary key of activity from being used to find
// rows where their contexts lead to fewer, as FactFilter does.
func (f *TagUseFilter) hidden(column string) string {
	if f.few() {
		return "COALESCE(" + column + ", '')"
	}
	return column
}

// tagged is the activity of tags and of programs, a row for each, as table t.
func (db *DB) tagged(ctx context.Context, f *TagUseFilter) (w where, from string, err error) {
	if _, err := db.detail(ctx, f.From, f.To); err != nil {
		return w, "", err
	}
	sums := "a.requests, CASE WHEN c.failed THEN a.requests ELSE 0 END AS failures, a.prompt, a.completion, a.cache_read, a.cache_write, a.cost" + f.joined()
	part := func(tag string, conditions ...string) string {
		p := where{args: w.args, parts: append([]string{"c.id = a.context"}, conditions...)}
		f.among(&p, "a.", "c.")
		if w.args = p.args; w.bad == nil {
			w.bad = p.bad
		}
		return "SELECT " + tag + " AS tag, a.day, c.user_id, " + sums + p.sql()
	}
	every := []string{f.hidden("a.scope") + " = ''", f.hidden("a.id") + " = ''"}
	parts := []string{
		part("a.id", f.hidden("a.scope")+" = '"+Tag+"'"),
		part("'"+AgentTag+"' || c.agent", append(every, "c.agent <> ''")...),
		part("'"+AgentTag+"' || "+db.d.agentName, append(every, "c.agent <> ''", db.d.agentName+" <> c.agent")...),
	}
	if f.UserID == "" && f.Keys == nil {
		p := where{args: w.args, parts: []string{"i.scope = '" + Tag + "'"}}
		f.among(&p, "i.", "")
		if w.args = p.args; w.bad == nil {
			w.bad = p.bad
		}
		parts = append(parts, "SELECT i.id AS tag, i.day, '' AS user_id, i.requests, i.failures, i.prompt, i.completion, i.cache_read, i.cache_write, i.cost FROM imported_days AS i"+p.sql())
	}
	if f.Tags != nil {
		tags := make([]string, len(f.Tags))
		for i, tag := range f.Tags {
			tags[i] = fitID(tag)
		}
		w.in("t.tag", tags)
	}
	w.contains(f.Part, "t.tag")
	return w, " FROM (" + strings.Join(parts, " UNION ALL ") + ") AS t", w.bad
}
