package openai

import (
	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// tools reads tools and tool_choice, and their older forms functions and
// function_call.
func (d *decoder) tools() error {
	v, err := d.o.array("tools")
	if err != nil {
		return err
	}
	if v != nil {
		for i, e := range elements(v) {
			o, err := parseObject(e, index("tools", i))
			if err != nil {
				return err
			}
			t, err := readTool(o)
			if err != nil {
				return err
			}
			d.r.Tools = append(d.r.Tools, t)
		}
	}
	if v, err = d.o.array("functions"); err != nil {
		return err
	}
	if v != nil {
		for i, e := range elements(v) {
			o, err := parseObject(e, index("functions", i))
			if err != nil {
				return err
			}
			t := canon.Tool{Type: "function"}
			if err := readFunction(o, &t); err != nil {
				return err
			}
			d.r.Tools = append(d.r.Tools, t)
		}
	}
	if d.r.ParallelTools, err = d.o.boolean("parallel_tool_calls"); err != nil {
		return err
	}
	return d.toolChoice()
}

func readTool(o *object) (canon.Tool, error) {
	kind, err := o.str("type")
	if err != nil {
		return canon.Tool{}, err
	}
	t := canon.Tool{Type: kind, CacheControl: o.raw("cache_control")}
	switch {
	case kind == "" && o.Has("function"), kind == "function":
		t.Type = "function"
		// The function's members stand in the tool itself in OpenAI's Responses
		// API; clients mix the two up.
		f := o
		if o.Has("function") || !o.Has("name") {
			if f, err = o.need("function"); err != nil {
				return canon.Tool{}, err
			}
		}
		return t, readFunction(f, &t)
	case kind == "" && len(o.Members) > 0 && !o.Has("name"):
		// LiteLLM's way to a vendor's own tool: {"googleSearch":{}}.
		t.Type = o.Members[0].Name
	case kind == "":
		return canon.Tool{}, gateway.Invalidf(o.at("type"), "%s is missing", o.at("type"))
	case kind == "custom":
		c, err := o.need("custom")
		if err != nil {
			return canon.Tool{}, err
		}
		if t.Name, err = c.str("name"); err != nil {
			return canon.Tool{}, err
		}
		if t.Description, err = c.str("description"); err != nil {
			return canon.Tool{}, err
		}
	default:
		if t.Name, err = o.str("name"); err != nil {
			return canon.Tool{}, err
		}
	}
	t.Raw = o.Body
	return t, nil
}

func readFunction(o *object, t *canon.Tool) (err error) {
	if t.Name, err = o.str("name"); err != nil {
		return err
	}
	if t.Name == "" {
		return gateway.Invalidf(o.at("name"), "%s is missing", o.at("name"))
	}
	if t.Description, err = o.str("description"); err != nil {
		return err
	}
	if t.Strict, err = o.boolean("strict"); err != nil {
		return err
	}
	if t.Schema = o.raw("parameters"); t.Schema != nil && t.Schema[0] != '{' {
		return o.wrong("parameters", "an object", t.Schema)
	}
	if t.CacheControl == nil {
		t.CacheControl = o.raw("cache_control")
	}
	return nil
}

func (d *decoder) toolChoice() error {
	if v := d.o.raw("tool_choice"); v != nil {
		c, err := readToolChoice(v, "tool_choice")
		d.r.ToolChoice = c
		return err
	}
	v := d.o.raw("function_call")
	if v == nil {
		return nil
	}
	c, err := readToolChoice(v, "function_call")
	d.r.ToolChoice = c
	return err
}

func readToolChoice(v []byte, path string) (*canon.ToolChoice, error) {
	if s, ok := wire.Unquote(v); ok {
		switch s {
		case "auto", "none", "required":
			return &canon.ToolChoice{Mode: s}, nil
		case "any": // Mistral's and Anthropic's word
			return &canon.ToolChoice{Mode: "required"}, nil
		}
		return nil, gateway.Invalidf(path, `%s must be "auto", "none", "required" or an object, got %q`, path, s)
	}
	o, err := parseObject(v, path)
	if err != nil {
		return nil, err
	}
	kind, err := o.str("type")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "auto", "none", "required":
		return &canon.ToolChoice{Mode: kind}, nil
	case "any":
		return &canon.ToolChoice{Mode: "required"}, nil
	case "allowed_tools":
		return readAllowed(o)
	}
	name, err := toolName(o)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, gateway.Invalidf(path, "%s names no tool", path)
	}
	return &canon.ToolChoice{Mode: "tool", Name: name}, nil
}

// toolName finds the name in {function:{name}}, {custom:{name}} and {name}.
func toolName(o *object) (string, error) {
	for _, in := range []string{"function", "custom"} {
		f, err := o.obj(in)
		if err != nil {
			return "", err
		}
		if f != nil {
			return f.str("name")
		}
	}
	return o.str("name")
}

func readAllowed(o *object) (*canon.ToolChoice, error) {
	// The Responses API has the members in the choice itself.
	a := o
	if o.Has("allowed_tools") {
		var err error
		if a, err = o.obj("allowed_tools"); err != nil {
			return nil, err
		}
	}
	mode, err := a.str("mode")
	if err != nil {
		return nil, err
	}
	if mode != "auto" && mode != "required" {
		return nil, gateway.Invalidf(a.at("mode"), `%s must be "auto" or "required", got %q`, a.at("mode"), mode)
	}
	c := &canon.ToolChoice{Mode: mode, Allowed: []string{}}
	v, err := a.array("tools")
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, gateway.Invalidf(a.at("tools"), "%s is missing", a.at("tools"))
	}
	for i, e := range elements(v) {
		t, err := parseObject(e, index(a.at("tools"), i))
		if err != nil {
			return nil, err
		}
		name, err := toolName(t)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, gateway.Invalidf(t.path, "%s names no tool", t.path)
		}
		c.Allowed = append(c.Allowed, name)
	}
	return c, nil
}
