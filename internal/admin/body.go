package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

const (
	maxBody = 1 << 20 // bytes
	maxText = 255     // bytes of an id, a name, an alias
	// UnknownHeader lists the fields of a request that were not understood, so
	// that a limit somebody believes to have set is not silently missing.
	UnknownHeader = "x-penstock-unknown-fields"
)

// unknown collects the fields of a body that its type does not have.
type unknown struct {
	Unknown map[string]jsontext.Value `json:",embed"`
}

func (u unknown) unknownFields() map[string]jsontext.Value { return u.Unknown }

type body interface {
	unknownFields() map[string]jsontext.Value
}

// read decodes the request body into b and names in a header what b does not
// have. An empty body is an empty object.
func read(w http.ResponseWriter, r *http.Request, b body) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &gateway.Error{Kind: gateway.TooLarge, Message: fmt.Sprintf("the request body is larger than %d bytes", maxBody)}
		}
		return &gateway.Error{Kind: gateway.Invalid, Message: "the request body could not be read", Err: err}
	}
	if err := decode(raw, b); err != nil {
		return err
	}
	setUnknown(w.Header(), b.unknownFields())
	return nil
}

// decode reads a JSON object into b. Its errors are for the client.
func decode(raw []byte, b body) error {
	raw = []byte(strings.TrimSpace(string(raw)))
	if len(raw) == 0 {
		return nil
	}
	if raw[0] != '{' && jsontext.Value(raw).IsValid() {
		return malformed("", "the request body must be a JSON object, got %s", shorten(raw))
	}
	err := json.Unmarshal(raw, b)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fieldError](err); ok {
		return malformed(f.name(), "%s", f.Error())
	}
	if s, ok := errors.AsType[*json.SemanticError](err); ok && s.Err == nil {
		return malformed(strings.TrimPrefix(string(s.JSONPointer), "/"), "the request body has a field of the wrong type at %s", s.JSONPointer)
	}
	return invalid("", "the request body is not valid JSON: %v", err)
}

// setUnknown names the fields that carry something. What is null, false, zero
// or empty asks for nothing: web forms send every field they know.
func setUnknown(h http.Header, fields map[string]jsontext.Value) {
	var names []string
	for name, value := range fields {
		if asks(value) {
			names = append(names, headerName(name))
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	const most = 20
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d more", len(names)-most))
	}
	h.Set(UnknownHeader, strings.Join(names, ", "))
}

// asks reports whether a value asks for anything.
func asks(value jsontext.Value) bool {
	switch string(value) {
	case "null", "false", "0", "0.0", `""`, "[]", "{}":
		return false
	}
	return true
}

// headerName returns a field name in a form that cannot break a header.
func headerName(name string) string {
	name = name[:min(len(name), 64)]
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == ',' || c == '"' {
			return strconv.QuoteToASCII(name)
		}
	}
	return name
}

// checkText refuses what cannot be an id, a name or an alias: databases do not
// store a NUL, and a name that fills a page is a mistake or an attack.
func checkText(field, value string) error {
	switch {
	case len(value) > maxText:
		return invalid(field, "%s is %d bytes long, at most %d are allowed", field, len(value), maxText)
	case strings.Contains(value, "\x00"):
		return invalid(field, "%s contains a NUL character", field)
	case !utf8.ValidString(value):
		return invalid(field, "%s is not valid UTF-8", field)
	}
	return nil
}

// checkTexts checks every text of a list.
func checkTexts(field string, values []string) error {
	for _, v := range values {
		if err := checkText(field, v); err != nil {
			return err
		}
	}
	return nil
}

// checkMap checks the names and the values of a map.
func checkMap(field string, m map[string]string) error {
	for k, v := range m {
		if err := checkTexts(field, []string{k, v}); err != nil {
			return err
		}
	}
	return nil
}

// query is the query string of a request, and the first thing wrong with it.
type query struct {
	values url.Values
	err    error
}

func readQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &query{err: invalid("", "the query string cannot be read: %v", err)}
	}
	return &query{values: values}
}

// text returns a parameter, "" if it was not sent.
func (q *query) text(name string) string {
	v := q.values.Get(name)
	if err := checkText(name, v); err != nil && q.err == nil {
		q.err = err
	}
	return v
}

// long is text that may be longer than an id.
func (q *query) long(name string) string { return q.values.Get(name) }

// number returns a whole number between least and most.
func (q *query) number(name string, def, least, most int) int {
	v := q.text(name)
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if (err != nil || n < least || n > most) && q.err == nil {
		q.err = malformed(name, "%s: want a whole number from %d to %d, got %q", name, least, most, v)
	}
	return n
}

// flag returns a boolean, as Python clients write them.
func (q *query) flag(name string, def bool) bool {
	v := q.text(name)
	switch strings.ToLower(v) {
	case "":
		return def
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	if q.err == nil {
		q.err = malformed(name, "%s: want true or false, got %q", name, v)
	}
	return def
}

// oneOf returns a parameter that must be one of some words.
func (q *query) oneOf(name, def string, words ...string) string {
	v := q.text(name)
	if v == "" {
		return def
	}
	if !slices.Contains(words, v) && q.err == nil {
		q.err = malformed(name, "%s: want one of %s, got %q", name, strings.Join(words, ", "), v)
	}
	return v
}
