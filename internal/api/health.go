package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
	"penstock/internal/health"
	"penstock/internal/router"
	"penstock/internal/store"
	"penstock/internal/wire"
)

// Health knows how deployments do, and finds out.
type Health interface {
	// Check asks the deployment now, on p's account. by says who wanted it.
	Check(ctx context.Context, d *gateway.Deployment, p gateway.Principal, by string) health.Result
	// Last returns the last result of the deployment.
	Last(id string) (health.Result, bool)
	// Latest returns the last results of all replicas.
	Latest(context.Context) ([]health.Result, error)
	// History returns earlier results, and how many there are.
	History(context.Context, store.HealthFilter) ([]health.Result, int, error)
	// Details reports whether /health says more than the model and the error.
	Details() bool
	// Service sends a test to one logging destination.
	Service(ctx context.Context, name string) error
	// Spend says how the booking of spend does.
	Spend() SpendHealth
	// Limits says where limits are counted, and whether that place is connected.
	Limits() (over, state string)
	// Ready says how the database does; the error says why calls cannot be served.
	Ready(context.Context) (db string, err error)
}

// SpendHealth says how the booking of spend does.
type SpendHealth struct {
	// Status is "booked", "behind" while the database refuses, "in memory" while
	// neither it nor the journal takes spend, "full" when calls are refused for
	// it, or "damaged" if the disk has lost entries.
	Status        string  `json:"status"`
	JournalBytes  int64   `json:"journal_bytes"`
	JournalMax    int64   `json:"journal_max_bytes"`
	InMemory      int64   `json:"calls_in_memory"`
	BehindSeconds float64 `json:"behind_seconds"`
	DamagedBytes  int64   `json:"damaged_bytes"`
}

// alive says that the process runs. It looks at nothing else: a process that
// is restarted because its database is away helps nobody.
func (a *API) alive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, []byte(`"I'm alive!"`))
}

// ready returns readiness as far as it is everybody's business.
func (a *API) ready(ctx context.Context) (status int, b []byte) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	db, err := a.Health.Ready(ctx)
	status, word := http.StatusOK, "healthy"
	if err != nil {
		a.Log.Warn("not ready", "err", err)
		status, word = http.StatusServiceUnavailable, "unhealthy"
	}
	b = wire.AppendString([]byte(`{"status":`), word)
	b = wire.AppendString(append(b, `,"db":`...), db)
	over, state := a.Health.Limits()
	b = wire.AppendString(append(b, `,"limits":{"counted_in":`...), over)
	b = append(wire.AppendString(append(b, `,"state":`...), state), '}')
	return status, wire.AppendString(append(b, `,"penstock_version":`...), a.Version)
}

// readiness says whether calls can be served.
func (a *API) readiness(w http.ResponseWriter, r *http.Request) {
	status, b := a.ready(r.Context())
	writeJSON(w, status, append(b, '}'))
}

// readinessDetails says the same, and what serves them.
func (a *API) readinessDetails(q *request) {
	status, b := a.ready(q.r.Context())
	b = wire.AppendString(append(b, `,"cache":null,"litellm_version":`...), a.Version)
	writeJSON(q.w, status, append(strconv.AppendInt(append(b, `,"deployments":`...), int64(len(q.s.Table.Deployments())), 10), '}'))
}

// endpoint is a deployment as /health shows it.
type endpoint struct {
	Model    string            `json:"model"` // "provider/model"
	Error    string            `json:"error,omitzero"`
	Status   string            `json:"exception_status,omitzero"`
	Name     string            `json:"model_name,omitzero"`
	ID       string            `json:"model_id,omitzero"`
	Provider string            `json:"custom_llm_provider,omitzero"`
	Mode     string            `json:"mode,omitzero"`
	Base     string            `json:"base_model,omitzero"`
	TPM      int64             `json:"tpm,omitzero"`
	RPM      int64             `json:"rpm,omitzero"`
	APIBase  string            `json:"api_base,omitzero"`
	Version  string            `json:"api_version,omitzero"`
	Flight   int64             `json:"in_flight"`
	Checked  *time.Time        `json:"checked_at,omitzero"`
	Took     float64           `json:"response_time_ms,omitzero"`
	Note     string            `json:"note,omitzero"`
	Left     map[string]string `json:"rate_limits,omitzero"`
}

// bare is all that is shown if health_check_details is false.
type bare struct {
	Model string `json:"model"`
	Error string `json:"mode_error,omitzero"`
}

// counted says where limits are counted.
type counted struct {
	In    string `json:"counted_in"`
	State string `json:"state"` // connected or disconnected
}

type endpoints struct {
	Limits         counted `json:"limits"`
	Healthy        []any   `json:"healthy_endpoints"`
	Unhealthy      []any   `json:"unhealthy_endpoints"`
	HealthyCount   int     `json:"healthy_count"`
	UnhealthyCount int     `json:"unhealthy_count"`
	// Spend is for administrators.
	Spend *SpendHealth `json:"spend,omitzero"`
}

func (q *request) manages() bool {
	return q.principal.Role == gateway.ProxyAdmin || q.principal.Role == gateway.ProxyAdminViewer
}

// maxChecks bounds how many deployments one request has checked, and
// checksAtOnce how many of them together.
const (
	maxChecks    = 200
	checksAtOnce = 8
)

// health says how the deployments do: by what calls have seen of them and by
// the last checks. It calls a provider only if a model is named: a health check
// that costs money by itself would be one to be afraid of.
func (a *API) health(q *request) {
	model, id := q.r.URL.Query().Get("model"), q.r.URL.Query().Get("model_id")
	var shown []router.Health
	known := false
	for _, h := range q.s.Table.Health(time.Now()) {
		switch {
		case id != "" && h.ID != id, model != "" && h.Group != model && h.ID != model && h.Provider+"/"+h.Upstream != model:
			continue
		}
		known = true
		if q.manages() || q.a.Auth.Directory.Usable(&q.principal, h.Group, q.s.Table) {
			shown = append(shown, h)
		}
	}
	targeted := model != "" || id != ""
	switch {
	case targeted && !known:
		a.fail(q, &gateway.Error{Kind: gateway.NotFound, Param: "model", Message: "there is no deployment of model '" + clip(cmp.Or(model, id), 200) + "'"})
		return
	case targeted && len(shown) == 0:
		a.fail(q, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Param: "model", Message: "this key may not use model '" + clip(cmp.Or(model, id), 200) + "'"})
		return
	case targeted && q.principal.Role == gateway.ProxyAdminViewer:
		a.fail(q, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Message: "a check is a call to the provider, which role proxy_admin_viewer may not make"})
		return
	case len(shown) > maxChecks && targeted:
		shown = shown[:maxChecks]
	}
	var asked []health.Result
	if targeted {
		asked = a.check(q, shown)
	}
	out := endpoints{Healthy: []any{}, Unhealthy: []any{}}
	out.Limits.In, out.Limits.State = a.Health.Limits()
	for i := range shown {
		r, _ := a.Health.Last(shown[i].ID)
		if targeted {
			r = asked[i]
		}
		e, well := endpointOf(q, &shown[i], &r, targeted)
		var v any = e
		if !a.Health.Details() {
			v = bare{Model: e.Model, Error: e.Error}
		}
		if well {
			out.Healthy = append(out.Healthy, v)
		} else {
			out.Unhealthy = append(out.Unhealthy, v)
		}
	}
	out.HealthyCount, out.UnhealthyCount = len(out.Healthy), len(out.Unhealthy)
	if q.manages() {
		spend := a.Health.Spend()
		out.Spend = &spend
	} else {
		set(q.w.Header(), "Litellm-Health-Field-Notice", "api_base and api_version are shown to administrators only")
	}
	status := http.StatusOK
	if targeted && out.HealthyCount == 0 {
		status = http.StatusServiceUnavailable
	}
	a.answer(q, status, out)
}

// check asks the deployments, a few at a time.
func (a *API) check(q *request, hs []router.Health) []health.Result {
	out := make([]health.Result, len(hs))
	by := cmp.Or(q.principal.KeyAlias(), q.principal.UserID(), string(q.principal.Role))
	slots := make(chan struct{}, checksAtOnce)
	var wg sync.WaitGroup
	for i, h := range hs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = a.Health.Check(q.r.Context(), h.Deployment, q.principal, by)
		})
	}
	wg.Wait()
	return out
}

// endpointOf shows h with its last check, and whether it is well. Only if it was
// asked just now does its answer count for more than a cooldown.
func endpointOf(q *request, h *router.Health, r *health.Result, asked bool) (endpoint, bool) {
	e := endpoint{
		Model: h.Provider + "/" + h.Upstream, Name: h.Group, ID: h.ID, Provider: h.Provider, Mode: h.Mode, Base: h.BaseModel,
		TPM: h.TPM, RPM: h.RPM, Flight: h.InFlight,
	}
	if q.manages() {
		e.APIBase, _, _ = strings.Cut(h.BaseURL, "?")
		e.Version = h.APIVersion
	}
	well := true
	if !r.At.IsZero() {
		at := r.At.UTC()
		e.Checked, e.Took, e.Left = &at, float64(r.Took.Microseconds())/1000, r.Left
		switch {
		case r.Unknown != "":
			e.Note = "not checked: " + r.Unknown
		case !r.OK:
			well, e.Error = false, r.Kind.String()+": "+r.Error
			if r.Status != 0 {
				e.Status = strconv.Itoa(r.Status)
			}
		case asked:
			return e, true
		}
	}
	switch {
	case h.Cooling > 0:
		said := "cooling down for another " + h.Cooling.Round(time.Second/10).String() + " after failures of calls"
		well, e.Error = false, strings.TrimPrefix(e.Error+"; "+said, "; ")
	case h.Probing && e.Note == "":
		e.Note = "its cooldown is over, and the next call finds out whether it is well again"
	}
	return e, well
}

func (a *API) answer(q *request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		a.fail(q, err)
		return
	}
	writeJSON(q.w, status, b)
}

// healthServices sends a test to the logging destination that is named.
func (a *API) healthServices(q *request) {
	name := q.r.URL.Query().Get("service")
	switch {
	case q.principal.Role != gateway.ProxyAdmin && !q.principal.Master:
		a.fail(q, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Message: "/health/services sends to logging destinations, so it is for administrators"})
		return
	case name == "":
		a.fail(q, gateway.Invalidf("service", "say which logging destination to test: /health/services?service=langfuse"))
		return
	}
	ctx, cancel := context.WithTimeout(q.r.Context(), 20*time.Second)
	defer cancel()
	if err := a.Health.Service(ctx, name); err != nil {
		e := &gateway.Error{Kind: gateway.Internal, Message: err.Error()}
		if known := gateway.AsError(err); known.Kind == gateway.Invalid {
			e = known
		}
		a.fail(q, e)
		return
	}
	b := wire.AppendString([]byte(`{"status":"success","message":`), "a test record was delivered to "+name)
	writeJSON(q.w, http.StatusOK, append(b, '}'))
}

// healthRow is a check as LiteLLM's table of them has it.
type healthRow struct {
	ID           string     `json:"health_check_id"`
	Name         string     `json:"model_name"`
	ModelID      string     `json:"model_id"`
	Status       string     `json:"status"` // healthy, unhealthy or unknown
	Healthy      int        `json:"healthy_count"`
	Unhealthy    int        `json:"unhealthy_count"`
	ErrorMessage *string    `json:"error_message"`
	Took         float64    `json:"response_time_ms"`
	Details      healthInfo `json:"details"`
	By           string     `json:"checked_by"`
	At           time.Time  `json:"checked_at"`
}

type healthInfo struct {
	Provider string `json:"custom_llm_provider"`
	Model    string `json:"model"`
	Kind     string `json:"kind,omitzero"`
	Status   int    `json:"exception_status,omitzero"`
}

func rowOf(r *health.Result) healthRow {
	row := healthRow{
		ID: r.CallID, Name: r.Group, ModelID: r.Deployment, Status: "healthy", Took: float64(r.Took.Microseconds()) / 1000,
		Details: healthInfo{Provider: r.Provider, Model: r.Model, Status: r.Status}, By: r.By, At: r.At.UTC(),
	}
	switch {
	case r.Unknown != "":
		row.Status, row.ErrorMessage = "unknown", &r.Unknown
	case r.OK:
		row.Healthy = 1
	default:
		row.Status, row.Unhealthy, row.ErrorMessage, row.Details.Kind = "unhealthy", 1, &r.Error, r.Kind.String()
	}
	return row
}

// forManagers answers anybody else and reports false.
func (a *API) forManagers(q *request) bool {
	if q.manages() {
		return true
	}
	a.fail(q, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Message: q.r.URL.Path + " shows every deployment, so it is for administrators"})
	return false
}

// latestChecks are the last checks by deployment.
type latestChecks struct {
	Latest map[string]healthRow `json:"latest_health_checks"`
	Total  int                  `json:"total_models"`
}

// healthLatest shows the last check of each deployment, whichever replica made it.
func (a *API) healthLatest(q *request) {
	if !a.forManagers(q) {
		return
	}
	rs, err := a.Health.Latest(q.r.Context())
	if err != nil {
		a.fail(q, err)
		return
	}
	ids := map[string]bool{}
	for _, d := range q.s.Table.Deployments() {
		ids[d.ID] = true
	}
	out := latestChecks{Latest: map[string]healthRow{}}
	for i := range rs {
		if ids[rs[i].Deployment] {
			out.Latest[rs[i].Deployment] = rowOf(&rs[i])
		}
	}
	out.Total = len(out.Latest)
	a.answer(q, http.StatusOK, out)
}

// earlierChecks is a page of checks.
type earlierChecks struct {
	Checks []healthRow `json:"health_checks"`
	Total  int         `json:"total_records"`
	Limit  int         `json:"limit"`
	Offset int         `json:"offset"`
}

// healthHistory shows earlier checks: each that found something new, and one an
// hour of those that did not.
func (a *API) healthHistory(q *request) {
	if !a.forManagers(q) {
		return
	}
	v := q.r.URL.Query()
	f := store.HealthFilter{Group: v.Get("model"), Deployment: v.Get("model_id"), Status: cmp.Or(v.Get("status_filter"), v.Get("status")), Limit: 100}
	for _, p := range [...]struct {
		name string
		to   *int
	}{{"limit", &f.Limit}, {"offset", &f.Offset}} {
		if s := v.Get(p.name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || n > 1<<30 {
				a.fail(q, gateway.Invalidf(p.name, "'%s' must be a whole number, got %s", p.name, clip(s, 40)))
				return
			}
			*p.to = n
		}
	}
	if !slices.Contains([]string{"", "healthy", "unhealthy"}, f.Status) {
		a.fail(q, gateway.Invalidf("status_filter", "'status_filter' must be healthy or unhealthy"))
		return
	}
	rs, n, err := a.Health.History(q.r.Context(), f)
	if err != nil {
		a.fail(q, err)
		return
	}
	out := earlierChecks{Checks: []healthRow{}, Total: n, Limit: f.Limit, Offset: f.Offset}
	for i := range rs {
		out.Checks = append(out.Checks, rowOf(&rs[i]))
	}
	a.answer(q, http.StatusOK, out)
}
