package litellm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

const callsTable = "LiteLLM_SpendLogs"

// callBatch is how many calls are booked in one transaction.
const callBatch = 2000

// overlap is how far a run goes back behind the last call of the one before:
// LiteLLM writes a call some time after it began.
const overlap = 24 * time.Hour

// callRow is a row of the spend logs, without what was said.
type callRow struct {
	ID         string         `json:"request_id"`
	Type       string         `json:"call_type"`
	Key        string         `json:"api_key"`
	Spend      dollars        `json:"spend"`
	Prompt     int64          `json:"prompt_tokens"`
	Completion int64          `json:"completion_tokens"`
	Start      moment         `json:"startTime"`
	End        moment         `json:"endTime"`
	First      moment         `json:"completionStartTime"`
	Model      string         `json:"model"`
	Deployment string         `json:"model_id"`
	Group      string         `json:"model_group"`
	Provider   string         `json:"custom_llm_provider"`
	User       string         `json:"user"`
	Team       string         `json:"team_id"`
	Org        string         `json:"organization_id"`
	EndUser    string         `json:"end_user"`
	Tags       jsontext.Value `json:"request_tags"`
	IP         string         `json:"requester_ip_address"`
	Session    string         `json:"session_id"`
	Status     string         `json:"status"`
	Facts      callFacts      `json:"facts"`
}

// callFacts are the parts of the metadata that are brought.
type callFacts struct {
	Project  string         `json:"project"`
	Usage    jsontext.Value `json:"usage"`
	Error    jsontext.Value `json:"error"`
	Retries  jsontext.Value `json:"retries"`
	Fallback jsontext.Value `json:"fallbacks"`
	Status   string         `json:"status"`
}

var callColumns = []string{
	"request_id", "call_type", "api_key", "spend", "prompt_tokens", "completion_tokens", "startTime", "endTime", "completionStartTime", "model", "model_id",
	"model_group", "custom_llm_provider", "user", "team_id", "organization_id", "end_user", "request_tags", "requester_ip_address", "session_id", "status",
}

// callsSQL selects calls from the time $1 on. The bodies of requests and answers
// stay where they are.
func (im *importer) callsSQL() string {
	var parts []string
	for _, c := range callColumns {
		if im.has(callsTable, c) {
			parts = append(parts, `'`+c+`', t."`+c+`"`)
		}
	}
	if im.has(callsTable, "metadata") {
		parts = append(parts, `'facts', CASE WHEN jsonb_typeof(t.metadata) = 'object' THEN jsonb_build_object(
			'project', CASE WHEN jsonb_typeof(t.metadata->'user_api_key_project_id') = 'string' THEN t.metadata->'user_api_key_project_id' END,
			'usage', t.metadata->'usage_object', 'error', t.metadata->'error_information', 'retries', t.metadata->'attempted_retries',
			'fallbacks', t.metadata->'attempted_fallbacks', 'status', CASE WHEN jsonb_typeof(t.metadata->'status') = 'string' THEN t.metadata->'status' END) END`)
	}
	return "SELECT jsonb_build_object(" + strings.Join(parts, ", ") + ") FROM " + quoted(callsTable) + ` t WHERE t."startTime" >= $1 ORDER BY t."startTime", t.request_id`
}

// source is a name for the source, by which a later run knows how far it was:
// its database and its first call.
func (im *importer) source(ctx context.Context) (string, error) {
	var database, first string
	err := im.tx.QueryRowContext(ctx, `SELECT current_database() || '/' || current_schema(),
		COALESCE((SELECT request_id FROM "LiteLLM_SpendLogs" ORDER BY "startTime", request_id LIMIT 1), '')`).Scan(&database, &first)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", callsTable, err)
	}
	sum := sha256.Sum256([]byte(database + "\n" + first))
	return hex.EncodeToString(sum[:16]), nil
}

func (im *importer) importCalls(ctx context.Context) error {
	im.done[callsTable] = true
	if im.tables[callsTable] == nil {
		return nil
	}
	t := im.r.table(callsTable)
	source, err := im.source(ctx)
	if err != nil {
		return err
	}
	from := time.Time{}
	if im.o.Target != nil {
		at, err := im.o.Target.ImportMark(ctx, source)
		if err != nil {
			return err
		}
		if last, err := time.Parse(time.RFC3339Nano, at); err == nil {
			from = last.Add(-overlap)
			im.r.Notes = append(im.r.Notes, "Calls up to "+last.Format(time.RFC3339)+" were brought before: this run looked at those since a day before that.")
		}
	}
	var of int64
	if err := im.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(callsTable)+` WHERE "startTime" >= $1`, from).Scan(&of); err != nil {
		return fmt.Errorf("count %s: %w", callsTable, err)
	}
	im.o.Progress(callsTable, 0, of)
	rows, err := im.tx.QueryContext(ctx, im.callsSQL(), from)
	if err != nil {
		return fmt.Errorf("read %s: %w", callsTable, err)
	}
	var list []spend.Row
	flush := func() error {
		if len(list) == 0 {
			return nil
		}
		if im.o.Target != nil {
			n, err := im.o.Target.BookImported(ctx, list, store.Mark{Source: source, At: list[len(list)-1].Start.Format(time.RFC3339Nano)})
			if err != nil {
				return err
			}
			t.Created += int64(n)
			t.Unchanged += int64(len(list) - n)
		}
		list = list[:0]
		im.o.Progress(callsTable, t.Read, of)
		return nil
	}
	err = each(rows, func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		t.Read++
		m := &remarks{}
		var row callRow
		if err := json.Unmarshal(raw, &row); err != nil {
			m.skip = "the row cannot be read: " + unreadable(err)
		}
		call := im.call(&row, m)
		im.round(m)
		// What was written is counted by flush.
		written := *t
		t.count(short(row.ID), m, store.Unchanged)
		t.Created, t.Unchanged = written.Created, written.Unchanged
		if m.skip == "" {
			list = append(list, call)
		}
		if len(list) == callBatch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", callsTable, err)
	}
	return nil
}

// operations are the names of LiteLLM's call types here; others lose the a of
// their asynchronous form.
var operations = map[string]gateway.Operation{
	"completion": gateway.Chat, "acompletion": gateway.Chat, "anthropic_messages": gateway.Chat, "aanthropic_messages": gateway.Chat,
	"embedding": gateway.Embed, "aembedding": gateway.Embed,
	"atext_completion": "text_completion", "aimage_generation": "image_generation", "aimage_edit": "image_edit", "atranscription": "transcription",
	"aspeech": "speech", "arerank": "rerank", "aresponses": "responses", "amoderation": "moderation",
}

// call makes a row of the books.
func (im *importer) call(row *callRow, m *remarks) spend.Row {
	r := spend.Row{
		CallID: row.ID, KeyHash: im.keyOf(row.Key), UserID: row.User, TeamID: row.Team, OrgID: row.Org, ProjectID: row.Facts.Project, EndUser: row.EndUser,
		Operation: gateway.Operation(row.Type), Group: row.Group, Model: row.Model, Provider: row.Provider, Deployment: row.Deployment,
		Session: row.Session, ClientIP: row.IP, Failed: cmp.Or(row.Status, row.Facts.Status) == "failure",
		Cost: row.Spend.spent("spend", m), Priced: true, Price: "litellm",
		Start: row.Start.time("startTime", m), End: row.End.time("endTime", m), FirstByte: row.First.time("completionStartTime", m),
		Usage: gateway.Usage{Prompt: max(row.Prompt, 0), Completion: max(row.Completion, 0)},
	}
	if op, ok := operations[row.Type]; ok {
		r.Operation = op
	}
	switch {
	case m.skip != "":
		return r
	case r.CallID == "":
		m.skip = "the row has no id"
	case r.Start.IsZero():
		m.skip = "its startTime is no time"
	case r.Cost < 0:
		m.skip = "its spend is negative"
	}
	if r.End.Before(r.Start) {
		r.End = r.Start
	}
	if row.Tags.Kind() == '[' && json.Unmarshal(row.Tags, &r.Tags) != nil {
		r.Tags = nil
		m.note("request_tags cannot be read and are left out")
	}
	im.usage(row, &r, m)
	if r.Failed {
		r.Kind = gateway.UpstreamFailed
		var e struct {
			Class   string `json:"error_class"`
			Message string `json:"error_message"`
		}
		if row.Facts.Error.Kind() == '{' && json.Unmarshal(row.Facts.Error, &e) == nil {
			r.Error = strings.Trim(e.Class+": "+e.Message, ": ")
		}
	}
	if n, err := whole(row.Facts.Retries); err == nil {
		r.Retries = int(min(n, 1000))
	}
	if n, err := whole(row.Facts.Fallback); err == nil {
		r.Fallbacks = int(min(n, 1000))
	}
	return r
}

// masterAlias is what calls of the master key stand under.
const masterAlias = "litellm_proxy_master_key"

// keyOf returns whose call it was, "" for the master key.
func (im *importer) keyOf(key string) string {
	if key == masterAlias {
		return ""
	}
	if im.o.MasterKey != "" {
		if sum := sha256.Sum256([]byte(im.o.MasterKey)); key == hex.EncodeToString(sum[:]) {
			return ""
		}
	}
	if strings.HasPrefix(key, "sk-") { // it was never meant to stand there
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	return key
}

func (im *importer) usage(row *callRow, r *spend.Row, m *remarks) {
	if row.Facts.Usage.Kind() != '{' {
		return
	}
	var u struct {
		CacheRead  *int64 `json:"cache_read_input_tokens"`
		CacheWrite *int64 `json:"cache_creation_input_tokens"`
		Prompt     struct {
			Cached *int64 `json:"cached_tokens"`
			Audio  *int64 `json:"audio_tokens"`
			Image  *int64 `json:"image_tokens"`
		} `json:"prompt_tokens_details"`
		Completion struct {
			Reasoning *int64 `json:"reasoning_tokens"`
			Audio     *int64 `json:"audio_tokens"`
			Image     *int64 `json:"image_tokens"`
		} `json:"completion_tokens_details"`
	}
	if json.Unmarshal(row.Facts.Usage, &u) != nil {
		m.note("the details of its usage cannot be read and are left out")
		return
	}
	of := func(all int64, n ...*int64) int64 {
		for _, p := range n {
			if p != nil && *p > 0 {
				return min(*p, all) // a part is never more than the whole
			}
		}
		return 0
	}
	p, c := r.Usage.Prompt, r.Usage.Completion
	r.Usage.CacheRead = of(p, u.Prompt.Cached, u.CacheRead)
	r.Usage.CacheWrite = of(p-r.Usage.CacheRead, u.CacheWrite)
	r.Usage.AudioIn, r.Usage.ImageIn = of(p, u.Prompt.Audio), of(p, u.Prompt.Image)
	r.Usage.Reasoning, r.Usage.AudioOut, r.Usage.ImageOut = of(c, u.Completion.Reasoning), of(c, u.Completion.Audio), of(c, u.Completion.Image)
}
