package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// customerFields are the fields of /customer/new and /customer/update.
type customerFields struct {
	limitFields
	ID           Opt[string]   `json:"user_id"`
	Alias        Opt[string]   `json:"alias"`
	Blocked      Opt[bool]     `json:"blocked"`
	BudgetID     Opt[string]   `json:"budget_id"`
	Region       Opt[string]   `json:"allowed_model_region"`
	DefaultModel Opt[string]   `json:"default_model"`
	Models       Opt[[]string] `json:"models"`
	unknown
}

func (f customerFields) unknownFields() map[string]jsontext.Value {
	return f.unknownLimits(f.Unknown)
}

// check refuses what no customer can be.
func (f *customerFields) check(now time.Time) error {
	if f.ID.Or("") == "" {
		return malformed("user_id", "user_id is missing: say which customer")
	}
	for _, t := range []struct{ name, value string }{
		{"user_id", f.ID.Value}, {"alias", f.Alias.Value}, {"budget_id", f.BudgetID.Value}, {"default_model", f.DefaultModel.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	if region := f.Region.Or(""); region != "" && region != "eu" && region != "us" {
		return malformed("allowed_model_region", "allowed_model_region: want eu or us, got '%s'", shorten([]byte(region)))
	}
	if err := checkTexts("models", f.Models.Value); err != nil {
		return err
	}
	if err := f.oneBudget(f.BudgetID); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in c what was sent; null clears.
func (f *customerFields) apply(c *gateway.EndUser, now time.Time) {
	setText(&c.Alias, f.Alias)
	setText(&c.BudgetID, f.BudgetID)
	setText(&c.Region, f.Region)
	setText(&c.DefaultModel, f.DefaultModel)
	setList(&c.Models, f.Models)
	if f.Blocked.Sent {
		c.Blocked = f.Blocked.Or(false)
	}
	f.limitFields.apply(&c.Limits, now)
}

// customerRow is a customer as the management API shows it.
type customerRow struct {
	UserID       string     `json:"user_id"`
	Blocked      bool       `json:"blocked"`
	Alias        *string    `json:"alias"`
	Spend        usd        `json:"spend"`
	TotalSpend   usd        `json:"total_spend"`
	Region       *string    `json:"allowed_model_region"`
	DefaultModel *string    `json:"default_model"`
	Models       []string   `json:"models"`
	BudgetID     *string    `json:"budget_id"`
	BudgetTable  *budgetRow `json:"litellm_budget_table"`
	ObjPermID    none       `json:"object_permission_id"`
	ObjPerm      none       `json:"object_permission"`
	CreatedAt    *time.Time `json:"created_at"`
	UpdatedAt    *time.Time `json:"updated_at"`
}

func (a *API) customerRow(c *gateway.EndUser) *customerRow {
	return &customerRow{
		UserID: c.ID, Blocked: c.Blocked, Alias: text(c.Alias), TotalSpend: usd(c.Spend.Total),
		Spend:  a.spend(EndUserEntity, c.ID, &c.Spend, &c.Limits, c.BudgetID, c.CreatedAt),
		Region: text(c.Region), DefaultModel: text(c.DefaultModel), Models: list(c.Models),
		BudgetID: text(c.BudgetID), BudgetTable: a.budgetTable(c.BudgetID, &c.Limits, c.CreatedAt),
		CreatedAt: stamp(c.CreatedAt), UpdatedAt: stamp(c.UpdatedAt),
	}
}

// newCustomer makes a customer. What it has spent before it was known stays.
func (a *API) newCustomer(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f customerFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	if err := a.budgetExists(ctx, "budget_id", f.BudgetID.Or("")); err != nil {
		return nil, err
	}
	c := &gateway.EndUser{ID: f.ID.Value, CreatedAt: now, UpdatedAt: now}
	f.apply(c, now)
	if f.Spend.Has() {
		a.setSpend(&c.Spend, &c.Limits, gateway.NanoUSD(f.Spend.Value), now, now)
		c.Spend.Total = c.Spend.Window
	}
	e := a.entry(r, p, created, endUserTable, c.ID)
	e.After = snapshot(a.customerRow(c))
	if err := a.store.CreateEndUser(store.Audited(ctx, e), c); err != nil {
		dup := invalid("user_id", "Customer already exists, passed user_id=%s. Please pass a new user_id.", c.ID)
		dup.Type = "bad_request"
		return nil, taken(err, dup)
	}
	if err := a.changed(ctx, Change{Entity: EndUserEntity, ID: c.ID, Spend: f.Spend.Has()}); err != nil {
		return nil, err
	}
	return a.showCustomer(ctx, c.ID)
}

// showCustomer reads a customer as it is now.
func (a *API) showCustomer(ctx context.Context, id string) (*customerRow, error) {
	c, err := a.store.EndUser(ctx, id)
	if err != nil {
		return nil, noCustomer(err, "end_user_id", id)
	}
	return a.customerRow(c), nil
}

func noCustomer(err error, field, id string) error {
	err = notFound(err, field, "End User Id=%s does not exist in db", id)
	if e, ok := errors.AsType[*gateway.Error](err); ok && e.Kind == gateway.NotFound {
		e.Type = "not_found"
	}
	return err
}

func (a *API) customerInfo(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("end_user_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("end_user_id", "end_user_id is missing: say which customer to show with ?end_user_id=")
	}
	return a.showCustomer(r.Context(), id)
}

func (a *API) updateCustomer(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f customerFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	if err := a.prepare(r, &f.limitFields, f.BudgetID); err != nil {
		return nil, err
	}
	id := f.ID.Value
	e := a.entry(r, p, changed, endUserTable, id)
	c, err := a.store.UpdateEndUser(store.Audited(ctx, e), id, func(c *gateway.EndUser) error {
		e.Before = snapshot(a.customerRow(c))
		respend := f.respend(a, &c.Spend, &c.Limits, now, c.CreatedAt)
		f.apply(c, now)
		respend()
		c.UpdatedAt = now
		e.After = snapshot(a.customerRow(c))
		return nil
	})
	if err != nil {
		return nil, noCustomer(err, "user_id", id)
	}
	if err := a.changed(ctx, Change{Entity: EndUserEntity, ID: id, Spend: f.Spend.Sent}); err != nil {
		return nil, err
	}
	return a.customerRow(c), nil
}

// customerIDsBody is the body of POST /customer/delete, /block and /unblock.
type customerIDsBody struct {
	IDs Opt[[]string] `json:"user_ids"`
	unknown
}

type customersDeleted struct {
	Deleted int    `json:"deleted_customers"`
	Message string `json:"message"`
}

// deleteCustomers deletes customers, all or none. What they have spent stays in
// the ledger.
func (a *API) deleteCustomers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b customerIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ids, err := idList("user_ids", b.IDs.Value)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	var entries []*gateway.AuditEntry
	var changes []Change
	for _, id := range ids {
		c, err := a.store.EndUser(ctx, id)
		if err != nil {
			return nil, noCustomer(err, "user_ids", id)
		}
		e := a.entry(r, p, removed, endUserTable, id)
		e.Before = snapshot(a.customerRow(c))
		entries = append(entries, e)
		changes = append(changes, Change{Entity: EndUserEntity, ID: id, Deleted: true})
	}
	gone, err := a.store.DeleteEndUsers(store.Audited(ctx, entries...), ids)
	if err != nil {
		return nil, err
	}
	out := &customersDeleted{len(gone), "Successfully deleted customers with ids: ['" + strings.Join(gone, "', '") + "']"}
	return out, a.changed(ctx, changes...)
}

// listCustomers shows customers, up to a thousand unless pages are asked for.
func (a *API) listCustomers(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	f, page := store.EndUserFilter{Search: q.text("search"), BudgetID: q.text("budget_id")}, q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	customers, total, err := a.store.ListEndUsers(r.Context(), f, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(customers), total)
	rows := []*customerRow{}
	for _, c := range customers {
		rows = append(rows, a.customerRow(c))
	}
	return rows, nil
}

type customersBlocked struct {
	Rows []*customerRow `json:"blocked_users"`
}

// blockCustomers blocks customers; those that nobody has heard of are made.
func (a *API) blockCustomers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setCustomersBlocked(w, r, p, true)
}

func (a *API) unblockCustomers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setCustomersBlocked(w, r, p, false)
}

func (a *API) setCustomersBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, block bool) (any, error) {
	var b customerIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ids, err := idList("user_ids", b.IDs.Value)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	if !block { // all or none
		for _, id := range ids {
			if _, err := a.store.EndUser(ctx, id); err != nil {
				return nil, noCustomer(err, "user_ids", id)
			}
		}
	}
	out := &customersBlocked{Rows: []*customerRow{}}
	for _, id := range ids {
		c, err := a.setCustomerBlocked(r, p, id, block)
		if err != nil {
			return nil, noCustomer(err, "user_ids", id)
		}
		if err := a.changed(ctx, Change{Entity: EndUserEntity, ID: id}); err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, a.customerRow(c))
	}
	return out, nil
}

func (a *API) setCustomerBlocked(r *http.Request, p *gateway.Principal, id string, block bool) (*gateway.EndUser, error) {
	ctx, now := r.Context(), a.now()
	action := unblocked
	if block {
		action = blocked
	}
	update := func() (*gateway.EndUser, error) {
		e := a.entry(r, p, action, endUserTable, id)
		return a.store.UpdateEndUser(store.Audited(ctx, e), id, func(c *gateway.EndUser) error {
			e.Before = snapshot(a.customerRow(c))
			c.Blocked, c.UpdatedAt = block, now
			e.After = snapshot(a.customerRow(c))
			return nil
		})
	}
	c, err := update()
	if !block || !errors.Is(err, store.ErrNotFound) {
		return c, err
	}
	c = &gateway.EndUser{ID: id, Blocked: true, CreatedAt: now, UpdatedAt: now}
	e := a.entry(r, p, blocked, endUserTable, id)
	e.After = snapshot(a.customerRow(c))
	err = a.store.CreateEndUser(store.Audited(ctx, e), c)
	if _, raced := errors.AsType[store.ErrConflict](err); raced {
		return update()
	}
	if err != nil {
		return nil, fmt.Errorf("block an unknown customer: %w", err)
	}
	return c, nil
}
