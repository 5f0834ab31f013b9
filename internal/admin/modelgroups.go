package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

type modelPage struct {
	Data       []modelRow `json:"data"`
	Total      int        `json:"total_count"`
	Page       int        `json:"current_page"`
	TotalPages int        `json:"total_pages"`
	Size       int        `json:"size"`
}

// pageModels shows deployments page by page.
func (a *API) pageModels(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("size", 50, 1, 1000)
	model, id, team, group := q.text("model"), q.text("modelId"), q.text("teamId"), q.text("access_group")
	search, wildcards, teams := strings.ToLower(q.text("search")), q.flag("wildcard_only", false), q.flag("include_team_models", false)
	mine := q.flag("user_models_only", false)
	q.flag("debug", false) // what LiteLLM shows then is not there
	order := q.oneOf("sortBy", "", "model_name", "model_id", "provider", "created_at", "updated_at", "costs", "status")
	desc := q.oneOf("sortOrder", "asc", "asc", "desc") == "desc"
	if q.err != nil {
		return nil, q.err
	}
	var stored map[string]*gateway.StoredModel
	if mine || order == "created_at" || order == "updated_at" {
		stored = map[string]*gateway.StoredModel{}
		err := a.store.AllStoredModels(r.Context(), func(m *gateway.StoredModel) error { stored[m.ID] = m; return nil })
		if err != nil {
			return nil, err
		}
	}
	models := slices.DeleteFunc(a.seen(p, teams), func(m Model) bool {
		d := m.Deployment
		return mine && (stored[d.ID] == nil || stored[d.ID].CreatedBy != actor(p)) || model != "" && publicName(d) != model || id != "" && d.ID != id || team != "" && d.TeamID != team ||
			group != "" && !slices.Contains(d.AccessGroups, group) || wildcards && !strings.Contains(d.Group, "*") ||
			search != "" && !strings.Contains(strings.ToLower(publicName(d)+" "+d.Upstream+" "+d.ID), search)
	})
	if by := modelOrders(stored)[order]; by != nil {
		slices.SortStableFunc(models, func(x, y Model) int {
			n := by(&x, &y)
			if desc {
				return -n
			}
			return n
		})
	}
	out := &modelPage{Data: []modelRow{}, Total: len(models), Page: page, Size: size, TotalPages: (len(models) + size - 1) / size}
	for _, m := range models[min((page-1)*size, len(models)):min(page*size, len(models))] {
		out.Data = append(out.Data, modelOf(&m))
	}
	return out, nil
}

// modelOrders are the orders of /v2/model/info besides that of the configuration.
// Models of the configuration have no times, and come before those that have.
func modelOrders(stored map[string]*gateway.StoredModel) map[string]func(x, y *Model) int {
	byText := func(of func(*gateway.Deployment) string) func(x, y *Model) int {
		return func(x, y *Model) int { return strings.Compare(of(x.Deployment), of(y.Deployment)) }
	}
	byTime := func(of func(*gateway.StoredModel) time.Time) func(x, y *Model) int {
		at := func(m *Model) time.Time {
			if s := stored[m.Deployment.ID]; s != nil {
				return of(s)
			}
			return time.Time{}
		}
		return func(x, y *Model) int { return at(x).Compare(at(y)) }
	}
	cost := func(m *Model) gateway.NanoUSD {
		if m.Rate == nil {
			return 0
		}
		return m.Rate.Cost(gateway.Usage{Prompt: perTokenOf, Completion: perTokenOf})
	}
	return map[string]func(x, y *Model) int{
		"model_name": byText(publicName),
		"model_id":   byText(func(d *gateway.Deployment) string { return d.ID }),
		"provider":   byText(func(d *gateway.Deployment) string { return d.Provider }),
		"created_at": byTime(func(m *gateway.StoredModel) time.Time { return m.CreatedAt }),
		"updated_at": byTime(func(m *gateway.StoredModel) time.Time { return m.UpdatedAt }),
		"costs":      func(x, y *Model) int { return cmp.Compare(cost(x), cost(y)) },
		// Those of the configuration before those of the database, as LiteLLM has it.
		"status": byText(func(d *gateway.Deployment) string { return strconv.FormatBool(d.Stored) }),
	}
}

type modelGroupList struct {
	Data []*modelGroup `json:"data"`
}

// modelGroup are all deployments of a name together: of sizes and prices the
// greatest, of limits the sum.
type modelGroup struct {
	Name            string          `json:"model_group"`
	Providers       []string        `json:"providers"`
	MaxInput        *int64          `json:"max_input_tokens"`
	MaxOutput       *int64          `json:"max_output_tokens"`
	InputCost       jsontext.Value  `json:"input_cost_per_token"`
	OutputCost      jsontext.Value  `json:"output_cost_per_token"`
	PixelCost       none            `json:"input_cost_per_pixel"`
	Mode            *string         `json:"mode"`
	TPM             *int64          `json:"tpm"`
	RPM             *int64          `json:"rpm"`
	InputTPM        none            `json:"itpm"`
	OutputTPM       none            `json:"otpm"`
	Supports        map[string]bool `json:",embed"`
	Efforts         none            `json:"supported_reasoning_efforts"`
	OpenAIParams    none            `json:"supported_openai_params"`
	ClientsideAuth  []string        `json:"configurable_clientside_auth_params"`
	Public          bool            `json:"is_public_model_group"`
	HealthStatus    none            `json:"health_status"`
	HealthTime      none            `json:"health_response_time"`
	HealthCheckedAt none            `json:"health_checked_at"`

	input, output gateway.NanoUSD // of perTokenOf tokens
}

// groupAbilities are those that clients read of every group.
var groupAbilities = [...]string{
	"supports_parallel_function_calling", "supports_vision", "supports_web_search", "supports_url_context", "supports_reasoning",
	"supports_function_calling", "supports_fast_mode",
}

func (a *API) modelGroups(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	want := q.text("model_group")
	if q.err != nil {
		return nil, q.err
	}
	groups := map[string]*modelGroup{}
	out := &modelGroupList{Data: []*modelGroup{}}
	for _, m := range a.seen(p, false) {
		name := publicName(m.Deployment)
		if want != "" && name != want {
			continue
		}
		g := groups[name]
		if g == nil {
			g = &modelGroup{Name: name, Providers: []string{}, InputCost: jsontext.Value("null"), OutputCost: jsontext.Value("null"), Supports: map[string]bool{}}
			for _, ability := range groupAbilities {
				g.Supports[ability] = false
			}
			groups[name] = g
			out.Data = append(out.Data, g)
		}
		g.add(&m)
	}
	return out, nil
}

func (g *modelGroup) add(m *Model) {
	d := m.Deployment
	if !slices.Contains(g.Providers, d.Provider) {
		g.Providers = append(g.Providers, d.Provider)
	}
	g.Mode = cmp.Or(g.Mode, text(d.Mode))
	g.TPM, g.RPM = sum(g.TPM, d.TPM), sum(g.RPM, d.RPM)
	g.MaxInput = greater(g.MaxInput, d.MaxInput)
	if len(d.ClientCredentials) > 0 {
		g.ClientsideAuth = d.ClientCredentials
	}
	if m.Rate != nil {
		if n := m.Rate.Cost(gateway.Usage{Prompt: perTokenOf}); string(g.InputCost) == "null" || n > g.input {
			g.input, g.InputCost = n, perToken(n)
		}
		if n := m.Rate.Cost(gateway.Usage{Completion: perTokenOf}); string(g.OutputCost) == "null" || n > g.output {
			g.output, g.OutputCost = n, perToken(n)
		}
	}
	if m.Price == nil {
		return
	}
	g.MaxInput, g.MaxOutput = greater(g.MaxInput, m.Price.MaxInput), greater(g.MaxOutput, m.Price.MaxOutput)
	g.Mode = cmp.Or(g.Mode, text(m.Price.Mode))
	for ability, can := range m.Price.Abilities() {
		g.Supports["supports_"+ability] = g.Supports["supports_"+ability] || can
	}
}

// sum adds a limit that may not be set.
func sum(have *int64, more int64) *int64 {
	if have == nil || more == 0 {
		return cmp.Or(have, known(more))
	}
	return known(*have + more)
}

// greater returns the greater of two sizes that may not be known.
func greater(have *int64, other int64) *int64 {
	if have != nil && *have >= other {
		return have
	}
	return known(other)
}
