package litellm

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/export"
	"penstock/internal/gateway"
	"penstock/internal/secret"
)

// sealedVar begins the callback_vars that LiteLLM has sealed.
const sealedVar = "litellm_enc::"

// logEntry is a logging destination in LiteLLM's metadata.
type logEntry struct {
	Name string                    `json:"callback_name"`
	Type string                    `json:"callback_type"`
	Vars map[string]jsontext.Value `json:"callback_vars"`
}

// callbackSettings are how older releases keep the same. Two empty lists are what
// /team/{team_id}/disable_logging leaves behind.
type callbackSettings struct {
	Success []string                  `json:"success_callback"`
	Failure []string                  `json:"failure_callback"`
	Vars    map[string]jsontext.Value `json:"callback_vars"`
}

// logging takes the destinations out of metadata and seals them for the owner. rest
// is the metadata without them, and plain what they were before they were sealed,
// of which a digest can be made.
func (im *importer) logging(metadata []byte, at secret.Place, m *remarks) (l *gateway.Logging, plain []map[string]string, rest []byte) {
	var others []member
	var entries []logEntry
	off := false
	for _, f := range members(metadata) {
		switch f.name {
		case "logging":
			var list []logEntry
			if err := json.Unmarshal(f.value, &list); err == nil {
				entries = append(list, entries...)
				continue
			}
			m.note("metadata.logging cannot be read and is left out")
		case "callback_settings":
			var s callbackSettings
			if err := json.Unmarshal(f.value, &s); err == nil {
				off = s.Success != nil && s.Failure != nil && len(s.Success)+len(s.Failure) == 0
				if len(entries) == 0 { // metadata.logging goes before it
					entries = s.entries()
				}
				continue
			}
			m.note("metadata.callback_settings cannot be read and is left out")
		default:
			others = append(others, f)
		}
	}
	if len(others) == len(members(metadata)) {
		return nil, nil, metadata
	}
	out := &gateway.Logging{}
	for _, e := range entries {
		vars, ok := im.vars(&e, m)
		if !ok || e.Name == "" {
			continue
		}
		raw, err := json.Marshal(vars, json.Deterministic(true))
		if err == nil {
			raw, err = im.o.Box.SealStrings(raw, at)
		}
		if err != nil {
			m.note("the logging destination %s cannot be sealed and is left out", e.Name)
			continue
		}
		switch _, err := export.ParseVars(e.Name, vars); {
		case !export.Ours(e.Name):
			m.note("the logging destination %s is kept, and nothing acts on it", e.Name)
		case err != nil:
			m.note("the logging destination %s is kept, and cannot be used: %v", e.Name, err)
		}
		// What LiteLLM has reached may be reached from here: whoever moves in says so.
		out.To = append(out.To, gateway.LogTarget{Name: e.Name, OnSuccess: e.Type != "failure", OnFailure: e.Type != "success", Trusted: true, Vars: raw})
		plain = append(plain, vars)
	}
	if out.Off = off && len(out.To) == 0; !out.Off && len(out.To) == 0 {
		out = nil
	}
	return out, plain, joined(others)
}

func (s *callbackSettings) entries() []logEntry {
	var out []logEntry
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.Success, s.Failure)))) {
		typ := "success_and_failure"
		switch {
		case !slices.Contains(s.Failure, name):
			typ = "success"
		case !slices.Contains(s.Success, name):
			typ = "failure"
		}
		out = append(out, logEntry{name, typ, s.Vars})
	}
	return out
}

// vars returns the variables of a destination in clear, false if it has to be left
// out.
func (im *importer) vars(e *logEntry, m *remarks) (map[string]string, bool) {
	out := map[string]string{}
	for name, v := range e.Vars {
		var text string
		switch v.Kind() {
		case 'n', 0:
			continue
		case '"':
			if err := json.Unmarshal(v, &text); err != nil {
				m.note("the logging destination %s cannot be read and is left out", e.Name)
				return nil, false
			}
		default:
			text = string(v)
		}
		if hidden, ok := strings.CutPrefix(text, sealedVar); ok {
			if text, ok = im.open(hidden); !ok {
				m.note("the logging destination %s is left out: it is sealed with another key, give --salt-key the LITELLM_SALT_KEY of LiteLLM", e.Name)
				return nil, false
			}
		}
		if strings.HasPrefix(text, "os.environ/") {
			m.note("the logging destination %s is left out: it refers to LiteLLM's environment; name it in litellm_settings.default_team_settings", e.Name)
			return nil, false
		}
		out[name] = text
	}
	return out, true
}

// withoutSeals is what a digest is made of where ours has sealed texts, which are
// others each time.
type withoutSeals struct {
	Ours  any
	Plain []map[string]string
}

func (w withoutSeals) digest() []byte {
	raw, err := json.Marshal(w, json.Deterministic(true))
	if err != nil {
		return nil // as if there were none: only a bug of ours
	}
	return raw
}
