package openapitest

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// object is any JSON object: a validator must see what is not meant to be there.
type object = map[string]any

// Validate returns what is wrong with an OpenAPI 3.1 document, by the rules of
// its specification for the parts that we write.
func Validate(document []byte) []string {
	v := &validator{operations: map[string]bool{}}
	if err := json.Unmarshal(document, &v.doc); err != nil {
		return []string{err.Error()}
	}
	v.document()
	slices.Sort(v.wrong)
	return slices.Compact(v.wrong)
}

type validator struct {
	doc        object
	operations map[string]bool
	wrong      []string
}

func (v *validator) say(at, format string, args ...any) {
	v.wrong = append(v.wrong, at+": "+fmt.Sprintf(format, args...))
}

// in returns value as an object whose members are among allowed, each of the
// needed ones there.
func (v *validator) in(at string, value any, needed, allowed string) object {
	o, ok := value.(object)
	if !ok {
		v.say(at, "want an object, got %T", value)
		return object{}
	}
	for name := range strings.FieldsSeq(needed) {
		if _, ok := o[name]; !ok {
			v.say(at, "%s is missing", name)
		}
	}
	if allowed != "" {
		all := append(strings.Fields(needed), strings.Fields(allowed)...)
		for name := range o {
			if !slices.Contains(all, name) && !strings.HasPrefix(name, "x-") {
				v.say(at, "there is no field %s", name)
			}
		}
	}
	return o
}

func (v *validator) text(at string, o object, names ...string) {
	for _, name := range names {
		if value, ok := o[name]; ok {
			if s, ok := value.(string); !ok || s == "" {
				v.say(at+"."+name, "want text")
			}
		}
	}
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}

func (v *validator) document() {
	d := v.in("document", v.doc, "openapi info paths", "tags security components servers jsonSchemaDialect externalDocs webhooks")
	if version, _ := d["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		v.say("openapi", "want 3.1, got %q", version)
	}
	v.text("info", v.in("info", d["info"], "title version", "description summary contact license termsOfService"), "title", "version")
	named := map[string]bool{}
	for _, t := range list(d["tags"]) {
		name, _ := v.in("tags", t, "name", "description externalDocs")["name"].(string)
		if named[name] {
			v.say("tags", "%s is there twice", name)
		}
		named[name] = true
	}
	v.security("security", d["security"])
	v.components()
	shapes := map[string]string{}
	for path, item := range v.in("paths", d["paths"], "", "") {
		if !strings.HasPrefix(path, "/") {
			v.say(path, "a path begins with /")
		}
		shape := braces.ReplaceAllString(path, "{}")
		if other := shapes[shape]; other != "" {
			v.say(path, "is the same as %s", other)
		}
		shapes[shape] = path
		for method, op := range v.in(path, item, "", "get put post delete options head patch trace parameters summary description") {
			v.operation(strings.ToUpper(method)+" "+path, path, op, named)
		}
	}
}

var (
	braces    = regexp.MustCompile(`\{[^{}]*\}`)
	component = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	status    = regexp.MustCompile(`^([1-5](\d\d|XX)|default)$`)
)

func (v *validator) components() {
	c := v.in("components", v.doc["components"], "", "schemas responses securitySchemes parameters requestBodies headers examples links callbacks pathItems")
	for kind, all := range c {
		for name, value := range v.in(kind, all, "", "") {
			at := kind + "." + name
			if !component.MatchString(name) {
				v.say(at, "no name for a component")
			}
			switch kind {
			case "schemas":
				v.schema(at, value)
			case "responses":
				v.response(at, value)
			case "securitySchemes":
				s := v.in(at, value, "type", "scheme in name description bearerFormat flows openIdConnectUrl")
				switch s["type"] {
				case "http":
					v.in(at, s, "scheme", "type description bearerFormat")
				case "apiKey":
					v.in(at, s, "in name", "type description")
				default:
					v.say(at, "type %v", s["type"])
				}
			}
		}
	}
}

func (v *validator) security(at string, value any) {
	known, _ := v.find("#/components/securitySchemes").(object)
	for _, r := range list(value) {
		for name := range v.in(at, r, "", "") {
			if _, ok := known[name]; !ok {
				v.say(at, "there is no security scheme %s", name)
			}
		}
	}
}

func (v *validator) operation(at, path string, value any, tags map[string]bool) {
	op := v.in(at, value, "operationId responses", "summary description tags security parameters requestBody deprecated servers callbacks externalDocs")
	v.text(at, op, "operationId", "summary", "description")
	if id, _ := op["operationId"].(string); v.operations[id] {
		v.say(at, "operationId %s is there twice", id)
	} else {
		v.operations[id] = true
	}
	for _, t := range list(op["tags"]) {
		if name, _ := t.(string); !tags[name] {
			v.say(at, "tag %v is not described", t)
		}
	}
	if s, ok := op["security"]; ok {
		v.security(at, s)
	}
	seen := map[string]bool{}
	for _, p := range list(op["parameters"]) {
		p := v.in(at, p, "name in schema", "description required deprecated style explode")
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		switch {
		case seen[in+" "+name]:
			v.say(at, "parameter %s is there twice", name)
		case !slices.Contains([]string{"query", "header", "path", "cookie"}, in):
			v.say(at, "parameter %s is in %q", name, in)
		case in == "path" && (p["required"] != true || !strings.Contains(path, "{"+name+"}")):
			v.say(at, "parameter %s must be required, and in the path", name)
		case in == "header" && slices.Contains([]string{"accept", "content-type", "authorization"}, strings.ToLower(name)):
			v.say(at, "parameter %s is ignored", name)
		}
		seen[in+" "+name] = true
		v.schema(at+" "+name, p["schema"])
	}
	for _, name := range braces.FindAllString(path, -1) {
		if !seen["path "+strings.Trim(name, "{}")] {
			v.say(at, "path parameter %s is not described", name)
		}
	}
	if b, ok := op["requestBody"]; ok {
		v.content(at, v.in(at, b, "content", "description required")["content"])
	}
	responses := v.in(at, op["responses"], "", "")
	if len(responses) == 0 {
		v.say(at, "no responses")
	}
	for code, r := range responses {
		if !status.MatchString(code) {
			v.say(at, "%q is no status", code)
		}
		if n, err := strconv.Atoi(code); err == nil && http.StatusText(n) == "" {
			v.say(at, "nobody knows status %d", n)
		}
		v.response(at+" "+code, r)
	}
}

func (v *validator) response(at string, value any) {
	if v.ref(at, value) {
		return
	}
	r := v.in(at, value, "description", "content headers links")
	v.text(at, r, "description")
	if c, ok := r["content"]; ok {
		v.content(at, c)
	}
}

func (v *validator) content(at string, value any) {
	all := v.in(at, value, "", "")
	if len(all) == 0 {
		v.say(at, "no content")
	}
	for kind, m := range all {
		if !strings.Contains(kind, "/") {
			v.say(at, "%q is no media type", kind)
		}
		if s, ok := v.in(at, m, "", "schema example examples encoding")["schema"]; ok {
			v.schema(at+" "+kind, s)
		}
	}
}

// ref reports whether value is a reference, which must lead somewhere.
func (v *validator) ref(at string, value any) bool {
	o, _ := value.(object)
	to, ok := o["$ref"].(string)
	if ok && v.find(to) == nil {
		v.say(at, "%s leads nowhere", to)
	}
	return ok
}

func (v *validator) find(ref string) any {
	var at any = v.doc
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		o, _ := at.(object)
		at = o[name]
	}
	return at
}

// schema checks the keywords of JSON Schema that we use.
func (v *validator) schema(at string, value any) {
	if value == true || value == false {
		return
	}
	refers := v.ref(at, value)
	s := v.in(at, value, "", "type format pattern description examples enum minimum maximum exclusiveMinimum minItems maxLength items properties required additionalProperties anyOf $ref")
	types := list(s["type"])
	if one, ok := s["type"]; ok && types == nil {
		types = []any{one}
	}
	for _, t := range types {
		if name, _ := t.(string); !slices.Contains([]string{"null", "boolean", "object", "array", "number", "string", "integer"}, name) {
			v.say(at, "there is no type %v", t)
		}
	}
	if p, ok := s["pattern"].(string); ok {
		if _, err := regexp.Compile(p); err != nil {
			v.say(at, "%v", err)
		}
	}
	for _, name := range []string{"enum", "anyOf", "examples"} {
		if value, ok := s[name]; ok && len(list(value)) == 0 {
			v.say(at, "%s must be a list that is not empty", name)
		}
	}
	for _, of := range list(s["anyOf"]) {
		v.schema(at, of)
	}
	for _, name := range []string{"items", "additionalProperties"} {
		if of, ok := s[name]; ok {
			v.schema(at+"."+name, of)
		}
	}
	properties := object{}
	if p, ok := s["properties"]; ok {
		properties = v.in(at, p, "", "")
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		v.schema(at+"."+name, properties[name])
	}
	for _, name := range list(s["required"]) {
		if name, _ := name.(string); properties[name] == nil && !refers {
			v.say(at, "required %s is not described", name)
		}
	}
}
