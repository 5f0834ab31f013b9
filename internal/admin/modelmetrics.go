package admin

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxMetricDays bounds the days of a report on models.
const maxMetricDays = 366

// slowAfter is from when on an answer is slow, as LiteLLM has it where nothing
// else is configured.
const slowAfter = 300 * time.Second

// measured is what a report on models is about.
type measured struct {
	group, key, customer string // "" for all
	from, to             time.Time
	sameDay              bool
	keyed                bool
}

// measured reads what these reports are asked by. Without a time they are about
// the last days until now.
func (a *API) measured(q *query, days int) *measured {
	given := func(name string) string {
		if v := q.text(name); v != "undefined" && v != "null" {
			return v
		}
		return ""
	}
	m := &measured{group: given("_selected_model_group"), customer: given("customer")}
	if key := given("api_key"); key != "" {
		m.key, m.keyed = storedKey(key), true
	}
	var day bool
	m.from, _ = q.moment("startTime")
	if m.to, day = q.moment("endTime"); day {
		m.to = m.to.AddDate(0, 0, 1)
	}
	if m.to.IsZero() {
		m.to = a.now()
	}
	if m.from.IsZero() {
		m.from = m.to.AddDate(0, 0, -days)
	}
	// What ends with a day is not on the day after.
	last := m.to.Add(-1)
	switch {
	case q.err != nil:
	case !m.from.Before(m.to):
		q.err = invalid("endTime", "endTime must be after startTime")
	case m.to.Sub(m.from) > maxMetricDays*24*time.Hour:
		q.err = invalid("startTime", "startTime: a report has at most %d days, ask for less", maxMetricDays)
	}
	m.sameDay = m.from.UTC().Format(time.DateOnly) == last.UTC().Format(time.DateOnly)
	return m
}

// measuredFacts adds up the activity of the days that m touches.
func (a *API) measuredFacts(r *http.Request, m *measured, failed bool, by ...store.Facet) ([]store.Fact, error) {
	f := store.FactFilter{Group: m.group, Failed: failed, Day0: m.from, Day1: m.to.Add(-1)}
	if m.keyed {
		f.Keys = []string{m.key}
	}
	if m.customer != "" {
		f.Scope, f.IDs = store.EndUser, []string{m.customer}
	}
	return a.facts(r, f, by...)
}

func (m *measured) timing() store.TimingFilter {
	return store.TimingFilter{From: m.from, To: m.to, Group: m.group, KeyHash: m.key, EndUser: m.customer}
}

// measures are numbers of deployments by day or by call.
type measures struct {
	Data  []measure `json:"data"`
	Bases []string  `json:"all_api_bases"`
}

// measure has a number for each deployment, by where it is or by its model.
type measure struct {
	Date string             `json:"date"` // "2026-01-31", or a call's id
	By   map[string]float64 `json:",embed"`
}

// put sets a number of the last date, which is date from now on.
func (m *measures) put(date, name string, value float64) {
	if n := len(m.Data); n == 0 || m.Data[n-1].Date != date {
		m.Data = append(m.Data, measure{date, map[string]float64{}})
	}
	m.Data[len(m.Data)-1].By[name] = value
	if !slices.Contains(m.Bases, name) {
		m.Bases = append(m.Bases, name)
	}
}

// places are where deployments are, by their ids.
func (a *API) places() map[string]string {
	places := map[string]string{}
	for _, m := range a.o.Models() {
		base, _, _ := strings.Cut(publicURL(m.Deployment.BaseURL), "/openai/")
		places[m.Deployment.ID] = base
	}
	return places
}

// placeName is how a deployment is named in reports: by where it is if that is on
// the internet, else by its model.
func placeName(places map[string]string, deployment, model string) string {
	name := model
	if base := places[deployment]; strings.HasPrefix(base, "https://") {
		name = base
	}
	if name == "date" { // what the day stands under
		name += " (model)"
	}
	return name
}

// modelMetrics shows how many seconds a token of an answer took, by day and
// deployment: all time of a day's answers by all their tokens.
func (a *API) modelMetrics(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	m := a.measured(q, 30)
	if q.err != nil {
		return nil, q.err
	}
	facts, err := a.measuredFacts(r, m, false, store.OfDay, store.OfDeployment, store.OfModel, store.OfKind)
	if err != nil {
		return nil, err
	}
	type sum struct {
		took   time.Duration
		tokens int64
	}
	places, days := a.places(), map[string]map[string]sum{}
	for i := range facts {
		f := &facts[i]
		if f.Of(store.OfKind) != "" || f.Of(store.OfDeployment) == "" || f.Of(store.OfDeployment) == store.Rest || f.Timed == 0 {
			continue
		}
		day, name := f.Of(store.OfDay), placeName(places, f.Of(store.OfDeployment), f.Of(store.OfModel))
		if days[day] == nil {
			days[day] = map[string]sum{}
		}
		s := days[day][name]
		days[day][name] = sum{s.took + f.Took, s.tokens + f.Completion}
	}
	out := &measures{[]measure{}, []string{}}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		for _, name := range slices.Sorted(maps.Keys(days[day])) {
			if s := days[day][name]; s.tokens > 0 {
				out.put(day, name, s.took.Seconds()/float64(s.tokens))
			}
		}
	}
	return out, nil
}

// slowDeployment is how many answers of a deployment were slow.
type slowDeployment struct {
	Base  string `json:"api_base"`
	Total int64  `json:"total_count"`
	Slow  int64  `json:"slow_count"`
}

// tellSince says from when on calls were looked at, if that is not all of them.
func tellSince(w http.ResponseWriter, since time.Time) {
	if !since.IsZero() {
		w.Header().Set("X-Penstock-Since", since.UTC().Format(time.RFC3339))
	}
}

// slowResponses shows by deployment how many answers took five minutes or more.
func (a *API) slowResponses(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	m := a.measured(q, 30)
	if q.err != nil {
		return nil, q.err
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	list, since, err := a.store.SlowCalls(r.Context(), m.timing(), slowAfter)
	if err != nil {
		return nil, err
	}
	tellSince(w, since)
	places, at, out := a.places(), map[string]int{}, []slowDeployment{}
	for _, s := range list {
		base := cmp.Or(places[s.Deployment], s.Deployment)
		i, ok := at[base]
		if !ok {
			i = len(out)
			at[base] = i
			out = append(out, slowDeployment{Base: base})
		}
		out[i].Total += s.Calls
		out[i].Slow += s.Slow
	}
	slices.SortStableFunc(out, func(x, y slowDeployment) int { return cmp.Compare(y.Slow, x.Slow) })
	return out, nil
}

// streamingMetrics shows how many seconds streams took to begin, by day and
// deployment, or of each call if only one day is asked for.
func (a *API) streamingMetrics(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	m := a.measured(q, 7)
	if q.err != nil {
		return nil, q.err
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	list, since, err := a.store.FirstBytes(r.Context(), m.timing(), m.sameDay)
	if err != nil {
		return nil, err
	}
	tellSince(w, since)
	places, out := a.places(), &measures{[]measure{}, []string{}}
	for _, b := range list {
		out.put(cmp.Or(b.CallID, b.Day), placeName(places, b.Deployment, b.Model), b.Took.Seconds())
	}
	return out, nil
}

// modelExceptions is how calls of deployments have failed.
type modelExceptions struct {
	Data  []modelException `json:"data"`
	Types []string         `json:"exception_types"`
}

// modelException has how often a deployment has failed in each way, by LiteLLM's
// names of errors.
type modelException struct {
	Model string           `json:"model"` // the vendor's, with where it is
	Total int64            `json:"total_exceptions"`
	By    map[string]int64 `json:",embed"`
}

// maxExceptions bounds the deployments of modelMetricExceptions.
const maxExceptions = 200

func (a *API) modelMetricExceptions(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	m := a.measured(q, 30)
	if q.err != nil {
		return nil, q.err
	}
	facts, err := a.measuredFacts(r, m, true, store.OfDeployment, store.OfModel, store.OfKind)
	if err != nil {
		return nil, err
	}
	places, byName, out := a.places(), map[string]*modelException{}, &modelExceptions{[]modelException{}, []string{}}
	for i := range facts {
		f := &facts[i]
		n, err := strconv.ParseUint(f.Of(store.OfKind), 10, 8)
		if err != nil {
			continue // of days that know no more than that calls failed
		}
		name := f.Of(store.OfModel)
		if base := places[f.Of(store.OfDeployment)]; base != "" {
			name += "-" + base
		}
		e := byName[name]
		if e == nil {
			e = &modelException{Model: name, By: map[string]int64{}}
			byName[name] = e
		}
		class := errorClass(gateway.Kind(n))
		e.Total += f.Requests
		e.By[class] += f.Requests
		if !slices.Contains(out.Types, class) {
			out.Types = append(out.Types, class)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out.Data = append(out.Data, *byName[name])
	}
	slices.SortStableFunc(out.Data, func(x, y modelException) int { return cmp.Compare(y.Total, x.Total) })
	out.Data = out.Data[:min(len(out.Data), maxExceptions)]
	slices.Sort(out.Types)
	return out, nil
}

// errorClass is LiteLLM's name of a failure.
func errorClass(k gateway.Kind) string {
	switch k {
	case gateway.Invalid, gateway.TooLarge, gateway.UpstreamRefused:
		return "BadRequestError"
	case gateway.Unauthenticated, gateway.UpstreamAuth:
		return "AuthenticationError"
	case gateway.Forbidden:
		return "PermissionDeniedError"
	case gateway.NotFound, gateway.UpstreamNotFound:
		return "NotFoundError"
	case gateway.Exceeded, gateway.UpstreamLimited:
		return "RateLimitError"
	case gateway.BudgetExceeded:
		return "BudgetExceededError"
	case gateway.Blocked, gateway.ContentPolicy:
		return "ContentPolicyViolationError"
	case gateway.ContextWindow:
		return "ContextWindowExceededError"
	case gateway.UpstreamTimeout:
		return "Timeout"
	case gateway.Unavailable:
		return "ServiceUnavailableError"
	case gateway.UpstreamCut:
		return "APIConnectionError"
	case gateway.Canceled:
		return "CancelledError"
	default:
		return "InternalServerError"
	}
}
