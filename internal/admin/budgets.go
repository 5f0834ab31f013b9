package admin

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// budgetFields are the fields of /budget/new and /budget/update.
type budgetFields struct {
	limitFields
	ID            Opt[string]   `json:"budget_id"`
	AllowedModels Opt[[]string] `json:"allowed_models"`
	unknown
}

// unknownFields names the spend too: a budget is shared, and spends nothing itself.
func (f budgetFields) unknownFields() map[string]jsontext.Value {
	fields := f.unknownLimits(f.Unknown)
	if f.Spend.Has() {
		fields = maps.Clone(fields)
		if fields == nil {
			fields = map[string]jsontext.Value{}
		}
		fields["spend"] = jsontext.Value(f.Spend.Value.String())
	}
	return fields
}

// check refuses what no budget can be.
func (f *budgetFields) check(now time.Time) error {
	if err := checkText("budget_id", f.ID.Value); err != nil {
		return err
	}
	if err := checkTexts("allowed_models", f.AllowedModels.Value); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in b what was sent; null clears.
func (f *budgetFields) apply(b *gateway.Budget, now time.Time) {
	setList(&b.AllowedModels, f.AllowedModels)
	f.limitFields.apply(&b.Limits, now)
}

// storedBudgetRow is a shared budget as the management API shows it.
type storedBudgetRow struct {
	budgetRow
	CreatedAt *time.Time `json:"created_at"`
	CreatedBy *string    `json:"created_by"`
	UpdatedAt *time.Time `json:"updated_at"`
	UpdatedBy *string    `json:"updated_by"`
}

func (a *API) storedBudgetRow(b *gateway.Budget) *storedBudgetRow {
	return &storedBudgetRow{*a.budgetOf(b), stamp(b.CreatedAt), text(b.CreatedBy), stamp(b.UpdatedAt), text(b.UpdatedBy)}
}

func (a *API) newBudget(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f budgetFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	b := &gateway.Budget{ID: f.ID.Or(""), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if b.ID == "" {
		b.ID = uuid.NewString()
	}
	f.apply(b, now)
	e := a.entry(r, p, created, budgetTable, b.ID)
	e.After = snapshot(a.storedBudgetRow(b))
	if err := a.store.CreateBudget(store.Audited(ctx, e), b); err != nil {
		return nil, taken(err, invalid("budget_id", "Budget with id '%s' already exists.", b.ID))
	}
	return a.storedBudgetRow(b), a.changed(ctx, Change{Entity: BudgetEntity, ID: b.ID})
}

// updateBudget changes a budget for all that refer to it.
func (a *API) updateBudget(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f budgetFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now, id := r.Context(), a.now(), f.ID.Or("")
	if id == "" {
		return nil, invalid("budget_id", "budget_id is required: say which budget to change")
	}
	if err := f.check(now); err != nil {
		return nil, err
	}
	e := a.entry(r, p, changed, budgetTable, id)
	b, err := a.store.UpdateBudget(store.Audited(ctx, e), id, func(b *gateway.Budget) error {
		e.Before = snapshot(a.storedBudgetRow(b))
		f.apply(b, now)
		b.UpdatedAt, b.UpdatedBy = now, actor(p)
		e.After = snapshot(a.storedBudgetRow(b))
		return nil
	})
	if project, ok := strings.CutPrefix(id, ownBudgetPrefix); ok && errors.Is(err, store.ErrNotFound) {
		return a.changeOwnBudget(r, p, project, &f)
	}
	if err != nil {
		return nil, noBudget(err, "budget_id", id)
	}
	return a.storedBudgetRow(b), a.changed(ctx, Change{Entity: BudgetEntity, ID: id})
}

// changeOwnBudget changes the limits of a project under their name as a budget.
func (a *API) changeOwnBudget(r *http.Request, p *gateway.Principal, project string, f *budgetFields) (*storedBudgetRow, error) {
	own := projectFields{limitFields: f.limitFields, ID: Opt[string]{Sent: true, Value: project}}
	own.Spend = Opt[usd]{} // no budget's business
	j, err := a.changeProject(r, p, &own)
	if err != nil {
		return nil, err
	}
	return a.storedBudgetRow(&gateway.Budget{
		ID: ownBudget(j.ID), Limits: j.Limits, CreatedAt: j.CreatedAt, CreatedBy: j.CreatedBy, UpdatedAt: j.UpdatedAt, UpdatedBy: j.UpdatedBy,
	}), nil
}

func noBudget(err error, field, id string) error {
	return notFound(err, field, "Budget not found, passed budget_id=%s", id)
}

// budgetsBody is the body of POST /budget/info.
type budgetsBody struct {
	IDs Opt[[]string] `json:"budgets"`
	unknown
}

// budgetInfo shows those of the named budgets that there are.
func (a *API) budgetInfo(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	var b budgetsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if len(b.IDs.Value) == 0 {
		return nil, invalid("budgets", "Specify list of budget id's to query. Passed in=[]")
	}
	ids, err := idList("budgets", b.IDs.Value)
	if err != nil {
		return nil, err
	}
	return a.budgetRows(w, r, store.BudgetFilter{IDs: ids}, store.Page{Limit: maxListed})
}

func (a *API) listBudgets(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	f, page := store.BudgetFilter{Search: q.text("search")}, q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	return a.budgetRows(w, r, f, page)
}

func (a *API) budgetRows(w http.ResponseWriter, r *http.Request, f store.BudgetFilter, page store.Page) (any, error) {
	budgets, total, err := a.store.ListBudgets(r.Context(), f, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(budgets), total)
	rows := []*storedBudgetRow{}
	for _, b := range budgets {
		rows = append(rows, a.storedBudgetRow(b))
	}
	return rows, nil
}

// settingRow is a field of a budget, for forms that show it.
type settingRow struct {
	Name        string `json:"field_name"`
	Type        string `json:"field_type"`
	Description string `json:"field_description"`
	Value       any    `json:"field_value"`
	Stored      *bool  `json:"stored_in_db"`
	Default     none   `json:"field_default_value"`
}

// budgetSettings shows a budget field by field.
func (a *API) budgetSettings(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("budget_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("budget_id", "budget_id is missing: say which budget to show with ?budget_id=")
	}
	b, err := a.store.Budget(r.Context(), id)
	if err != nil {
		return nil, noBudget(err, "budget_id", id)
	}
	row := a.storedBudgetRow(b)
	yes := new(bool)
	*yes = true
	one := func(name, typ, description string, value any, set bool) settingRow {
		s := settingRow{Name: name, Type: typ, Description: description}
		if set {
			s.Value, s.Stored = value, yes
		}
		return s
	}
	return []settingRow{
		one("max_parallel_requests", "Integer", "Calls that may run at the same time.", row.Parallel, row.Parallel != nil),
		one("tpm_limit", "Integer", "Tokens per minute.", row.TPM, row.TPM != nil),
		one("rpm_limit", "Integer", "Calls per minute.", row.RPM, row.RPM != nil),
		one("tpd_limit", "Integer", "Tokens per day.", row.TPD, row.TPD != nil),
		one("budget_duration", "String", "After how long what was spent starts at nothing again, like 30d.", row.BudgetDuration, row.BudgetDuration != nil),
		one("max_budget", "Float", "US dollars that may be spent, after which calls are refused.", row.MaxBudget, row.MaxBudget != nil),
		one("soft_budget", "Float", "US dollars after which somebody is told.", row.SoftBudget, row.SoftBudget != nil),
		one("model_max_budget", "Object", "US dollars that may be spent on each model.", row.ModelMaxBudget, len(row.ModelMaxBudget) > 0),
	}, nil
}

// budgetIDBody is the body of POST /budget/delete.
type budgetIDBody struct {
	ID Opt[string] `json:"id"`
	unknown
}

// deleteBudget deletes a budget: who refers to it has no limits from it any more.
func (a *API) deleteBudget(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b budgetIDBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, id := r.Context(), b.ID.Or("")
	if id == "" {
		return nil, malformed("id", "id is missing: say which budget to delete")
	}
	have, err := a.store.Budget(ctx, id)
	if err != nil {
		return nil, noBudget(err, "id", id)
	}
	row := a.storedBudgetRow(have)
	e := a.entry(r, p, removed, budgetTable, id)
	e.Before = snapshot(row)
	if _, err := a.store.DeleteBudgets(store.Audited(ctx, e), []string{id}); err != nil {
		return nil, err
	}
	return row, a.changed(ctx, Change{Entity: BudgetEntity, ID: id, Deleted: true})
}
