package gemini

import (
	"slices"
	"strconv"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/gemini"
	"penstock/internal/wire/openai"
)

// Pass implements provider.Chat. The model and the stream flag of this dialect
// are in the URL, so the body stays as it is except for the gateway's own
// members and what the deployment adds.
func (*Adapter) Pass(d *gateway.Deployment, c *provider.Call) (*provider.Request, error) {
	o := c.In
	var gone []string
	for i := range o.Members {
		name := o.Members[i].Name
		switch {
		case slices.Contains(d.DropAlways, name):
			c.Dropped = append(c.Dropped, name)
			gone = append(gone, name)
		case name == "model", name == "stream", name == "metadata", openai.GatewayOnly(name):
			gone = append(gone, name)
		}
	}
	add, config, err := additions(d, c)
	if err != nil {
		return nil, err
	}
	edits := o.Delete(gone...)
	silent := func(p gateway.Param) bool { return !has(o, p.Name) && !slices.Contains(d.DropAlways, p.Name) }
	add = slices.DeleteFunc(add, func(p gateway.Param) bool { return !silent(p) })
	at := find(o, "generationConfig")
	switch {
	case len(config) == 0:
	case at == nil || o.Body[at.Start] != '{':
		if at == nil {
			add = append(add, gateway.Param{Name: "generationConfig", Value: objectOf(config)})
		}
	case slices.Contains(gone, at.Name):
	default:
		edits = append(edits, configEdits(o, at, config, c.MaxTokens)...)
	}
	if len(add) > 0 {
		edits = append(edits, insert(o.Open+1, add, len(o.Members) > len(gone)))
	}
	return chatRequest(d, c, wire.Segments(o.Body, edits))
}

// additions returns what the deployment adds to a native body: members of the
// request, and of its generationConfig.
func additions(d *gateway.Deployment, c *provider.Call) (add, config []gateway.Param, err error) {
	if len(d.Defaults) == 0 && c.MaxTokens == 0 {
		return nil, nil, nil
	}
	r, err := provider.Defaults(d)
	if err != nil {
		return nil, nil, err
	}
	if c.MaxTokens > 0 {
		r.MaxTokens = min(r.MaxTokens, c.MaxTokens)
	}
	body, _, err := gemini.EncodeRequest(r, gemini.Options{Model: c.Upstream, MaxTokens: c.MaxTokens, DropParams: true})
	if err != nil {
		return nil, nil, provider.BrokenDefaults(err)
	}
	var o wire.Object
	if err := o.Parse(body); err != nil {
		return nil, nil, provider.BrokenDefaults(err)
	}
	for _, m := range o.Members {
		value := o.Body[m.Start:m.End]
		switch m.Name {
		case "contents":
		case "generationConfig":
			var g wire.Object
			if err := g.Parse(value); err != nil {
				return nil, nil, provider.BrokenDefaults(err)
			}
			for _, n := range g.Members {
				config = append(config, gateway.Param{Name: n.Name, Value: g.Body[n.Start:n.End]})
			}
		default:
			add = append(add, gateway.Param{Name: m.Name, Value: value})
		}
	}
	return add, config, nil
}

// configEdits completes the client's generationConfig, and holds its output to
// limit tokens, if limit is not 0.
func configEdits(o *wire.Object, at *wire.Member, config []gateway.Param, limit int64) []wire.Edit {
	var g wire.Object
	if g.Parse(o.Body[at.Start:at.End]) != nil {
		return nil // cannot be: the whole body has been checked
	}
	var edits []wire.Edit
	config = slices.DeleteFunc(config, func(p gateway.Param) bool { return has(&g, p.Name) })
	if len(config) > 0 {
		edits = append(edits, insert(at.Start+g.Open+1, config, len(g.Members) > 0))
	}
	if m := find(&g, "maxOutputTokens"); m != nil && limit > 0 {
		if n, ok := wire.ParseInt(g.Body[m.Start:m.End]); !ok || n <= 0 || n > limit {
			edits = append(edits, wire.Edit{Start: at.Start + m.Start, End: at.Start + m.End, New: strconv.AppendInt(nil, limit, 10)})
		}
	}
	return edits
}

// insert returns the edit that adds members at offset at, in front of others
// if there are more.
func insert(at int, members []gateway.Param, more bool) wire.Edit {
	b := objectOf(members)
	b = b[1 : len(b)-1]
	if more {
		b = append(b, ',')
	}
	return wire.Edit{Start: at, End: at, New: b}
}

func objectOf(members []gateway.Param) []byte {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, m.Name)
		b = append(append(b, ':'), m.Value...)
	}
	return append(b, '}')
}

// find looks a member up by its camelCase name and by the snake_case one,
// which the API takes as well.
func find(o *wire.Object, camel string) *wire.Member {
	if m := o.Find(camel); m != nil {
		return m
	}
	return o.Find(snake(camel))
}

func has(o *wire.Object, camel string) bool { return find(o, camel) != nil }

func snake(camel string) string {
	b := make([]byte, 0, len(camel)+4)
	for i := range len(camel) {
		c := camel[i]
		if c >= 'A' && c <= 'Z' {
			b = append(b, '_')
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}
