package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// metrics are the sums of a day, or of a part of it.
type metrics struct {
	Spend           usd   `json:"spend"`
	FlatCost        usd   `json:"flat_cost"`
	Prompt          int64 `json:"prompt_tokens"`
	Completion      int64 `json:"completion_tokens"`
	CacheRead       int64 `json:"cache_read_input_tokens"`
	CacheWrite      int64 `json:"cache_creation_input_tokens"`
	Total           int64 `json:"total_tokens"`
	Successful      int64 `json:"successful_requests"`
	Failed          int64 `json:"failed_requests"`
	Requests        int64 `json:"api_requests"`
	CompressedAway  int64 `json:"compression_saved_tokens"`
	CompressedSpend usd   `json:"compression_savings_spend"`
}

func (m *metrics) add(c *store.Counters) {
	m.Spend += usd(c.Cost)
	m.Prompt += c.Prompt
	m.Completion += c.Completion
	m.CacheRead += c.CacheRead
	m.CacheWrite += c.CacheWrite
	m.Total += c.Prompt + c.Completion
	m.Successful += c.Requests - c.Failures
	m.Failed += c.Failures
	m.Requests += c.Requests
}

// dayActivity is a day and what it is made of.
type dayActivity struct {
	Date      string    `json:"date"`
	Metrics   metrics   `json:"metrics"`
	Breakdown breakdown `json:"breakdown"`
}

type breakdown struct {
	MCP       empty                  `json:"mcp_servers"`
	Models    map[string]*part       `json:"models"`
	Groups    empty                  `json:"model_groups"` // sums are kept by the provider's model only
	Providers map[string]*part       `json:"providers"`
	Endpoints empty                  `json:"endpoints"`
	Keys      map[string]*keyPart    `json:"api_keys"`
	Entities  map[string]*entityPart `json:"entities"`
}

// part is what a model or a provider has of a day.
type part struct {
	Metrics  metrics             `json:"metrics"`
	Metadata empty               `json:"metadata"`
	Keys     map[string]*keyPart `json:"api_key_breakdown"`
}

// keyPart is what a key has of it.
type keyPart struct {
	Metrics  metrics     `json:"metrics"`
	Metadata keyMetadata `json:"metadata"`
}

type keyMetadata struct {
	Alias  *string `json:"key_alias"`
	TeamID *string `json:"team_id"`
	UserID *string `json:"user_id"`
	Email  *string `json:"user_email"`
	Exists bool    `json:"key_exists"`
}

// entityPart is what a team, a user or the like has of it.
type entityPart struct {
	Metrics  metrics             `json:"metrics"`
	Metadata entityMetadata      `json:"metadata"`
	Keys     map[string]*keyPart `json:"api_key_breakdown"`
}

type entityMetadata struct {
	Alias     *string `json:"alias"`
	TeamAlias *string `json:"team_alias,omitzero"`
	Email     *string `json:"user_email,omitzero"`
}

// activityTotals are the sums of all days that an answer has.
type activityTotals struct {
	Spend      usd   `json:"total_spend"`
	FlatCost   usd   `json:"total_flat_cost"`
	Prompt     int64 `json:"total_prompt_tokens"`
	Completion int64 `json:"total_completion_tokens"`
	Tokens     int64 `json:"total_tokens"`
	Requests   int64 `json:"total_api_requests"`
	Successful int64 `json:"total_successful_requests"`
	Failed     int64 `json:"total_failed_requests"`
	CacheRead  int64 `json:"total_cache_read_input_tokens"`
	CacheWrite int64 `json:"total_cache_creation_input_tokens"`
	Page       int   `json:"page"`
	TotalPages int   `json:"total_pages"`
	HasMore    bool  `json:"has_more"`
}

type activity struct {
	Results  []*dayActivity `json:"results"`
	Metadata activityTotals `json:"metadata"`
}

// asked is what an activity report is to be about.
type asked struct {
	scope    string
	ids      []string // nil: all of the scope
	exclude  []string
	days     span
	model    string
	key      string // hash, "" for all
	page     int
	pageSize int // days; 0: all of them
}

// dayQuery reads what all activity reports are asked by.
func (q *query) dayQuery(scope, ids, exclude string, aggregated bool) *asked {
	f := &asked{scope: scope, model: q.text("model"), page: q.number("page", 1, 1, 1_000_000), pageSize: q.number("page_size", 50, 1, 1000)}
	if aggregated {
		f.page, f.pageSize = 1, 0
	}
	if key := q.text("api_key"); key != "" {
		f.key = keyHash(key)
	}
	if ids != "" {
		f.ids = q.csv(ids)
	}
	if exclude != "" {
		f.exclude = q.csv(exclude)
	}
	from, to := q.text("start_date"), q.text("end_date")
	if from == "" || to == "" {
		if q.err == nil {
			q.err = invalid("start_date", "Please provide start_date and end_date")
		}
		return f
	}
	for _, d := range []struct {
		name, text string
		to         *time.Time
	}{{"start_date", from, &f.days.from}, {"end_date", to, &f.days.to}} {
		t, err := time.Parse(time.DateOnly, d.text)
		if err != nil && q.err == nil {
			q.err = invalid(d.name, "%s: want a day like 2026-01-31, got %q", d.name, shorten([]byte(d.text)))
		}
		*d.to = t
	}
	if f.days.to.Before(f.days.from) && q.err == nil {
		q.err = invalid("end_date", "end_date must not be before start_date")
	}
	return f
}

// csv returns a list that was sent with commas, or as several parameters; nil
// for none.
func (q *query) csv(name string) []string {
	var out []string
	for _, v := range append(slices.Clone(q.values[name]), q.values[name+"[]"]...) {
		for id := range strings.SplitSeq(v, ",") {
			if id = strings.TrimSpace(id); id == "" {
				continue
			}
			if err := checkText(name, id); err != nil && q.err == nil {
				q.err = err
			}
			out = append(out, id)
		}
	}
	if len(out) > maxListed && q.err == nil {
		q.err = invalid(name, "%s: %d are too many, at most %d can be asked for at once", name, len(out), maxListed)
	}
	return out
}

// report reads the sums that f asks for and puts them together.
func (a *API) report(ctx context.Context, f *asked) (*activity, error) {
	out := &activity{Results: []*dayActivity{}, Metadata: activityTotals{Page: f.page, TotalPages: 1}}
	if f.ids != nil {
		f.ids = slices.DeleteFunc(slices.Clone(f.ids), func(id string) bool { return slices.Contains(f.exclude, id) })
		if len(f.ids) == 0 {
			return out, nil
		}
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	rows, keys, err := a.sums(ctx, f)
	if err != nil {
		return nil, err
	}
	byDay := map[string]*dayActivity{}
	for i := range rows {
		d := &rows[i]
		if f.model != "" && d.Model != f.model || slices.Contains(f.exclude, d.ID) {
			continue
		}
		day := byDay[d.Day]
		if day == nil {
			day = &dayActivity{Date: d.Day, Breakdown: breakdown{
				Models: map[string]*part{}, Providers: map[string]*part{}, Keys: map[string]*keyPart{}, Entities: map[string]*entityPart{},
			}}
			byDay[d.Day] = day
			out.Results = append(out.Results, day)
		}
		day.Metrics.add(&d.Counters)
		partOf(day.Breakdown.Models, d.Model).Metrics.add(&d.Counters)
		partOf(day.Breakdown.Providers, d.Provider).Metrics.add(&d.Counters)
		if f.scope != store.Global && f.scope != store.Key && f.scope != store.Member {
			e := day.Breakdown.Entities[d.ID]
			if e == nil {
				e = &entityPart{Metadata: a.entityMetadata(f.scope, d.ID), Keys: map[string]*keyPart{}}
				day.Breakdown.Entities[d.ID] = e
			}
			e.Metrics.add(&d.Counters)
		}
	}
	for i := range keys {
		d := &keys[i]
		day := byDay[d.Day]
		if day == nil || f.model != "" && d.Model != f.model {
			continue
		}
		about := a.keyMetadata(d.ID)
		keyPartOf(day.Breakdown.Keys, d.ID, about).Metrics.add(&d.Counters)
		keyPartOf(partOf(day.Breakdown.Models, d.Model).Keys, d.ID, about).Metrics.add(&d.Counters)
		keyPartOf(partOf(day.Breakdown.Providers, d.Provider).Keys, d.ID, about).Metrics.add(&d.Counters)
		owner := text("")
		switch f.scope {
		case store.User:
			owner = about.UserID
		case store.Team:
			owner = about.TeamID
		}
		if owner != nil {
			if e := day.Breakdown.Entities[*owner]; e != nil {
				keyPartOf(e.Keys, d.ID, about).Metrics.add(&d.Counters)
			}
		}
	}
	out.cut(f)
	return out, nil
}

// cut keeps the days of a page, the newest first, and sums them up.
func (r *activity) cut(f *asked) {
	slices.Reverse(r.Results) // they came by day
	if n := len(r.Results); f.pageSize > 0 && n > 0 {
		r.Metadata.TotalPages = (n + f.pageSize - 1) / f.pageSize
		r.Metadata.HasMore = f.page < r.Metadata.TotalPages
		r.Results = r.Results[min((f.page-1)*f.pageSize, n):min(f.page*f.pageSize, n)]
	}
	t := &r.Metadata
	for _, d := range r.Results {
		m := &d.Metrics
		t.Spend += m.Spend
		t.Prompt += m.Prompt
		t.Completion += m.Completion
		t.Tokens += m.Total
		t.Requests += m.Requests
		t.Successful += m.Successful
		t.Failed += m.Failed
		t.CacheRead += m.CacheRead
		t.CacheWrite += m.CacheWrite
	}
}

// sums reads the daily sums that f is about, and those of the keys that belong
// to the same users or teams. What a key has spent for a tag or a customer is
// not summed up by day, so it is left out there.
func (a *API) sums(ctx context.Context, f *asked) (rows, keys []store.DaySpend, err error) {
	days := store.DayFilter{Scope: f.scope, IDs: f.ids, From: f.days.from, To: f.days.to}
	of := store.DayFilter{Scope: store.Key, From: f.days.from, To: f.days.to}
	switch {
	case f.key != "":
		k, err := a.store.Key(ctx, f.key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, nil, err
		}
		if !ownedBy(k, f) {
			return nil, nil, nil
		}
		of.IDs, of.Scope = []string{f.key}, store.Key
		keys, err = a.store.SpendByDay(ctx, of)
		return keys, keys, err
	case f.scope == store.Global || f.ids == nil && (f.scope == store.User || f.scope == store.Team):
	case f.scope == store.User || f.scope == store.Team:
		if of.IDs, err = a.keysBelonging(ctx, f); err != nil {
			return nil, nil, err
		}
	default:
		rows, err = a.store.SpendByDay(ctx, days)
		return rows, nil, err
	}
	if rows, err = a.store.SpendByDay(ctx, days); err != nil {
		return nil, nil, err
	}
	keys, err = a.store.SpendByDay(ctx, of)
	return rows, keys, err
}

// ownedBy reports whether what a key spends is what f is about.
func ownedBy(k *gateway.Key, f *asked) bool {
	switch {
	case f.scope == store.Global || f.ids == nil && (f.scope == store.User || f.scope == store.Team):
		return true
	case k == nil:
		return false
	case f.scope == store.User:
		return slices.Contains(f.ids, k.UserID)
	case f.scope == store.Team:
		return slices.Contains(f.ids, k.TeamID)
	case f.scope == store.Organization:
		return f.ids == nil || slices.Contains(f.ids, k.OrganizationID)
	}
	return false
}

// keysBelonging returns the hashes of the keys of users or teams, up to ten thousand.
func (a *API) keysBelonging(ctx context.Context, f *asked) ([]string, error) {
	hashes := []string{}
	for _, id := range f.ids {
		of := store.KeyFilter{TeamID: id}
		if f.scope == store.User {
			of = store.KeyFilter{UserID: id}
		}
		keys, _, err := a.store.ListKeys(ctx, of, store.Page{Limit: maxListed, Sort: "spend", Desc: true})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			hashes = append(hashes, k.Hash)
		}
		if len(hashes) >= 10*maxListed {
			break
		}
	}
	return hashes, nil
}

func partOf(m map[string]*part, name string) *part {
	p := m[name]
	if p == nil {
		p = &part{Keys: map[string]*keyPart{}}
		m[name] = p
	}
	return p
}

func keyPartOf(m map[string]*keyPart, hash string, about keyMetadata) *keyPart {
	p := m[hash]
	if p == nil {
		p = &keyPart{Metadata: about}
		m[hash] = p
	}
	return p
}

// keyMetadata says what is known of a key; one that is gone has only its hash.
func (a *API) keyMetadata(hash string) keyMetadata {
	sum, ok := auth.ParseSum(hash)
	if !ok {
		return keyMetadata{}
	}
	k := a.directory.Key(&sum)
	if k == nil {
		return keyMetadata{}
	}
	m := keyMetadata{Alias: text(k.Alias), TeamID: text(k.TeamID), UserID: text(k.UserID), Exists: true}
	if u := a.directory.User(k.UserID); u != nil {
		m.Email = text(u.Email)
	}
	return m
}

func (a *API) entityMetadata(scope, id string) (m entityMetadata) {
	switch scope {
	case store.User:
		if u := a.directory.User(id); u != nil {
			m.Alias, m.Email = text(u.Alias), text(u.Email)
		}
	case store.Team:
		if t := a.directory.Team(id); t != nil {
			m.Alias, m.TeamAlias = text(t.Alias), text(t.Alias)
		}
	case store.Organization:
		if o := a.directory.Organization(id); o != nil {
			m.Alias = text(o.Alias)
		}
	case store.EndUser:
		if e := a.directory.EndUser(id, ""); e != nil {
			m.Alias = text(e.Alias)
		}
	}
	return m
}

// notYours refuses a report about somebody else.
func notYours(field, format string, args ...any) error {
	e := invalid(field, format, args...)
	e.Kind, e.Type = gateway.Forbidden, "auth_error"
	return e
}

// activityOf returns the handler of a noun's report; aggregated is one of all
// days without pages.
func (a *API) activityOf(noun string, aggregated bool) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		var f *asked
		switch noun {
		case "user":
			f = q.dayQuery(store.User, "user_id", "", aggregated)
		case "team":
			f = q.dayQuery(store.Team, "team_ids", "exclude_team_ids", aggregated)
		case "organization":
			f = q.dayQuery(store.Organization, "organization_ids", "exclude_organization_ids", aggregated)
		case "tag":
			f = q.dayQuery(store.Tag, "tags", "", aggregated)
		case "customer", "end_user":
			f = q.dayQuery(store.EndUser, "end_user_ids", "exclude_end_user_ids", aggregated)
		default:
			f = q.dayQuery(store.Global, "", "", aggregated)
		}
		if q.err != nil {
			return nil, q.err
		}
		if f.key != "" && (f.scope == store.Tag || f.scope == store.EndUser) {
			return nil, invalid("api_key", "api_key: what a key has spent for a %s is not summed up by day: see /spend/logs/v2", noun)
		}
		if err := a.narrow(f, p); err != nil {
			return nil, err
		}
		return a.report(r.Context(), f)
	}
}

// narrow keeps a report to what the caller may see.
func (a *API) narrow(f *asked, p *gateway.Principal) error {
	v := a.directory.View(p)
	if v.All {
		if f.scope == store.User && f.ids == nil {
			// Calls of keys without a user count too.
			f.scope = store.Global
		}
		return nil
	}
	var mine []string
	switch f.scope {
	case store.User:
		mine = []string{v.UserID}
		if v.UserID == "" || f.ids != nil && !slices.Equal(f.ids, mine) {
			return notYours("user_id", "Non-admin users can only view their own activity. Your user_id=%s", v.UserID)
		}
	case store.Organization:
		mine = v.Organizations
	case store.Team:
		return a.narrowTeams(f, &v)
	default:
		return notYours("", "Only proxy admins can see this report. Your role=%s", auth.RoleName(p))
	}
	for _, id := range f.ids {
		if !slices.Contains(mine, id) {
			return notYours("organization_ids", "You do not administer organization %s", id)
		}
	}
	if f.ids == nil {
		f.ids = append([]string{}, mine...)
	}
	return nil
}

// activityPermission is what lets a team's members see what the whole team does.
const activityPermission = "/team/daily/activity"

// narrowTeams lets admins of a team see all of it, and members what they have
// spent in it themselves, which they have to ask for by one team.
func (a *API) narrowTeams(f *asked, v *auth.View) error {
	whole := func(id string) bool {
		t := a.directory.Team(id)
		return t != nil && (slices.Contains(v.Administers, id) || slices.Contains(v.Organizations, t.OrganizationID) ||
			slices.Contains(v.Teams, id) && slices.Contains(t.MemberPermissions, activityPermission))
	}
	if f.ids == nil {
		f.ids = []string{}
		for _, id := range v.Teams {
			if whole(id) {
				f.ids = append(f.ids, id)
			}
		}
		if len(f.ids) == 0 && len(v.Teams) > 0 {
			return a.ownPlaces(f, v, v.Teams)
		}
		return nil
	}
	if !slices.ContainsFunc(f.ids, func(id string) bool { return !whole(id) }) {
		return nil
	}
	return a.ownPlaces(f, v, f.ids)
}

// ownPlaces has f be about the caller's own places in teams.
func (a *API) ownPlaces(f *asked, v *auth.View, teams []string) error {
	places := []string{}
	for _, id := range teams {
		if !slices.Contains(v.Teams, id) {
			return notYours("team_ids", "You are not a member of team %s, or it does not exist", id)
		}
		places = append(places, gateway.MemberID(id, v.UserID))
	}
	f.scope, f.ids = store.Member, places
	return nil
}
