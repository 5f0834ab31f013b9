package openapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Operation is one endpoint as its package describes it.
type Operation struct {
	Method string
	Path   string // as for http.ServeMux: "/key/{key}/regenerate"
	// Summary says in a sentence what it does.
	Summary     string
	Description string
	Tag         string // the group it stands in
	Public      bool   // it asks for no key
	Params      []Param
	In          reflect.Type // of the body, nil for none
	Needs       []string     // members that the body must have
	Out         reflect.Type // of a success, nil for any JSON
	Media       string       // of a success, "application/json" if empty
	Status      int          // of a success, 200 if 0; one of 204 has no body
	Streams     bool         // a success may be a stream of events instead
	Fails       reflect.Type // of every failure, nil for the error object of OpenAI
	Also        []Answer     // further answers that are no error object
}

// Answer is one more answer of an operation.
type Answer struct {
	Status int
	Says   string
	Type   reflect.Type
}

// Param is a parameter in the query string or in a header.
type Param struct {
	Name     string
	Header   bool
	Required bool
	Says     string
	Schema   *Schema
}

// Document is an OpenAPI document.
type Document struct {
	OpenAPI    string           `json:"openapi"`
	Info       info             `json:"info"`
	Tags       []tag            `json:"tags"`
	Security   []Map[[]string]  `json:"security"`
	Paths      Map[Map[*entry]] `json:"paths"`
	Components components       `json:"components"`
}

type (
	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}
	tag struct {
		Name string `json:"name"`
	}
	components struct {
		Schemas   Map[*Schema]  `json:"schemas"`
		Responses Map[response] `json:"responses"`
		Security  Map[scheme]   `json:"securitySchemes"`
	}
	scheme struct {
		Type        string `json:"type"`
		Scheme      string `json:"scheme,omitzero"`
		In          string `json:"in,omitzero"`
		Name        string `json:"name,omitzero"`
		Description string `json:"description,omitzero"`
	}
	// entry is an operation as the document has it.
	entry struct {
		ID          string           `json:"operationId"`
		Summary     string           `json:"summary,omitzero"`
		Description string           `json:"description,omitzero"`
		Tags        []string         `json:"tags,omitzero"`
		Security    *[]Map[[]string] `json:"security,omitzero"`
		Parameters  []parameter      `json:"parameters,omitzero"`
		Body        *body            `json:"requestBody,omitzero"`
		Responses   Map[response]    `json:"responses"`
	}
	parameter struct {
		Name        string  `json:"name"`
		In          string  `json:"in"`
		Required    bool    `json:"required,omitzero"`
		Description string  `json:"description,omitzero"`
		Schema      *Schema `json:"schema"`
	}
	body struct {
		Required bool       `json:"required,omitzero"`
		Content  Map[media] `json:"content"`
	}
	media struct {
		Schema *Schema `json:"schema,omitzero"`
	}
	response struct {
		Ref         string     `json:"$ref,omitzero"`
		Description string     `json:"description,omitzero"`
		Content     Map[media] `json:"content,omitzero"`
		Failures    []Failure  `json:"x-failures,omitzero"`
	}
)

// Failure is a way in which a call can fail.
type Failure struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Says   string `json:"description"`
}

// Map is a JSON object that keeps its order.
type Map[T any] []Member[T]

// Member is a name of a Map and what stands there.
type Member[T any] struct {
	Name  string
	Value T
}

// MarshalJSONTo implements json.MarshalerTo.
func (m Map[T]) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for i := range m {
		if err := e.WriteToken(jsontext.String(m[i].Name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, m[i].Value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// at returns where the value of a name stands, making room for it.
func (m *Map[T]) at(name string) *T {
	for i := range *m {
		if (*m)[i].Name == name {
			return &(*m)[i].Value
		}
	}
	*m = append(*m, Member[T]{Name: name})
	return &(*m)[len(*m)-1].Value
}

const jsonMedia = "application/json"

// failure is the error object of OpenAI's API.
type failure struct {
	Error struct {
		Message string  `json:"message" doc:"What is wrong, which of it, and what to do."`
		Type    string  `json:"type" doc:"What sort of failure it is: see x-failures of the response Error."`
		Param   *string `json:"param" doc:"The field at fault, if one is."`
		Code    string  `json:"code" doc:"The HTTP status as text, or a name."`
	} `json:"error"`
}

// New returns the document of the operations, in their order. hints say more
// about fields of bodies, by their JSON names. The error names what cannot be described;
// the document is whole but for that.
func New(version string, ops []Operation, hints map[string]Hint) (*Document, error) {
	s := &Schemas{hints: hints, names: map[string]*Schema{}, known: map[schemaKey]string{}}
	d := &Document{
		OpenAPI: "3.1.0",
		Info: info{Title: "Penstock", Version: version, Description: "One HTTP endpoint in front of model providers, and the management of its keys, users, teams and budgets. " +
			"Bodies may have more members than stand here: those of calls of models go to the provider, and a management call names those it does not know in the header x-penstock-unknown-fields."},
	}
	d.Components.Security = Map[scheme]{
		{"bearer", scheme{Type: "http", Scheme: "bearer", Description: "A virtual key, the master key, or a token of the configured issuer."}},
		{"x-litellm-api-key", scheme{Type: "apiKey", In: "header", Name: "x-litellm-api-key"}},
		{"x-api-key", scheme{Type: "apiKey", In: "header", Name: "x-api-key", Description: "As Anthropic's clients send it."}},
		{"api-key", scheme{Type: "apiKey", In: "header", Name: "api-key", Description: "As Azure's clients send it."}},
		{"x-goog-api-key", scheme{Type: "apiKey", In: "header", Name: "x-goog-api-key", Description: "As Google's clients send it."}},
		{"ocp-apim-subscription-key", scheme{Type: "apiKey", In: "header", Name: "ocp-apim-subscription-key", Description: "As clients behind Azure API Management send it."}},
	}
	for i := range d.Components.Security {
		d.Security = append(d.Security, Map[[]string]{{d.Components.Security[i].Name, []string{}}})
	}
	var errs []error
	*d.Components.Responses.at("Error") = response{Description: "The call failed. The message says why and what to do.", Content: s.content(reflect.TypeFor[failure](), "")}
	for i := range ops {
		op := &ops[i]
		s.where = op.Method + " " + op.Path
		path, inPath := template(op.Path)
		item := d.Paths.at(path)
		if *item.at(strings.ToLower(op.Method)) != nil {
			errs = append(errs, fmt.Errorf("%s is there twice", s.where))
		}
		e := s.entry(op, path)
		for _, name := range inPath {
			e.Parameters = append([]parameter{{Name: name, In: "path", Required: true, Schema: Text()}}, e.Parameters...)
			if hint, ok := hints[name]; ok {
				e.Parameters[0].Schema, e.Parameters[0].Description = hint.On(Text()), hint.Says
			}
		}
		*item.at(strings.ToLower(op.Method)) = e
		if t := (tag{op.Tag}); op.Tag != "" && !slices.Contains(d.Tags, t) {
			d.Tags = append(d.Tags, t)
		}
	}
	slices.SortStableFunc(d.Tags, func(a, b tag) int { return cmp.Compare(place(a.Name), place(b.Name)) })
	d.Components.Schemas = s.all()
	return d, errors.Join(append(errs, s.errs...)...)
}

// place is where a group stands among the others: most people come for the calls.
func place(tag string) int {
	switch tag {
	case "Calls":
		return -2
	case "Explain":
		return -1
	case "Health":
		return 1
	case "About":
		return 2
	}
	return 0
}

// entry describes one operation.
func (s *Schemas) entry(op *Operation, path string) *entry {
	e := &entry{ID: operationID(op.Method, path), Summary: op.Summary, Description: op.Description}
	if op.Tag != "" {
		e.Tags = []string{op.Tag}
	}
	if op.Public {
		e.Security = &[]Map[[]string]{}
	}
	for _, p := range op.Params {
		in := "query"
		if p.Header {
			in = "header"
		}
		e.Parameters = append(e.Parameters, parameter{Name: p.Name, In: in, Required: p.Required, Description: p.Says, Schema: p.Schema})
	}
	if op.In != nil {
		s.reading = true
		schema := s.needing(s.Of(op.In), op.Needs)
		s.reading = false
		e.Body = &body{Required: len(schema.Required)+len(s.find(schema).Required) > 0, Content: Map[media]{{jsonMedia, media{schema}}}}
	}
	ok := response{Description: "It worked.", Content: s.content(op.Out, op.Media)}
	if op.Streams {
		ok.Description = "It worked. With stream: true it is a stream of events."
		ok.Content = append(ok.Content, Member[media]{"text/event-stream", media{}})
	}
	if op.Status == http.StatusNoContent {
		ok.Content = nil
	}
	e.Responses = Map[response]{{strconv.Itoa(cmp.Or(op.Status, http.StatusOK)), ok}}
	for _, a := range op.Also {
		*e.Responses.at(strconv.Itoa(a.Status)) = response{Description: a.Says, Content: s.content(a.Type, "")}
	}
	failed := response{Ref: "#/components/responses/Error"}
	if op.Fails != nil {
		failed = response{Description: "The call failed. The message says why and what to do.", Content: s.content(op.Fails, "")}
	}
	for _, status := range []string{"4XX", "5XX"} {
		*e.Responses.at(status) = failed
	}
	return e
}

func (s *Schemas) content(t reflect.Type, kind string) Map[media] {
	switch {
	case kind != "" && kind != jsonMedia:
		return Map[media]{{kind, media{Text()}}}
	case t == nil:
		return Map[media]{{jsonMedia, media{&Schema{}}}}
	}
	return Map[media]{{jsonMedia, media{s.Of(t)}}}
}

// template returns the path as OpenAPI writes it, and the names in it, the last
// one first.
func template(path string) (out string, names []string) {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		name, ok := strings.CutPrefix(p, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
		if name == "$" {
			parts[i] = ""
			continue
		}
		parts[i] = "{" + name + "}"
		names = append([]string{name}, names...)
	}
	return strings.Join(parts, "/"), names
}

// operationID is a name for programs: getKeyInfo for GET /key/info.
func operationID(method, path string) string { return strings.ToLower(method) + camel(path) }

// camel joins the words of a text: KeyInfo for /key/info.
func camel(text string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
