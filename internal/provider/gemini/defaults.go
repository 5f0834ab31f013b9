package gemini

import (
	"slices"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// defaults returns the deployment's own parameters as a request. They have
// OpenAI's names, so OpenAI's codec reads them.
func defaults(d *gateway.Deployment) (*canon.Request, error) {
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
		return nil, brokenDefaults(err)
	}
	r, err := openai.DecodeChat(&o)
	if err != nil {
		return nil, brokenDefaults(err)
	}
	return r, nil
}

func brokenDefaults(err error) *gateway.Error {
	return &gateway.Error{Kind: gateway.Internal, Message: "the deployment's default parameters are broken; ask the operator to check them", Err: err}
}

// complete returns r with the deployment's parameters where the client is
// silent, and without those that the deployment never sends. r stays as it is:
// another deployment may get its turn.
func complete(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*canon.Request, error) {
	out := *r
	if len(d.Defaults) > 0 {
		def, err := defaults(d)
		if err != nil {
			return nil, err
		}
		if c.MaxTokens > 0 {
			def.MaxTokens = min(def.MaxTokens, c.MaxTokens)
		}
		fill(&out, def)
	}
	for _, name := range d.DropAlways {
		if remove(&out, name) {
			c.Dropped = append(c.Dropped, name)
		}
	}
	return &out, nil
}

// fill gives r the values of def where it has none.
func fill(r, def *canon.Request) {
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
	or(&r.MaxTokens, def.MaxTokens)
	or(&r.N, def.N)
	or(&r.User, def.User)
	or(&r.Tier, def.Tier)
	or(&r.Logprobs, def.Logprobs)
	or(&r.ParallelTools, def.ParallelTools)
	or(&r.ToolChoice, def.ToolChoice)
	or(&r.Format, def.Format)
	or(&r.Reasoning, def.Reasoning)
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

func or[T comparable](to *T, from T) {
	var zero T
	if *to == zero {
		*to = from
	}
}

// remove takes a parameter out of r and reports whether it was there. Paths
// into a parameter ("a.b") are left alone.
func remove(r *canon.Request, name string) bool {
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
