package secret

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// secretNames are parts of the names of members whose text is nobody's business.
var secretNames = [...]string{
	"secret", "password", "api_key", "apikey", "private_key", "access_key", "authorization", "credential_values", "credentials", "auth_token", "access_token", "refresh_token",
}

// Mask returns a JSON value in which by has replaced the text of members that
// are named like secrets, and everything that looks like a key; with all, every
// text that is not empty.
func Mask(raw jsontext.Value, all bool, by func(string) string) (jsontext.Value, error) {
	var out bytes.Buffer
	m := masker{jsontext.NewDecoder(bytes.NewReader(raw)), jsontext.NewEncoder(&out), by}
	if err := m.value(all); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

type masker struct {
	d    *jsontext.Decoder
	e    *jsontext.Encoder
	mask func(string) string
}

func (m *masker) value(secret bool) error {
	switch kind := m.d.PeekKind(); kind {
	case '{', '[':
		if err := m.copy(); err != nil {
			return err
		}
		for k := m.d.PeekKind(); k != '}' && k != ']'; k = m.d.PeekKind() {
			inside := secret
			if kind == '{' {
				name, err := m.d.ReadToken()
				if err != nil {
					return err
				}
				inside = secret || isSecret(name.String())
				if err := m.e.WriteToken(name); err != nil {
					return err
				}
			}
			if err := m.value(inside); err != nil {
				return err
			}
		}
		return m.copy()
	case '"':
		token, err := m.d.ReadToken()
		if err != nil {
			return err
		}
		text := token.String()
		if text != "" && secret || strings.HasPrefix(text, "sk-") && !strings.HasPrefix(text, "sk-...") {
			token = jsontext.String(m.mask(text))
		}
		return m.e.WriteToken(token)
	}
	v, err := m.d.ReadValue()
	if err != nil {
		return err
	}
	return m.e.WriteValue(v)
}

func (m *masker) copy() error {
	token, err := m.d.ReadToken()
	if err != nil {
		return err
	}
	return m.e.WriteToken(token)
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretNames[:], func(part string) bool { return strings.Contains(name, part) })
}
