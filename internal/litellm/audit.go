package litellm

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

const (
	auditTable   = "LiteLLM_AuditLog"
	deletedKeys  = "LiteLLM_DeletedVerificationToken"
	deletedTeams = "LiteLLM_DeletedTeamTable"
)

type auditRow struct {
	ID       string         `json:"id"`
	At       moment         `json:"updated_at"`
	Actor    string         `json:"changed_by"`
	ActorKey string         `json:"changed_by_api_key"`
	Action   string         `json:"action"`
	Table    string         `json:"table_name"`
	ObjectID string         `json:"object_id"`
	Before   jsontext.Value `json:"before_value"`
	After    jsontext.Value `json:"updated_values"`
}

// importAudit brings who changed what. Entries are never changed, so a run looks
// at those since a day before the last one of the run before.
func (im *importer) importAudit(ctx context.Context) error {
	im.done[auditTable] = true
	if !im.has(auditTable, "id") || !im.has(auditTable, "updated_at") {
		return nil
	}
	source, err := im.database(ctx)
	if err != nil {
		return err
	}
	var from, last time.Time
	if im.o.Target != nil {
		at, err := im.o.Target.AuditMark(ctx, source)
		if err != nil {
			return err
		}
		if last, err = time.Parse(time.RFC3339Nano, at); err == nil {
			from = last.Add(-overlap)
		}
	}
	rows, err := im.tx.QueryContext(ctx, "SELECT to_jsonb(t) FROM "+quoted(auditTable)+" t WHERE t.updated_at >= $1 ORDER BY t.updated_at, t.id", from) //nolint:gosec // G202: names of tables, ours and quoted
	if err != nil {
		return fmt.Errorf("read %s: %w", auditTable, err)
	}
	t := im.r.table(auditTable)
	var list []*gateway.AuditEntry
	flush := func() error {
		if im.o.Target != nil && len(list) > 0 {
			n, err := im.o.Target.ImportAudit(ctx, list)
			if err != nil {
				return err
			}
			t.Created += n
			t.Unchanged += int64(len(list)) - n
		}
		list = nil
		return nil
	}
	err = each(rows, func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		t.Read++
		m := &remarks{}
		var row auditRow
		if err := json.Unmarshal(raw, &row); err != nil {
			m.skip = "the row cannot be read: " + unreadable(err)
		}
		entry := row.entry(m)
		if m.skip == "" {
			list = append(list, entry)
			if entry.At.After(last) {
				last = entry.At
			}
		}
		written := *t
		t.count(short(row.ID), m, store.Unchanged)
		t.Unchanged = written.Unchanged // flush counts it
		if len(list) == batch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil && im.o.Target != nil && !last.IsZero() {
		err = im.o.Target.SetAuditMark(ctx, source, last.Format(time.RFC3339Nano))
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", auditTable, err)
	}
	return nil
}

// entry makes an entry of our audit log.
func (row *auditRow) entry(m *remarks) *gateway.AuditEntry {
	a := &gateway.AuditEntry{
		ID: row.ID, At: row.At.time("updated_at", m), Actor: row.Actor, ActorKey: row.ActorKey, Action: row.Action, Table: row.Table, ObjectID: row.ObjectID,
		Before: concealed(row.Before, m), After: concealed(row.After, m),
	}
	switch {
	case m.skip != "":
	case row.ID == "":
		m.skip = "the row has no id"
	case a.At.IsZero():
		m.skip = "its updated_at is no time"
	}
	// By these, admins of a team find what concerns it.
	switch row.Table {
	case teamsTable:
		a.TeamID = row.ObjectID
	case keysTable:
		a.KeyHash = row.ObjectID
		for _, values := range [...][]byte{a.After, a.Before} {
			var of struct {
				TeamID string `json:"team_id"`
			}
			if len(values) > 0 && json.Unmarshal(values, &of) == nil && of.TeamID != "" {
				a.TeamID = of.TeamID
				break
			}
		}
	}
	return a
}

// concealed returns the values of an entry without secrets: LiteLLM hides keys,
// and what is in the parameters of models only if they were sealed.
func concealed(v jsontext.Value, m *remarks) []byte {
	list := members(v)
	if list == nil {
		if k := v.Kind(); k != 0 && k != 'n' && !bytes.Equal(bytes.TrimSpace(v), []byte("{}")) {
			m.note("before_value or updated_values is no JSON object and left out")
		}
		return nil
	}
	for i, f := range list {
		all := f.name == "litellm_params" || f.name == "credential_values" || f.name == "password"
		hidden, err := secret.Mask(f.value, all, func(string) string { return "****" })
		if err != nil {
			hidden = jsontext.Value(`"****"`)
		}
		if all && f.value.Kind() == '"' {
			hidden = jsontext.Value(`"****"`)
		}
		list[i].value = hidden
	}
	whole, err := secret.Mask(joined(list), false, func(string) string { return "****" })
	if err != nil {
		return nil // it came out of a decoder
	}
	return whole
}
