package anthropic

import (
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// decideSampling sends temperature, top_p, top_k and stop as far as the model
// and its thinking allow.
func (e *encoder) decideSampling(*planner) error {
	r := e.r
	topK := r.TopK
	if topK == nil {
		topK = e.other("top_k")
	}
	for _, p := range []struct {
		name  string
		value canon.Raw
	}{{"temperature", r.Temperature}, {"top_p", r.TopP}, {"top_k", topK}} {
		if !given(p.value) {
			continue
		}
		f, ok := number(p.value)
		if !ok {
			return invalidNumber(p.name, p.value)
		}
		value := p.value
		switch {
		case slices.Contains(e.o.Allow, p.name):
		case p.name == "temperature" && f == 1:
			// The default; newer models refuse to be told.
			if !e.can.sampling {
				continue
			}
		case !e.can.sampling:
			e.lack(p.name)
			continue
		case e.thinks && (p.name != "top_p" || f < 0.95):
			// Thinking works at the default temperature only.
			e.drop(p.name)
			continue
		case p.name == "temperature" && f > 1:
			// OpenAI's scale ends at 2, Anthropic's at 1.
			e.lack(p.name)
			value = canon.Raw("1")
		case p.name == "top_p" && given(r.Temperature) && e.can.schema && e.o.DropParams:
			// From Claude 4.5 on the API takes one of the two.
			e.drop(p.name)
			continue
		}
		e.param(p.name, value)
	}
	return e.decideStop()
}

func (e *encoder) decideStop() error {
	var stops []byte
	for _, s := range e.r.Stop {
		if blank(s) {
			e.lack("stop")
			continue
		}
		if stops == nil {
			stops = append(stops, '[')
		} else {
			stops = append(stops, ',')
		}
		stops = wire.AppendString(stops, s)
	}
	if stops != nil {
		e.param("stop_sequences", append(stops, ']'))
	} else if v := e.other("stop_sequences"); v != nil {
		e.param("stop_sequences", v)
	}
	return nil
}

// decideRest handles the parameters that are neither sampling, thinking, format
// nor tools.
func (e *encoder) decideRest(*planner) error {
	r := e.r
	e.unknown("n", itoa(r.N), r.N > 1, false)
	e.unknown("seed", r.Seed, given(r.Seed), true)
	e.unknown("presence_penalty", r.Presence, given(r.Presence), zero(r.Presence))
	e.unknown("frequency_penalty", r.Frequency, given(r.Frequency), zero(r.Frequency))
	e.unknown("logit_bias", r.LogitBias, given(r.LogitBias), string(r.LogitBias) == "{}")
	if r.Logprobs != nil {
		e.unknown("logprobs", boolRaw(*r.Logprobs), true, !*r.Logprobs)
	}
	e.unknown("top_logprobs", r.TopLogprobs, given(r.TopLogprobs), zero(r.TopLogprobs))
	e.decideUser()
	switch r.Tier {
	case "":
	case "auto":
		e.param("service_tier", []byte(`"auto"`))
	case "default", "standard_only":
		e.param("service_tier", []byte(`"standard_only"`))
	default:
		e.drop("service_tier")
	}
	for _, p := range e.extra {
		if err := e.decideExtra(p); err != nil {
			return err
		}
	}
	return nil
}

// unknown handles a parameter the API does not know: sent if the deployment
// says so, dropped if it changes nothing, lacking otherwise.
func (e *encoder) unknown(name string, value []byte, here, harmless bool) {
	switch {
	case !here:
	case slices.Contains(e.o.Allow, name):
		e.param(name, value)
	case harmless:
		e.drop(name)
	default:
		e.lack(name)
	}
}

// decideUser sends the end user's id. The API refuses ids that look like an
// e-mail address or a telephone number.
func (e *encoder) decideUser() {
	if e.r.User == "" {
		return
	}
	if personal(e.r.User) {
		e.drop("user")
		return
	}
	e.param("metadata", append(append([]byte(`{"user_id":`), wire.Quote(e.r.User)...), '}'))
}

func personal(id string) bool {
	if at := strings.IndexByte(id, '@'); at > 0 && strings.IndexByte(id[at:], '.') > 0 {
		return true
	}
	digits := 0
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte("+-. ()", c) < 0:
			return false
		}
	}
	return digits >= 7 && digits <= 15 && (id[0] == '+' || digits < len(id))
}

// decideExtra handles one of the request's other members.
func (e *encoder) decideExtra(p gateway.Param) error {
	switch p.Name {
	case "top_k", "output_config", "stop_sequences", "web_search_options", "mcp_servers", "thinking":
		// Read where they belong.
	case "store", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "stream_options":
		e.unknown(p.Name, p.Value, true, true)
	case "modalities":
		e.unknown(p.Name, p.Value, true, onlyText(p.Value))
	case "verbosity":
		e.unknown(p.Name, p.Value, true, string(p.Value) == `"medium"`)
	case "audio", "prediction", "functions", "function_call":
		e.unknown(p.Name, p.Value, true, false)
	case "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "temperature", "top_p", "service_tier":
		return gateway.Invalidf(p.Name, "%s cannot be set beside OpenAI's own parameters", p.Name)
	default:
		for _, beta := range memberBetas(p.Name, p.Value) {
			e.beta(beta)
		}
		if p.Name == "cache_control" {
			e.marks++
		}
		e.vendor = append(e.vendor, p)
	}
	return nil
}

func onlyText(v []byte) bool {
	e := elements(v)
	return len(e) == 1 && string(e[0]) == `"text"`
}

func zero(v []byte) bool {
	f, ok := number(v)
	return ok && f == 0
}

func boolRaw(v bool) canon.Raw {
	if v {
		return canon.Raw("true")
	}
	return canon.Raw("false")
}
