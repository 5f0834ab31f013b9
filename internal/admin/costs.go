package admin

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/token"
	"penstock/internal/wire"
)

// calculateBody is the body of POST /spend/calculate.
type calculateBody struct {
	Model      Opt[string]         `json:"model"`
	Messages   Opt[jsontext.Value] `json:"messages"`
	Completion Opt[object]         `json:"completion_response"`
	unknown
}

// completionUsage is what an answer says it has used.
type completionUsage struct {
	Model string `json:"model"`
	Usage struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type calculated struct {
	Cost usd `json:"cost"`
}

// priced returns a deployment of the model, by the name that clients use or the
// vendor's, whose price is known and which the caller may see.
func (a *API) priced(p *gateway.Principal, name string) (*Model, error) {
	if err := checkText("model", name); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, malformed("model", "model is missing: say which model's price to go by")
	}
	for _, m := range a.seen(p, false) {
		d := m.Deployment
		if m.Rate != nil && (publicName(d) == name || d.Upstream == name || d.Provider+"/"+d.Upstream == name) {
			return &m, nil
		}
	}
	return nil, invalid("model", "no price is known for the model %s", strconv.Quote(name))
}

// calculateSpend says what an answer costs by the prices that hold here, or what
// the input of a call does before it is sent.
func (a *API) calculateSpend(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b calculateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	var u gateway.Usage
	name := b.Model.Or("")
	switch {
	case b.Completion.Has():
		var c completionUsage
		if err := json.Unmarshal(b.Completion.Value, &c); err != nil {
			return nil, malformed("completion_response", "completion_response: want an answer with model and usage")
		}
		if c.Usage.Prompt < 0 || c.Usage.Completion < 0 || c.Usage.Details.Cached < 0 || c.Usage.Details.Cached > c.Usage.Prompt {
			return nil, malformed("completion_response.usage", "completion_response.usage: tokens must not be negative, nor more of them cached than there are")
		}
		u = gateway.Usage{Prompt: c.Usage.Prompt, Completion: c.Usage.Completion, CacheRead: c.Usage.Details.Cached}
		name = b.Model.Or(c.Model)
	case b.Messages.Has():
		if b.Messages.Value.Kind() != '[' {
			return nil, malformed("messages", "messages: want a list of messages")
		}
		var list []jsontext.Value
		if err := json.Unmarshal(b.Messages.Value, &list); err != nil {
			return nil, malformed("messages", "messages: want a list of messages")
		}
		var o wire.Object
		if err := o.Parse(append(append([]byte(`{"messages":`), b.Messages.Value...), '}')); err != nil {
			return nil, malformed("messages", "messages: %v", err)
		}
		u.Prompt = token.Likely(o.Text, len(list))
	default:
		return nil, invalid("messages", "Pass messages with a model, to count what the input costs, or completion_response, an answer with its model and usage")
	}
	m, err := a.priced(p, name)
	if err != nil {
		return nil, err
	}
	return &calculated{usd(m.Rate.Cost(u))}, nil
}

// estimateBody is the body of POST /cost/estimate.
type estimateBody struct {
	Model    Opt[string] `json:"model"`
	Input    Opt[count]  `json:"input_tokens"`
	Output   Opt[count]  `json:"output_tokens"`
	PerDay   Opt[count]  `json:"num_requests_per_day"`
	PerMonth Opt[count]  `json:"num_requests_per_month"`
	unknown
}

// estimate is what calls of one size cost.
type estimate struct {
	Model          string         `json:"model"`
	InputTokens    int64          `json:"input_tokens"`
	OutputTokens   int64          `json:"output_tokens"`
	PerDay         *int64         `json:"num_requests_per_day"`
	PerMonth       *int64         `json:"num_requests_per_month"`
	Cost           usd            `json:"cost_per_request"`
	InputCost      usd            `json:"input_cost_per_request"`
	OutputCost     usd            `json:"output_cost_per_request"`
	Margin         usd            `json:"margin_cost_per_request"` // none is ever added
	DailyCost      *usd           `json:"daily_cost"`
	DailyInput     *usd           `json:"daily_input_cost"`
	DailyOutput    *usd           `json:"daily_output_cost"`
	DailyMargin    *usd           `json:"daily_margin_cost"`
	MonthlyCost    *usd           `json:"monthly_cost"`
	MonthlyInput   *usd           `json:"monthly_input_cost"`
	MonthlyOutput  *usd           `json:"monthly_output_cost"`
	MonthlyMargin  *usd           `json:"monthly_margin_cost"`
	InputPerToken  jsontext.Value `json:"input_cost_per_token"`
	OutputPerToken jsontext.Value `json:"output_cost_per_token"`
	Provider       string         `json:"provider"`
}

// maxEstimated bounds tokens and calls of an estimate: what comes to more is no
// amount of money.
const maxEstimated = 1_000_000_000

// estimateCost says what calls of a size cost each, a day and a month.
func (a *API) estimateCost(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b estimateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name   string
		sent   Opt[count]
		needed bool
	}{{"input_tokens", b.Input, true}, {"output_tokens", b.Output, true}, {"num_requests_per_day", b.PerDay, false}, {"num_requests_per_month", b.PerMonth, false}} {
		switch {
		case n.needed && !n.sent.Has():
			return nil, malformed(n.name, "%s is missing: say how many tokens a call has", n.name)
		case n.sent.Or(0) > maxEstimated:
			return nil, malformed(n.name, "%s: want at most %d, got %d", n.name, maxEstimated, n.sent.Value)
		}
	}
	m, err := a.priced(p, b.Model.Or(""))
	if err != nil {
		return nil, err
	}
	in, out := int64(b.Input.Value), int64(b.Output.Value)
	shown := modelOf(m).Info
	e := &estimate{Model: b.Model.Value, InputTokens: in, OutputTokens: out, InputPerToken: shown.InputCost, OutputPerToken: shown.OutputCost, Provider: m.Deployment.Provider}
	e.Cost = usd(m.Rate.Cost(gateway.Usage{Prompt: in, Completion: out}))
	e.InputCost = usd(m.Rate.Cost(gateway.Usage{Prompt: in}))
	e.OutputCost = e.Cost - e.InputCost // together they are the cost
	for _, every := range []struct {
		sent                        Opt[count]
		name                        string
		calls                       **int64
		cost, input, output, margin **usd
	}{
		{b.PerDay, "num_requests_per_day", &e.PerDay, &e.DailyCost, &e.DailyInput, &e.DailyOutput, &e.DailyMargin},
		{b.PerMonth, "num_requests_per_month", &e.PerMonth, &e.MonthlyCost, &e.MonthlyInput, &e.MonthlyOutput, &e.MonthlyMargin},
	} {
		if !every.sent.Has() {
			continue
		}
		n := int64(every.sent.Value)
		if n > 0 && int64(e.Cost) > math.MaxInt64/n {
			return nil, malformed(every.name, "%s: %d calls for %s USD each cost more than can be counted", every.name, n, e.Cost)
		}
		*every.calls = &n
		*every.cost, *every.input, *every.output, *every.margin = new(e.Cost*usd(n)), new(e.InputCost*usd(n)), new(e.OutputCost*usd(n)), new(usd(0))
	}
	return e, nil
}

// providerBudgets are the budgets of providers that the configuration sets.
type providerBudgets struct {
	Providers map[string]providerBudget `json:"providers"`
}

type providerBudget struct {
	Limit   *usd       `json:"budget_limit"`
	Period  *string    `json:"time_period"`
	Spend   usd        `json:"spend"`
	ResetAt *time.Time `json:"budget_reset_at"`
}

func (a *API) providerBudgets(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	out := &providerBudgets{Providers: map[string]providerBudget{}}
	for name, l := range a.o.Settings().Providers {
		_, reset := a.window(l.BudgetDuration, a.now(), time.Time{})
		spent, _ := a.o.LiveSpend(ProviderEntity, name)
		out.Providers[name] = providerBudget{Limit: (*usd)(l.Budget), Period: text(l.BudgetDuration), Spend: usd(spent), ResetAt: stamp(reset)}
	}
	return out, nil
}
