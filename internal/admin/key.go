package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// newSecret returns a new virtual key.
func newSecret() gateway.Secret {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return gateway.Secret("sk-" + base64.RawURLEncoding.EncodeToString(b[:]))
}

// checkSecret refuses what cannot be a virtual key. The key itself stays out
// of the message, but for its ends.
func checkSecret(key string) error {
	switch {
	case !strings.HasPrefix(key, "sk-"):
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: %s", masked(key))
	case len(key) < 16:
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must be at least 16 characters long.")
	case len(key) > maxText:
		return invalid("key", "Invalid key format. LiteLLM Virtual Key must be at most %d characters long.", maxText)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c >= 0x7f {
			// It could not be sent in an Authorization header.
			return invalid("key", "Invalid key format. LiteLLM Virtual Key must be printable ASCII without spaces.")
		}
	}
	return nil
}

// keyHash returns the id of a key that was passed as the key itself or as its
// hash.
func keyHash(key string) string {
	if !strings.HasPrefix(key, "sk-") {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// isKey reports whether key is a key or the hash of one.
func isKey(key string) bool {
	if strings.HasPrefix(key, "sk-") {
		return true
	}
	return len(key) == 2*sha256.Size && strings.Trim(key, "0123456789abcdef") == ""
}

// keyName returns what people know the key by.
func keyName(key gateway.Secret) string {
	text := key.Reveal()
	if len(text) < 16 {
		return "sk-..."
	}
	return "sk-..." + text[len(text)-4:]
}

// keyFields are the fields of /key/generate and /key/update that we honour.
type keyFields struct {
	limitFields
	Key            Opt[string]            `json:"key"`
	Alias          Opt[string]            `json:"key_alias"`
	Duration       Opt[string]            `json:"duration"`
	Models         Opt[[]string]          `json:"models"`
	UserID         Opt[string]            `json:"user_id"`
	TeamID         Opt[string]            `json:"team_id"`
	OrganizationID Opt[string]            `json:"organization_id"`
	Metadata       Opt[object]            `json:"metadata"`
	Permissions    Opt[object]            `json:"permissions"`
	Aliases        Opt[map[string]string] `json:"aliases"`
	Blocked        Opt[bool]              `json:"blocked"`
	Tags           Opt[[]string]          `json:"tags"`
	AllowedRoutes  Opt[[]string]          `json:"allowed_routes"`
	unknown
}

// check refuses what no key can be. Whatever passes can be stored.
func (f *keyFields) check(now time.Time) error {
	for _, t := range []struct{ name, value string }{
		{"key_alias", f.Alias.Value},
		{"user_id", f.UserID.Value},
		{"team_id", f.TeamID.Value},
		{"organization_id", f.OrganizationID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name   string
		values []string
	}{{"models", f.Models.Value}, {"tags", f.Tags.Value}, {"allowed_routes", f.AllowedRoutes.Value}} {
		if err := checkTexts(t.name, t.values); err != nil {
			return err
		}
	}
	if err := checkMap("aliases", f.Aliases.Value); err != nil {
		return err
	}
	if _, err := f.expires(now); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// expires returns the end of the key's life, zero for never.
func (f *keyFields) expires(now time.Time) (time.Time, error) {
	text := f.Duration.Or("")
	if text == "" || text == "-1" {
		return time.Time{}, nil
	}
	end, err := lifetime(text, now)
	if err != nil {
		return time.Time{}, invalid("duration", "Invalid duration '%s': %v", text, err)
	}
	return end, nil
}

// apply changes in k what was sent; null clears.
func (f *keyFields) apply(k *gateway.Key, now time.Time) error {
	setText(&k.Alias, f.Alias)
	setText(&k.UserID, f.UserID)
	setText(&k.TeamID, f.TeamID)
	setText(&k.OrganizationID, f.OrganizationID)
	setList(&k.Models, f.Models)
	setList(&k.Tags, f.Tags)
	setList(&k.AllowedRoutes, f.AllowedRoutes)
	setObject(&k.Metadata, f.Metadata)
	setObject(&k.Permissions, f.Permissions)
	if f.Aliases.Sent {
		k.Aliases = f.Aliases.Or(nil)
	}
	if f.Blocked.Sent {
		k.Blocked = f.Blocked.Or(false)
	}
	if f.Duration.Sent {
		end, err := f.expires(now)
		if err != nil {
			return err
		}
		k.Expires = end
	}
	f.limitFields.apply(&k.Limits)
	return nil
}

func setText(to *string, from Opt[string]) {
	if from.Sent {
		*to = from.Or("")
	}
}

func setList(to *[]string, from Opt[[]string]) {
	if from.Sent {
		*to = slices.Clone(from.Or(nil))
	}
}

func setObject(to *[]byte, from Opt[object]) {
	if from.Sent {
		*to = from.Or(nil)
	}
}

// routesOfType says what the types of keys may call.
func routesOfType(typ string) ([]string, error) {
	switch typ {
	case "", "default":
		return nil, nil
	case "llm_api":
		return []string{"llm_api_routes"}, nil
	case "management":
		return []string{"management_routes"}, nil
	case "read_only":
		return []string{"info_routes"}, nil
	}
	return nil, invalid("key_type", "key_type: want default, llm_api, management or read_only, got '%s'", typ)
}
