package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// callColumns are the columns of a call, those first that every call fills. A
// call that leaves the last ones empty is inserted without them: naming a
// column costs more than keeping it.
var callColumns = []string{
	"started_at", "call_id", "context", "cost", "prompt", "completion", "took", "first_byte", "why", "response_id", "client_ip",
	"cache_read", "end_user", "session_id", "tags",
	"reasoning", "error", "retries", "fallbacks", "cache_write", "cache_write_1h", "audio_in", "image_in", "audio_out", "image_out", "web_searches", "link",
}

// callWidths are how many columns an insert may name.
var callWidths = [...]int{11, 15, 27}

// maxText bounds the texts of a ledger row that stand in no index, in bytes.
const maxText = 500

// call is a row on its way into the database.
type call struct {
	row   *spend.Row
	c     *knownContext
	id    []byte // stored form
	start int64  // microseconds
}

// appendArgs appends the values of callColumns.
func (c *call) appendArgs(args []any, link *newLink) ([]any, error) {
	r := c.row
	tags := any(nil)
	if len(r.Tags) > 0 {
		list := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			list[i] = fitID(t)
		}
		text, err := encodeList("tags", list)
		if err != nil {
			return nil, err
		}
		tags = text
	}
	u := &r.Usage
	return append(args,
		c.start, c.id, c.c.id, int64(r.Cost), u.Prompt, u.Completion, offset(c.start, r.End), offset(c.start, r.FirstByte), bytesOrNull(r.Why),
		textOrNull(fitText(r.ResponseID, maxText)), textOrNull(fitText(r.ClientIP, maxText)),
		numberOrNull(u.CacheRead), textOrNull(fitID(r.EndUser)), textOrNull(fitText(r.Session, maxText)), tags,
		numberOrNull(u.Reasoning), textOrNull(fitText(r.Error, maxText)), numberOrNull(int64(r.Retries)), numberOrNull(int64(r.Fallbacks)),
		numberOrNull(u.CacheWrite), numberOrNull(u.CacheWrite1h), numberOrNull(u.AudioIn), numberOrNull(u.ImageIn),
		numberOrNull(u.AudioOut), numberOrNull(u.ImageOut), numberOrNull(u.WebSearches), link.arg(),
	), nil
}

// offset is the stored form of a time in a call: microseconds since its start.
func offset(start int64, t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t) - start
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func numberOrNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// callSelect reads calls with their contexts.
var callSelect = "SELECT " + "calls." + strings.Join(callColumns[:len(callColumns)-1], ", calls.") + ", contexts." + strings.Join(contextColumns, ", contexts.") + " FROM "

// Calls and their contexts are joined by cross joins because SQLite takes those in
// the order they stand in.
const (
	// walkCalls walks calls by their start, and each finds its context by number.
	walkCalls = "calls CROSS JOIN contexts"
	// contextCalls finds calls by their contexts.
	contextCalls = "contexts CROSS JOIN calls"
	joined       = "contexts.id = calls.context"
)

func scanCall(rows row) (spend.Row, error) {
	var r spend.Row
	var (
		start, ctx                                               int64
		id                                                       []byte
		took, first                                              sql.Null[int64]
		response, ip, endUser, session, tags, failure            sql.Null[string]
		cacheRead, reasoning, retries, fallbacks, write, write1h sql.Null[int64]
		audioIn, imageIn, audioOut, imageOut, searches           sql.Null[int64]
		groups                                                   string
	)
	u := &r.Usage
	err := rows.Scan(
		&start, &id, &ctx, &r.Cost, &u.Prompt, &u.Completion, &took, &first, &r.Why, &response, &ip, &cacheRead, &endUser, &session, &tags,
		&reasoning, &failure, &retries, &fallbacks, &write, &write1h, &audioIn, &imageIn, &audioOut, &imageOut, &searches,
		&r.KeyHash, &r.UserID, &r.TeamID, &r.OrgID, &r.ProjectID, &r.Operation, &r.Route, &r.Group, &r.Model, &r.Provider, &r.Deployment,
		&u.Tier, &r.Finish, &r.Kind, &r.Failed, &r.Interrupted, &r.Stream, &u.Estimated, &r.Priced, &r.Price, &r.Rate, &groups, &r.Agent)
	if err != nil {
		return spend.Row{}, err
	}
	r.CallID, r.Start = shownID(id), instant(start)
	if took.Valid {
		r.End = instant(start + took.V)
	}
	if first.Valid {
		r.FirstByte = instant(start + first.V)
	}
	r.ResponseID, r.ClientIP, r.EndUser, r.Session, r.Error = response.V, ip.V, endUser.V, session.V, failure.V
	r.Retries, r.Fallbacks = int(retries.V), int(fallbacks.V)
	u.CacheRead, u.Reasoning, u.CacheWrite, u.CacheWrite1h = cacheRead.V, reasoning.V, write.V, write1h.V
	u.AudioIn, u.ImageIn, u.AudioOut, u.ImageOut, u.WebSearches = audioIn.V, imageIn.V, audioOut.V, imageOut.V, searches.V
	if err := decode("access_groups", groups, &r.Through); err != nil {
		return spend.Row{}, err
	}
	return r, decode("tags", tags.V, &r.Tags)
}

// CallFilter selects ledger rows; what is empty selects nothing away.
type CallFilter struct {
	CallID string
	// RequestID is the id the client saw: the call's or the answer's.
	RequestID string
	KeyHash   string
	UserID    string
	TeamID    string
	EndUser   string
	Session   string
	From, To  time.Time // From <= start < To
	Limit     int       // default 100, at most 10,000
	Before    Cursor    // rows after this one in the list

	Model            string // the client's or the vendor's name of it
	Group            string // the client's
	Deployment       string
	Failed           *bool
	Kinds            []gateway.Kind // of failures, nil for all
	Error            string         // part of its text, in any case of ASCII letters, as Search
	MinCost, MaxCost *gateway.NanoUSD
	WithoutTag       string
	// Search is a part of a session, a model, a user, a customer, the answer's id or
	// the call's.
	Search string
}

// Cursor is the place of a row in the list, for the next page to start from.
type Cursor struct {
	Start  time.Time
	CallID string
}

// span is a range of starts in microseconds: from <= start < to.
type span struct{ from, to int64 }

// Calls returns ledger rows, the newest first. The budget windows of a row are
// not kept with it: they come back as zero.
func (db *DB) Calls(ctx context.Context, f CallFilter) ([]spend.Row, error) {
	out, err := db.find(ctx, f)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	if err := db.adjusted(ctx, out); err != nil {
		return nil, err
	}
	return out, nil
}

// adjusted fills in what was added to the costs of rows.
func (db *DB) adjusted(ctx context.Context, list []spend.Row) error {
	at := make(map[string]*spend.Row, len(list))
	for i := range list {
		at[list[i].CallID] = &list[i]
	}
	first, last := list[0].Start, list[0].Start
	for i := range list {
		if t := list[i].Start; t.Before(first) {
			first = t
		} else if t.After(last) {
			last = t
		}
	}
	rows, err := db.r.QueryContext(ctx, `SELECT call_id, cost FROM adjustments WHERE started_at >= $1 AND started_at <= $2`, micros(first), micros(last))
	err = results(rows, err, func(r *sql.Rows) error {
		var id []byte
		var cost gateway.NanoUSD
		if err := r.Scan(&id, &cost); err != nil {
			return err
		}
		if row := at[shownID(id)]; row != nil {
			row.Adjusted += cost
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read adjustments: %w", err)
	}
	return nil
}

// find is Calls without what was added later.
func (db *DB) find(ctx context.Context, f CallFilter) ([]spend.Row, error) {
	if f.RequestID != "" {
		// The call's own id tells where it stands; an answer's has an index.
		id := f.RequestID
		if f.RequestID = ""; f.CallID == "" || f.CallID == id {
			byCall := f
			byCall.CallID = id
			if out, err := db.find(ctx, byCall); err != nil || len(out) > 0 {
				return out, err
			}
		}
		var w where
		w.parts = append(w.parts, db.d.response)
		w.is("calls.response_id", fitText(id, maxText))
		return db.callsIn(ctx, walkCalls, &f, w, all(&f), nil)
	}
	w, spans, err := db.spansOf(ctx, &f)
	if err != nil {
		return nil, err
	}
	var out []spend.Row
	for _, s := range spans {
		before := len(out)
		if out, err = db.callsIn(ctx, walkCalls, &f, w, s, out); err != nil {
			return nil, err
		}
		if len(out) > before && len(out) >= (Page{Limit: f.Limit}).limit() {
			break
		}
	}
	return out, nil
}

// spansOf returns where in the table f's calls can stand, the newest span first.
func (db *DB) spansOf(ctx context.Context, f *CallFilter) (w where, spans []span, err error) {
	spans = []span{all(f)}
	switch t, ok := idTime(f.CallID); {
	case ok:
		spans[0] = span{max(spans[0].from, t.UnixMicro()), min(spans[0].to, t.UnixMicro()+1000)}
	case f.CallID != "":
		w.parts = append(w.parts, db.d.otherID)
	case db.d.daily:
		if spans, err = db.daysOf(ctx, f); err != nil {
			return w, nil, fmt.Errorf("read calls: %w", err)
		}
	}
	return w, spans, nil
}

const maxMicros = math.MaxInt64

// all is the span of f's own bounds.
func all(f *CallFilter) span {
	s := span{-maxMicros, maxMicros}
	if !f.From.IsZero() {
		s.from = micros(f.From)
	}
	if !f.To.IsZero() {
		s.to = micros(f.To)
	}
	if f.Before != (Cursor{}) {
		s.to = min(s.to, micros(f.Before.Start)+1)
	}
	return s
}

// daysOf returns the days on which f's owner had calls, the newest first, for a
// walk on SQLite: the daily sums know.
func (db *DB) daysOf(ctx context.Context, f *CallFilter) ([]span, error) {
	whole := all(f)
	for _, o := range []struct{ scope, id string }{{Key, f.KeyHash}, {User, f.UserID}, {Team, f.TeamID}, {EndUser, f.EndUser}} {
		if o.id == "" || !storable(o.id) {
			continue
		}
		rows, err := db.r.QueryContext(ctx, `SELECT DISTINCT day FROM daily WHERE scope = $1 AND id = $2 ORDER BY day DESC`, o.scope, fitID(o.id))
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var out []span
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return nil, err
			}
			day, err := time.Parse(time.DateOnly, text)
			if err != nil {
				return nil, fmt.Errorf("daily sums: %w", err)
			}
			s := span{max(whole.from, day.UnixMicro()), min(whole.to, day.AddDate(0, 0, 1).UnixMicro())}
			switch n := len(out); {
			case s.from >= s.to:
			case n > 0 && out[n-1].from == s.to:
				out[n-1].from = s.from
			default:
				out = append(out, s)
			}
		}
		return out, rows.Err()
	}
	return []span{whole}, nil
}

// callsIn appends f's rows of from within s to out, up to f's limit.
func (db *DB) callsIn(ctx context.Context, from string, f *CallFilter, w where, s span, out []spend.Row) ([]spend.Row, error) {
	f.where(&w, db.d, s)
	if f.Before != (Cursor{}) {
		w.parts = append(w.parts, "(calls.started_at, calls.call_id) < ("+w.arg(micros(f.Before.Start))+", "+w.arg(storedID(f.Before.CallID))+")")
	}
	limit := w.arg(Page{Limit: f.Limit}.limit() - len(out))
	return db.callRows(ctx, from, &w, " ORDER BY calls.started_at DESC, calls.call_id DESC LIMIT "+limit, out)
}

// callRows appends the rows of from that w selects to out.
func (db *DB) callRows(ctx context.Context, from string, w *where, tail string, out []spend.Row) ([]spend.Row, error) {
	if w.bad != nil {
		return nil, w.bad
	}
	rows, err := db.r.QueryContext(ctx, callSelect+from+w.sql()+tail, w.args...)
	err = results(rows, err, func(rows *sql.Rows) error {
		r, err := scanCall(rows)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	return out, nil
}

// ofContexts reports whether f selects contexts of calls.
func (f *CallFilter) ofContexts() bool {
	return f.KeyHash != "" || f.UserID != "" || f.TeamID != "" || f.Group != "" || f.Deployment != "" || f.Model != "" || f.Failed != nil || f.Kinds != nil
}

// contexts adds the conditions on contexts of calls to w.
func (f *CallFilter) contexts(w *where) {
	w.is("contexts.key_hash", f.KeyHash)
	w.is("contexts.user_id", f.UserID)
	w.is("contexts.team_id", f.TeamID)
	w.is("contexts.model_group", f.Group)
	w.is("contexts.deployment_id", f.Deployment)
	if f.Model != "" {
		w.either(func(w *where) {
			w.is("contexts.model", f.Model)
			w.is("contexts.model_group", f.Model)
		})
	}
	if f.Failed != nil {
		w.parts = append(w.parts, "contexts.failed = "+w.arg(*f.Failed))
	}
	if f.Kinds != nil {
		w.parts = append(w.parts, "contexts.failed")
		kinds := []string{"NULL"}
		for _, k := range f.Kinds {
			kinds = append(kinds, w.arg(int64(k)))
		}
		w.parts = append(w.parts, "contexts.kind IN ("+strings.Join(kinds, ", ")+")")
	}
}

// where adds f's conditions to w, but for RequestID and Before.
func (f *CallFilter) where(w *where, d dialect, s span) {
	w.parts = append([]string{joined}, w.parts...)
	if f.CallID != "" {
		w.parts = append(w.parts, "calls.call_id = "+w.arg(storedID(f.CallID)))
	}
	f.contexts(w)
	w.is("calls.end_user", f.EndUser)
	w.is("calls.session_id", f.Session)
	w.contains(f.Error, "calls.error")
	if f.MinCost != nil {
		w.parts = append(w.parts, "calls.cost >= "+w.arg(int64(*f.MinCost)))
	}
	if f.MaxCost != nil {
		w.parts = append(w.parts, "calls.cost <= "+w.arg(int64(*f.MaxCost)))
	}
	if f.WithoutTag != "" {
		w.parts = append(w.parts, "(calls.tags IS NULL OR calls.tags NOT LIKE "+w.text("tag", `%"`+escapeLike(f.WithoutTag)+`"%`)+` ESCAPE '\')`)
	}
	if f.Search != "" {
		w.either(func(w *where) {
			w.contains(f.Search, "calls.session_id", "contexts.model", "contexts.user_id", "calls.end_user", "calls.response_id")
			// Ids of calls are UUIDs, of which the hyphens are not stored.
			if id := strings.ToLower(strings.ReplaceAll(f.Search, "-", "")); id != "" && strings.Trim(id, "0123456789abcdef") == "" && len(id) <= 32 {
				w.parts = append(w.parts, d.hexID+" LIKE "+w.arg("%"+id+"%"))
			}
			w.parts = append(w.parts, "calls.call_id = "+w.arg(storedID(f.Search)))
		})
	}
	w.parts = append(w.parts, "calls.started_at >= "+w.arg(s.from), "calls.started_at < "+w.arg(s.to))
}
