package gemini

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/wire"
)

// Bounds of a converted schema. References are replaced by what they point to,
// so a kilobyte of definitions that use each other twice could become
// gigabytes.
const (
	maxSchemaNodes = 10_000
	maxSchemaBytes = 1 << 20
)

var (
	errTooDeep  = errors.New("the schema is nested too deeply")
	errTooLarge = errors.New("the schema grows too large when its references are replaced")
)

// schema is Google's Schema object: a subset of OpenAPI's, which refuses any
// other keyword. Properties keep their order, because models fill them in it
// and prompt caches depend on it.
//
// See https://ai.google.dev/api/caching#Schema
type schema struct {
	typ                        string // lower case; "" until finish
	types                      []string
	format, title, description string
	nullable                   bool
	def, example               *node
	enum                       []*node
	items                      *schema
	properties                 []property
	ordering                   []string
	required                   []string
	pattern                    string
	minimum, maximum           jsontext.Value
	counts                     [len(countNames)]*int64
	anyOf                      []*schema
}

type property struct {
	name string
	*schema
}

// countNames are the keywords whose values are whole numbers, and the type they belong to.
var countNames = [...]struct{ name, typ string }{
	{"minItems", "array"},
	{"maxItems", "array"},
	{"minProperties", "object"},
	{"maxProperties", "object"},
	{"minLength", "string"},
	{"maxLength", "string"},
}

// convertSchema returns JSON Schema as Google's subset of it. What the subset
// cannot say is left out or widened, never narrowed: the model may then answer
// more than the client allows, but nothing the client allows is lost.
func convertSchema(raw []byte) (jsontext.Value, error) {
	root, err := parseTree(raw)
	if err != nil {
		return nil, err
	}
	c := &converter{root: root}
	s, err := c.convert(root, 0)
	if err != nil {
		return nil, err
	}
	var w writer
	if err := s.append(&w); err != nil {
		return nil, err
	}
	return w.b, nil
}

type converter struct {
	root  *node
	nodes int
	open  []*node // what references on the way here point to
}

func (c *converter) convert(n *node, depth int) (*schema, error) {
	s := &schema{}
	if err := c.fill(s, n, depth); err != nil {
		return nil, err
	}
	s.finish()
	return s, nil
}

// fill reads n into s. Later keywords win over those that a reference or allOf
// has brought before.
func (c *converter) fill(s *schema, n *node, depth int) error {
	if c.nodes++; c.nodes > maxSchemaNodes {
		return errTooLarge
	}
	if depth > maxSchemaDepth {
		return errTooDeep
	}
	switch n.kind {
	case 't', 'f':
		return nil // anything, or nothing: no keywords either way
	case '{':
	default:
		return fmt.Errorf("a schema is %s, want an object", n.kind)
	}
	if ref := n.get("$ref"); ref != nil {
		if err := c.reference(s, ref, depth); err != nil {
			return err
		}
	}
	if all := n.get("allOf"); all != nil && all.kind == '[' {
		for _, m := range all.members {
			if err := c.fill(s, m, depth+1); err != nil {
				return err
			}
		}
	}
	for i, name := range n.names {
		if err := c.keyword(s, name, n.members[i], depth); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) reference(s *schema, ref *node, depth int) error {
	target := c.root.resolve(ref.text())
	if target == nil {
		return fmt.Errorf("$ref %q is not in the schema", ref.text())
	}
	if slices.Contains(c.open, target) || target == c.root {
		return nil // a cycle: the subset has no references, so it is cut here
	}
	c.open = append(c.open, target)
	err := c.fill(s, target, depth+1)
	c.open = c.open[:len(c.open)-1]
	return err
}

func (c *converter) keyword(s *schema, name string, v *node, depth int) (err error) {
	switch name {
	case "type":
		s.setType(v)
	case "format":
		s.format = v.text()
	case "title":
		s.title = v.text()
	case "description":
		s.description = v.text()
	case "pattern":
		s.pattern = v.text()
	case "nullable":
		s.nullable = v.kind == 't' || s.nullable && v.kind != 'f'
	case "default":
		if v.kind != 'n' {
			s.def = v
		}
	case "example":
		s.example = v
	case "const":
		s.setEnum([]*node{v})
	case "enum":
		if v.kind == '[' {
			s.setEnum(v.members)
		}
	case "minimum":
		if v.kind == '0' {
			s.minimum = v.raw
		}
	case "maximum":
		if v.kind == '0' {
			s.maximum = v.raw
		}
	case "items", "prefixItems":
		err = c.items(s, v, depth)
	case "properties":
		err = c.properties(s, v, depth)
	case "required":
		s.required = appendTexts(s.required, v)
	case "propertyOrdering":
		s.ordering = appendTexts(nil, v)
	case "anyOf", "oneOf":
		err = c.choices(s, v, depth)
	default:
		for i := range countNames {
			if countNames[i].name == name {
				if n, ok := wire.ParseInt(v.raw); ok && n >= 0 {
					s.counts[i] = &n
				}
			}
		}
	}
	return err
}

func appendTexts(list []string, v *node) []string {
	if v.kind != '[' {
		return list
	}
	for _, m := range v.members {
		if s := m.text(); m.kind == '"' && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

func (s *schema) setType(v *node) {
	list := []*node{v}
	if v.kind == '[' {
		list = v.members
	}
	s.types = nil
	for _, m := range list {
		switch t := strings.ToLower(m.text()); t {
		case "null":
			s.nullable = true
		case "string", "number", "integer", "boolean", "array", "object":
			if !slices.Contains(s.types, t) {
				s.types = append(s.types, t)
			}
		}
	}
}

func (s *schema) setEnum(values []*node) {
	s.enum = nil
	for _, v := range values {
		if v.kind == 'n' {
			s.nullable = true
			continue
		}
		s.enum = append(s.enum, v)
	}
}

func (c *converter) items(s *schema, v *node, depth int) error {
	if v.kind != '[' {
		if v.kind == '{' && len(v.members) == 0 || v.kind != '{' {
			return nil // finish puts what the vendor wants at least
		}
		items, err := c.convert(v, depth+1)
		s.items = items
		return err
	}
	// A tuple: the subset has one schema for all places.
	any := &schema{}
	for _, m := range v.members {
		b := &schema{}
		if err := c.fill(b, m, depth+1); err != nil {
			return err
		}
		any.anyOf = append(any.anyOf, b)
	}
	if len(any.anyOf) > 0 && s.items == nil {
		any.finish()
		s.items = any
	}
	return nil
}

func (c *converter) properties(s *schema, v *node, depth int) error {
	if v.kind != '{' {
		return nil
	}
	for i, name := range v.names {
		p, err := c.convert(v.members[i], depth+1)
		if err != nil {
			return fmt.Errorf("property %q: %w", name, err)
		}
		s.setProperty(property{name, p})
	}
	return nil
}

func (s *schema) setProperty(p property) {
	for i := range s.properties {
		if s.properties[i].name == p.name {
			s.properties[i] = p
			return
		}
	}
	s.properties = append(s.properties, p)
}

// choices reads anyOf or oneOf. Branches are not finished yet: what stands
// beside anyOf has to move into them first.
func (c *converter) choices(s *schema, v *node, depth int) error {
	if v.kind != '[' {
		return nil
	}
	for _, m := range v.members {
		b := &schema{}
		if err := c.fill(b, m, depth+1); err != nil {
			return err
		}
		if b.nullable && b.blank() {
			s.nullable = true // {"type":"null"}
			continue
		}
		s.anyOf = append(s.anyOf, b)
	}
	return nil
}

// blank reports whether nothing but nullable is set.
func (s *schema) blank() bool {
	return len(s.types) == 0 && len(s.enum) == 0 && len(s.properties) == 0 && len(s.anyOf) == 0 &&
		len(s.required) == 0 && s.items == nil && s.pattern == "" && s.format == ""
}
