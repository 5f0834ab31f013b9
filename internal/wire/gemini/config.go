package gemini

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// sampling fills generationConfig from the parameters that every dialect has.
func (e *encoder) sampling() {
	r, g := e.r, &e.gen
	if r.MaxTokens != 0 {
		g.setInt("maxOutputTokens", r.MaxTokens)
	}
	number := func(name string, v canon.Raw) {
		if given(v) {
			g.set(name, v)
		}
	}
	number("temperature", r.Temperature)
	number("topP", r.TopP)
	number("topK", r.TopK)
	if len(r.Stop) > 0 {
		var w writer
		w.open('[')
		for _, s := range r.Stop {
			w.str(s)
		}
		w.close(']')
		g.set("stopSequences", w.b)
	}
	if r.N > 1 {
		g.setInt("candidateCount", r.N)
	}
	number("seed", r.Seed)
	penalty := func(param, name string, v canon.Raw) {
		if !given(v) {
			return
		}
		if zero(v) {
			e.drop(param)
			return
		}
		if !e.m.since(3, 0) || e.lacks(param, "") {
			g.set(name, v)
		}
	}
	penalty("presence_penalty", "presencePenalty", r.Presence)
	penalty("frequency_penalty", "frequencyPenalty", r.Frequency)
	if r.Logprobs != nil && *r.Logprobs {
		g.set("responseLogprobs", []byte("true"))
		number("logprobs", r.TopLogprobs)
	}
	if v := bytes.TrimSpace(r.LogitBias); given(v) {
		if string(v) == "{}" {
			e.drop("logit_bias")
		} else if e.lacks("logit_bias", "") {
			g.set("logitBias", v)
		}
	}
	if r.User != "" {
		e.drop("user")
	}
	switch r.Tier {
	case "", "auto", "default": // what happens without asking
	case "flex", "priority":
		e.rest.setString("serviceTier", r.Tier)
	default:
		if e.lacks("service_tier", "want auto, default, flex or priority") {
			e.rest.setString("serviceTier", r.Tier)
		}
	}
}

// cap holds the output to what was reserved for the call, also where the
// client has a second number under the vendor's name.
func (e *encoder) cap() {
	limit := e.r.MaxTokens
	if limit == 0 {
		limit = e.o.MaxTokens
	}
	if limit == 0 {
		return
	}
	for _, m := range e.gen {
		if m.name == "maxOutputTokens" {
			if n, ok := wire.ParseInt(m.value); ok && n > 0 && n <= limit {
				return
			}
		}
	}
	e.gen.setInt("maxOutputTokens", limit)
}

// given reports whether v is a value other than null.
func given(v []byte) bool { return len(v) > 0 && string(v) != "null" }

func zero(v []byte) bool {
	f, err := strconv.ParseFloat(string(v), 64)
	return err == nil && f == 0
}

// format asks for JSON. Gemini 2.0 and later take a standard JSON Schema,
// older ones only the subset that schema conversion makes.
func (e *encoder) format() error {
	f := e.r.Format
	if f == nil || f.Kind != "json_object" && f.Kind != "json_schema" {
		return nil
	}
	if len(e.r.Tools) > 0 && e.m.before(3, 0) &&
		!e.lacks("response_format", "this model cannot have a response format and tools together") {
		return nil
	}
	e.gen.setString("responseMimeType", "application/json")
	switch {
	case !given(f.Schema):
	case e.m.before(2, 0):
		s, err := convertSchema(f.Schema)
		if err != nil {
			return gateway.Invalidf("response_format", "schema of response_format: %v", err)
		}
		e.gen.set("responseSchema", s)
	default:
		e.gen.set("responseJsonSchema", f.Schema)
	}
	return nil
}

// anthropicThinking is the thinking object of Anthropic's dialect.
type anthropicThinking struct {
	Type   string `json:"type"`
	Budget *int64 `json:"budget_tokens"`
}

// thinking asks for reasoning: generations up to 2.5 take a budget in tokens,
// later ones a level.
func (e *encoder) thinking() error {
	rs := e.r.Reasoning
	if rs == nil || e.gen.has("thinkingConfig") {
		return nil
	}
	var think *anthropicThinking
	if given(rs.Thinking) {
		if err := json.Unmarshal(rs.Thinking, &think); err != nil {
			return gateway.Invalidf("thinking", "want thinking as {\"type\":\"enabled\",\"budget_tokens\":n}")
		}
	}
	if think == nil && rs.Effort == "" {
		return nil
	}
	if e.m.gemma || e.m.before(2, 5) && !e.m.thinks {
		off := think == nil && rs.Effort == "none" || think != nil && think.Type == "disabled"
		param := "reasoning_effort"
		if think != nil {
			param = "thinking"
		}
		if off {
			e.drop(param)
			return nil
		}
		if !e.lacks(param, "this model does not think") {
			return nil
		}
	}
	c := thinkingConfig{}
	switch {
	case e.m.since(3, 0):
		c = e.level(rs.Effort, think)
	case think != nil:
		c = e.budgetOf(think)
	default:
		var ok bool
		if c, ok = e.budget(rs.Effort); !ok {
			return gateway.Invalidf("reasoning_effort", "reasoning_effort %q is unknown; want none, minimal, low, medium or high", rs.Effort)
		}
	}
	if c.level == "" && c.budget == nil && c.thoughts == nil {
		return gateway.Invalidf("reasoning_effort", "reasoning_effort %q is unknown; want none, minimal, low, medium or high", rs.Effort)
	}
	e.gen.set("thinkingConfig", c.json())
	return nil
}

type thinkingConfig struct {
	level    string
	budget   *int64
	thoughts *bool
}

func (c *thinkingConfig) json() []byte {
	var w writer
	w.open('{')
	if c.level != "" {
		w.key("thinkingLevel")
		w.str(c.level)
	}
	if c.budget != nil {
		w.key("thinkingBudget")
		w.int(*c.budget)
	}
	if c.thoughts != nil {
		w.key("includeThoughts")
		w.bool(*c.thoughts)
	}
	w.close('}')
	return w.b
}

// level is for Gemini 3 and later. They cannot stop thinking.
func (e *encoder) level(effort string, think *anthropicThinking) thinkingConfig {
	lowest := "low"
	if e.m.flash {
		lowest = "minimal"
	}
	var c thinkingConfig
	switch effort {
	case "none":
		return thinkingConfig{level: lowest, thoughts: new(false)}
	case "minimal":
		c = thinkingConfig{level: lowest, thoughts: new(true)}
	case "low", "high":
		c = thinkingConfig{level: effort, thoughts: new(true)}
	case "medium":
		c = thinkingConfig{level: effort, thoughts: new(true)}
		if !e.m.flash && e.m.major == 3 && e.m.minor == 0 {
			c.level = "high" // Gemini 3.0 Pro knows low and high only
		}
	case "xhigh", "max":
		c = thinkingConfig{level: "high", thoughts: new(true)}
	}
	if think != nil {
		c.thoughts = new(think.on())
	}
	return c
}

func (t *anthropicThinking) on() bool {
	return t.Type == "adaptive" || t.Type == "enabled" && (t.Budget == nil || *t.Budget != 0)
}

// budgetOf is for a client that says the budget itself.
func (e *encoder) budgetOf(t *anthropicThinking) thinkingConfig {
	c := thinkingConfig{thoughts: new(t.on())}
	switch {
	case !t.on():
		c.budget = new(e.leastBudget())
	case t.Budget != nil:
		c.budget = t.Budget
	default:
		c.budget = new(int64(-1)) // the model decides
	}
	return c
}

// leastBudget is the nearest to no thinking: 2.5 Pro refuses a budget of 0.
func (e *encoder) leastBudget() int64 {
	if e.m.since(2, 5) && !e.m.flash {
		return 128
	}
	return 0
}

// budget is LiteLLM's table from effort to tokens, so that bills do not change
// with the gateway. xhigh and max, which it lacks, stay within what every
// 2.5 model takes.
func (e *encoder) budget(effort string) (thinkingConfig, bool) {
	n := int64(0)
	switch effort {
	case "none", "disable":
		return thinkingConfig{budget: new(e.leastBudget()), thoughts: new(false)}, true
	case "minimal":
		switch {
		case e.m.lite:
			n = 512
		case e.m.flash:
			n = 1
		default:
			n = 128
		}
	case "low":
		n = 1024
	case "medium":
		n = 2048
	case "high":
		n = 4096
	case "xhigh":
		n = 16384
	case "max":
		n = 24576
	default:
		return thinkingConfig{}, false
	}
	return thinkingConfig{budget: &n, thoughts: new(true)}, true
}
