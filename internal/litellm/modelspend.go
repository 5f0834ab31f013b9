package litellm

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/store"
)

// modelSpend is the name under which the report has what was spent of budgets
// for one model.
const modelSpend = "model budgets"

// modelBudgets are the budgets for single models that somebody has.
type modelBudgets struct {
	scope   limit.Scope
	models  map[string]gateway.ModelLimits
	shared  string    // budget that has them, if they have none of their own
	created time.Time // of the owner: windows of several days count from there
}

// budgeted remembers whose budgets for single models have to be filled in.
func (im *importer) budgeted(kind limit.ScopeKind, id string, l *gateway.Limits, shared string, created time.Time) {
	b := modelBudgets{scope: limit.Scope{Kind: kind, ID: id}, models: l.Models, shared: shared, created: created}
	if shared != "" && !hasBudget(l.Models) {
		b.models = im.budgets[shared].models
	}
	if hasBudget(b.models) {
		im.modelBudgets = append(im.modelBudgets, b)
	}
}

func hasBudget(models map[string]gateway.ModelLimits) bool {
	for _, m := range models {
		if m.Budget != nil {
			return true
		}
	}
	return false
}

// callColumn is what a call has of those who have budgets for single models,
// and dayColumn what the daily sums of calls have.
var callColumn = map[limit.ScopeKind]string{limit.KeyScope: "api_key", limit.UserScope: "user", limit.TeamScope: "team_id", limit.EndUserScope: "end_user"}

var dayColumn = map[limit.ScopeKind]struct{ table, column string }{
	limit.KeyScope: {usersDays, "api_key"}, limit.UserScope: {usersDays, "user_id"},
	limit.TeamScope: {"LiteLLM_DailyTeamSpend", "team_id"}, limit.EndUserScope: {"LiteLLM_DailyEndUserSpend", "end_user_id"},
}

// importModelSpend fills budgets for single models. LiteLLM counts these in
// memory and Redis only, so what was spent is added up from the calls since the
// window began, or from the daily sums if they say more: calls may be deleted.
func (im *importer) importModelSpend(ctx context.Context) error {
	t := im.r.table(modelSpend)
	spent := map[spentKey]map[string]map[string]gateway.NanoUSD{} // id, model
	for i := range im.modelBudgets {
		b := &im.modelBudgets[i]
		if im.gone[ownerTable[b.scope.Kind]+":"+b.scope.ID] {
			continue // its row was refused
		}
		for _, model := range sortedKeys(b.models) {
			budget := b.models[model].Budget
			if budget == nil {
				continue
			}
			w, err := limit.ParseWindow(budget.Duration)
			if err != nil {
				continue // no duration was said to count for ever when it was read
			}
			start, _ := w.Bounds(im.o.Now, b.created, im.o.Calendar)
			k := spentKey{b.scope.Kind, start.UTC()}
			if spent[k] == nil {
				if spent[k], err = im.spentByModel(ctx, k); err != nil {
					return err
				}
			}
			t.Read++
			n := matching(model, budget.Duration, spent[k][b.scope.ID])
			outcome := store.Unchanged
			if im.o.Target != nil && (n != 0 || !start.IsZero()) {
				changed, err := im.o.Target.ImportWindow(ctx, store.Owner{Scope: limit.Scopes[b.scope.Kind].Books, ID: b.scope.String()}, limit.Scopes[b.scope.Kind].Model, b.scope.String()+":"+model, w.String(), start.UTC(), n)
				if err != nil {
					return err
				}
				if changed {
					outcome = store.Updated
				}
			}
			m := &remarks{}
			m.note("LiteLLM keeps this count in memory: it was added up from the calls since the window began")
			t.count(short(b.scope.ID), m, outcome)
		}
	}
	return nil
}

// ownerTable is where the owners of budgets stand.
var ownerTable = map[limit.ScopeKind]string{limit.KeyScope: keysTable, limit.UserScope: usersTable, limit.TeamScope: teamsTable, limit.EndUserScope: endUsersTable}

// matching adds up what was spent of the models that a budget is for.
func matching(pattern, duration string, spent map[string]gateway.NanoUSD) (n gateway.NanoUSD) {
	w, err := limit.ParseWindow(duration)
	if err != nil {
		return 0
	}
	set := limit.NewSet(limit.Scope{}, "", time.Time{}, limit.Limit{Kind: limit.Money, Model: pattern, Window: w})
	for model, cost := range spent {
		if len(set.Takes(nil, model)) > 0 {
			n += cost
		}
	}
	return n
}

type spentKey struct {
	kind  limit.ScopeKind
	start time.Time
}

// spentByModel returns what owners have spent of each model since k.start, by
// their ids and the names that clients asked for.
func (im *importer) spentByModel(ctx context.Context, k spentKey) (map[string]map[string]gateway.NanoUSD, error) {
	var ids []string
	for i := range im.modelBudgets {
		if b := &im.modelBudgets[i]; b.scope.Kind == k.kind {
			ids = append(ids, b.scope.ID)
		}
	}
	out := map[string]map[string]gateway.NanoUSD{}
	add := func(query string, args ...any) error {
		rows, err := im.tx.QueryContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("add up what was spent by model: %w", err)
		}
		return each(rows, func(r *sql.Rows) error {
			var id, model string
			var cost gateway.NanoUSD
			if err := r.Scan(&id, &model, &cost); err != nil {
				return err
			}
			if out[id] == nil {
				out[id] = map[string]gateway.NanoUSD{}
			}
			out[id][model] = max(out[id][model], cost)
			return nil
		})
	}
	name := "COALESCE(NULLIF(t.model_group, ''), t.model, '')"
	if column := callColumn[k.kind]; im.has(callsTable, column) && im.has(callsTable, "model_group") {
		err := add(`SELECT t.`+quoted(column)+`, `+name+`, `+nanoSum("t.spend")+` FROM `+quoted(callsTable)+` t
			WHERE t."startTime" >= $1 AND t.`+quoted(column)+` = ANY($2) GROUP BY 1, 2`, k.start, ids)
		if err != nil {
			return nil, err
		}
	}
	// A window that does not begin with a day cannot be told from days.
	d := dayColumn[k.kind]
	if whole := k.start.Truncate(24 * time.Hour).Equal(k.start); whole && im.has(d.table, d.column) && im.has(d.table, "model_group") {
		err := add(`SELECT t.`+quoted(d.column)+`, `+name+`, `+nanoSum("t.spend")+` FROM `+quoted(d.table)+` t
			WHERE t.date BETWEEN $1 AND '9999' AND t.`+quoted(d.column)+` = ANY($2) GROUP BY 1, 2`, k.start.Format(time.DateOnly), ids)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nanoSum adds up a column of dollars, without NaN and what no money can be.
func nanoSum(column string) string {
	return "COALESCE(SUM(CASE WHEN " + column + " BETWEEN 0 AND 1e9 THEN round(" + column + "::numeric * 1000000000) ELSE 0 END), 0)::bigint"
}
