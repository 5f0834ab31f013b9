package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

var callColumns = []string{
	"call_id", "response_id", "key_hash", "user_id", "team_id", "org_id", "end_user", "tags",
	"operation", "route", "model_group", "model", "provider", "deployment_id", "session_id", "client_ip",
	"failed", "kind", "error", "interrupted", "streamed", "finish", "retries", "fallbacks",
	"prompt", "cache_read", "cache_write", "cache_write_1h", "audio_in", "image_in",
	"completion", "reasoning", "audio_out", "image_out", "web_searches", "tier", "estimated",
	"cost", "priced", "price", "started_at", "first_byte_at", "ended_at",
}

var callsHead = "INSERT INTO calls (" + strings.Join(callColumns, ", ") + ")"

// maxText bounds the texts of a ledger row that stand in no index, in bytes.
const maxText = 500

// fitRow returns r with every text in a form that the database can keep.
func fitRow(r spend.Row) spend.Row {
	for _, id := range []*string{&r.CallID, &r.KeyHash, &r.UserID, &r.TeamID, &r.OrgID, &r.EndUser, &r.Model, &r.Group, &r.Provider} {
		*id = fitID(*id)
	}
	for _, text := range []*string{&r.ResponseID, &r.Route, &r.Deployment, &r.Session, &r.ClientIP, &r.Error, &r.Finish, &r.Usage.Tier, &r.Price} {
		*text = fitText(*text, maxText)
	}
	r.Operation = gateway.Operation(fitText(string(r.Operation), maxText))
	if len(r.Tags) > 0 {
		tags := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			tags[i] = fitID(t)
		}
		r.Tags = tags
	}
	return r
}

func callArgs(r *spend.Row) ([]any, error) {
	tags, err := encodeList("tags", r.Tags)
	if err != nil {
		return nil, err
	}
	u := &r.Usage
	return []any{
		r.CallID, r.ResponseID, r.KeyHash, r.UserID, r.TeamID, r.OrgID, r.EndUser, tags,
		string(r.Operation), r.Route, r.Group, r.Model, r.Provider, r.Deployment, r.Session, r.ClientIP,
		r.Failed, int64(r.Kind), r.Error, r.Interrupted, r.Stream, r.Finish, int64(r.Retries), int64(r.Fallbacks),
		u.Prompt, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.ImageIn,
		u.Completion, u.Reasoning, u.AudioOut, u.ImageOut, u.WebSearches, u.Tier, u.Estimated,
		int64(r.Cost), r.Priced, r.Price, micros(r.Start), micros(r.FirstByte), micros(r.End),
	}, nil
}

func scanCall(rows row) (spend.Row, error) {
	var r spend.Row
	var tags string
	var start, first, end int64
	u := &r.Usage
	err := rows.Scan(
		&r.CallID, &r.ResponseID, &r.KeyHash, &r.UserID, &r.TeamID, &r.OrgID, &r.EndUser, &tags,
		&r.Operation, &r.Route, &r.Group, &r.Model, &r.Provider, &r.Deployment, &r.Session, &r.ClientIP,
		&r.Failed, &r.Kind, &r.Error, &r.Interrupted, &r.Stream, &r.Finish, &r.Retries, &r.Fallbacks,
		&u.Prompt, &u.CacheRead, &u.CacheWrite, &u.CacheWrite1h, &u.AudioIn, &u.ImageIn,
		&u.Completion, &u.Reasoning, &u.AudioOut, &u.ImageOut, &u.WebSearches, &u.Tier, &u.Estimated,
		&r.Cost, &r.Priced, &r.Price, &start, &first, &end)
	if err != nil {
		return spend.Row{}, err
	}
	r.Start, r.FirstByte, r.End = instant(start), instant(first), instant(end)
	return r, decode("tags", tags, &r.Tags)
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
}

// Cursor is the place of a row in the list, for the next page to start from.
type Cursor struct {
	Start  time.Time
	CallID string
}

// Calls returns ledger rows, the newest first. The budget windows of a row are
// not kept with it: they come back as zero.
func (db *DB) Calls(ctx context.Context, f CallFilter) ([]spend.Row, error) {
	var w where
	w.is("call_id", f.CallID)
	w.is("key_hash", f.KeyHash)
	w.is("user_id", f.UserID)
	w.is("team_id", f.TeamID)
	w.is("end_user", f.EndUser)
	w.is("session_id", f.Session)
	w.either(func(w *where) {
		w.is("call_id", f.RequestID)
		w.is("response_id", f.RequestID)
	})
	if !f.From.IsZero() {
		w.parts = append(w.parts, "started_at >= "+w.arg(micros(f.From)))
	}
	if !f.To.IsZero() {
		w.parts = append(w.parts, "started_at < "+w.arg(micros(f.To)))
	}
	if f.Before != (Cursor{}) {
		w.parts = append(w.parts, "(started_at, call_id) < ("+w.arg(micros(f.Before.Start))+", "+w.text("before", f.Before.CallID)+")")
	}
	if w.bad != nil {
		return nil, w.bad
	}
	limit := w.arg(Page{Limit: f.Limit}.limit())
	rows, err := db.r.QueryContext(ctx, "SELECT "+strings.Join(callColumns, ", ")+" FROM calls"+w.sql()+ //nolint:gosec // G202: the text is ours, values are parameters
		" ORDER BY started_at DESC, call_id DESC LIMIT "+limit, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	defer rows.Close()
	var out []spend.Row
	for rows.Next() {
		r, err := scanCall(rows)
		if err != nil {
			return nil, fmt.Errorf("read calls: %w", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	return out, nil
}
