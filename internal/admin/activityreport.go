package admin

import (
	"context"
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

const (
	// defaultKeys is how many keys a report tells apart unless told otherwise.
	defaultKeys = 100
	// maxEntities bounds the users, customers and so on that a report tells apart.
	maxEntities = 1000
)

// activityOf returns the handler of a noun's report; aggregated is one of all
// days without pages.
func (a *API) activityOf(noun string, aggregated bool) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		f := q.dayQuery(noun, a.o.Now())
		page, size, keys := 1, 0, defaultKeys
		if !aggregated {
			page, size, keys = q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 1000), maxListed
		}
		keys = q.number("api_key_limit", keys, 1, maxListed)
		if err := a.askFor(r.Context(), q, f, p); err != nil {
			return nil, err
		}
		return a.report(r.Context(), f, page, size, keys)
	}
}

// askFor keeps f to what the caller may see, and books what has ended.
func (a *API) askFor(ctx context.Context, q *query, f *asked, p *gateway.Principal) error {
	if q.err != nil {
		return q.err
	}
	if err := a.narrow(f, p); err != nil {
		return err
	}
	return a.flush(ctx)
}

// report adds up the days of a page, of size days, the newest first; a size of 0
// is all of them.
func (a *API) report(ctx context.Context, f *asked, page, size, keys int) (*activity, error) {
	out := &activity{Results: []*dayActivity{}, Metadata: activityTotals{Page: page, TotalPages: 1, KeyLimit: keys, EntityLimit: maxEntities}}
	filter := f.filter()
	if size > 0 {
		days, err := a.store.Facts(ctx, filter, []store.Facet{store.OfDay}, store.FactOrder{})
		if err != nil {
			return nil, err
		}
		slices.Reverse(days)
		n := len(days)
		out.Metadata.TotalPages = max((n+size-1)/size, 1)
		out.Metadata.HasMore = page < out.Metadata.TotalPages
		days = days[min((page-1)*size, n):min(page*size, n)]
		if len(days) == 0 {
			return out, nil
		}
		filter.Day0, filter.Day1 = dayOf(&days[len(days)-1]), dayOf(&days[0])
	}
	order := store.FactOrder{Only: map[store.Facet][]string{}}
	for _, most := range []struct {
		of    store.Facet
		limit int
		there *int
	}{{store.OfKey, keys, &out.Metadata.Keys}, {f.entity, maxEntities, &out.Metadata.Entities}} {
		if most.of == store.OfEntity && f.scope == store.Global {
			continue
		}
		n, err := a.store.CountFacts(ctx, filter, most.of)
		if err != nil {
			return nil, err
		}
		if *most.there = n; n <= most.limit {
			continue
		}
		dearest, err := a.store.Facts(ctx, filter, []store.Facet{most.of}, store.FactOrder{Dearest: true, Limit: most.limit})
		if err != nil {
			return nil, err
		}
		names := []string{}
		for i := range dearest {
			names = append(names, dearest[i].Of(most.of))
		}
		order.Only[most.of] = names
	}
	facts, err := a.store.Facts(ctx, filter, []store.Facet{store.OfDay, f.entity, store.OfKey, store.OfGroup, store.OfModel, store.OfProvider, store.OfRoute}, order)
	if err != nil {
		return nil, err
	}
	var day *dayActivity
	about := map[string]keyMetadata{}
	for i := range facts {
		fact := &facts[i]
		if date := fact.Of(store.OfDay); day == nil || day.Date != date {
			day = &dayActivity{Date: date, Breakdown: breakdown{
				Models: map[string]*part{}, Groups: map[string]*part{}, Providers: map[string]*part{}, Endpoints: map[string]*part{},
				Keys: map[string]*keyPart{}, Entities: map[string]*entityPart{},
			}}
			out.Results = append(out.Results, day)
		}
		hash := fact.Of(store.OfKey)
		if _, ok := about[hash]; !ok {
			about[hash] = a.keyMetadata(hash)
		}
		a.addFact(day, f, fact, about[hash])
	}
	slices.Reverse(out.Results) // they came by day
	for _, d := range out.Results {
		out.Metadata.add(&d.Metrics)
	}
	return out, nil
}

// addFact adds a fact to everything of its day that it is a part of.
func (a *API) addFact(day *dayActivity, f *asked, fact *store.Fact, about keyMetadata) {
	hash := fact.Of(store.OfKey)
	toKeys := func(m map[string]*keyPart) {
		if hash == store.Rest {
			return
		}
		name := shownKey(hash)
		p := m[name]
		if p == nil {
			p = &keyPart{Metadata: about}
			m[name] = p
		}
		p.Metrics.add(fact)
	}
	day.Metrics.add(fact)
	toKeys(day.Breakdown.Keys)
	for _, to := range [...]struct {
		parts map[string]*part
		name  string
	}{
		{day.Breakdown.Models, fact.Of(store.OfModel)},
		{day.Breakdown.Groups, fact.Of(store.OfGroup)},
		{day.Breakdown.Providers, fact.Of(store.OfProvider)},
		{day.Breakdown.Endpoints, fact.Of(store.OfRoute)},
	} {
		if to.name == store.Rest {
			continue
		}
		p := to.parts[to.name]
		if p == nil {
			p = &part{Keys: map[string]*keyPart{}}
			to.parts[to.name] = p
		}
		p.Metrics.add(fact)
		toKeys(p.Keys)
	}
	id := fact.Of(f.entity)
	if id == "" || id == store.Rest {
		return
	}
	e := day.Breakdown.Entities[id]
	if e == nil {
		e = &entityPart{Metadata: a.entityMetadata(f.about(), id), Keys: map[string]*keyPart{}}
		day.Breakdown.Entities[id] = e
	}
	e.Metrics.add(fact)
	toKeys(e.Keys)
}

// about is the scope of what entities are.
func (f *asked) about() string {
	if f.entity == store.OfUser {
		return store.User
	}
	return f.scope
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
