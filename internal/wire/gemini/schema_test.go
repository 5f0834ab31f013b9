package gemini

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/wire"
)

func TestSchemaBecomesTheVendorsSubset(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{
			"properties keep their order", `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["a","z"]}`,
			`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["a","z"]}`,
		},
		{
			"keywords the vendor refuses are left out",
			`{"$schema":"x","$id":"y","$comment":"c","type":"object","additionalProperties":false,"strict":true,"patternProperties":{},"propertyNames":{},"properties":{"n":{"type":"number","multipleOf":2,"exclusiveMinimum":0,"minimum":1,"maximum":1.50},"l":{"type":"array","uniqueItems":true,"contains":{},"minItems":1,"items":{"type":"string"}}},"if":{},"then":{},"else":{},"not":{},"examples":[1],"dependentRequired":{}}`,
			`{"type":"object","properties":{"n":{"type":"number","minimum":1,"maximum":1.50},"l":{"type":"array","items":{"type":"string"},"minItems":1}}}`,
		},
		{
			"a reference is replaced by what it points to, and its siblings win",
			`{"type":"object","$defs":{"Item":{"type":"string","description":"an item","maxLength":9}},"properties":{"a":{"$ref":"#/$defs/Item"},"b":{"$ref":"#/$defs/Item","description":"mine"}}}`,
			`{"type":"object","properties":{"a":{"type":"string","description":"an item","maxLength":9},"b":{"type":"string","description":"mine","maxLength":9}}}`,
		},
		{
			"definitions and escaped names are found", `{"definitions":{"a/b c":{"type":"boolean"}},"properties":{"x":{"$ref":"#/definitions/a~1b%20c"}}}`,
			`{"type":"object","properties":{"x":{"type":"boolean"}}}`,
		},
		{
			"a root that is a reference is replaced", `{"$ref":"#/$defs/R","$defs":{"R":{"type":"object","properties":{"a":{"type":"string"}}}}}`,
			`{"type":"object","properties":{"a":{"type":"string"}}}`,
		},
		{
			"a cycle is cut to an object",
			`{"type":"object","properties":{"tree":{"$ref":"#/$defs/Node"}},"$defs":{"Node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/Node"}}}}}`,
			`{"type":"object","properties":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"next":{"type":"object"}}}}}`,
		},
		{
			"a cycle over the root is cut", `{"type":"object","properties":{"child":{"$ref":"#"},"v":{"type":"string"}}}`,
			`{"type":"object","properties":{"child":{"type":"object"},"v":{"type":"string"}}}`,
		},
		{"a cycle of two definitions is cut", `{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/B"},"B":{"$ref":"#/$defs/A"}}}`, `{"type":"object"}`},
		{
			"the same definition twice is no cycle", `{"properties":{"a":{"$ref":"#/$defs/S"},"b":{"$ref":"#/$defs/S"}},"$defs":{"S":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}}`,
		},
		{"a type list with null is nullable", `{"type":["string","null"],"maxLength":5}`, `{"type":"string","nullable":true,"maxLength":5}`},
		{
			"another type list becomes anyOf, each with the keywords of its type", `{"type":["string","integer"],"description":"d","minimum":1,"minLength":2}`,
			`{"anyOf":[{"type":"string","description":"d","minLength":2},{"type":"integer","description":"d","minimum":1}]}`,
		},
		{"a type list of one is that type", `{"type":["BOOLEAN"]}`, `{"type":"boolean"}`},
		{"null alone is a string that may be null", `{"type":"null"}`, `{"type":"string","nullable":true}`},
		{
			"anyOf with null is nullable", `{"anyOf":[{"type":"integer"},{"type":"null"}],"description":"maybe","default":null}`,
			`{"type":"integer","description":"maybe","nullable":true}`,
		},
		{
			"null in a longer anyOf makes each branch nullable", `{"anyOf":[{"type":"integer"},{"type":"string"},{"type":"null"}]}`,
			`{"anyOf":[{"type":"integer","nullable":true},{"type":"string","nullable":true}]}`,
		},
		{"oneOf becomes anyOf", `{"oneOf":[{"type":"string"},{"type":"number"}]}`, `{"anyOf":[{"type":"string"},{"type":"number"}]}`},
		{
			"siblings of anyOf move into its branches",
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"],"anyOf":[{"required":["b"]},{"properties":{"c":{"type":"integer"}}}]}`,
			`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b","a"]},{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"integer"}},"required":["a"]}]}`,
		},
		{
			"anyOf in anyOf is flat", `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]},{"type":"boolean"}]}`,
			`{"anyOf":[{"type":"string"},{"type":"integer"},{"type":"boolean"}]}`,
		},
		{
			"allOf is merged", `{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"$ref":"#/$defs/B"}],"description":"both","$defs":{"B":{"properties":{"b":{"type":"integer"}},"required":["b"]}}}`,
			`{"type":"object","description":"both","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"]}`,
		},
		{"const is an enum of one", `{"const":"x"}`, `{"type":"string","enum":["x"]}`},
		{
			"an enum of texts loses empty and double members and null", `{"type":"string","enum":["a","","a","b",null]}`,
			`{"type":"string","nullable":true,"enum":["a","b"]}`,
		},
		{
			"an enum of numbers goes to the description", `{"type":"integer","description":"Level. ","enum":[1,2,3]}`,
			`{"type":"integer","description":"Level. One of 1, 2, 3."}`,
		},
		{
			"an enum without type takes the type of its members", `{"properties":{"i":{"enum":[1,2]},"n":{"enum":[1.5,2]},"b":{"const":true},"m":{"enum":["a",1]}}}`,
			`{"type":"object","properties":{"i":{"type":"integer","description":"One of 1, 2."},"n":{"type":"number","description":"One of 1.5, 2."},"b":{"type":"boolean","description":"One of true."},"m":{"type":"string","enum":["a","1"]}}}`,
		},
		{
			"a format the vendor does not know is left out", `{"properties":{"a":{"type":"string","format":"email"},"b":{"type":"string","format":"date-time"},"c":{"type":"integer","format":"int64"},"d":{"type":"integer","format":"float"},"e":{"type":"number","format":"double"}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string","format":"date-time"},"c":{"type":"integer","format":"int64"},"d":{"type":"integer"},"e":{"type":"number","format":"double"}}}`,
		},
		{
			"an array needs items", `{"properties":{"a":{"type":"array"},"b":{"type":"array","items":{}},"c":{"type":"array","items":true}}}`,
			`{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}},"b":{"type":"array","items":{"type":"string"}},"c":{"type":"array","items":{"type":"string"}}}}`,
		},
		{
			"a tuple has one schema for all places", `{"type":"array","items":[{"type":"string"},{"type":"integer"}]}`,
			`{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"integer"}]}}`,
		},
		{"prefixItems count as a tuple", `{"type":"array","prefixItems":[{"type":"string"}]}`, `{"type":"array","items":{"type":"string"}}`},
		{
			"a property without type is an object", `{"properties":{"x":{},"y":true,"z":{"description":"d"}}}`,
			`{"type":"object","properties":{"x":{"type":"object"},"y":{"type":"object"},"z":{"type":"object","description":"d"}}}`,
		},
		{
			"a missing type is told by its keywords", `{"properties":{"s":{"minLength":1},"p":{"pattern":"^a"},"n":{"minimum":0},"a":{"items":{"type":"string"}},"l":{"maxItems":3}}}`,
			`{"type":"object","properties":{"s":{"type":"string","minLength":1},"p":{"type":"string","pattern":"^a"},"n":{"type":"number","minimum":0},"a":{"type":"array","items":{"type":"string"}},"l":{"type":"array","items":{"type":"string"},"maxItems":3}}}`,
		},
		{
			"required names only properties that are there", `{"type":"object","properties":{"a":{"type":"string"}},"required":["a","gone","a"]}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`,
		},
		{
			"a property may be called like a keyword", `{"type":"object","properties":{"type":{"type":"string"},"$ref":{"type":"string"},"anyOf":{"type":"integer"}}}`,
			`{"type":"object","properties":{"type":{"type":"string"},"$ref":{"type":"string"},"anyOf":{"type":"integer"}}}`,
		},
		{
			"defaults and big numbers stay as they are", `{"type":"object","properties":{"n":{"type":"integer","default":12345678901234567890},"o":{"type":"object","default":{"b":1,"a":[true,null]}}}}`,
			`{"type":"object","properties":{"n":{"type":"integer","default":12345678901234567890},"o":{"type":"object","default":{"b":1,"a":[true,null]}}}}`,
		},
		{"counts must be whole numbers", `{"type":"string","minLength":2.0,"maxLength":-1}`, `{"type":"string","minLength":2}`},
		{
			"the order of properties may be said", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"propertyOrdering":["b","a","c"]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"propertyOrdering":["b","a"]}`,
		},
		{"true is an object", `true`, `{"type":"object"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := convertSchema([]byte(tt.in))
			if err != nil || string(got) != tt.want {
				t.Errorf("schema %s\n got %s (%v)\nwant %s", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestSchemaThatCannotBeConvertedIsRefused(t *testing.T) {
	double := strings.Builder{} // 2^30 nodes when its references are replaced
	double.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range 30 {
		fmt.Fprintf(&double, `"d%d":{"properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	double.WriteString(`"d30":{"type":"string"}}}`)
	// Branches inherit all properties: a product, although there are few nodes.
	wide := strings.Builder{}
	wide.WriteString(`{"type":"object","properties":{"p":{"type":"string","description":"` + strings.Repeat("x", 4000) + `"}},"anyOf":[`)
	for i := range 500 {
		if i > 0 {
			wide.WriteByte(',')
		}
		fmt.Fprintf(&wide, `{"required":["p"],"title":"t%d"}`, i)
	}
	wide.WriteString(`]}`)
	for _, tt := range []struct{ name, in, want string }{
		{"a reference to nowhere", `{"properties":{"a":{"$ref":"#/$defs/Gone"}}}`, "#/$defs/Gone"},
		{"a reference to another document", `{"$ref":"https://example.com/s.json"}`, "https://example.com/s.json"},
		{"a schema that is a text", `"string"`, "want an object"},
		{"a property that is a list", `{"properties":{"a":[]}}`, `property "a"`},
		{"a name twice", `{"type":"string","type":"object"}`, "not valid JSON"},
		{"definitions that double", double.String(), "too large"},
		{"branches that multiply", wide.String(), "too large"},
		{"deep nesting", strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200), "too deeply"},
		{"a deep chain of references", chain(300), "too deeply"},
	} {
		got, err := convertSchema([]byte(tt.in))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %.200s, error %v; want an error with %q", tt.name, got, err, tt.want)
		}
	}
}

func chain(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"d%d":{"$ref":"#/$defs/d%d"},`, i, i+1)
	}
	fmt.Fprintf(&b, `"d%d":{"type":"string"}}}`, n)
	return b.String()
}

// allowed are the only keywords of the vendor's Schema object.
var allowed = []string{
	"type", "format", "title", "description", "nullable", "default", "items", "minItems", "maxItems",
	"enum", "properties", "propertyOrdering", "required", "minProperties", "maxProperties", "minimum", "maximum",
	"minLength", "maxLength", "pattern", "example", "anyOf",
}

// wrong returns what the vendor would refuse in a converted schema, "" if nothing.
func wrong(n *node) string {
	if n.kind != '{' {
		return "a schema that is no object"
	}
	for i, name := range n.names {
		v := n.members[i]
		if !slices.Contains(allowed, name) {
			return "keyword " + name
		}
		var inner []*node
		switch name {
		case "items":
			inner = []*node{v}
		case "properties", "anyOf":
			inner = v.members
		}
		for _, m := range inner {
			if s := wrong(m); s != "" {
				return s
			}
		}
	}
	typ := n.get("type")
	switch any := n.get("anyOf"); {
	case any != nil && len(n.names) != 1:
		return "anyOf with siblings"
	case any == nil && typ == nil:
		return "a schema without type"
	case typ != nil && typ.text() == "array" && n.get("items") == nil:
		return "an array without items"
	case n.get("enum") != nil && typ.text() != "string":
		return "an enum on " + typ.text()
	}
	if req := n.get("required"); req != nil {
		for _, r := range req.members {
			if p := n.get("properties"); p == nil || p.get(r.text()) == nil {
				return "required without property"
			}
		}
	}
	return ""
}

func FuzzConvertSchema(f *testing.F) {
	for _, s := range []string{
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}}`,
		`{"allOf":[{"type":["string","null"]},{"enum":["a",1,null]}]}`,
		`{"oneOf":[{"const":1},{"items":[{},true]}],"required":["x"],"propertyOrdering":["x"]}`,
		`{"type":"array","prefixItems":[{"type":"integer","format":"int32"}],"minItems":1e3}`,
		`{"properties":{"\ud83d":{"default":"\ud83d"}}}`,
		chain(5),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := convertSchema(in)
		if err != nil {
			return
		}
		if !wire.Valid(out) {
			t.Fatalf("schema %s gives invalid JSON %s", in, out)
		}
		tree, err := parseTree(out)
		if err != nil {
			t.Fatalf("schema %s gives %s, which cannot be read: %v", in, out, err)
		}
		if s := wrong(tree); s != "" {
			t.Fatalf("schema %s gives %s: %s", in, out, s)
		}
	})
}
