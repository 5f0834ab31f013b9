package gemini

import (
	"slices"
	"strings"

	"penstock/internal/wire"
)

// finish makes s one that the vendor accepts: one type, and only the keywords
// that belong to it, or anyOf alone.
func (s *schema) finish() {
	if len(s.anyOf) == 0 && len(s.types) > 1 {
		for _, t := range s.types {
			s.anyOf = append(s.anyOf, &schema{types: []string{t}})
		}
		s.types = nil
	}
	if len(s.anyOf) > 0 {
		s.finishChoices()
		return
	}
	switch {
	case len(s.types) > 0:
		s.typ = s.types[0]
	default:
		s.typ = s.guess()
	}
	s.finishEnum()
	if !slices.Contains(formats[s.typ], s.format) {
		s.format = ""
	}
	if s.typ != "number" && s.typ != "integer" {
		s.minimum, s.maximum = nil, nil
	}
	if s.typ != "string" {
		s.pattern = ""
	}
	for i := range s.counts {
		if countNames[i].typ != s.typ {
			s.counts[i] = nil
		}
	}
	if s.typ == "array" {
		if s.items == nil {
			s.items = &schema{typ: "string"} // the vendor refuses an array without items
		}
	} else {
		s.items = nil
	}
	if s.typ != "object" {
		s.properties, s.required, s.ordering = nil, nil, nil
	}
	unknown := func(name string) bool {
		return !slices.ContainsFunc(s.properties, func(p property) bool { return p.name == name })
	}
	s.required = slices.DeleteFunc(slices.Clone(s.required), unknown)
	s.ordering = slices.DeleteFunc(slices.Clone(s.ordering), unknown)
}

// formats are those the vendor knows, by type.
var formats = map[string][]string{
	"string":  {"enum", "date-time"},
	"integer": {"int32", "int64"},
	"number":  {"float", "double"},
}

// finishChoices moves what stands beside anyOf into the branches, because
// anyOf must stand alone. A single branch takes the place of the whole.
func (s *schema) finishChoices() {
	branches := s.anyOf
	for _, b := range branches {
		b.inherit(s)
		b.finish()
	}
	if len(branches) == 1 {
		*s = *branches[0]
		return
	}
	*s = schema{}
	for _, b := range branches {
		if len(b.anyOf) > 0 {
			s.anyOf = append(s.anyOf, b.anyOf...) // anyOf of anyOf
		} else {
			s.anyOf = append(s.anyOf, b)
		}
	}
}

// inherit gives s what p says and s does not.
func (s *schema) inherit(p *schema) {
	if len(s.types) == 0 && len(s.anyOf) == 0 {
		s.types = p.types
	}
	s.nullable = s.nullable || p.nullable
	for _, f := range []struct{ to, from *string }{
		{&s.format, &p.format}, {&s.title, &p.title}, {&s.description, &p.description}, {&s.pattern, &p.pattern},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if s.def == nil {
		s.def = p.def
	}
	if s.example == nil {
		s.example = p.example
	}
	if len(s.enum) == 0 {
		s.enum = p.enum
	}
	if s.items == nil {
		s.items = p.items
	}
	if s.minimum == nil {
		s.minimum = p.minimum
	}
	if s.maximum == nil {
		s.maximum = p.maximum
	}
	for i := range s.counts {
		if s.counts[i] == nil {
			s.counts[i] = p.counts[i]
		}
	}
	own := s.properties
	s.properties = slices.Clone(p.properties)
	for _, q := range own {
		s.setProperty(q)
	}
	for _, r := range p.required {
		if !slices.Contains(s.required, r) {
			s.required = append(slices.Clip(s.required), r)
		}
	}
	if s.ordering == nil {
		s.ordering = p.ordering
	}
}

// guess returns the type of a schema that does not say it.
func (s *schema) guess() string {
	if len(s.enum) > 0 {
		whole, numbers, bools := true, true, true
		for _, v := range s.enum {
			numbers = numbers && v.kind == '0'
			bools = bools && (v.kind == 't' || v.kind == 'f')
			_, ok := wire.ParseInt(v.raw)
			whole = whole && ok
		}
		switch {
		case bools:
			return "boolean"
		case numbers && whole:
			return "integer"
		case numbers:
			return "number"
		}
		return "string"
	}
	switch {
	case len(s.properties) > 0 || len(s.required) > 0:
		return "object"
	case s.items != nil:
		return "array"
	case s.pattern != "" || s.format == "date-time" || s.format == "enum":
		return "string"
	case s.minimum != nil || s.maximum != nil:
		return "number"
	case s.nullable:
		return "string" // null and nothing else
	}
	for i := range s.counts {
		if s.counts[i] != nil {
			return countNames[i].typ
		}
	}
	return "object"
}

// finishEnum keeps an enum of strings, which is the only one the vendor knows.
// Other values go to the description: as strings they would come back as
// strings, and the tool would not take them.
func (s *schema) finishEnum() {
	if len(s.enum) == 0 {
		return
	}
	if s.typ == "string" {
		var kept []*node
		seen := make(map[string]bool)
		for _, v := range s.enum {
			if v.kind != '"' && v.kind != '0' {
				continue
			}
			text := v.enumText()
			if text != "" && !seen[text] {
				seen[text] = true
				kept = append(kept, v)
			}
		}
		s.enum = kept
		return
	}
	var b strings.Builder
	b.WriteString("One of ")
	for i, v := range s.enum {
		if i > 0 {
			b.WriteString(", ")
		}
		var w writer
		v.append(&w)
		b.Write(w.b)
	}
	b.WriteByte('.')
	if s.description != "" {
		s.description = strings.TrimRight(s.description, " ") + " "
	}
	s.description += b.String()
	s.enum = nil
}

func (n *node) enumText() string {
	if n.kind == '"' {
		return n.text()
	}
	return string(n.raw)
}

// append writes s.
func (s *schema) append(w *writer) error {
	if len(w.b) > maxSchemaBytes {
		return errTooLarge
	}
	w.open('{')
	text := func(name, v string) {
		if v != "" {
			w.key(name)
			w.str(v)
		}
	}
	texts := func(name string, list []string) {
		if len(list) == 0 {
			return
		}
		w.key(name)
		w.open('[')
		for _, v := range list {
			w.str(v)
		}
		w.close(']')
	}
	text("type", s.typ)
	text("format", s.format)
	text("title", s.title)
	text("description", s.description)
	if s.nullable && len(s.anyOf) == 0 {
		w.key("nullable")
		w.bool(true)
	}
	if len(s.enum) > 0 {
		w.key("enum")
		w.open('[')
		for _, v := range s.enum {
			w.str(v.enumText())
		}
		w.close(']')
	}
	if s.items != nil {
		w.key("items")
		if err := s.items.append(w); err != nil {
			return err
		}
	}
	if len(s.properties) > 0 {
		w.key("properties")
		w.open('{')
		for _, p := range s.properties {
			w.key(p.name)
			if err := p.append(w); err != nil {
				return err
			}
		}
		w.close('}')
	}
	texts("propertyOrdering", s.ordering)
	texts("required", s.required)
	for i, n := range s.counts {
		if n != nil {
			w.key(countNames[i].name)
			w.int(*n)
		}
	}
	if s.minimum != nil {
		w.key("minimum")
		w.raw(s.minimum)
	}
	if s.maximum != nil {
		w.key("maximum")
		w.raw(s.maximum)
	}
	text("pattern", s.pattern)
	for _, v := range []struct {
		name string
		*node
	}{{"default", s.def}, {"example", s.example}} {
		if v.node != nil {
			w.key(v.name)
			v.node.append(w)
		}
	}
	if len(s.anyOf) > 0 {
		w.key("anyOf")
		w.open('[')
		for _, b := range s.anyOf {
			if err := b.append(w); err != nil {
				return err
			}
		}
		w.close(']')
	}
	w.close('}')
	return nil
}
