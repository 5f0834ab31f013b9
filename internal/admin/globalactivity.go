package admin

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// activitySums is how many calls and tokens there were, by day and in all.
type activitySums struct {
	Model    *string    `json:"model,omitzero"`
	Daily    []countDay `json:"daily_data"`
	Requests int64      `json:"sum_api_requests"`
	Tokens   int64      `json:"sum_total_tokens"`
}

type countDay struct {
	Date     string `json:"date"` // "Jan 22"
	Requests int64  `json:"api_requests"`
	Tokens   int64  `json:"total_tokens"`
}

// add adds a fact, which is of no day before those that were added.
func (s *activitySums) add(f *store.Fact) {
	date := shortDay(f)
	if n := len(s.Daily); n == 0 || s.Daily[n-1].Date != date {
		s.Daily = append(s.Daily, countDay{Date: date})
	}
	last := &s.Daily[len(s.Daily)-1]
	last.Requests += f.Requests
	last.Tokens += f.Prompt + f.Completion
	s.Requests += f.Requests
	s.Tokens += f.Prompt + f.Completion
}

// shortDay is the day of a fact as LiteLLM shows it here.
func shortDay(f *store.Fact) string {
	t, err := time.Parse(time.DateOnly, f.Of(store.OfDay))
	if err != nil {
		return f.Of(store.OfDay)
	}
	return t.Format("Jan 02")
}

// activityDays reads which days a report is about, and whose calls: everybody's,
// or those of the caller alone.
func (a *API) activityDays(q *query, p *gateway.Principal) (f store.FactFilter, err error) {
	days := q.dates()
	if q.err != nil {
		return f, q.err
	}
	if days.from.IsZero() || days.to.IsZero() {
		return f, invalid("start_date", "Please provide start_date and end_date")
	}
	f.Day0, f.Day1 = a.inclusive(days)
	if v := a.directory.View(p); !v.All {
		if f.UserID = v.UserID; v.UserID == "" {
			f.Keys = []string{} // nothing is his
		}
	}
	return f, nil
}

// facts adds up activity after booking what has ended.
func (a *API) facts(r *http.Request, f store.FactFilter, by ...store.Facet) ([]store.Fact, error) {
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	return a.store.Facts(r.Context(), f, by, store.FactOrder{})
}

func (a *API) globalActivity(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	f, err := a.activityDays(readQuery(r), p)
	if err != nil {
		return nil, err
	}
	facts, err := a.facts(r, f, store.OfDay)
	if err != nil {
		return nil, err
	}
	out := &activitySums{Daily: []countDay{}}
	for i := range facts {
		out.add(&facts[i])
	}
	return out, nil
}

// globalActivityByModel shows the ten models that were called most, by the names
// that clients use.
func (a *API) globalActivityByModel(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	f, err := a.activityDays(readQuery(r), p)
	if err != nil {
		return nil, err
	}
	facts, err := a.facts(r, f, store.OfDay, store.OfGroup)
	if err != nil {
		return nil, err
	}
	byModel, out := map[string]*activitySums{}, []*activitySums{}
	for i := range facts {
		name := facts[i].Of(store.OfGroup)
		if name == store.Rest {
			continue
		}
		s := byModel[name]
		if s == nil {
			s = &activitySums{Model: &name, Daily: []countDay{}}
			byModel[name] = s
			out = append(out, s)
		}
		s.add(&facts[i])
	}
	slices.SortStableFunc(out, func(x, y *activitySums) int { return cmp.Compare(y.Requests, x.Requests) })
	return out[:min(len(out), 10)], nil
}

// exceptionSums is how many calls failed because a provider's limit was reached.
type exceptionSums struct {
	Deployment *string        `json:"api_base,omitzero"`
	Daily      []exceptionDay `json:"daily_data"`
	Sum        int64          `json:"sum_num_rate_limit_exceptions"`
}

type exceptionDay struct {
	Date  string `json:"date"` // "Jan 22"
	Count int64  `json:"num_rate_limit_exceptions"`
}

func (s *exceptionSums) add(f *store.Fact) {
	date := shortDay(f)
	if n := len(s.Daily); n == 0 || s.Daily[n-1].Date != date {
		s.Daily = append(s.Daily, exceptionDay{Date: date})
	}
	s.Daily[len(s.Daily)-1].Count += f.Requests
	s.Sum += f.Requests
}

// exceptionFacts reads the failed calls of a group of deployments, of those kinds
// that a report is about.
func (a *API) exceptionFacts(r *http.Request, p *gateway.Principal, by ...store.Facet) ([]store.Fact, error) {
	q := readQuery(r)
	group := q.text("model_group")
	if group == "" && q.err == nil {
		q.err = malformed("model_group", "model_group is missing: say which model's failures to show")
	}
	f, err := a.activityDays(q, p)
	if err != nil {
		return nil, err
	}
	f.Group, f.Failed = group, true
	facts, err := a.facts(r, f, append(by, store.OfKind)...)
	if err != nil {
		return nil, err
	}
	limited := strconv.Itoa(int(gateway.UpstreamLimited))
	return slices.DeleteFunc(facts, func(f store.Fact) bool { return f.Of(store.OfKind) != limited }), nil
}

func (a *API) globalExceptions(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	facts, err := a.exceptionFacts(r, p, store.OfDay)
	if err != nil {
		return nil, err
	}
	out := &exceptionSums{Daily: []exceptionDay{}}
	for i := range facts {
		out.add(&facts[i])
	}
	return out, nil
}

// globalExceptionsByDeployment shows the ten deployments whose limits were reached
// most. A deployment is shown by where it is, or by its id if that is not known.
func (a *API) globalExceptionsByDeployment(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	facts, err := a.exceptionFacts(r, p, store.OfDay, store.OfDeployment)
	if err != nil {
		return nil, err
	}
	bases := map[string]string{}
	for _, m := range a.o.Models() {
		bases[m.Deployment.ID] = publicURL(m.Deployment.BaseURL)
	}
	byBase, out := map[string]*exceptionSums{}, []*exceptionSums{}
	for i := range facts {
		name := facts[i].Of(store.OfDeployment)
		name = cmp.Or(bases[name], name)
		s := byBase[name]
		if s == nil {
			s = &exceptionSums{Deployment: &name, Daily: []exceptionDay{}}
			byBase[name] = s
			out = append(out, s)
		}
		s.add(&facts[i])
	}
	slices.SortStableFunc(out, func(x, y *exceptionSums) int { return cmp.Compare(y.Sum, x.Sum) })
	return out[:min(len(out), 10)], nil
}

// cacheActivity is how many calls were answered from a cache, by kind of call.
// Nothing is answered from one yet, so that all hits are none.
type cacheActivity struct {
	Groups  []cacheGroup `json:"groups"`
	Totals  cacheTotals  `json:"totals"`
	Options cacheOptions `json:"filter_options"`
}

type cacheGroup struct {
	Type      string `json:"call_type"`
	Requests  int64  `json:"api_requests"` // that a provider has answered
	Hits      int64  `json:"cache_hits"`
	Failed    int64  `json:"failed_requests"`
	Cached    int64  `json:"cached_completion_tokens"`
	Generated int64  `json:"generated_completion_tokens"`
}

type cacheTotals struct {
	Requests int64   `json:"api_requests"`
	Hits     int64   `json:"cache_hits"`
	Failed   int64   `json:"failed_requests"`
	Cached   int64   `json:"cached_completion_tokens"`
	Ratio    float64 `json:"cache_hit_ratio"` // per cent
}

// cacheOptions are what the report can be filtered by.
type cacheOptions struct {
	Aliases []string `json:"key_aliases"`
	Models  []string `json:"models"`
}

// unnamed is what LiteLLM calls a key without an alias.
const unnamed = "Unnamed Key"

func (a *API) globalCacheHits(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	aliases, models := q.csv("key_aliases"), q.csv("models")
	f, err := a.activityDays(q, p)
	if err != nil {
		return nil, err
	}
	facts, err := a.facts(r, f, store.OfOperation, store.OfRoute, store.OfModel, store.OfKey)
	if err != nil {
		return nil, err
	}
	out := &cacheActivity{Groups: []cacheGroup{}}
	byType := map[string]*cacheGroup{}
	hasAlias, hasModel := map[string]bool{}, map[string]bool{}
	for i := range facts {
		fact := &facts[i]
		alias, model := unnamed, fact.Of(store.OfModel)
		if k := a.keyMetadata(fact.Of(store.OfKey)); k.Alias != nil {
			alias = *k.Alias
		}
		hasAlias[alias], hasModel[model] = true, true
		if aliases != nil && !slices.Contains(aliases, alias) || models != nil && !slices.Contains(models, model) {
			continue
		}
		name := "Unknown"
		if fact.Of(store.OfOperation) != store.Rest {
			name = callType(&spend.Row{Operation: gateway.Operation(fact.Of(store.OfOperation)), Route: fact.Of(store.OfRoute)})
		}
		g := byType[name]
		if g == nil {
			g = &cacheGroup{Type: name}
			byType[name] = g
		}
		g.Requests += fact.Requests - fact.Failures
		g.Failed += fact.Failures
		g.Generated += fact.Completion
		out.Totals.Requests += fact.Requests - fact.Failures
		out.Totals.Failed += fact.Failures
	}
	for _, name := range slices.Sorted(maps.Keys(byType)) {
		out.Groups = append(out.Groups, *byType[name])
	}
	slices.SortStableFunc(out.Groups, func(x, y cacheGroup) int { return cmp.Compare(y.Requests+y.Failed, x.Requests+x.Failed) })
	out.Options = cacheOptions{list(slices.Sorted(maps.Keys(hasAlias))), list(slices.Sorted(maps.Keys(hasModel)))}
	return out, nil
}
