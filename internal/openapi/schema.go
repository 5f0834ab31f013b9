package openapi

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Schema is what a value must be, in the words of JSON Schema 2020-12. The zero
// Schema is anything.
type Schema struct {
	Ref         string       `json:"$ref,omitzero"`
	Type        types        `json:"type,omitzero"`
	Format      string       `json:"format,omitzero"`
	Pattern     string       `json:"pattern,omitzero"`
	Description string       `json:"description,omitzero"`
	Examples    []string     `json:"examples,omitzero"`
	Enum        []string     `json:"enum,omitzero"`
	Minimum     *int64       `json:"minimum,omitzero"`
	Above       *int64       `json:"exclusiveMinimum,omitzero"`
	Maximum     *int64       `json:"maximum,omitzero"`
	MinItems    int          `json:"minItems,omitzero"`
	MaxLength   int          `json:"maxLength,omitzero"`
	Items       *Schema      `json:"items,omitzero"`
	Properties  Map[*Schema] `json:"properties,omitzero"`
	Required    []string     `json:"required,omitzero"`
	// Rest is what members may be that are not named.
	Rest  *Schema   `json:"additionalProperties,omitzero"`
	AnyOf []*Schema `json:"anyOf,omitzero"`
}

// types are the names of JSON's types; one alone is written as a string.
type types []string

// MarshalJSONTo implements json.MarshalerTo.
func (t types) MarshalJSONTo(e *jsontext.Encoder) error {
	if len(t) == 1 {
		return e.WriteToken(jsontext.String(t[0]))
	}
	return json.MarshalEncode(e, []string(t))
}

// Describer is a type that reads or writes itself as JSON, and says what that is.
// The method is called on its zero value.
type Describer interface {
	Describe(*Schemas) *Schema
}

// Hint says more about fields of bodies than their type does.
type Hint struct {
	Says string
	// Of a text, or of the texts in a list:
	Enum    []string
	Pattern string // a regular expression
	Example string
}

// On returns s with what the hint says.
func (h *Hint) On(s *Schema) *Schema {
	out := *s
	if out.Description == "" {
		out.Description = h.Says
	}
	switch {
	case len(s.Type) == 0:
	case s.Type[0] == "array" && s.Items != nil:
		within := *h
		within.Says = ""
		out.Items = within.On(s.Items)
	case s.Type[0] == "string" && len(h.Enum) > 0:
		enum := &Schema{Type: types{"string"}, Enum: h.Enum}
		if len(s.Type) > 1 {
			enum = Nullable(enum)
		}
		enum.Description = out.Description
		return enum
	case s.Type[0] == "string":
		out.Pattern = h.Pattern
		if h.Example != "" {
			out.Examples = []string{h.Example}
		}
	}
	return &out
}

// Schemas makes schemas of types. Structs that have a name become components.
type Schemas struct {
	hints   map[string]Hint
	names   map[string]*Schema
	known   map[schemaKey]string // name of a component
	errs    []error
	where   string
	reading bool // schemas of what is read: nothing is there for sure
}

// schemaKey tells a type in bodies from the same type in answers, where all its
// fields are there.
type schemaKey struct {
	t       reflect.Type
	reading bool
}

// Of returns the schema of a type.
func (s *Schemas) Of(t reflect.Type) *Schema {
	if d, ok := reflect.TypeAssert[Describer](reflect.Zero(t)); ok && t.Kind() != reflect.Pointer {
		return d.Describe(s)
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return &Schema{Type: types{"string"}, Format: "date-time"}
	case reflect.TypeFor[jsontext.Value]():
		return &Schema{}
	}
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		switch {
		case writesItself(t):
			s.errs = append(s.errs, fmt.Errorf("%s: %v writes itself as JSON: give it a method Describe that says what that is", s.where, t))
			return &Schema{}
		case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
			return &Schema{Type: types{"string"}}
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &Schema{Type: types{"boolean"}}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &Schema{Type: types{"integer"}}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Integer(0)
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: types{"number"}}
	case reflect.String:
		return &Schema{Type: types{"string"}}
	case reflect.Pointer:
		if e := t.Elem(); e.Kind() == reflect.Struct && e.Name() == "" && e.NumField() == 0 {
			return &Schema{Type: types{"null"}}
		}
		return Nullable(s.Of(t.Elem()))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return &Schema{Type: types{"string"}, Description: "base64"}
		}
		return &Schema{Type: types{"array"}, Items: s.Of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: types{"object"}, Rest: s.Of(t.Elem())}
	case reflect.Interface:
		return &Schema{}
	case reflect.Struct:
		return s.structure(t)
	}
	s.errs = append(s.errs, fmt.Errorf("%s: %v cannot be JSON", s.where, t))
	return &Schema{}
}

func writesItself(t reflect.Type) bool {
	for _, x := range []reflect.Type{reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler]()} {
		if t.Implements(x) || reflect.PointerTo(t).Implements(x) {
			return true
		}
	}
	return false
}

// structure returns a reference to the component of a struct, or the schema of
// one without a name.
func (s *Schemas) structure(t reflect.Type) *Schema {
	if t.Name() == "" {
		return s.fields(t)
	}
	key := schemaKey{t, s.reading}
	name, ok := s.known[key]
	if !ok {
		name = s.name(t)
		s.known[key] = name
		s.names[name] = nil // it may hold itself
		s.names[name] = s.fields(t)
	}
	return &Schema{Ref: "#/components/schemas/" + name}
}

// name returns a free name for a component.
func (s *Schemas) name(t reflect.Type) string {
	pkg := t.PkgPath()
	plain := camel(t.Name())
	tries := []string{plain, camel(pkg[strings.LastIndexByte(pkg, '/')+1:]) + plain}
	if s.reading {
		tries = append([]string{plain, plain + "Input"}, tries...)
	}
	for _, name := range tries {
		if _, taken := s.names[name]; !taken {
			return name
		}
	}
	for n := 2; ; n++ {
		if name := fmt.Sprintf("%s%d", plain, n); s.names[name] == nil {
			return name
		}
	}
}

// all returns the components by name.
func (s *Schemas) all() Map[*Schema] {
	var out Map[*Schema]
	for name, schema := range s.names {
		out = append(out, Member[*Schema]{name, schema})
	}
	slices.SortFunc(out, func(x, y Member[*Schema]) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// fields returns the schema of a struct, with the members that are embedded in it.
func (s *Schemas) fields(t reflect.Type) *Schema {
	out := &Schema{Type: types{"object"}}
	type part struct {
		t      reflect.Type
		absent bool // it may be: it is embedded by a pointer
	}
	level := []part{{t: t}}
	for len(level) > 0 { // what stands further out hides what stands further in
		var next []part
		for _, p := range level {
			for f := range p.t.Fields() {
				name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
				switch {
				case name == "-" && options == "":
				case name == "" && (f.Anonymous || has(options, "embed")):
					if in := indirect(f.Type); in.Kind() == reflect.Struct {
						next = append(next, part{in, p.absent || f.Type.Kind() == reflect.Pointer})
					} else if in.Kind() == reflect.Map && in.Elem() != reflect.TypeFor[jsontext.Value]() {
						out.Rest = s.Of(in.Elem())
					} else {
						out.Rest = &Schema{}
					}
				case f.IsExported():
					if name == "" {
						name = f.Name
					}
					if p.absent {
						options += ",omitzero"
					}
					s.field(out, &f, name, options)
				}
			}
		}
		level = next
	}
	return out
}

func has(options, option string) bool {
	return slices.Contains(strings.Split(options, ","), option)
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

func (s *Schemas) field(out *Schema, f *reflect.StructField, name, options string) {
	if slices.ContainsFunc(out.Properties, func(m Member[*Schema]) bool { return m.Name == name }) {
		return
	}
	schema := s.Of(f.Type)
	if has(options, "string") {
		schema = &Schema{Type: types{"string"}}
	}
	var hint Hint
	if s.reading {
		hint = s.hints[name]
	}
	if says := f.Tag.Get("doc"); says != "" {
		hint.Says = says
	}
	if example := f.Tag.Get("example"); example != "" {
		hint.Example = example
	}
	schema = hint.On(schema)
	*out.Properties.at(name) = schema
	present := !s.reading && !has(options, "omitzero") && !has(options, "omitempty")
	if present || f.Tag.Get("openapi") == "required" {
		out.Required = append(out.Required, name)
	}
}

// find returns the component that a schema refers to, or the schema.
func (s *Schemas) find(schema *Schema) *Schema {
	if name, ok := strings.CutPrefix(schema.Ref, "#/components/schemas/"); ok {
		return s.names[name]
	}
	return schema
}

// needing returns the schema with members that must be there.
func (s *Schemas) needing(schema *Schema, names []string) *Schema {
	if len(names) == 0 {
		return schema
	}
	for _, name := range names {
		if !slices.ContainsFunc(s.find(schema).Properties, func(m Member[*Schema]) bool { return m.Name == name }) {
			s.errs = append(s.errs, fmt.Errorf("%s: the body has no member %s that it could need", s.where, name))
		}
	}
	out := *schema
	out.Required = append(slices.Clone(out.Required), names...)
	return &out
}

// Nullable returns the schema of a value that may be null as well.
func Nullable(s *Schema) *Schema {
	switch {
	case s.Ref != "" || len(s.Enum) > 0:
		return &Schema{AnyOf: []*Schema{s, {Type: types{"null"}}}}
	case len(s.Type) == 0 || slices.Contains(s.Type, "null"):
		return s
	}
	out := *s
	out.Type = append(slices.Clone(s.Type), "null")
	return &out
}

// Text is any text.
func Text() *Schema { return &Schema{Type: types{"string"}} }

// Bool is true or false.
func Bool() *Schema { return &Schema{Type: types{"boolean"}} }

// Integer is a whole number of at least least.
func Integer(least int64) *Schema { return &Schema{Type: types{"integer"}, Minimum: &least} }

// Between is a whole number from least to most.
func Between(least, most int64) *Schema {
	return &Schema{Type: types{"integer"}, Minimum: &least, Maximum: &most}
}

// Number is a number of at least least.
func Number(least int64) *Schema { return &Schema{Type: types{"number"}, Minimum: &least} }

// Amount is a number from least to most.
func Amount(least, most int64) *Schema {
	return &Schema{Type: types{"number"}, Minimum: &least, Maximum: &most}
}

// Above is a number above least and up to most.
func Above(least, most int64) *Schema {
	return &Schema{Type: types{"number"}, Above: &least, Maximum: &most}
}

// Some is a list of anything that is not empty.
func Some() *Schema { return &Schema{Type: types{"array"}, Items: &Schema{}, MinItems: 1} }

// OneOf is one of some words.
func OneOf(words ...string) *Schema { return &Schema{Type: types{"string"}, Enum: words} }

// Object is a JSON object of whatever members.
func Object() *Schema { return &Schema{Type: types{"object"}, Rest: &Schema{}} }
