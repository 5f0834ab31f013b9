package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// dayOf is the day of a fact.
func dayOf(f *store.Fact) time.Time {
	t, _ := time.Parse(time.DateOnly, f.Of(store.OfDay))
	return t
}

// counted are the sums of a key or a user over all days.
type counted struct {
	Spend      usd   `json:"spend"`
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	Requests   int64 `json:"api_requests"`
	Successful int64 `json:"successful_requests"`
	Failed     int64 `json:"failed_requests"`
}

func countOf(f *store.Fact) counted {
	return counted{usd(f.Cost), f.Prompt, f.Completion, f.Prompt + f.Completion, f.Requests, f.Requests - f.Failures, f.Failures}
}

type keyCounted struct {
	counted
	CacheRead  int64 `json:"cache_read_input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
}

// keyActivity is what a key has spent over all days.
type keyActivity struct {
	Key      string      `json:"api_key"`
	Metrics  keyCounted  `json:"metrics"`
	Metadata keyMetadata `json:"metadata"`
}

type keyActivityPage struct {
	Keys   []keyActivity `json:"api_keys"`
	Total  int           `json:"total_api_keys"`
	Offset int           `json:"offset"`
	Limit  int           `json:"limit"`
}

// dearestKeys are the keys of a filter, the dearest first.
func (a *API) dearestKeys(ctx context.Context, f store.FactFilter, limit, offset int) ([]keyActivity, error) {
	facts, err := a.store.Facts(ctx, f, []store.Facet{store.OfKey}, store.FactOrder{Dearest: true, Limit: limit, Offset: offset})
	if err != nil {
		return nil, err
	}
	out := []keyActivity{}
	for i := range facts {
		k := &facts[i]
		hash := k.Of(store.OfKey)
		out = append(out, keyActivity{shownKey(hash), keyCounted{countOf(k), k.CacheRead, k.CacheWrite}, a.keyMetadata(hash)})
	}
	return out, nil
}

// activityKeys returns the handler of a noun's list of keys.
func (a *API) activityKeys(noun string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		f := q.dayQuery(noun, a.o.Now())
		out := &keyActivityPage{Offset: q.number("offset", 0, 0, 100_000_000), Limit: q.number("limit", 50, 1, maxListed)}
		if err := a.askFor(r.Context(), q, f, p); err != nil {
			return nil, err
		}
		var err error
		if out.Keys, err = a.dearestKeys(r.Context(), f.filter(), out.Limit, out.Offset); err != nil {
			return nil, err
		}
		out.Total, err = a.store.CountFacts(r.Context(), f.filter(), store.OfKey)
		return out, err
	}
}

// keyFound is a key that was searched for, with everything known of its spend.
type keyFound struct {
	Key      string      `json:"api_key"`
	Metrics  metrics     `json:"metrics"`
	Metadata keyMetadata `json:"metadata"`
}

type keysFound struct {
	Keys []keyFound `json:"api_keys"`
}

// activitySearch returns the handler that looks for keys of a noun's report: by
// the key, its hash, and parts of its alias or user.
func (a *API) activitySearch(noun string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		f := q.dayQuery(noun, a.o.Now())
		search, limit := q.text("search"), q.number("limit", 50, 1, maxListed)
		if search == "" && q.err == nil {
			q.err = malformed("search", "search is missing: say what to look for in keys, their aliases and users")
		}
		ctx := r.Context()
		if err := a.askFor(ctx, q, f, p); err != nil {
			return nil, err
		}
		found, _, err := a.store.ListKeys(ctx, store.KeyFilter{Search: search}, store.Page{Sort: "spend", Desc: true, Limit: maxListed})
		if err != nil {
			return nil, err
		}
		hashes := []string{storedKey(search)} // a key that was deleted still has spent
		for _, k := range found {
			hashes = append(hashes, k.Hash)
		}
		filter := f.filter()
		if filter.Keys != nil {
			hashes = slices.DeleteFunc(hashes, func(h string) bool { return !slices.Contains(filter.Keys, h) })
		}
		filter.Keys = hashes
		facts, err := a.store.Facts(ctx, filter, []store.Facet{store.OfKey}, store.FactOrder{Dearest: true, Limit: limit})
		if err != nil {
			return nil, err
		}
		out := &keysFound{Keys: []keyFound{}}
		for i := range facts {
			hash := facts[i].Of(store.OfKey)
			k := keyFound{Key: shownKey(hash), Metadata: a.keyMetadata(hash)}
			k.Metrics.add(&facts[i])
			out.Keys = append(out.Keys, k)
		}
		return out, nil
	}
}

// modelKeys are the dearest keys of a model.
type modelKeys struct {
	Model   string        `json:"model"`
	ByGroup bool          `json:"by_model_group"`
	Keys    []keyActivity `json:"api_keys"`
}

// activityModelKeys returns the handler of the dearest keys of a model, by the
// name that clients use, or by the vendor's.
func (a *API) activityModelKeys(noun string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		f := q.dayQuery(noun, a.o.Now())
		out := &modelKeys{Model: q.text("model_group"), ByGroup: q.flag("by_model_group", true)}
		limit := q.number("limit", 5, 1, maxListed)
		if out.Model == "" && q.err == nil {
			q.err = malformed("model_group", "model_group is missing: say which model's keys to show")
		}
		if err := a.askFor(r.Context(), q, f, p); err != nil {
			return nil, err
		}
		filter := f.filter()
		switch {
		case out.ByGroup:
			filter.Group = out.Model
		case filter.Model != "" && filter.Model != out.Model:
			out.Keys = []keyActivity{}
			return out, nil
		default:
			filter.Model = out.Model
		}
		var err error
		out.Keys, err = a.dearestKeys(r.Context(), filter, limit, 0)
		return out, err
	}
}

// userActivity is what a user has spent over all days.
type userActivity struct {
	ID    string  `json:"user_id"` // "" for calls without a user
	Email *string `json:"user_email"`
	Alias *string `json:"user_alias"`
	counted
}

type userActivityPage struct {
	Users  []userActivity `json:"users"`
	Total  int            `json:"total_users"`
	Offset int            `json:"offset"`
	Limit  int            `json:"limit"`
}

func (a *API) userActivity(f *store.Fact) userActivity {
	u := userActivity{ID: f.Of(store.OfUser), counted: countOf(f)}
	if about := a.directory.User(u.ID); about != nil {
		u.Email, u.Alias = text(about.Email), text(about.Alias)
	}
	return u
}

// activityUsers shows users, the dearest first.
func (a *API) activityUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := q.dayQuery("user", a.o.Now())
	out := &userActivityPage{Users: []userActivity{}, Offset: q.number("offset", 0, 0, 100_000_000), Limit: q.number("limit", 50, 1, maxListed)}
	if err := a.askFor(r.Context(), q, f, p); err != nil {
		return nil, err
	}
	facts, err := a.store.Facts(r.Context(), f.filter(), []store.Facet{store.OfUser}, store.FactOrder{Dearest: true, Limit: out.Limit, Offset: out.Offset})
	if err != nil {
		return nil, err
	}
	for i := range facts {
		out.Users = append(out.Users, a.userActivity(&facts[i]))
	}
	out.Total, err = a.store.CountFacts(r.Context(), f.filter(), store.OfUser)
	return out, err
}

// teamUsers is what users have spent in teams.
type teamUsers struct {
	Start   string     `json:"start_date"`
	End     string     `json:"end_date"`
	Results []teamUser `json:"results"`
}

type teamUser struct {
	TeamID    string  `json:"team_id"`
	TeamAlias *string `json:"team_alias"`
	userActivity
}

// teamSpendByUser shows what each user has spent in each of some teams.
func (a *API) teamSpendByUser(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := q.dayQuery("team", a.o.Now())
	if f.ids == nil && q.err == nil {
		q.err = invalid("team_ids", "Please provide team_ids")
	}
	if err := a.askFor(r.Context(), q, f, p); err != nil {
		return nil, err
	}
	facts, err := a.store.Facts(r.Context(), f.filter(), []store.Facet{store.OfTeam, store.OfUser}, store.FactOrder{Dearest: true, Limit: 10 * maxListed})
	if err != nil {
		return nil, err
	}
	out := &teamUsers{q.text("start_date"), q.text("end_date"), []teamUser{}}
	for i := range facts {
		row := teamUser{TeamID: facts[i].Of(store.OfTeam), userActivity: a.userActivity(&facts[i])}
		if t := a.directory.Team(row.TeamID); t != nil {
			row.TeamAlias = text(t.Alias)
		}
		out.Results = append(out.Results, row)
	}
	return out, nil
}
