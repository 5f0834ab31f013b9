package admin

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/price"
)

// Model is a deployment and what is known about it.
type Model struct {
	Deployment *gateway.Deployment
	Price      *price.Model // nil if the price table does not have it
	Rate       *price.Rate  // with the deployment's own prices; nil if unpriced
	Info       []byte       // model_info as it is configured, a JSON object; nil without
}

type modelList struct {
	Data []modelRow `json:"data"`
}

type modelRow struct {
	Name   string      `json:"model_name"`
	Params modelParams `json:"litellm_params"`
	Info   modelDetail `json:"model_info"`
}

// modelParams are what a deployment is configured with, but for credentials
// and for what may contain them: headers and request defaults.
type modelParams struct {
	Model       string  `json:"model"`
	APIBase     string  `json:"api_base,omitzero"`
	APIVersion  string  `json:"api_version,omitzero"`
	RPM         int64   `json:"rpm,omitzero"`
	TPM         int64   `json:"tpm,omitzero"`
	MaxParallel int64   `json:"max_parallel_requests,omitzero"`
	Weight      float64 `json:"weight,omitzero"`
	Order       int     `json:"order,omitzero"`
	Timeout     float64 `json:"timeout,omitzero"` // seconds
	NumRetries  *int    `json:"num_retries,omitzero"`
	DropParams  bool    `json:"drop_params,omitzero"`
}

type modelDetail struct {
	ID           string         `json:"id"`
	DBModel      bool           `json:"db_model"`
	Key          *string        `json:"key"`
	MaxTokens    *int64         `json:"max_tokens"`
	MaxInput     *int64         `json:"max_input_tokens"`
	MaxOutput    *int64         `json:"max_output_tokens"`
	InputCost    jsontext.Value `json:"input_cost_per_token"`
	OutputCost   jsontext.Value `json:"output_cost_per_token"`
	Provider     string         `json:"litellm_provider"`
	Mode         *string        `json:"mode"`
	BaseModel    *string        `json:"base_model"`
	AccessGroups []string       `json:"access_groups"`
	TeamID       *string        `json:"team_id"`
	TeamModel    *string        `json:"team_public_model_name"`
	Blocked      bool           `json:"blocked"`
	// More is supports_… and what else somebody has put into model_info.
	More map[string]jsontext.Value `json:",embed"`
}

// sees reports whether the caller may know of a deployment: one that it may
// call, or with teams one of a team that it is in.
func (a *API) sees(p *gateway.Principal, v *auth.View, d *gateway.Deployment, teams bool) bool {
	switch {
	case v.All:
		return true
	case d.Hidden:
		return false
	case d.TeamID != "" && d.TeamID != p.TeamID():
		return teams && slices.Contains(v.Teams, d.TeamID)
	}
	return a.o.Allowed(p, publicName(d))
}

// publicName is what clients ask for.
func publicName(d *gateway.Deployment) string {
	if d.TeamID != "" {
		return cmp.Or(d.TeamModel, d.Group)
	}
	return d.Group
}

// seen returns the deployments that the caller may know of.
func (a *API) seen(p *gateway.Principal, teams bool) []Model {
	v := a.directory.View(p)
	return slices.DeleteFunc(a.o.Models(), func(m Model) bool { return !a.sees(p, &v, m.Deployment, teams) })
}

func (a *API) modelInfo(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id, team, teams := q.text("litellm_model_id"), q.text("teamId"), q.flag("include_team_models", false)
	healthy := q.flag("healthy_only", false)
	if q.err != nil {
		return nil, q.err
	}
	var ill map[string]bool
	if healthy || a.o.Settings().ListHealthy {
		ill = a.o.Ill()
	}
	out := &modelList{Data: []modelRow{}}
	for _, m := range a.seen(p, teams) {
		if !ill[publicName(m.Deployment)] && (id == "" || m.Deployment.ID == id) && (team == "" || m.Deployment.TeamID == team) {
			out.Data = append(out.Data, modelOf(&m))
		}
	}
	if id != "" && len(out.Data) == 0 {
		return nil, invalid("litellm_model_id", "Model id = %s not found on litellm proxy", id)
	}
	return out, nil
}

func modelOf(m *Model) modelRow {
	d := m.Deployment
	row := modelRow{
		Name: d.Group,
		Params: modelParams{
			Model: d.Provider + "/" + d.Upstream, APIBase: publicURL(d.BaseURL), APIVersion: d.APIVersion,
			RPM: d.RPM, TPM: d.TPM, MaxParallel: d.MaxParallel, Weight: d.Weight, Order: d.Order,
			Timeout: d.Timeout.Seconds(), NumRetries: d.Retries, DropParams: d.DropParams,
		},
		Info: modelDetail{
			ID: d.ID, Provider: d.Provider, Mode: text(d.Mode), BaseModel: text(d.BaseModel), AccessGroups: list(d.AccessGroups),
			DBModel: d.Stored, TeamID: text(d.TeamID), TeamModel: text(d.TeamModel), Blocked: d.Blocked,
			InputCost: jsontext.Value("null"), OutputCost: jsontext.Value("null"),
		},
	}
	if m.Rate != nil {
		row.Info.InputCost = perToken(m.Rate.Cost(gateway.Usage{Prompt: perTokenOf}))
		row.Info.OutputCost = perToken(m.Rate.Cost(gateway.Usage{Completion: perTokenOf}))
	}
	if p := m.Price; p != nil {
		row.Info.Key = text(p.Key)
		row.Info.MaxInput, row.Info.MaxOutput = known(p.MaxInput), known(p.MaxOutput)
		row.Info.MaxTokens = row.Info.MaxOutput
		if row.Info.Mode == nil {
			row.Info.Mode = text(p.Mode)
		}
		row.Info.More = map[string]jsontext.Value{}
		for ability, can := range p.Abilities() {
			row.Info.More["supports_"+ability] = strconv.AppendBool(nil, can)
		}
	}
	row.Info.add(m.Info)
	return row
}

// add shows what was configured of a model and is nothing to the gateway, but
// for secrets. It goes before what the price table says.
func (d *modelDetail) add(info []byte) {
	masked, err := maskSecrets(info)
	var all map[string]jsontext.Value
	if err != nil || json.Unmarshal(masked, &all) != nil {
		return // there is none
	}
	for name, at := range map[string]**int64{"max_tokens": &d.MaxTokens, "max_input_tokens": &d.MaxInput, "max_output_tokens": &d.MaxOutput} {
		var n int64
		if v, ok := all[name]; ok && json.Unmarshal(v, &n) == nil && n > 0 {
			*at = &n
		}
	}
	for field := range reflect.TypeFor[modelDetail]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(all, name)
	}
	if d.More == nil {
		d.More = all
		return
	}
	maps.Copy(d.More, all)
}

// perTokenOf is how many tokens the price of one is found by: enough to see
// prices below a nano-dollar, and too few to reach the price levels of long
// prompts.
const perTokenOf = 1000

// perToken writes the price of one token, as Python prints a float.
func perToken(n gateway.NanoUSD) jsontext.Value {
	f, err := strconv.ParseFloat(fmt.Sprintf("%de-12", int64(n)), 64)
	if err != nil {
		panic(err) // an int64 with an exponent always parses
	}
	if f != 0 && f < 1e-4 {
		return strconv.AppendFloat(nil, f, 'e', -1, 64)
	}
	if s := strconv.FormatFloat(f, 'f', -1, 64); f != float64(int64(f)) {
		return jsontext.Value(s)
	}
	return jsontext.Value(strconv.FormatFloat(f, 'f', 1, 64))
}

// publicURL is an upstream's address without what may be a credential.
func publicURL(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// known is null for a size that is not known.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
