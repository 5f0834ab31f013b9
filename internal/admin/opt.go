package admin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/price"
)

// Opt is a field of a request body that knows whether it was sent. An update
// changes only what was sent, and null clears, so absent, null and a value are
// three different things.
type Opt[T any] struct {
	Sent  bool
	Null  bool
	Value T
}

// Has reports whether a value was sent.
func (o Opt[T]) Has() bool { return o.Sent && !o.Null }

// Or returns the value, or the default if none was sent.
func (o Opt[T]) Or(def T) T {
	if o.Has() {
		return o.Value
	}
	return def
}

// Ptr returns the value, nil if none was sent.
func (o Opt[T]) Ptr() *T {
	if !o.Has() {
		return nil
	}
	v := o.Value
	return &v
}

// UnmarshalJSONFrom reads the field. Its errors are *fieldError.
func (o *Opt[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	o.Sent = true
	if raw.Kind() == 'n' {
		o.Null = true
		return nil
	}
	null, want, within := readField(raw, any(&o.Value))
	switch {
	case within != nil:
		within.pointer = string(d.StackPointer()) + within.pointer
		return within
	case want != "":
		return &fieldError{pointer: string(d.StackPointer()), value: shorten(raw), want: want}
	}
	o.Null = null
	return nil
}

// count is a whole number that must not be negative.
type count int64

// object is a JSON object, as it was sent.
type object jsontext.Value

// readField reads raw into the field that p points to. It returns what was
// wanted if raw is something else, or which field within it is not what it must
// be, and whether the value stands for null. Like LiteLLM it takes numbers in
// strings, and an empty string for no number: web forms send both.
func readField(raw jsontext.Value, p any) (null bool, want string, within *fieldError) {
	switch p := p.(type) {
	case *string:
		if !readString(raw, p) {
			return false, "a string", nil
		}
	case *bool:
		switch text := strings.Trim(string(raw), `"`); {
		case strings.EqualFold(text, "true"):
			*p = true
		case !strings.EqualFold(text, "false"):
			return false, "true or false", nil
		}
	case *count:
		text, ok := numberText(raw)
		if ok && text == "" {
			return true, "", nil
		}
		n, err := wholeNumber(text)
		if !ok || err != nil {
			return false, "a whole number of at least 0", nil
		}
		*p = count(n)
	case *usd:
		text, ok := numberText(raw)
		if ok && text == "" {
			return true, "", nil
		}
		n, err := price.ParseUSD(text)
		if !ok || err != nil || n < 0 {
			return false, "an amount in US dollars, at least 0 and below 9223372036", nil
		}
		*p = usd(n)
	case *object:
		if raw.Kind() != '{' {
			return false, "an object", nil
		}
		v := raw.Clone()
		if v.Compact() != nil {
			return false, "an object", nil
		}
		*p = object(v)
	case *jsontext.Value:
		*p = raw.Clone()
	case *[]string:
		*p = []string{}
		if json.Unmarshal(raw, p) != nil {
			return false, "a list of strings", nil
		}
	case *map[string][]string:
		if json.Unmarshal(raw, p) != nil {
			return false, "an object of lists of strings", nil
		}
	case *map[string]string:
		if json.Unmarshal(raw, p) != nil {
			return false, "an object of strings", nil
		}
	case interface{ want() string }:
		err := json.Unmarshal(raw, p)
		if f, ok := errors.AsType[*fieldError](err); ok {
			return false, "", f
		}
		if err != nil {
			return false, p.want(), nil
		}
	default:
		panic(fmt.Sprintf("no reader for a field of type %T", p))
	}
	return false, "", nil
}

func readString(raw jsontext.Value, p *string) bool {
	return raw.Kind() == '"' && json.Unmarshal(raw, p) == nil
}

// numberText returns the text of a number or of a string with a number.
func numberText(raw jsontext.Value) (text string, ok bool) {
	switch raw.Kind() {
	case '0':
		return string(raw), true
	case '"':
		var s string
		ok = readString(raw, &s)
		return strings.TrimSpace(s), ok
	}
	return "", false
}

// wholeNumber reads 10, 10.0 and 1e1: Python clients send all of them.
func wholeNumber(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return 0, errors.New("negative")
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	// Whole floats are exact up to 2^53.
	if err != nil || !(f >= 0 && f <= 1<<53) || f != float64(int64(f)) {
		return 0, errors.New("not whole")
	}
	return int64(f), nil
}

// fieldError says that a field of the body is not what it must be.
type fieldError struct {
	pointer string // JSON pointer
	value   string // JSON, shortened
	want    string
}

// name returns the field's name, as a client would write it.
func (e *fieldError) name() string {
	return strings.ReplaceAll(strings.TrimPrefix(e.pointer, "/"), "/", ".")
}

// Error implements error. The value of a field that holds a key stays out.
func (e *fieldError) Error() string {
	switch name, _, _ := strings.Cut(e.name(), "."); name {
	case "key", "keys", "password", "current_password", "new_password", "callback_vars", "logging", "callback_settings":
		return fmt.Sprintf("%s: want %s", e.name(), e.want)
	}
	return fmt.Sprintf("%s: want %s, got %s", e.name(), e.want, e.value)
}

// shorten returns at most 60 bytes of a JSON value, for an error message.
func shorten(raw jsontext.Value) string {
	const most = 60
	if len(raw) <= most {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:most]), "") + "…"
}
