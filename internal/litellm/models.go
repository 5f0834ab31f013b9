package litellm

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/secret"
)

// open opens one text that LiteLLM may have sealed; false if it is sealed with
// another key than those we were given.
func (im *importer) open(text string) (string, bool) {
	for _, salt := range im.o.Salts {
		if plain, err := secret.OpenLiteLLM(text, salt); err == nil {
			return plain, true
		}
	}
	return text, !looksSealed(text)
}

// looksSealed reports whether a text has the form of a sealed one: what is not
// base64 of a nonce, a tag and something was never sealed.
func looksSealed(text string) bool {
	if strings.HasPrefix(text, "v2:gcm:") {
		return true
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "=")))
	return err == nil && len(raw) > 24+16
}

// opened returns an object whose texts, one deep, are opened, or why they cannot be.
func (im *importer) opened(raw jsontext.Value) (plain []byte, names []string, why string) {
	list := members(raw)
	for i, f := range list {
		names = append(names, f.name)
		if f.value.Kind() != '"' {
			continue
		}
		var text string
		if err := json.Unmarshal(f.value, &text); err != nil {
			return nil, nil, "its " + f.name + " cannot be read"
		}
		text, ok := im.open(text)
		if !ok {
			return nil, nil, "its secrets are sealed with another key: give --salt-key the LITELLM_SALT_KEY of LiteLLM, or its master key to --master-key if it had no salt key"
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			return nil, nil, "its " + f.name + " is no text"
		}
		list[i].value = quoted
	}
	return joined(list), names, ""
}

type modelRow struct {
	authorship
	ID      string         `json:"model_id"`
	Name    string         `json:"model_name"`
	Params  jsontext.Value `json:"litellm_params"`
	Info    jsontext.Value `json:"model_info"`
	Blocked bool           `json:"blocked"`
}

func (im *importer) importModels(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_ProxyModelTable", "model_id", "", func(row *modelRow, m *remarks) (string, any, []byte) {
		plain, _, why := im.opened(row.Params)
		switch {
		case why != "":
			m.skip = why
			return row.ID, nil, nil
		case plain == nil:
			m.skip = "its litellm_params are no JSON object, or empty"
			return row.ID, nil, nil
		}
		model := &gateway.StoredModel{ID: row.ID, Name: row.Name, Info: object(row.Info), Blocked: row.Blocked}
		var info struct {
			TeamID string `json:"team_id"`
		}
		if model.Info != nil && json.Unmarshal(model.Info, &info) == nil {
			model.TeamID = info.TeamID
		}
		row.set(m, &model.CreatedAt, &model.CreatedBy, &model.UpdatedAt, &model.UpdatedBy)
		digest, err := json.Marshal(row, json.Deterministic(true)) // sealed again it is another text each time
		if err == nil && im.o.Box != nil {
			model.Params, err = im.o.Box.SealStrings(plain, secret.Model(row.ID))
		}
		if err != nil {
			m.skip = "its litellm_params cannot be sealed"
			return row.ID, nil, nil
		}
		shown := *model
		shown.Params = plain
		im.r.Models = append(im.r.Models, shown)
		return row.ID, model, digest
	})
}

type credentialRow struct {
	authorship
	Name        string         `json:"credential_name"`
	DisplayName string         `json:"display_name"`
	Values      jsontext.Value `json:"credential_values"`
	Info        jsontext.Value `json:"credential_info"`
}

func (im *importer) importCredentials(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_CredentialsTable", "credential_name", "", func(row *credentialRow, m *remarks) (string, any, []byte) {
		plain, _, why := im.opened(row.Values)
		if why != "" {
			m.skip = why
			return row.Name, nil, nil
		}
		c := &gateway.Credential{Name: row.Name, DisplayName: row.DisplayName, Info: object(row.Info)}
		row.set(m, &c.CreatedAt, &c.CreatedBy, &c.UpdatedAt, &c.UpdatedBy)
		digest, err := json.Marshal(row, json.Deterministic(true))
		if err == nil && im.o.Box != nil {
			c.Values, err = im.o.Box.SealStrings(plain, secret.Credential(row.Name))
		}
		if err != nil {
			m.skip = "its credential_values cannot be sealed"
			return row.Name, nil, nil
		}
		shown := *c
		shown.Values = plain
		im.r.Credentials = append(im.r.Credentials, shown)
		return row.Name, c, digest
	})
}
