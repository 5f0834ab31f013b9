package anthropic

import (
	"slices"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
)

// complete returns r with the deployment's parameters where the client is
// silent, and without those that the deployment never sends; dropped names the
// ones that were there. r stays as it is: another deployment may get its turn.
func complete(d *gateway.Deployment, r *canon.Request) (full *canon.Request, dropped []string, err error) {
	out := *r
	if len(d.Defaults) > 0 {
		def, err := provider.Defaults(d)
		if err != nil {
			return nil, nil, err
		}
		provider.Fill(&out, def)
	}
	for _, name := range d.DropAlways {
		if provider.Remove(&out, name) {
			dropped = append(dropped, name)
		}
	}
	return &out, dropped, nil
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
