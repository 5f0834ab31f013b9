package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// SealStrings returns a JSON document in which every string that is a value is
// sealed at its own place, the JSON pointer in at's field. Names, numbers and
// the rest stay as they are, so do empty strings.
func (b *Box) SealStrings(doc []byte, at Place) ([]byte, error) {
	return eachString(doc, at, func(s string, at Place) (string, error) {
		if s == "" {
			return "", nil
		}
		return b.Seal(s, at), nil
	})
}

// OpenStrings is the inverse of SealStrings.
func (b *Box) OpenStrings(doc []byte, at Place) ([]byte, error) {
	return eachString(doc, at, b.Open)
}

// OldStrings reports whether a string in the document is sealed with another
// key than the current one, or not at all.
func (b *Box) OldStrings(doc []byte) (bool, error) {
	old := false
	_, err := eachString(doc, Place{}, func(s string, _ Place) (string, error) {
		old = old || s != "" && (b.Old(s) || len(s) < len(prefix) || s[:len(prefix)] != prefix)
		return s, nil
	})
	return old, err
}

// eachString replaces every string value of doc by what f makes of it.
func eachString(doc []byte, at Place, f func(string, Place) (string, error)) ([]byte, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	field := at.Field
	in := jsontext.NewDecoder(bytes.NewReader(doc))
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out)
	for {
		kind := in.PeekKind()
		if kind == 0 {
			break
		}
		// Strings at odd places in an object are names.
		parent, length := in.StackIndex(in.StackDepth())
		name := parent == '{' && length%2 == 0
		if kind != '"' || name {
			if kind == '{' || kind == '[' || kind == '}' || kind == ']' {
				t, err := in.ReadToken()
				if err != nil {
					return nil, fmt.Errorf("read the JSON of %s %q: %w", at.Kind, at.ID, err)
				}
				if err := enc.WriteToken(t); err != nil {
					return nil, err
				}
				continue
			}
			v, err := in.ReadValue()
			if err != nil {
				return nil, fmt.Errorf("read the JSON of %s %q: %w", at.Kind, at.ID, err)
			}
			if err := enc.WriteValue(v); err != nil {
				return nil, err
			}
			continue
		}
		t, err := in.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("read the JSON of %s %q: %w", at.Kind, at.ID, err)
		}
		at.Field = field + string(in.StackPointer())
		s, err := f(t.String(), at)
		if err != nil {
			return nil, err
		}
		if err := enc.WriteToken(jsontext.String(s)); err != nil {
			return nil, err
		}
	}
	if _, err := in.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the JSON of %s %q: %w", at.Kind, at.ID, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// OpenTexts opens an object of texts that SealStrings has sealed.
func OpenTexts(b *Box, doc []byte, at Place) (map[string]string, error) {
	plain, err := b.OpenStrings(doc, at)
	if err != nil || len(plain) == 0 {
		return nil, err
	}
	var out map[string]string
	if err := json.Unmarshal(plain, &out); err != nil {
		return nil, fmt.Errorf("read the JSON of %s %q: %w", at.Kind, at.ID, err)
	}
	return out, nil
}
