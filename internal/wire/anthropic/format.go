package anthropic

import (
	"penstock/internal/canon"
	"penstock/internal/gateway"
)

// jsonSchemaTool is a tool whose arguments are the answer: for models without
// structured output, and for schemas that structured output cannot express.
type jsonSchemaTool struct {
	name        string
	description string
	schema      canon.Raw
}

func (t *jsonSchemaTool) tool() canon.Raw {
	b := appendText([]byte{'{'}, "name", t.name)
	b = appendText(b, "description", t.description)
	b = appendMember(b, "input_schema", t.schema)
	return append(b, '}')
}

// jsonHint asks for JSON where the client gave no schema: the API has no such mode.
const jsonHint = "Answer with one valid JSON object and nothing else: no prose, no code fence."

// decideFormat chooses how the answer gets the form the client wants.
func (e *encoder) decideFormat(*planner) error {
	f := e.r.Format
	if f == nil || f.Kind == "" || f.Kind == "text" {
		return nil
	}
	if f.Kind != "json_object" && f.Kind != "json_schema" {
		return gateway.Invalidf("response_format", "response_format.type must be text, json_object or json_schema, got %q", clip(f.Kind, 40))
	}
	if !given(f.Schema) {
		e.hint = jsonHint
		return nil
	}
	root, ok := object(f.Schema)
	if !ok {
		return gateway.Invalidf("response_format", "response_format.json_schema.schema must be a JSON Schema object")
	}
	if e.can.schema {
		if schema, ok := structuredSchema(f.Schema); ok {
			e.format = schema
			return nil
		}
	}
	t := &jsonSchemaTool{name: jsonTool, description: "Give your final answer by calling this tool: its arguments are the answer."}
	if f.Description != "" {
		t.description += " " + f.Description
	}
	if kind := root.Get("type"); given(kind) && string(kind) != `"object"` || root.Has("$ref") {
		t.name = jsonToolValues
		b := append([]byte(`{"type":"object","properties":{"values":`), withoutDefs(root)...)
		b = append(b, `},"required":["values"]`...)
		// References point to the root of the schema: definitions stay there.
		for _, name := range []string{"$defs", "definitions"} {
			if v := root.Get(name); given(v) {
				b = appendMember(b, name, v)
			}
		}
		t.schema = append(b, '}')
	} else {
		schema, err := objectSchema(f.Schema)
		if err != nil {
			return gateway.Invalidf("response_format", "the schema %s", err.Error())
		}
		t.schema = schema
	}
	e.json = t
	return nil
}

// chooseJSON writes the tool choice for a request with the answer tool and
// other tools beside it.
func (e *encoder) chooseJSON(others int) []byte {
	choice := e.r.ToolChoice
	mode := ""
	if choice != nil {
		mode = choice.Mode
	}
	switch {
	case e.thinks || !e.can.forced:
		// Forcing is refused here: the model may also answer in text.
		return []byte(`{"type":"auto"}`)
	case others == 0 || mode == "none":
		return []byte(`{"type":"tool","name":"` + e.json.name + `","disable_parallel_tool_use":true}`)
	case mode == "tool":
		if name, ok := EscapeName(choice.Name); ok {
			return append(appendText([]byte(`{"type":"tool"`), "name", name), '}')
		}
	}
	if p := e.r.ParallelTools; p != nil && !*p {
		return []byte(`{"type":"any","disable_parallel_tool_use":true}`)
	}
	return []byte(`{"type":"any"}`)
}
