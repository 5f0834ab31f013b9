package anthropic

import (
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

func TestStructuredSchema(t *testing.T) {
	tests := []struct{ about, schema, want string }{
		{
			"objects are closed at every depth", `{"type":"object","properties":{"b":{"type":"object","properties":{"z":{"type":"string"}}},"a":{"type":"array","items":{"type":"object","properties":{}}}}}`,
			`{"type":"object","properties":{"b":{"type":"object","properties":{"z":{"type":"string"}},"additionalProperties":false},"a":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false}}},"additionalProperties":false}`,
		},
		{"limits become words", `{"type":"string","description":"A name.","minLength":1,"pattern":"^a"}`, `{"type":"string","description":"A name. {minLength: 1, pattern: \"^a\"}"}`},
		{"small minItems stay", `{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":3}`, `{"type":"array","items":{"type":"string"},"minItems":1,"description":"{maxItems: 3}"}`},
		{"oneOf is anyOf", `{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`},
		{"definitions are rewritten too", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{}}}}`, `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{},"additionalProperties":false}}}`},
		{"a property may be called $ref", `{"type":"object","properties":{"$ref":{"type":"string"}}}`, `{"type":"object","properties":{"$ref":{"type":"string"}},"additionalProperties":false}`},
		{"recursion cannot be expressed", `{"type":"object","properties":{"next":{"$ref":"#"}}}`, ""},
		{"nor a loop of definitions", `{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"items":{"$ref":"#/$defs/a"}}}}`, ""},
		{"nor names of the model's choosing", `{"type":"object","properties":{},"additionalProperties":{"type":"string"}}`, ""},
		{"nor objects of anything", `{"type":"object"}`, ""},
		{"nor conditions", `{"if":{},"then":{}}`, ""},
		{"nor true", `{"type":"array","items":true}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			got, ok := structuredSchema(canon.Raw(tt.schema))
			if ok != (tt.want != "") || string(got) != tt.want {
				t.Errorf("%s\n got %s, %v\nwant %s", tt.schema, got, ok, tt.want)
			}
		})
	}
}

// FuzzStructuredSchema proves that rewriting ends, gives JSON, and leaves
// nothing for a second round.
func FuzzStructuredSchema(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#/$defs/x","minimum":1}},"$defs":{"x":{"oneOf":[{"type":"string"}]}}}`)
	f.Add(`{"$ref":"#"}`)
	f.Add(strings.Repeat(`{"items":`, 100) + `{}` + strings.Repeat(`}`, 100))
	f.Fuzz(func(t *testing.T, schema string) {
		got, ok := structuredSchema(canon.Raw(schema))
		if !ok {
			return
		}
		if !wire.Valid(got) {
			t.Fatalf("%s\nbecomes %s, which is not JSON", schema, got)
		}
		again, ok := structuredSchema(got)
		if !ok || len(again) != len(got) {
			t.Errorf("%s\nbecomes %s\nand then %s, %v", schema, got, again, ok)
		}
	})
}
