package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store/storetest"
)

// keep builds an app with models kept in the database.
func keep(t *testing.T, dir string, log *slog.Logger, env map[string]string) *App {
	t.Helper()
	config := filepath.Join(dir, "config.yaml")
	text := `
model_list:
  - {model_name: from-file, litellm_params: {model: openai/gpt-4o-mini, litellm_credential_name: stored-one}}
general_settings: {store_model_in_db: true}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), Options{
		Config: config, Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(dir, "data"), Log: log,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func closed(t *testing.T, a *App) {
	t.Helper()
	if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// served returns the deployments of a group, as the routing table has them.
func served(a *App, group string) []gateway.Deployment {
	var out []gateway.Deployment
	for _, d := range a.snapshot.Load().Table.Deployments() {
		if d.Group == group {
			out = append(out, *d)
		}
	}
	return out
}

func addCredential(t *testing.T, a *App, name, key string) {
	t.Helper()
	values, err := a.box.SealStrings([]byte(`{"api_key":"`+key+`","api_base":"http://127.0.0.1:9"}`), secret.Credential(name))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.store.CreateCredential(t.Context(), &gateway.Credential{Name: name, Values: values}); err != nil {
		t.Fatal(err)
	}
}

func addModel(t *testing.T, a *App, id, name, params string) {
	t.Helper()
	sealed, err := a.box.SealStrings([]byte(params), secret.Model(id))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.store.CreateStoredModel(t.Context(), &gateway.StoredModel{ID: id, Name: name, Params: sealed, Info: []byte(`{"id":"another","mode":"chat"}`)}); err != nil {
		t.Fatal(err)
	}
}

func TestModelsAndCredentialsOfTheDatabaseAreServed(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	first := map[string]string{"LITELLM_SALT_KEY": "sk-first-salt"}
	// The file refers to a credential that has to be in the database first.
	plain, err := New(t.Context(), Options{Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(dir, "data"), Log: log, Env: func(n string) (string, bool) { v, ok := first[n]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	addCredential(t, plain, "stored-one", "sk-of-the-credential")
	closed(t, plain)

	a := keep(t, dir, log, first)
	if d := served(a, "from-file"); len(d) != 1 || d[0].APIKey.Reveal() != "sk-of-the-credential" || d[0].BaseURL != "http://127.0.0.1:9" || d[0].Stored {
		t.Errorf("the file's model with a stored credential is %+v", d)
	}
	addModel(t, a, "m1", "from-db", `{"model":"openai/gpt-4o","litellm_credential_name":"stored-one","rpm":7}`)
	addModel(t, a, "m2", "broken", `{"model":"openai/gpt-4o","rpm":"soon"}`)
	addModel(t, a, "m3", "from-db", `{"model":"openai/gpt-4o","api_key":"sk-own \u00e9 \ud83e\udd80","input_cost_per_token":1e-6}`)
	if err := a.changed(t.Context(), admin.Change{Entity: "model", ID: "m1"}); err != nil {
		t.Fatal(err)
	}
	ds := served(a, "from-db")
	if len(ds) != 2 || ds[0].ID != "m1" || ds[0].APIKey.Reveal() != "sk-of-the-credential" || ds[0].RPM != 7 || !ds[0].Stored || ds[0].Mode != "chat" ||
		ds[1].APIKey.Reveal() != "sk-own é 🦀" || ds[1].Prices["input_cost_per_token"] == "" {
		t.Errorf("the stored models are %+v", ds)
	}
	if len(served(a, "broken")) != 0 || !strings.Contains(logged.String(), `\"soon\"`) || strings.Contains(logged.String(), "sk-o") {
		t.Errorf("the broken model must be left out and said, without secrets:\n%s", logged.String())
	}
	got, err := a.store.UpdateStoredModel(t.Context(), "m3", func(m *gateway.StoredModel) error { m.Blocked = true; return nil })
	if err != nil || bytes.Contains(got.Params, []byte("sk-own")) || bytes.Contains(got.Params, []byte("gpt-4o")) {
		t.Errorf("stored as %s, %v; want it sealed", got.Params, err)
	}
	if err := a.changed(t.Context(), admin.Change{Entity: "model", ID: "m3"}); err != nil {
		t.Fatal(err)
	}
	if ds := served(a, "from-db"); len(ds) != 2 || !ds[1].Blocked {
		t.Errorf("a blocked model is %+v", ds)
	}
	closed(t, a)

	// A new key, with the old one as the master key: everything is sealed anew.
	a = keep(t, dir, log, map[string]string{"LITELLM_SALT_KEY": "sk-second-salt", "LITELLM_MASTER_KEY": "sk-first-salt"})
	if ds := served(a, "from-db"); len(ds) != 2 {
		t.Errorf("after the key was replaced %d models are served, want 2", len(ds))
	}
	closed(t, a)
	// Now the old one is needed no more.
	a = keep(t, dir, log, map[string]string{"LITELLM_SALT_KEY": "sk-second-salt"})
	if ds := served(a, "from-db"); len(ds) != 2 {
		t.Errorf("without the old key %d models are served, want 2", len(ds))
	}
	if _, err := a.store.DeleteStoredModels(t.Context(), []string{"m1", "m3"}); err != nil {
		t.Fatal(err)
	}
	if err := a.changed(t.Context(), admin.Change{Entity: "model", ID: "m1", Deleted: true}); err != nil {
		t.Fatal(err)
	}
	if ds := served(a, "from-db"); len(ds) != 0 {
		t.Errorf("deleted models are served: %+v", ds)
	}
	closed(t, a)
}

func TestWithoutAKeyOneIsMadeAndKept(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	none := func(string) (string, bool) { return "", false }
	open := func() *App {
		a, err := New(t.Context(), Options{Host: "127.0.0.1", Port: -1, DataDir: dir, Log: log, Env: none})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open()
	addCredential(t, a, "c", "sk-x")
	closed(t, a)
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key's file is %v, %v; want it for its owner only", info, err)
	}
	a = open()
	s, err := a.stored(t.Context())
	if err != nil || len(s.Credentials) != 1 || !bytes.Contains(s.Credentials[0].Values, []byte("sk-x")) {
		t.Errorf("after a restart the credentials are %v, %v", s, err)
	}
	closed(t, a)
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	// Without its key the secret is lost, and the gateway starts all the same.
	a = open()
	if s, err := a.stored(t.Context()); err != nil || len(s.Credentials) != 0 {
		t.Errorf("without the key the credentials are %v, %v", s, err)
	}
	closed(t, a)
	if err := os.WriteFile(filepath.Join(dir, keyFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Options{Host: "127.0.0.1", Port: -1, DataDir: dir, Log: log, Env: none}); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty key file: got %v", err)
	}
}

func TestAStoredModelReachesOtherReplicas(t *testing.T) {
	url := storetest.PostgresURL(t)
	env := map[string]string{"DATABASE_URL": url, "LITELLM_SALT_KEY": "sk-salt", "STORE_MODEL_IN_DB": "true"}
	here, there := replicaWith(t, env), replicaWith(t, env)
	addModel(t, here, "m1", "from-db", `{"model":"openai/gpt-4o","api_key":"sk-x"}`)
	begin := time.Now()
	Eventually(t, "the model is served by the other replica", func() bool {
		return slices.ContainsFunc(served(there, "from-db"), func(d gateway.Deployment) bool { return d.ID == "m1" })
	})
	t.Logf("served by the other replica after %v", time.Since(begin))
}
