package admin

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// auditRow is an entry of the audit log.
type auditRow struct {
	ID        string         `json:"id"`
	UpdatedAt *time.Time     `json:"updated_at"`
	ChangedBy string         `json:"changed_by"`
	Key       string         `json:"changed_by_api_key"`
	Action    string         `json:"action"`
	Table     string         `json:"table_name"`
	ObjectID  string         `json:"object_id"`
	Before    jsontext.Value `json:"before_value"`
	After     jsontext.Value `json:"updated_values"`
	ClientIP  *string        `json:"client_ip"`
	URL       *string        `json:"request_url"`
}

func newAuditRow(e *gateway.AuditEntry) *auditRow {
	return &auditRow{
		e.ID, stamp(e.At), e.Actor, e.ActorKey, e.Action, e.Table, e.ObjectID, objOrNull(e.Before), objOrNull(e.After), text(e.ClientIP), text(e.RequestURL),
	}
}

type auditPage struct {
	Entries    []*auditRow `json:"audit_logs"`
	Total      int         `json:"total"`
	Page       int         `json:"page"`
	PageSize   int         `json:"page_size"`
	TotalPages int         `json:"total_pages"`
}

// listAudit shows who changed what, page by page.
func (a *API) listAudit(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 10, 1, 100)
	days := q.dates()
	f := store.AuditFilter{
		Actor: q.text("changed_by"), ActorKey: q.text("changed_by_api_key"), Action: q.text("action"), Table: q.text("table_name"), ObjectID: q.text("object_id"),
		TeamID: q.text("object_team_id"), KeyHash: q.text("object_key_hash"), Search: q.text("search"), From: days.from, To: days.to,
	}
	if strings.HasPrefix(f.ActorKey, "sk-") {
		f.ActorKey = keyHash(f.ActorKey)
	}
	if f.KeyHash != "" {
		f.KeyHash = keyHash(f.KeyHash)
	}
	order := store.Page{
		Offset: (page - 1) * size, Limit: size,
		Sort: q.oneOf("sort_by", "updated_at", "updated_at", "created_at", "changed_by", "action", "table_name", "object_id"),
		Desc: q.oneOf("sort_order", "desc", "asc", "desc") == "desc",
	}
	if q.err != nil {
		return nil, q.err
	}
	entries, total, err := a.store.ListAudit(r.Context(), f, order)
	if err != nil {
		return nil, err
	}
	out := &auditPage{Entries: []*auditRow{}, Total: total, Page: page, PageSize: size, TotalPages: (total + size - 1) / size}
	for _, e := range entries {
		out.Entries = append(out.Entries, newAuditRow(e))
	}
	return out, nil
}

func (a *API) auditEntry(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	id := r.PathValue("id")
	e, err := a.store.AuditEntry(r.Context(), id)
	if err != nil {
		return nil, notFound(err, "id", "Audit log entry not found, id=%s", shorten([]byte(id)))
	}
	return newAuditRow(e), nil
}
