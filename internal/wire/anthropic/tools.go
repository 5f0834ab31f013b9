package anthropic

import (
	"fmt"
	"slices"
	"strconv"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

const emptySchema = `{"type":"object","properties":{}}`

// decideTools writes the tools, the tool choice and the MCP servers.
func (e *encoder) decideTools(p *planner) error {
	var list []canon.Raw
	var servers []canon.Raw
	servers = append(servers, elements(e.other("mcp_servers"))...)
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		if tc := e.r.ToolChoice; tc != nil && tc.Allowed != nil && !slices.Contains(tc.Allowed, t.Name) {
			continue
		}
		tool, server, err := e.tool(i, t)
		if err != nil {
			return err
		}
		if tool != nil {
			list = append(list, tool)
		}
		if server != nil {
			servers = append(servers, server)
		}
	}
	if v := e.other("web_search_options"); v != nil {
		list = append(list, webSearch(v))
	}
	owned := len(list)
	stubs := false
	if owned == 0 {
		// The API refuses a history with tool calls if there are no tools.
		list = stubTools(p)
		stubs = len(list) > 0
	}
	if e.json != nil {
		list = append(list, e.json.tool())
	}
	if len(list) > 0 {
		e.tools = appendRawList(nil, list)
	}
	if len(servers) > 0 {
		e.servers = appendRawList(nil, servers)
		for _, beta := range memberBetas("mcp_servers", e.servers) {
			e.beta(beta)
		}
	}
	switch {
	case e.json != nil:
		e.toolChoice = e.chooseJSON(owned)
	case stubs:
		e.toolChoice = []byte(`{"type":"none"}`)
	case owned > 0:
		return e.chooseTool()
	}
	return nil
}

// tool returns the tool as the API wants it, or the MCP server it stands for,
// or nothing if it was dropped.
func (e *encoder) tool(i int, t *canon.Tool) (tool, server canon.Raw, err error) {
	if t.Type != "" && t.Type != "function" {
		return e.hostedTool(i, t)
	}
	field := "tools[" + strconv.Itoa(i) + "].function"
	name, ok := EscapeName(t.Name)
	if !ok {
		return nil, nil, gateway.Invalidf(field+".name", "anthropic cannot take the tool name %q: it is empty or too long", clip(t.Name, 80))
	}
	schema, err := objectSchema(t.Schema)
	if err != nil {
		return nil, nil, gateway.Invalidf(field+".parameters", "the parameters of tool %q %s", t.Name, err.Error())
	}
	b := appendText([]byte{'{'}, "name", name)
	if t.Description != "" {
		b = appendText(b, "description", t.Description)
	}
	b = appendMember(b, "input_schema", schema)
	if t.Strict != nil && *t.Strict {
		if e.can.schema {
			b = append(b, `,"strict":true`...)
		} else {
			e.drop("tools.function.strict")
		}
	}
	return append(e.appendCache(b, t.CacheControl), '}'), nil, nil
}

// objectSchema returns a tool's schema with the two members added that the API
// insists on. The rest stays as it is written: prompt caches depend on it.
func objectSchema(schema canon.Raw) (canon.Raw, error) {
	if !given(schema) {
		return canon.Raw(emptySchema), nil
	}
	o, ok := object(schema)
	if !ok {
		return nil, fmt.Errorf("must be a JSON Schema object")
	}
	if t := o.Get("type"); given(t) && string(t) != `"object"` {
		return nil, fmt.Errorf(`must have type "object", got %s`, clip(string(t), 40))
	}
	var edits []wire.Edit
	if string(o.Get("type")) != `"object"` {
		edits = append(edits, o.Set("type", []byte(`"object"`)))
	}
	if !o.Has("properties") {
		edits = append(edits, o.Set("properties", []byte("{}")))
	}
	if len(o.Members) == 0 {
		return canon.Raw(emptySchema), nil // two insertions would lack a comma
	}
	return wire.Segments(schema, edits).Bytes(), nil
}

// hostedTool handles tools that are no functions: Anthropic's own pass, MCP
// servers are translated, OpenAI's own cannot be had here.
func (e *encoder) hostedTool(i int, t *canon.Tool) (tool, server canon.Raw, err error) {
	o, ok := object(t.Raw)
	if !ok {
		return nil, nil, gateway.Invalidf("tools["+strconv.Itoa(i)+"]", "a tool of type %q must be an object", t.Type)
	}
	switch {
	case t.Type == "url":
		return nil, t.Raw, nil
	case t.Type == "mcp":
		return nil, mcpServer(o), nil
	case t.Type == "web_search" || t.Type == "web_search_preview":
		return webSearch(t.Raw), nil, nil
	case t.Type == "mcp_toolset" || t.Type == "custom" && o.Has("input_schema") || dated(t.Type):
		e.beta(toolBeta(t.Type))
		if o.Has("cache_control") {
			e.marks++
		}
		return t.Raw, nil, nil
	}
	e.lack("tools[" + strconv.Itoa(i) + "].type=" + clip(t.Type, 40))
	return nil, nil, nil
}

// dated reports whether a tool type ends in a date, as all of Anthropic's do.
func dated(kind string) bool {
	n := len(kind)
	if n < 10 || kind[n-9] != '_' {
		return false
	}
	_, d := digits(kind[n-8:])
	return d == 8
}

// mcpServer translates OpenAI's mcp tool.
func mcpServer(o *wire.Object) canon.Raw {
	b := appendText([]byte(`{"type":"url"`), "url", str(o, "server_url"))
	b = appendText(b, "name", str(o, "server_label"))
	if token := str(o, "authorization"); token != "" {
		b = appendText(b, "authorization_token", token)
	}
	if allowed := o.Get("allowed_tools"); len(elements(allowed)) > 0 {
		b = append(appendName(b, "tool_configuration"), `{"allowed_tools":`...)
		b = append(append(b, allowed...), '}')
	} else {
		b = append(appendName(b, "tool_configuration"), `{"enabled":true}`...)
	}
	return append(b, '}')
}

// webSearch translates OpenAI's web search options.
func webSearch(options canon.Raw) canon.Raw {
	b := []byte(`{"type":"web_search_20250305","name":"web_search"`)
	o, ok := object(options)
	if !ok {
		return append(b, '}')
	}
	switch str(o, "search_context_size") {
	case "low":
		b = append(b, `,"max_uses":1`...)
	case "medium":
		b = append(b, `,"max_uses":5`...)
	case "high":
		b = append(b, `,"max_uses":10`...)
	}
	place, ok := object(o.Get("user_location"))
	if !ok {
		return append(b, '}')
	}
	if inner, ok := object(place.Get("approximate")); ok {
		place = inner
	}
	b = append(appendName(b, "user_location"), `{"type":"approximate"`...)
	for _, name := range []string{"city", "region", "country", "timezone"} {
		if s := str(place, name); s != "" {
			b = appendText(b, name, s)
		}
	}
	return append(b, "}}"...)
}

// stubTools stands in for the tools of a history whose request has none.
func stubTools(p *planner) []canon.Raw {
	var list []canon.Raw
	var seen []string
	for i := range p.turns {
		for k := range p.turns[i].blocks {
			part := p.turns[i].blocks[k].part
			name, ok := EscapeName(part.Name)
			if part.Kind != canon.ToolCall || !ok || slices.Contains(seen, name) {
				continue
			}
			seen = append(seen, name)
			b := appendText([]byte{'{'}, "name", name)
			list = append(list, append(b, `,"input_schema":{"type":"object","properties":{}}}`...))
		}
	}
	return list
}

// chooseTool writes the client's tool choice.
func (e *encoder) chooseTool() error {
	one := e.r.ParallelTools != nil && !*e.r.ParallelTools
	choice := e.r.ToolChoice
	if choice == nil {
		choice = &canon.ToolChoice{}
	}
	var kind string
	switch choice.Mode {
	case "":
		if !one {
			return nil
		}
		kind = "auto"
	case "auto", "none":
		kind = choice.Mode
	case "required":
		kind = "any"
	case "tool":
		kind = "tool"
	default:
		return gateway.Invalidf("tool_choice", "tool_choice must be auto, none, required or name a function, got %q", clip(choice.Mode, 40))
	}
	if (kind == "any" || kind == "tool") && (e.thinks || !e.can.forced) {
		// A thinking model cannot be forced to call a tool.
		e.lack("tool_choice")
		kind = "auto"
	}
	b := appendText([]byte{'{'}, "type", kind)
	if kind == "tool" {
		name, ok := EscapeName(choice.Name)
		if !ok {
			return gateway.Invalidf("tool_choice", "anthropic cannot take the tool name %q: it is empty or too long", clip(choice.Name, 80))
		}
		b = appendText(b, "name", name)
	}
	if one && kind != "none" {
		b = append(b, `,"disable_parallel_tool_use":true`...)
	}
	e.toolChoice = append(b, '}')
	return nil
}
