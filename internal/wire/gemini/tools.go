package gemini

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// vendorTools are Google's own tools by their JSON names, with the other
// spelling that the API takes, too.
var vendorTools = map[string]string{
	"googleSearch": "googleSearch", "google_search": "googleSearch",
	"googleSearchRetrieval": "googleSearchRetrieval", "google_search_retrieval": "googleSearchRetrieval",
	"enterpriseWebSearch": "enterpriseWebSearch", "enterprise_web_search": "enterpriseWebSearch",
	"codeExecution": "codeExecution", "code_execution": "codeExecution",
	"urlContext": "urlContext", "url_context": "urlContext",
	"googleMaps": "googleMaps", "google_maps": "googleMaps",
	"fileSearch": "fileSearch", "file_search": "fileSearch",
	"computerUse": "computerUse", "computer_use": "computerUse",
	"retrieval":            "retrieval",
	"functionDeclarations": "functionDeclarations", "function_declarations": "functionDeclarations",
}

// toolsAndChoice writes tools and toolConfig.
func (e *encoder) toolsAndChoice() error {
	functions, err := e.sortTools()
	if err != nil {
		return err
	}
	if e.search && len(functions) > 0 && e.m.before(3, 0) &&
		!e.lacks("web_search_options", "this model cannot search and call functions in one request") {
		e.search = false
		e.tools = slices.DeleteFunc(e.tools, func(t tool) bool { return strings.HasPrefix(t.name, "googleSearch") })
	}
	if e.search && !slices.ContainsFunc(e.tools, func(t tool) bool { return strings.HasPrefix(t.name, "googleSearch") }) {
		e.tools = append(e.tools, tool{"googleSearch", []byte("{}")})
	}
	if len(functions) > 0 || len(e.tools) > 0 {
		e.w.key("tools")
		e.w.open('[')
		if len(functions) > 0 {
			// One entry for all: the API refuses several.
			e.w.open('{')
			e.w.key("functionDeclarations")
			e.w.open('[')
			for _, i := range functions {
				if err := e.declaration(i); err != nil {
					return err
				}
			}
			e.w.close(']')
			e.w.close('}')
		}
		for _, t := range e.tools {
			e.w.open('{')
			e.w.key(t.name)
			e.w.raw(t.value)
			e.w.close('}')
		}
		e.w.close(']')
	}
	if len(functions) > 0 && !e.rest.has("toolConfig") {
		e.choice()
	}
	if p := e.r.ParallelTools; p != nil && len(functions) > 0 {
		e.drop("parallel_tool_calls") // the vendor has no such switch
	}
	return nil
}

// sortTools returns the indices of the functions that may be called, and moves
// the vendor's own tools to e.tools.
func (e *encoder) sortTools() (functions []int, err error) {
	c := e.r.ToolChoice
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		if t.Type == "function" || t.Type == "" && len(t.Raw) == 0 {
			// The vendor restricts by name only where it forces a call.
			if c != nil && c.Mode == "auto" && c.Allowed != nil && !slices.Contains(c.Allowed, t.Name) {
				continue
			}
			functions = append(functions, i)
			continue
		}
		if err := e.vendorTool(i, t); err != nil {
			return nil, err
		}
	}
	return functions, nil
}

// vendorTool translates a tool that is no function: Google's own by its JSON
// name, and the searches and code interpreters of the other dialects.
func (e *encoder) vendorTool(i int, t *canon.Tool) error {
	param := fmt.Sprintf("tools[%d]", i)
	switch {
	case strings.HasPrefix(t.Type, "web_search"):
		e.search = true
		return nil
	case t.Type == "code_interpreter", strings.HasPrefix(t.Type, "code_execution"):
		e.tools = append(e.tools, tool{"codeExecution", []byte("{}")})
		return nil
	}
	var o wire.Object
	if err := o.Parse(t.Raw); err != nil {
		return gateway.Invalidf(param, "not a tool: %v", err)
	}
	found := false
	for _, m := range o.Members {
		name := vendorTools[m.Name]
		if name == "" {
			continue
		}
		found = true
		if strings.HasPrefix(name, "googleSearch") {
			e.search = true
		}
		value := o.Body[m.Start:m.End]
		if value[0] != '{' && value[0] != '[' {
			value = []byte("{}") // {"googleSearch":null} and the like
		}
		e.tools = append(e.tools, tool{name, value})
	}
	if !found && e.lacks(param, fmt.Sprintf("gemini has no tool of type %q", t.Type)) {
		e.tools = append(e.tools, tool{t.Type, t.Raw})
	}
	return nil
}

// declaration writes one function.
func (e *encoder) declaration(i int) error {
	t := &e.r.Tools[i]
	e.w.open('{')
	e.w.key("name")
	e.w.str(t.Name)
	if t.Description != "" {
		e.w.key("description")
		e.w.str(t.Description)
	}
	if given(t.Schema) {
		s, err := convertSchema(t.Schema)
		if err != nil {
			return gateway.Invalidf(fmt.Sprintf("tools[%d].function.parameters", i), "parameters of %s: %v", t.Name, err)
		}
		// An object without properties is refused at the root.
		if !emptyObject(s) {
			e.w.key("parameters")
			e.w.raw(s)
		}
	}
	e.w.close('}')
	return nil
}

// emptyObject reports whether the converted schema is an object without properties.
func emptyObject(s jsontext.Value) bool {
	var o wire.Object
	if o.Parse(s) != nil || o.Has("properties") {
		return false
	}
	typ, _ := o.String("type")
	return typ == "object"
}

func (e *encoder) choice() {
	c := e.r.ToolChoice
	if c == nil {
		return
	}
	mode, allowed := "", c.Allowed
	switch c.Mode {
	case "auto":
		mode, allowed = "AUTO", nil // sortTools has left the others out
	case "none":
		mode, allowed = "NONE", nil
	case "required":
		mode = "ANY"
	case "tool":
		mode, allowed = "ANY", []string{c.Name}
	default:
		return
	}
	e.w.key("toolConfig")
	e.w.open('{')
	e.w.key("functionCallingConfig")
	e.w.open('{')
	e.w.key("mode")
	e.w.str(mode)
	if len(allowed) > 0 {
		e.w.key("allowedFunctionNames")
		e.w.open('[')
		for _, name := range allowed {
			e.w.str(name)
		}
		e.w.close(']')
	}
	e.w.close('}')
	e.w.close('}')
}
