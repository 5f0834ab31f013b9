package litellm

import (
	"cmp"
	"context"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/store"
)

// spentRow is what a row of any table says of what was spent.
type spentRow struct {
	ID        string
	Spend     dollars `json:"spend"`
	Total     dollars `json:"total_spend"`
	Duration  string  `json:"budget_duration"`
	ResetAt   moment  `json:"budget_reset_at"`
	BudgetID  string  `json:"budget_id"`
	CreatedAt moment  `json:"created_at"`
	Active    moment  `json:"last_active"`
	Token     string  `json:"token"`
	UserID    string  `json:"user_id"`
	TeamID    string  `json:"team_id"`
	OrgID     string  `json:"organization_id"`
	ProjectID string  `json:"project_id"`
	TagName   string  `json:"tag_name"`
	Group     string  `json:"access_group_name"`
}

// spentTable is a table whose rows have spent something.
type spentTable struct {
	table, by, scope string
	id               func(*spentRow) string
}

var spentTables = []spentTable{
	{keysTable, "token", store.Key, func(r *spentRow) string { return r.Token }},
	{usersTable, "user_id", store.User, func(r *spentRow) string { return r.UserID }},
	{teamsTable, "team_id", store.Team, func(r *spentRow) string { return r.TeamID }},
	{placesTable, "team_id, user_id", store.Member, func(r *spentRow) string { return gateway.MemberID(r.TeamID, r.UserID) }},
	{organizationsTable, "organization_id", store.Organization, func(r *spentRow) string { return r.OrgID }},
	{orgsTable, "organization_id, user_id", store.OrgMember, func(r *spentRow) string { return gateway.MemberID(r.OrgID, r.UserID) }},
	{projectsTable, "project_id", store.Project, func(r *spentRow) string { return r.ProjectID }},
	{endUsersTable, "user_id", store.EndUser, func(r *spentRow) string { return r.UserID }},
	{tagsTable, "tag_name", store.Tag, func(r *spentRow) string { return r.TagName }},
	{groupBudgetsTable, "access_group_name", store.AccessGroup, func(r *spentRow) string { return r.Group }},
}

// totals is the name under which the report has what was spent.
const totals = "spend totals"

// importSpend has our totals contain what LiteLLM says was spent. It comes after
// the calls, which have added to them already.
func (im *importer) importSpend(ctx context.Context) error {
	t := im.r.table(totals)
	var list []store.ImportedSpend
	flush := func() error {
		if im.o.Target != nil && len(list) > 0 {
			n, err := im.o.Target.ImportSpend(ctx, list)
			if err != nil {
				return err
			}
			t.Updated += int64(n)
			t.Unchanged += int64(len(list) - n)
		}
		list = list[:0]
		return nil
	}
	for _, st := range spentTables {
		err := read(ctx, im, st.table, st.by, "", func(_ []byte, row *spentRow, err error) error {
			id := st.id(row)
			if err != nil || im.gone[st.table+":"+id] && row.UserID != allUsers || st.scope == store.Member && im.gone[teamsTable+":"+row.TeamID] || st.scope == store.OrgMember && im.gone[organizationsTable+":"+row.OrgID] {
				return nil // its own table says why
			}
			m := &remarks{}
			s := im.spent(row, m)
			s.Scope, s.ID = st.scope, id
			if st.table == usersTable && row.UserID == allUsers {
				s.Scope, s.ID = store.Global, ""
			}
			if s.Total == 0 && s.Window == 0 && s.Active.IsZero() {
				return nil
			}
			t.Read++
			im.round(m)
			written := *t
			t.count(short(id), m, store.Unchanged)
			t.Unchanged = written.Unchanged
			list = append(list, s)
			if len(list) == batch {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return im.importWindows(ctx)
}

// spent makes ours of what a row says.
func (im *importer) spent(row *spentRow, m *remarks) store.ImportedSpend {
	window := max(row.Spend.spent("spend", m), 0)
	total := max(row.Total.spent("total_spend", m), window)
	duration, reset := row.Duration, row.ResetAt.time("budget_reset_at", m)
	if duration == "" {
		if b, ok := im.budgets[row.BudgetID]; ok {
			duration, reset = b.duration, b.reset
		}
	}
	s := store.ImportedSpend{Total: total, AtLeast: true, Window: window, Active: row.Active.time("last_active", m)}
	anchor := row.CreatedAt.time("created_at", m)
	if anchor.IsZero() {
		anchor = im.born[row.TeamID] // of a member
	}
	s.WindowStart, s.Duration = im.window(duration, reset, anchor, m)
	return s
}

type windowRow struct {
	Kind     string  `json:"entity_type"`
	ID       string  `json:"entity_id"`
	Duration string  `json:"window_duration"`
	Start    moment  `json:"window_start"`
	Spend    dollars `json:"spend"`
}

// windowScopes are the owners of further budget windows.
var windowScopes = map[string]string{"key": store.Key, "team": store.Team, "user": store.User, "organization": store.Organization}

// importWindows brings what was spent of further budgets (budget_limits).
func (im *importer) importWindows(ctx context.Context) error {
	const table = "LiteLLM_BudgetWindowSpend"
	t := im.r
	return read(ctx, im, table, "entity_type, entity_id, window_duration", "", func(_ []byte, row *windowRow, err error) error {
		tb := t.table(table)
		tb.Read++
		m := &remarks{}
		w, werr := limit.ParseWindow(row.Duration)
		scope, known := windowScopes[strings.ToLower(row.Kind)]
		at := row.Start.time("window_start", m)
		var start time.Time
		if werr == nil && err == nil {
			start, _ = w.Bounds(im.o.Now, time.Time{}, im.o.Calendar)
		}
		switch {
		case err != nil:
			m.skip = "the row cannot be read: " + unreadable(err)
		case werr != nil || !known:
			m.skip = "there is no such budget window here"
		case at.Before(start):
			m.skip = "the window is over"
		}
		outcome := store.Unchanged
		if m.skip == "" && im.o.Target != nil {
			changed, err := im.o.Target.ImportWindow(ctx, store.Owner{Scope: scope, ID: row.ID}, scope, row.ID, w.String(), start.UTC(), row.Spend.spent("spend", m))
			if err != nil {
				return err
			}
			if changed {
				outcome = store.Updated
			}
		}
		im.round(m)
		tb.count(short(cmp.Or(row.ID, row.Kind)), m, outcome)
		return nil
	})
}
