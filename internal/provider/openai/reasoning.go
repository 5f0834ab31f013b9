package openai

import (
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire/openai"
)

// reasoning reports whether model is one of OpenAI's reasoning models, which
// refuse max_tokens and most sampling parameters.
func reasoning(model string) bool {
	model = bare(model)
	switch {
	case strings.HasPrefix(model, "gpt-5-chat"):
		return false // gpt-5's name, but an ordinary chat model
	case strings.HasPrefix(model, "gpt-5"), strings.HasPrefix(model, "codex"):
		return true
	}
	for _, family := range []string{"o1", "o3", "o4"} {
		if rest, ok := strings.CutPrefix(model, family); ok && (rest == "" || rest[0] == '-') {
			return true
		}
	}
	return false
}

// bare returns the family name of a model: without the path that proxies put
// before it and without what marks a fine-tuned model.
func bare(model string) string {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	return strings.TrimPrefix(model, "ft:")
}

// sampling are the parameters that reasoning models refuse.
var sampling = []string{"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"}

// refused returns the parameters that the reasoning model would refuse.
func refused(dr *draft, d *gateway.Deployment, model string) []string {
	model = bare(model)
	var bad []string
	if !samples(dr, model) {
		for _, name := range sampling {
			if name == "temperature" && isNumber(dr.get(name), 1) {
				continue // the one value they take
			}
			bad = note(bad, dr, d, name)
		}
	}
	if strings.HasPrefix(model, "o3") || strings.HasPrefix(model, "o4") || strings.HasPrefix(model, "gpt-5") {
		bad = note(bad, dr, d, "stop")
	}
	return bad
}

// samples reports whether the model takes sampling parameters in this request:
// from gpt-5.1 on, the models do where they do not reason, which is their
// default. Codex models always reason.
func samples(dr *draft, model string) bool {
	if !strings.HasPrefix(model, "gpt-5.") || strings.Contains(model, "codex") {
		return false
	}
	e := dr.get("reasoning_effort")
	return e == nil || string(e) == `"none"`
}

// foreign takes out of a request from another dialect what this format has no
// place for.
func (a *Adapter) foreign(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*canon.Request, error) {
	out := *r
	out.Model = c.Upstream
	var bad []string
	out.Tools = slices.Clone(r.Tools)
	out.Tools = slices.DeleteFunc(out.Tools, func(t canon.Tool) bool {
		if t.Type == "function" || t.Type == "custom" || c.Dialect == gateway.OpenAI {
			return false
		}
		bad = append(bad, "tools."+t.Type)
		return true
	})
	if a.v.OpenAI && r.TopK != nil && !slices.Contains(d.AllowParams, "top_k") {
		out.TopK = nil
		bad = append(bad, "top_k")
	}
	if c.Dialect != gateway.OpenAI {
		out.Extra = slices.DeleteFunc(slices.Clone(r.Extra), func(p gateway.Param) bool {
			if openai.GatewayOnly(p.Name) || p.Name == "metadata" {
				return true // for us, not for the vendor
			}
			if slices.Contains(optional, p.Name) || slices.Contains(d.AllowParams, p.Name) {
				return false
			}
			bad = append(bad, p.Name)
			return true
		})
	}
	if len(bad) > 0 {
		if err := unsupported(&draft{in: c.In}, d, c, a.v.Name, bad); err != nil {
			return nil, err
		}
	}
	return &out, nil
}
