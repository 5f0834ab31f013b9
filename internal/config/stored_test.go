package config_test

import (
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/gateway"
)

func TestSecretsMayStandInFiles(t *testing.T) {
	const yaml = `
model_list:
  - {model_name: m, litellm_params: {model: openai/gpt-4o, api_key: "file:///run/secrets/openai"}}
general_settings: {master_key: "FILE"}
`
	for _, tt := range []struct {
		name, master, problem string
	}{
		{"that are there", "file:///run/secrets/master", ""},
		{"that are not", "file:///run/secrets/none", "there is no such file"},
		{"that are empty", "file:///run/secrets/empty", "is empty"},
	} {
		o := options("", nil)
		o.ReadFile = files{
			"config.yaml": strings.Replace(yaml, "FILE", tt.master, 1), "/run/secrets/openai": "sk-of-the-file\n", "/run/secrets/master": " sk-master-0123456789 \n", "/run/secrets/empty": "\n",
		}.read
		c, _, err := config.Load(o)
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), "general_settings.master_key") {
				t.Errorf("files %s: got error %v, want one with %q", tt.name, err, tt.problem)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Models[0].APIKey != "sk-of-the-file" || c.Server.MasterKey != "sk-master-0123456789" {
			t.Errorf("files %s: read %q and %q", tt.name, c.Models[0].APIKey.Reveal(), c.Server.MasterKey.Reveal())
		}
	}
}

func TestModelsOfTheDatabase(t *testing.T) {
	const yaml = `
credential_list:
  - {credential_name: in-both, credential_values: {api_key: sk-of-the-file}}
model_list:
  - {model_name: file, litellm_params: {model: openai/gpt-4o, litellm_credential_name: in-both}, model_info: {id: taken}}
  - {model_name: mixed, litellm_params: {model: openai/gpt-4o, litellm_credential_name: in-database}}
general_settings: {store_model_in_db: SWITCH}
`
	params := func(members string) []byte { return []byte(`{"model":"openai/gpt-4o",` + members + `}`) }
	stored := &config.Stored{
		Models: []gateway.StoredModel{
			{ID: "1", Name: "good", Params: params(`"litellm_credential_name":"in-database","rpm":5`), Info: []byte(`{"id":"other","access_groups":["g"]}`), TeamID: "t", Blocked: true},
			{ID: "2", Name: "wrong", Params: params(`"rpm":"soon"`)},
			{ID: "3", Name: "no-credential", Params: params(`"litellm_credential_name":"nowhere"`)},
			{ID: "taken", Name: "twice", Params: params(`"api_key":"sk-x"`)},
			{ID: "4", Name: "damaged", Params: []byte(`{"model":`)},
			{ID: "5", Name: "reads-files", Params: params(`"api_key":"file:///run/secrets/openai"`)},
			{ID: "6", Name: "empty"},
		},
		Credentials: []gateway.Credential{
			{Name: "in-both", Values: []byte(`{"api_key":"sk-of-the-database"}`)},
			{Name: "in-database", Values: []byte(`{"api_key":"file:///run/secrets/openai","api_base":"http://10.0.0.1"}`)},
			{Name: "damaged", Values: []byte(`[]`)},
		},
	}
	load := func(on string, s *config.Stored) (*config.Config, *config.Report, error) {
		o := options("", nil)
		o.ReadFile = files{"config.yaml": strings.Replace(yaml, "SWITCH", on, 1), "/run/secrets/openai": "sk-of-the-file"}.read
		o.Stored = s
		return config.Load(o)
	}
	c, report, err := load("true", stored)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]gateway.Deployment{}
	for _, d := range c.Models {
		got[d.Group] = d
	}
	if d := got["good"]; d.ID != "1" || d.RPM != 5 || d.BaseURL != "http://10.0.0.1" || !d.Stored || !d.Blocked || d.TeamID != "t" || len(d.AccessGroups) != 1 {
		t.Errorf("the good model is %+v", d)
	}
	if d := got["file"]; d.APIKey != "sk-of-the-file" || d.Stored {
		t.Errorf("the file's credential must go first: %+v", d)
	}
	// Whoever writes to the database must not read our files by it.
	for _, name := range []string{"good", "mixed", "reads-files"} {
		if key := got[name].APIKey.Reveal(); key != "file:///run/secrets/openai" {
			t.Errorf("%s has the key %q, want the text as it is stored", name, key)
		}
	}
	for _, name := range []string{"wrong", "no-credential", "twice", "damaged", "empty"} {
		if d, ok := got[name]; ok {
			t.Errorf("%s is served: %+v", name, d)
		}
	}
	said := strings.Join(report.Warnings, "\n")
	for _, want := range []string{`"wrong" (2)`, `"soon"`, `"no-credential" (3)`, `"nowhere"`, `"twice" (taken)`, `"damaged" (4)`, `credential "damaged"`, `"empty" (6)`} {
		if !strings.Contains(said, want) {
			t.Errorf("no warning says %s:\n%s", want, said)
		}
	}

	if c, _, err := load("false", stored); err != nil || len(c.Models) != 2 {
		t.Errorf("with store_model_in_db off: %v", err)
	}
	// Before the database is asked, a credential may be in it, if models may.
	if _, report, err := load("true", nil); err != nil || !strings.Contains(strings.Join(report.Warnings, "\n"), "has to be in the database") {
		t.Errorf("before the database is asked: %v", err)
	}
	for name, s := range map[string]*config.Stored{"the database has not": {}, "nobody has": nil} {
		if _, _, err := load("false", s); err == nil || !strings.Contains(err.Error(), `no credential "in-database"`) {
			t.Errorf("a credential that %s: got %v", name, err)
		}
	}
}
