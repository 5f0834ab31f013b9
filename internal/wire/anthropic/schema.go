package anthropic

import (
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

// structuredSchema rewrites a JSON Schema for output_config.format, keeping
// the order of members: objects are closed, keywords that the API refuses
// become part of the description, oneOf becomes anyOf. It reports false for
// schemas that would change their meaning: recursive ones, and objects with
// names of the model's choosing.
func structuredSchema(schema canon.Raw) (canon.Raw, bool) {
	if recursive(schema) {
		return nil, false
	}
	return rewriteSchema(schema, 0)
}

// maxSchemaDepth bounds the nesting of a schema: the API's own limit is lower.
const maxSchemaDepth = 64

func rewriteSchema(schema canon.Raw, depth int) (canon.Raw, bool) {
	o, ok := object(schema)
	if !ok {
		// true and false are schemas too, which the API does not take.
		return nil, false
	}
	if depth > maxSchemaDepth {
		return nil, false
	}
	isObject := string(o.Get("type")) == `"object"` || o.Has("properties")
	if isObject && !o.Has("properties") {
		return nil, false
	}
	if v := o.Get("additionalProperties"); given(v) && string(v) != "false" && string(v) != "true" {
		return nil, false
	}
	if o.Has("oneOf") && o.Has("anyOf") {
		return nil, false // both would become anyOf
	}
	var notes []string
	b := []byte{'{'}
	for _, m := range o.Members {
		v := canon.Raw(o.Body[m.Start:m.End])
		name := m.Name
		switch name {
		case "properties", "$defs", "definitions":
			inner, ok := object(v)
			if !ok {
				return nil, false
			}
			b = append(appendName(b, name), '{')
			for _, p := range inner.Members {
				s, ok := rewriteSchema(inner.Body[p.Start:p.End], depth+1)
				if !ok {
					return nil, false
				}
				b = appendMember(b, p.Name, s)
			}
			b = append(b, '}')
		case "items":
			s, ok := rewriteSchema(v, depth+1)
			if !ok {
				return nil, false
			}
			b = appendMember(b, name, s)
		case "anyOf", "oneOf", "allOf":
			if name == "oneOf" {
				name = "anyOf"
			}
			b = append(appendName(b, name), '[')
			for i, alt := range elements(v) {
				s, ok := rewriteSchema(alt, depth+1)
				if !ok {
					return nil, false
				}
				if i > 0 {
					b = append(b, ',')
				}
				b = append(b, s...)
			}
			b = append(b, ']')
		case "additionalProperties", "description", "$schema", "$id":
			// Written below, or without meaning to the API.
		case "type", "enum", "const", "$ref", "required", "title", "default", "format", "examples":
			b = appendMember(b, name, v)
		case "minItems":
			if s := string(v); s == "0" || s == "1" {
				b = appendMember(b, name, v)
				continue
			}
			notes = append(notes, name+": "+string(v))
		case "not", "if", "then", "else", "patternProperties", "propertyNames", "dependentSchemas", "prefixItems", "contains":
			return nil, false
		default:
			notes = append(notes, name+": "+string(v))
		}
	}
	text := str(o, "description")
	if len(notes) > 0 {
		text = strings.TrimSpace(text + " {" + strings.Join(notes, ", ") + "}")
	}
	if text != "" {
		b = appendText(b, "description", text)
	}
	if isObject {
		b = append(appendName(b, "additionalProperties"), "false"...)
	}
	return append(b, '}'), true
}

// recursive reports whether a schema's references lead back to where they stand.
func recursive(schema canon.Raw) bool {
	root, ok := object(schema)
	if !ok {
		return false
	}
	if !hasRef(schema) {
		return false
	}
	refs := map[string][]string{}
	for _, name := range []string{"$defs", "definitions"} {
		defs, ok := object(root.Get(name))
		if !ok {
			continue
		}
		for _, m := range defs.Members {
			refs["#/"+name+"/"+m.Name] = references(defs.Body[m.Start:m.End])
		}
	}
	var onPath, done []string
	var visit func(ref string) bool
	visit = func(ref string) bool {
		targets, known := refs[ref]
		switch {
		case slices.Contains(onPath, ref), !known:
			return true // a loop, or a reference into something we do not follow
		case slices.Contains(done, ref):
			return false
		}
		onPath = append(onPath, ref)
		loop := slices.ContainsFunc(targets, visit)
		onPath = onPath[:len(onPath)-1]
		done = append(done, ref)
		return loop
	}
	return slices.ContainsFunc(references(withoutDefs(root)), visit)
}

func hasRef(v []byte) bool { return strings.Contains(string(v), `"$ref"`) }

// references returns the targets of every $ref in a JSON value.
func references(v []byte) []string {
	d := lenient(v)
	var out []string
	for {
		t, err := d.ReadToken()
		if err != nil {
			return out
		}
		// A string in the place of a member's name is the name.
		kind, n := d.StackIndex(d.StackDepth())
		if t.Kind() == '"' && kind == '{' && n%2 == 1 && t.String() == "$ref" && d.PeekKind() == '"' {
			ref, err := d.ReadToken()
			if err != nil {
				return out
			}
			out = append(out, ref.String())
		}
	}
}

// withoutDefs returns a schema without its definitions.
func withoutDefs(root *wire.Object) canon.Raw {
	return canon.Raw(wire.Segments(root.Body, root.Delete("$defs", "definitions")).Bytes())
}
