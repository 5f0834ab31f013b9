package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

// costRow is a model of the price table as LiteLLM's price file has it.
type costRow struct {
	Provider  string                    `json:"litellm_provider"`
	Mode      *string                   `json:"mode,omitzero"`
	MaxTokens *int64                    `json:"max_tokens,omitzero"`
	MaxInput  *int64                    `json:"max_input_tokens,omitzero"`
	MaxOutput *int64                    `json:"max_output_tokens,omitzero"`
	Search    map[string]jsontext.Value `json:"search_context_cost_per_query,omitempty"`
	Rest      map[string]jsontext.Value `json:",embed"` // prices in US dollars, and supports_…
}

// costMap writes the price table by the names of models. It does not change while
// the process runs, so it is written once.
func costMap(book *price.Book) (jsontext.Value, error) {
	out := make(map[string]*costRow, book.Len())
	for m := range book.All() {
		row := &costRow{
			Provider: m.Provider, Mode: text(m.Mode), MaxInput: known(m.MaxInput), MaxOutput: known(m.MaxOutput), MaxTokens: known(m.MaxOutput),
			Search: map[string]jsontext.Value{}, Rest: map[string]jsontext.Value{},
		}
		for name, dollars := range m.Prices() {
			if price.SearchPrice(name) {
				row.Search[name] = jsontext.Value(dollars)
			} else {
				row.Rest[name] = jsontext.Value(dollars)
			}
		}
		if m.Ends != "" {
			row.Rest["deprecation_date"] = jsontext.Value(strconv.Quote(m.Ends))
		}
		for ability, can := range m.Abilities() {
			row.Rest["supports_"+ability] = strconv.AppendBool(nil, can)
		}
		out[m.Key] = row
	}
	return json.Marshal(out, json.Deterministic(true))
}

func (a *API) showCostMap(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	return a.costMap()
}

// costMapSource is where the prices come from.
type costMapSource struct {
	Source  string `json:"source"` // always "local": the table is a part of the program
	URL     none   `json:"url"`
	Forced  bool   `json:"is_env_forced"`
	Reason  none   `json:"fallback_reason"`
	Models  int    `json:"model_count"`
	Version string `json:"version"`
}

func (a *API) showCostMapSource(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	return &costMapSource{Source: "local", Models: a.o.Book.Len(), Version: a.o.Book.Version()}, nil
}

// costMapReloaded is what LiteLLM's clients want to hear after a reload.
type costMapReloaded struct {
	Message   string    `json:"message"`
	Status    string    `json:"status"`
	Models    int       `json:"models_count"`
	Timestamp time.Time `json:"timestamp"`
}

// reloadCostMap has nothing to fetch, and says so.
func (a *API) reloadCostMap(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	return &costMapReloaded{
		Message: "The price table " + a.o.Book.Version() + " is a part of the program, so there is nothing to fetch: newer prices come with a newer release, and a model's own prices go before the table's.",
		Status:  "success", Models: a.o.Book.Len(), Timestamp: a.now(),
	}, nil
}
