package provider

import (
	"cmp"
	"slices"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// Defaults returns the deployment's own parameters as a request. They have
// OpenAI's names, so OpenAI's codec reads them. The error is a *gateway.Error that does not show them.
func Defaults(d *gateway.Deployment) (*canon.Request, error) {
	b := []byte(`{"messages":[{"role":"user","content":"."}]`)
	for _, p := range d.Defaults {
		if p.Name == "messages" || p.Name == "model" || p.Name == "stream" {
			continue
		}
		b = append(b, ',')
		b = wire.AppendString(b, p.Name)
		b = append(append(b, ':'), p.Value...)
	}
	b = append(b, '}')
	var o wire.Object
	err := o.Parse(b)
	if err != nil {
		return nil, BrokenDefaults(err)
	}
	r, err := openai.DecodeChat(&o)
	if err != nil {
		return nil, BrokenDefaults(err)
	}
	return r, nil
}

// BrokenDefaults is the error for a deployment's parameters that cannot be
// read. It does not show them: they are the operator's, not the client's.
func BrokenDefaults(err error) *gateway.Error {
	return &gateway.Error{Kind: gateway.Internal, Message: "the deployment's default parameters are broken; ask the operator to check them", Err: err}
}

// Fill gives r the values of def where it has none.
func Fill(r, def *canon.Request) {
	raw := func(to *canon.Raw, from canon.Raw) {
		if *to == nil {
			*to = from
		}
	}
	raw(&r.Temperature, def.Temperature)
	raw(&r.TopP, def.TopP)
	raw(&r.TopK, def.TopK)
	raw(&r.Seed, def.Seed)
	raw(&r.Presence, def.Presence)
	raw(&r.Frequency, def.Frequency)
	raw(&r.LogitBias, def.LogitBias)
	raw(&r.TopLogprobs, def.TopLogprobs)
	r.MaxTokens = cmp.Or(r.MaxTokens, def.MaxTokens)
	r.N = cmp.Or(r.N, def.N)
	r.User = cmp.Or(r.User, def.User)
	r.Tier = cmp.Or(r.Tier, def.Tier)
	r.Logprobs = cmp.Or(r.Logprobs, def.Logprobs)
	r.ParallelTools = cmp.Or(r.ParallelTools, def.ParallelTools)
	r.ToolChoice = cmp.Or(r.ToolChoice, def.ToolChoice)
	r.Format = cmp.Or(r.Format, def.Format)
	r.Reasoning = cmp.Or(r.Reasoning, def.Reasoning)
	if r.Stop == nil {
		r.Stop = def.Stop
	}
	if r.Tools == nil {
		r.Tools = def.Tools
	}
	r.Extra = slices.Clone(r.Extra)
	for _, p := range def.Extra {
		if !slices.ContainsFunc(r.Extra, func(q gateway.Param) bool { return q.Name == p.Name }) {
			r.Extra = append(r.Extra, p)
		}
	}
}

// Remove takes the named parameter out of r and reports whether it was there. Paths
// into a parameter ("a.b") are left alone.
func Remove(r *canon.Request, name string) bool {
	switch name {
	case "temperature":
		return clear(&r.Temperature)
	case "top_p":
		return clear(&r.TopP)
	case "top_k":
		return clear(&r.TopK)
	case "seed":
		return clear(&r.Seed)
	case "presence_penalty":
		return clear(&r.Presence)
	case "frequency_penalty":
		return clear(&r.Frequency)
	case "logit_bias":
		return clear(&r.LogitBias)
	case "top_logprobs":
		return clear(&r.TopLogprobs)
	case "stop":
		had := r.Stop != nil
		r.Stop = nil
		return had
	case "tools":
		had := r.Tools != nil
		r.Tools = nil
		return had
	case "logprobs":
		return zero(&r.Logprobs)
	case "max_tokens", "max_completion_tokens":
		return zero(&r.MaxTokens)
	case "n":
		return zero(&r.N)
	case "user":
		return zero(&r.User)
	case "service_tier":
		return zero(&r.Tier)
	case "response_format":
		return zero(&r.Format)
	case "reasoning_effort", "thinking":
		return zero(&r.Reasoning)
	case "tool_choice":
		return zero(&r.ToolChoice)
	case "parallel_tool_calls":
		return zero(&r.ParallelTools)
	}
	kept := slices.DeleteFunc(slices.Clone(r.Extra), func(p gateway.Param) bool { return p.Name == name })
	had := len(kept) < len(r.Extra)
	r.Extra = kept
	return had
}

func clear(v *canon.Raw) bool {
	had := *v != nil
	*v = nil
	return had
}

func zero[T comparable](v *T) bool {
	var z T
	had := *v != z
	*v = z
	return had
}
