package admin

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// tagFields are the fields of /tag/new and /tag/update.
type tagFields struct {
	limitFields
	Name        Opt[string]         `json:"name"`
	Description Opt[string]         `json:"description"`
	Models      Opt[[]string]       `json:"models"`
	ModelInfo   Opt[jsontext.Value] `json:"model_info"` // clients send back what they were shown
	BudgetID    Opt[string]         `json:"budget_id"`
	unknown
}

func (f tagFields) unknownFields() map[string]jsontext.Value { return f.unknownLimits(f.Unknown) }

// check refuses what no tag can be.
func (f *tagFields) check(now time.Time) error {
	if f.Name.Or("") == "" {
		return malformed("name", "name is missing: say which tag")
	}
	for _, t := range []struct{ name, value string }{{"name", f.Name.Value}, {"budget_id", f.BudgetID.Value}} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	if err := checkTexts("models", f.Models.Value); err != nil {
		return err
	}
	if err := f.oneBudget(f.BudgetID); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in t what was sent; null clears.
func (f *tagFields) apply(t *gateway.Tag, now time.Time) {
	setText(&t.Description, f.Description)
	setText(&t.BudgetID, f.BudgetID)
	setList(&t.Models, f.Models)
	f.limitFields.apply(&t.Limits, now)
}

// tagRow is a tag as the management API shows it.
type tagRow struct {
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	Models      []string          `json:"models"`
	ModelInfo   map[string]string `json:"model_info"` // names of the models, by id
	Spend       *usd              `json:"spend,omitzero"`
	TotalSpend  *usd              `json:"total_spend,omitzero"`
	BudgetID    *string           `json:"budget_id"`
	BudgetTable *budgetRow        `json:"litellm_budget_table"`
	CreatedAt   *time.Time        `json:"created_at"`
	CreatedBy   *string           `json:"created_by"`
	UpdatedAt   *time.Time        `json:"updated_at"`
}

func (a *API) tagRow(t *gateway.Tag) *tagRow {
	total, spent := usd(t.Spend.Total), a.spend(TagEntity, t.Name, &t.Spend, &t.Limits, t.BudgetID, t.CreatedAt)
	row := &tagRow{
		Name: t.Name, Description: text(t.Description), Models: list(t.Models), ModelInfo: map[string]string{}, Spend: &spent, TotalSpend: &total,
		BudgetID: text(t.BudgetID), BudgetTable: a.budgetTable(t.BudgetID, &t.Limits, t.CreatedAt),
		CreatedAt: stamp(t.CreatedAt), CreatedBy: text(t.CreatedBy), UpdatedAt: stamp(t.UpdatedAt),
	}
	if len(t.Models) > 0 {
		for _, m := range a.o.Models() {
			if slices.Contains(t.Models, m.Deployment.ID) {
				row.ModelInfo[m.Deployment.ID] = m.Deployment.Group
			}
		}
	}
	return row
}

type tagDone struct {
	Message string  `json:"message"`
	Tag     *tagRow `json:"tag,omitzero"`
}

// newTag makes a tag. What calls with it have spent before stays.
func (a *API) newTag(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f tagFields
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
	t := &gateway.Tag{Name: f.Name.Value, CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now}
	f.apply(t, now)
	if f.Spend.Has() {
		a.setSpend(&t.Spend, &t.Limits, gateway.NanoUSD(f.Spend.Value), now, now)
		t.Spend.Total = t.Spend.Window
	}
	e := a.entry(r, p, created, tagTable, t.Name)
	e.After = snapshot(a.tagRow(t))
	if err := a.store.CreateTag(store.Audited(ctx, e), t); err != nil {
		return nil, taken(err, invalid("name", "Tag %s already exists", t.Name))
	}
	if err := a.changed(ctx, Change{Entity: TagEntity, ID: t.Name, Spend: f.Spend.Has()}); err != nil {
		return nil, err
	}
	t, err := a.store.Tag(ctx, t.Name) // with what was spent before
	if err != nil {
		return nil, noTag(err, "name", f.Name.Value)
	}
	return &tagDone{"Tag " + t.Name + " created successfully", a.tagRow(t)}, nil
}

func noTag(err error, field, name string) error {
	return notFound(err, field, "Tag %s not found", name)
}

func (a *API) updateTag(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f tagFields
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
	name := f.Name.Value
	e := a.entry(r, p, changed, tagTable, name)
	t, err := a.store.UpdateTag(store.Audited(ctx, e), name, func(t *gateway.Tag) error {
		e.Before = snapshot(a.tagRow(t))
		respend := f.respend(a, &t.Spend, &t.Limits, now, t.CreatedAt)
		f.apply(t, now)
		respend()
		t.UpdatedAt = now
		e.After = snapshot(a.tagRow(t))
		return nil
	})
	if err != nil {
		return nil, noTag(err, "name", name)
	}
	if err := a.changed(ctx, Change{Entity: TagEntity, ID: name, Spend: f.Spend.Sent}); err != nil {
		return nil, err
	}
	return &tagDone{"Tag " + name + " updated successfully", a.tagRow(t)}, nil
}

// tagNamesBody is the body of POST /tag/info.
type tagNamesBody struct {
	Names Opt[[]string] `json:"names"`
	unknown
}

// tagInfo shows tags by their names, all or none.
func (a *API) tagInfo(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	var b tagNamesBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	names, err := idList("names", b.Names.Value)
	if err != nil {
		return nil, err
	}
	out := map[string]*tagRow{}
	for _, name := range names {
		t, err := a.store.Tag(r.Context(), name)
		if err != nil {
			return nil, noTag(err, "names", name)
		}
		out[name] = a.tagRow(t)
	}
	return out, nil
}

// tagNameBody is the body of POST /tag/delete.
type tagNameBody struct {
	Name Opt[string] `json:"name"`
	unknown
}

// deleteTag deletes a tag: calls may still have it, without its limits.
func (a *API) deleteTag(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b tagNameBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, name := r.Context(), b.Name.Or("")
	if name == "" {
		return nil, malformed("name", "name is missing: say which tag to delete")
	}
	t, err := a.store.Tag(ctx, name)
	if err != nil {
		return nil, noTag(err, "name", name)
	}
	e := a.entry(r, p, removed, tagTable, name)
	e.Before = snapshot(a.tagRow(t))
	if _, err := a.store.DeleteTags(store.Audited(ctx, e), []string{name}); err != nil {
		return nil, err
	}
	return &tagDone{Message: "Tag " + name + " deleted successfully"}, a.changed(ctx, Change{Entity: TagEntity, ID: name, Deleted: true})
}

// spentTagRow is a tag that calls had and nobody has made.
type spentTagRow struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Models      *[]string `json:"models"`
	CreatedAt   string    `json:"created_at"`
	UpdatedAt   string    `json:"updated_at"`
}

const spentTag = "This is just a spend tag that was passed dynamically in a request. It does not control any LLM models."

// listTags shows tags that were made, and those that calls had. Who is no admin
// sees the tags of their own keys.
func (a *API) listTags(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	days := q.dates()
	page := q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	ctx := r.Context()
	v := a.directory.View(p)
	if !v.All {
		rows := []any{}
		names, err := a.ownTags(r, v.UserID)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			t, err := a.store.Tag(ctx, name)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			// What everybody has spent on a tag is not theirs to see.
			row := a.tagRow(t)
			row.Spend, row.TotalSpend = nil, nil
			rows = append(rows, row)
		}
		return rows, nil
	}
	tags, total, err := a.store.ListTags(ctx, store.TagFilter{}, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(tags), total)
	rows, known := []any{}, map[string]bool{}
	for _, t := range tags {
		rows, known[t.Name] = append(rows, a.tagRow(t)), true
	}
	last := days.to
	if !last.IsZero() {
		last = last.Add(-1)
	}
	spent, err := a.store.SpendBy(ctx, store.ByID, store.DayFilter{Scope: store.Tag, From: days.from, To: last}, maxListed)
	if err != nil {
		return nil, err
	}
	for _, s := range spent {
		if !known[s.Name] && a.directory.Tag(s.Name) == nil {
			rows = append(rows, &spentTagRow{s.Name, spentTag, nil, s.First + "T00:00:00Z", s.Last + "T00:00:00Z"})
		}
	}
	return rows, nil
}

// ownTags are the tags of the user's keys.
func (a *API) ownTags(r *http.Request, user string) ([]string, error) {
	if user == "" {
		return nil, nil
	}
	keys, _, err := a.store.ListKeys(r.Context(), store.KeyFilter{UserID: user}, store.Page{Limit: maxKeys})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Tags...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
