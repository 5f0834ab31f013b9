package admin

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// lastMonth is what reports are about that take no dates: today and the 29 days
// before.
func (a *API) lastMonth() (from, to time.Time) {
	to = a.now()
	return to.AddDate(0, 0, -29), to
}

// inclusive returns a span as days that are both included; without bounds, the
// last month.
func (a *API) inclusive(s span) (from, to time.Time) {
	if s == (span{}) {
		return a.lastMonth()
	}
	if !s.to.IsZero() {
		s.to = s.to.Add(-1)
	}
	return s.from, s.to
}

// added adds up daily sums of everybody after booking what has ended.
func (a *API) added(r *http.Request, g store.Grouping, f store.DayFilter, limit int) ([]store.Sum, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	return a.store.SpendBy(r.Context(), g, f, limit)
}

type dateSpend struct {
	Date  string `json:"date"`
	Spend usd    `json:"spend"`
}

// globalLogs shows spend by day: everybody's, or that of a key.
func (a *API) globalLogs(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	key := q.text("api_key")
	if q.err != nil {
		return nil, q.err
	}
	var f store.DayFilter
	f.From, f.To = a.lastMonth()
	if key != "" {
		f.Scope, f.ID = store.Key, keyHash(key)
	}
	sums, err := a.added(r, store.ByDay, f, 0)
	if err != nil {
		return nil, err
	}
	out := []dateSpend{}
	for _, s := range sums {
		out = append(out, dateSpend{s.Name, usd(s.Cost)})
	}
	return out, nil
}

type keySpend struct {
	Key   string  `json:"api_key"`
	Alias *string `json:"key_alias"`
	Name  *string `json:"key_name"`
	Total usd     `json:"total_spend"`
}

func (a *API) globalKeys(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	limit := q.number("limit", 10, 1, maxListed)
	if q.err != nil {
		return nil, q.err
	}
	f := store.DayFilter{Scope: store.Key}
	f.From, f.To = a.lastMonth()
	sums, err := a.added(r, store.ByID, f, limit)
	if err != nil {
		return nil, err
	}
	out := []keySpend{}
	for _, s := range sums {
		row := keySpend{Key: s.Name, Total: usd(s.Cost)}
		if sum, ok := auth.ParseSum(s.Name); ok {
			if k := a.directory.Key(&sum); k != nil {
				row.Alias, row.Name = text(k.Alias), text(k.Name)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// teamsSpend is what teams have spent, by day and in all.
type teamsSpend struct {
	Daily []teamsDay  `json:"daily_spend"`
	Teams []string    `json:"teams"`
	Total []teamTotal `json:"total_spend_per_team"`
}

// teamsDay is a day with a member for each team, by its alias.
type teamsDay struct {
	Date  string         `json:"date"`
	Spend map[string]usd `json:",embed"`
}

type teamTotal struct {
	ID    string `json:"team_id"`
	Total usd    `json:"total_spend"`
}

func (a *API) globalTeams(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	f := store.DayFilter{Scope: store.Team}
	f.From, f.To = a.lastMonth()
	days, err := a.store.SpendByDay(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out, totals := &teamsSpend{Daily: []teamsDay{}, Teams: []string{}, Total: []teamTotal{}}, map[string]usd{}
	for _, d := range days {
		name := a.teamName(d.ID)
		if n := len(out.Daily); n == 0 || out.Daily[n-1].Date != d.Day {
			out.Daily = append(out.Daily, teamsDay{d.Day, map[string]usd{}})
		}
		if name != "date" { // a team of that name would break the row
			out.Daily[len(out.Daily)-1].Spend[name] += usd(d.Cost)
		}
		totals[name] += usd(d.Cost)
	}
	for name, total := range totals {
		out.Teams = append(out.Teams, name)
		out.Total = append(out.Total, teamTotal{name, total})
	}
	slices.Sort(out.Teams)
	slices.SortFunc(out.Total, func(x, y teamTotal) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), strings.Compare(x.ID, y.ID))
	})
	return out, nil
}

func (a *API) teamName(id string) string {
	if t := a.directory.Team(id); t != nil && t.Alias != "" {
		return t.Alias
	}
	return id
}

// endUsersBody is the body of POST /global/spend/end_users.
type endUsersBody struct {
	Key   Opt[string] `json:"api_key"`
	Start Opt[string] `json:"startTime"`
	End   Opt[string] `json:"endTime"`
	unknown
}

type endUserSpend struct {
	EndUser string `json:"end_user"`
	Count   int64  `json:"total_count"`
	Total   usd    `json:"total_spend"`
}

func (a *API) globalEndUsers(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	var b endUsersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	f := store.FactFilter{Scope: store.EndUser}
	f.Day0, f.Day1 = a.lastMonth()
	if key := b.Key.Or(""); key != "" {
		if err := checkText("api_key", key); err != nil {
			return nil, err
		}
		f.Keys = []string{storedKey(key)}
	}
	for _, t := range []struct {
		name string
		sent Opt[string]
		to   *time.Time
	}{{"startTime", b.Start, &f.Day0}, {"endTime", b.End, &f.Day1}} {
		if t.sent.Or("") == "" {
			continue
		}
		at, ok := readTime(t.sent.Value)
		if !ok {
			return nil, invalid(t.name, "%s: want a day like 2026-01-31, got '%s'", t.name, shorten([]byte(t.sent.Value)))
		}
		*t.to = at
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	facts, err := a.store.Facts(r.Context(), f, []store.Facet{store.OfEntity}, store.FactOrder{Dearest: true, Limit: 100})
	if err != nil {
		return nil, err
	}
	out := []endUserSpend{}
	for i := range facts {
		out = append(out, endUserSpend{facts[i].Of(store.OfEntity), facts[i].Requests, usd(facts[i].Cost)})
	}
	return out, nil
}

type modelSpend struct {
	Model string `json:"model"`
	Total usd    `json:"total_spend"`
}

func (a *API) globalModels(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	limit := q.number("limit", 10, 1, maxListed)
	if q.err != nil {
		return nil, q.err
	}
	var f store.DayFilter
	f.From, f.To = a.lastMonth()
	sums, err := a.added(r, store.ByModel, f, limit)
	if err != nil {
		return nil, err
	}
	out := []modelSpend{}
	for _, s := range sums {
		out = append(out, modelSpend{s.Name, usd(s.Cost)})
	}
	return out, nil
}

type providerSpend struct {
	Provider string `json:"provider"`
	Spend    usd    `json:"spend"`
}

func (a *API) globalProviders(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	days := q.dates()
	if q.err != nil {
		return nil, q.err
	}
	var f store.DayFilter
	f.From, f.To = a.inclusive(days)
	sums, err := a.added(r, store.ByProvider, f, 0)
	if err != nil {
		return nil, err
	}
	out := []providerSpend{}
	for _, s := range sums {
		out = append(out, providerSpend{s.Name, usd(s.Cost)})
	}
	return out, nil
}

// tagSums reads what calls with each tag have spent.
func (a *API) tagSums(r *http.Request) ([]store.Sum, error) {
	q := readQuery(r)
	days, tags := q.dates(), q.csv("tags")
	if q.err != nil {
		return nil, q.err
	}
	f := store.DayFilter{Scope: store.Tag, IDs: tags}
	f.From, f.To = a.inclusive(days)
	return a.added(r, store.ByID, f, maxListed)
}

type tagsSpend struct {
	Tags []tagSpend `json:"spend_per_tag"`
}

type tagSpend struct {
	Name  string `json:"name"`
	Spend usd    `json:"spend"`
	Count int64  `json:"log_count"`
}

func (a *API) globalTags(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	sums, err := a.tagSums(r)
	if err != nil {
		return nil, err
	}
	out := &tagsSpend{Tags: []tagSpend{}}
	for _, s := range sums {
		out.Tags = append(out.Tags, tagSpend{s.Name, usd(s.Cost), s.Requests})
	}
	return out, nil
}

type tagNames struct {
	Names []string `json:"tag_names"`
}

func (a *API) globalTagNames(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	sums, err := a.added(r, store.ByID, store.DayFilter{Scope: store.Tag}, 10*maxListed)
	if err != nil {
		return nil, err
	}
	out := &tagNames{Names: []string{}}
	for _, s := range sums {
		out.Names = append(out.Names, s.Name)
	}
	slices.Sort(out.Names)
	return out, nil
}

type endUserName struct {
	EndUser string `json:"end_user"`
}

func (a *API) globalEndUserNames(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	sums, err := a.added(r, store.ByID, store.DayFilter{Scope: store.EndUser}, 10*maxListed)
	if err != nil {
		return nil, err
	}
	out := []endUserName{}
	for _, s := range sums {
		out = append(out, endUserName{s.Name})
	}
	return out, nil
}

// reportDay is a day of a spend report, with the list of who has spent under the
// name of what they are.
type reportDay struct {
	Day  string                `json:"group_by_day"`
	Rows map[string][]spentRow `json:",embed"`
}

// spentRow is what one of them has spent. Its name stands under what it is called.
type spentRow struct {
	Name     map[string]string `json:",embed"`
	Total    usd               `json:"total_spend"`
	Metadata []spentOn         `json:"metadata"`
}

type spentOn struct {
	Model    string `json:"model"`
	Provider string `json:"custom_llm_provider"`
	Spend    usd    `json:"spend"`
	Tokens   int64  `json:"total_tokens"`
	Requests int64  `json:"api_requests"`
}

// groupings are those of spend reports: whose daily sums, the name of the list,
// and of the names in it.
var groupings = map[string]struct{ scope, list, name string }{
	"team":             {store.Team, "teams", "team_name"},
	"customer":         {store.EndUser, "customers", "customer"},
	"api_key":          {store.Key, "api_keys", "api_key"},
	"internal_user_id": {store.User, "users", "internal_user_id"},
	"organization":     {store.Organization, "organizations", "organization_id"},
}

// globalReport shows by day who has spent what on which models.
func (a *API) globalReport(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	days := q.dates()
	by := q.oneOf("group_by", "team", "team", "customer", "api_key")
	key, user, team, customer := q.text("api_key"), q.text("internal_user_id"), q.text("team_id"), q.text("customer_id")
	if q.err != nil {
		return nil, q.err
	}
	if days.from.IsZero() || days.to.IsZero() {
		return nil, invalid("start_date", "Please provide start_date and end_date")
	}
	id := ""
	switch {
	case key != "":
		by, id = "api_key", keyHash(key)
	case user != "":
		by, id = "internal_user_id", user
	case team != "":
		by, id = "team", team
	case customer != "":
		by, id = "customer", customer
	}
	return a.spendReport(r, by, id, days)
}

// spendReport adds up the days of everybody of a kind, or of one of them.
func (a *API) spendReport(r *http.Request, by, id string, s span) (any, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	g := groupings[by]
	f := store.DayFilter{Scope: g.scope, ID: id}
	f.From, f.To = a.inclusive(s)
	sums, err := a.store.SpendByDay(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := []*reportDay{}
	last := ""
	for _, d := range sums { // by day, then by id
		day := d.Day + "T00:00:00+00:00"
		if n := len(out); n == 0 || out[n-1].Day != day {
			out = append(out, &reportDay{day, map[string][]spentRow{g.list: nil}})
			last = ""
		}
		rows := &out[len(out)-1].Rows
		if len((*rows)[g.list]) == 0 || last != d.ID {
			name := d.ID
			if by == "team" {
				name = a.teamName(d.ID)
			}
			(*rows)[g.list] = append((*rows)[g.list], spentRow{Name: map[string]string{g.name: name}, Metadata: []spentOn{}})
			last = d.ID
		}
		row := &(*rows)[g.list][len((*rows)[g.list])-1]
		row.Total += usd(d.Cost)
		row.Metadata = append(row.Metadata, spentOn{d.Model, d.Provider, usd(d.Cost), d.Prompt + d.Completion, d.Requests})
	}
	return out, nil
}

type refreshed struct {
	Message string `json:"message"`
	Status  string `json:"status"`
}

// refreshSpend books what has ended: reports are always of what is booked.
func (a *API) refreshSpend(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	return &refreshed{Message: "MonthlyGlobalSpend view refreshed", Status: "success"}, nil
}

// resetSpend sets what keys and teams have spent in their windows to nothing.
// The ledger stays as it is.
func (a *API) resetSpend(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	ctx, now := r.Context(), a.now()
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	for after, next := "", ""; ; after = next {
		keys, _, err := a.store.ListKeys(ctx, store.KeyFilter{}, store.Page{Limit: maxKeys, After: after, Next: &next})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if k.Spend == (gateway.Spend{}) {
				continue
			}
			e := a.keyEntry(r, p, changed, k)
			_, err := a.store.UpdateKey(store.Audited(ctx, e), k.Hash, func(k *gateway.Key) error {
				e.Before = snapshot(a.keyRow(k))
				a.setSpend(&k.Spend, &k.Limits, 0, now, k.CreatedAt)
				e.After = snapshot(a.keyRow(k))
				return nil
			})
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, err
			}
			if err := a.changed(ctx, Change{Entity: KeyEntity, ID: k.Hash, Spend: true}); err != nil {
				return nil, err
			}
		}
		if next == "" {
			break
		}
	}
	for after, next := "", ""; ; after = next {
		teams, _, err := a.store.ListTeams(ctx, store.TeamFilter{}, store.Page{Limit: maxTeams, After: after, Next: &next})
		if err != nil {
			return nil, err
		}
		for _, t := range teams {
			if t.Spend == (gateway.Spend{}) {
				continue
			}
			e := a.teamEntry(r, p, changed, t.ID)
			_, err := a.store.UpdateTeam(store.Audited(ctx, e), t.ID, func(t *gateway.Team) error {
				e.Before = snapshot(a.teamRow(t))
				a.setSpend(&t.Spend, &t.Limits, 0, now, t.CreatedAt)
				e.After = snapshot(a.teamRow(t))
				return nil
			})
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := a.changed(ctx, Change{Entity: TeamEntity, ID: t.ID, Spend: true}); err != nil {
				return nil, err
			}
		}
		if next == "" {
			break
		}
	}
	return &refreshed{Message: "Spend for all API Keys and Teams reset successfully", Status: "success"}, nil
}
