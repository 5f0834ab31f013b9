package anthropic

import (
	"slices"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// withDefaults returns r with the deployment's parameters where the client is
// silent. They have OpenAI's names, so OpenAI's codec reads them. r itself is
// not changed: another deployment may get its turn.
func withDefaults(r *canon.Request, d *gateway.Deployment) (*canon.Request, error) {
	out := *r
	if len(d.Defaults) == 0 {
		return &out, nil
	}
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
	if err := o.Parse(b); err != nil {
		return nil, &gateway.Error{Kind: gateway.Internal, Message: "the deployment's default parameters are broken: ask the operator to check them", Err: err}
	}
	def, err := openai.DecodeChat(&o)
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Internal, Message: "the deployment's default parameters are broken: ask the operator to check them", Err: err}
	}
	raw := func(to *canon.Raw, from canon.Raw) {
		if *to == nil {
			*to = from
		}
	}
	raw(&out.Temperature, def.Temperature)
	raw(&out.TopP, def.TopP)
	raw(&out.TopK, def.TopK)
	raw(&out.Seed, def.Seed)
	raw(&out.Presence, def.Presence)
	raw(&out.Frequency, def.Frequency)
	raw(&out.LogitBias, def.LogitBias)
	raw(&out.TopLogprobs, def.TopLogprobs)
	out.MaxTokens = or(out.MaxTokens, def.MaxTokens)
	out.N = or(out.N, def.N)
	out.User = or(out.User, def.User)
	out.Tier = or(out.Tier, def.Tier)
	out.Logprobs = or(out.Logprobs, def.Logprobs)
	out.ParallelTools = or(out.ParallelTools, def.ParallelTools)
	out.ToolChoice = or(out.ToolChoice, def.ToolChoice)
	out.Format = or(out.Format, def.Format)
	out.Reasoning = or(out.Reasoning, def.Reasoning)
	if out.Stop == nil {
		out.Stop = def.Stop
	}
	if out.Tools == nil {
		out.Tools = def.Tools
	}
	out.Extra = slices.Clone(out.Extra)
	for _, p := range def.Extra {
		if !slices.ContainsFunc(out.Extra, func(x gateway.Param) bool { return x.Name == p.Name }) {
			out.Extra = append(out.Extra, p)
		}
	}
	return &out, nil
}

func or[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

// without removes the parameters a deployment never sends from r, and returns
// the names of those that were there. Paths into a parameter ("a.b") are left alone.
func without(r *canon.Request, names []string) []string {
	var dropped []string
	for _, name := range names {
		had := false
		switch name {
		case "temperature":
			had, r.Temperature = r.Temperature != nil, nil
		case "top_p":
			had, r.TopP = r.TopP != nil, nil
		case "top_k":
			had, r.TopK = r.TopK != nil, nil
		case "seed":
			had, r.Seed = r.Seed != nil, nil
		case "presence_penalty":
			had, r.Presence = r.Presence != nil, nil
		case "frequency_penalty":
			had, r.Frequency = r.Frequency != nil, nil
		case "logit_bias":
			had, r.LogitBias = r.LogitBias != nil, nil
		case "logprobs":
			had, r.Logprobs = r.Logprobs != nil, nil
		case "top_logprobs":
			had, r.TopLogprobs = r.TopLogprobs != nil, nil
		case "max_tokens", "max_completion_tokens":
			had, r.MaxTokens = r.MaxTokens != 0, 0
		case "n":
			had, r.N = r.N != 0, 0
		case "stop":
			had, r.Stop = r.Stop != nil, nil
		case "user":
			had, r.User = r.User != "", ""
		case "service_tier":
			had, r.Tier = r.Tier != "", ""
		case "response_format":
			had, r.Format = r.Format != nil, nil
		case "reasoning_effort", "thinking":
			had, r.Reasoning = r.Reasoning != nil, nil
		case "tools":
			had, r.Tools = r.Tools != nil, nil
		case "tool_choice":
			had, r.ToolChoice = r.ToolChoice != nil, nil
		case "parallel_tool_calls":
			had, r.ParallelTools = r.ParallelTools != nil, nil
		default:
			kept := slices.DeleteFunc(slices.Clone(r.Extra), func(p gateway.Param) bool { return p.Name == name })
			had, r.Extra = len(kept) < len(r.Extra), kept
		}
		if had {
			dropped = append(dropped, name)
		}
	}
	return dropped
}

// native are the parameters of the Messages API that a deployment may default.
var native = []string{
	"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "service_tier", "speed",
	"inference_geo", "output_config", "cache_control", "context_management", "container", "mcp_servers", "tools", "tool_choice",
}

// nativeDefaults returns the edits that add the deployment's parameters to a
// native body where the client is silent. Those that have another name or form
// in OpenAI's terms are translated if that is a matter of spelling; the others
// were meant for translated calls.
func nativeDefaults(o *wire.Object, c *provider.Call, d *gateway.Deployment) []wire.Edit {
	var edits []wire.Edit
	var added []string
	for _, p := range d.Defaults {
		name, value := p.Name, p.Value
		switch name {
		case "max_completion_tokens":
			name = "max_tokens"
		case "stop":
			name = "stop_sequences"
			if len(value) > 0 && value[0] == '"' {
				value = append(append([]byte{'['}, value...), ']')
			}
		case "tools", "tool_choice":
			continue // OpenAI's form
		case "thinking", "reasoning_effort":
			if o.Has("thinking") {
				continue
			}
		}
		capped := name == "max_tokens" && c.MaxTokens > 0
		if capped || o.Has(name) || !slices.Contains(native, name) || slices.Contains(added, name) || slices.Contains(d.DropAlways, name) {
			continue
		}
		added = append(added, name)
		edits = append(edits, o.Set(name, value))
	}
	return edits
}

func setInt(o *wire.Object, name string, n int64) wire.Edit {
	return o.Set(name, strconv.AppendInt(nil, n, 10))
}

// userOnly returns what to send of a client's metadata: the new value, nil for
// the one it has, and false for none at all.
func userOnly(v []byte) ([]byte, bool) {
	var o wire.Object
	if o.Parse(v) != nil {
		return nil, true // null, or wrong: the API says so
	}
	id, ok := o.String("user_id")
	switch {
	case len(o.Members) == 1 && ok:
		return nil, true
	case !ok || strings.TrimSpace(id) == "":
		return nil, false
	}
	return append(append([]byte(`{"user_id":`), wire.Quote(id)...), '}'), true
}
