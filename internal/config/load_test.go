package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
)

func coreEnv() env {
	return env{
		"OPENAI_API_KEY": "sk-openai-value", "AZURE_API_BASE": "https://me.openai.azure.com", "AZURE_API_KEY": "azure-value",
		"ANTHROPIC_API_KEY": "sk-ant-value", "REDIS_HOST": "redis.internal", "LITELLM_MASTER_KEY": "sk-master-value",
		"DATABASE_URL":        "postgresql://u:db-password@db/x",
		"LANGFUSE_PUBLIC_KEY": "pk-lf-value", "LANGFUSE_SECRET_KEY": "sk-lf-value",
	}
}

func TestTheWholeExampleLoads(t *testing.T) {
	cfg, rep, err := config.Load(config.Options{Path: "testdata/good/core.yaml", Env: coreEnv().lookup})
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ group, provider, upstream, base, key string }
	want := []row{
		{"gpt-4o", "openai", "gpt-4o", "", "sk-openai-value"},
		{"gpt-4o", "azure", "my-gpt4o", "https://me.openai.azure.com", "azure-value"},
		{"anthropic/*", "anthropic", "*", "", "sk-ant-value"},
		{"*", "", "*", "", ""},
		{"local", "openai", "qwen", "http://vllm:8000/v1", "none"},
		{"claude", "anthropic", "claude-sonnet-4-5", "", "sk-ant-value"},
	}
	var got []row
	for _, d := range cfg.Models {
		got = append(got, row{d.Group, d.Provider, d.Upstream, d.BaseURL, d.APIKey.Reveal()})
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("deployments (-want +got):\n%s", d)
	}
	first := cfg.Models[0]
	if first.ID != "oai-1" || first.RPM != 600 || first.Weight != 3 || first.MaxParallel != 50 ||
		first.Timeout != time.Minute || first.StreamIdle != 10*time.Second || !slices.Equal(first.AccessGroups, []string{"prod"}) {
		t.Errorf("first deployment is %+v", first)
	}
	if got, want := cfg.Server.RedisURL.Reveal(), "redis://redis.internal:6379"; got != want {
		t.Errorf("Redis URL is %q, want %q", got, want)
	}
	if got, want := cfg.Server.MasterKey.Reveal(), "sk-master-value"; got != want {
		t.Errorf("master key is %q, want %q", got, want)
	}
	if cfg.Server.SaltKey != cfg.Server.MasterKey {
		t.Error("the salt key is not the master key, although it is not set")
	}
	if got, want := rep.Files, []string{"testdata/good/core.yaml", "testdata/good/models_extra.yaml"}; !slices.Equal(got, want) {
		t.Errorf("files are %v, want %v", got, want)
	}
	var keys []string
	for _, i := range rep.Ignored {
		keys = append(keys, i.Key)
	}
	if got, want := strings.Join(keys, "\n"), strings.Join([]string{
		"litellm_settings.cache", "litellm_settings.cache_params.ttl",
		"litellm_settings.callbacks[1]", "litellm_settings.success_callback[1]", "litellm_settings.s3_callback_params",
		"general_settings.alerting",
		"general_settings.pass_through_endpoints", "guardrails",
	}, "\n"); got != want {
		t.Errorf("ignored:\n%s\nwant:\n%s", got, want)
	}
}

func TestEveryGoodFileLoadsWithoutWarning(t *testing.T) {
	names, _ := filepath.Glob("testdata/good/*.yaml")
	if len(names) < 5 {
		t.Fatalf("only %d good files", len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, rep, err := config.Load(config.Options{Path: name, Env: coreEnv().lookup})
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Warnings) > 0 {
				t.Errorf("warnings:\n%s", strings.Join(rep.Warnings, "\n"))
			}
		})
	}
}

// TestEveryBrokenFileSaysWhat compares all mistakes and warnings of each file
// with the "# want:" and "# warn:" lines at its top.
func TestEveryBrokenFileSaysWhat(t *testing.T) {
	const dir = "testdata/broken/"
	names, _ := filepath.Glob(dir + "*.yaml")
	if len(names) < 20 {
		t.Fatalf("only %d broken files", len(names))
	}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), "_") { // included by others
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]string{}
			for line := range strings.Lines(string(data)) {
				for _, kind := range []string{"want", "warn", "ignored"} {
					if s, ok := strings.CutPrefix(line, "# "+kind+": "); ok {
						want[kind] = append(want[kind], strings.TrimSpace(s))
					}
				}
			}
			cfg, rep, err := config.Load(config.Options{Path: name, Env: env{"LONG_SECRET": "not-a-number"}.lookup, Known: []string{"openai", "anthropic"}})
			got := map[string][]string{}
			if err != nil {
				if cfg != nil {
					t.Error("got a Config beside the error")
				}
				got["want"] = strings.Split(strings.ReplaceAll(err.Error(), dir, ""), "\n")
			}
			for _, w := range rep.Warnings {
				got["warn"] = append(got["warn"], strings.ReplaceAll(w, dir, ""))
			}
			for _, i := range rep.Ignored {
				got["ignored"] = append(got["ignored"], strings.ReplaceAll(i.String(), dir, ""))
			}
			if len(got) == 0 {
				t.Error("nothing was said about it")
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestEveryDocumentedSettingIsKnown(t *testing.T) {
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]config.Key{}
	for _, k := range config.Reference() {
		at := k.Section + "." + k.Name
		if _, twice := known[at]; twice {
			t.Errorf("%s is in its table twice", at)
		}
		if k.Want == "" {
			t.Errorf("%s does not say what it wants", at)
		}
		known[at] = k
	}
	for line := range strings.Lines(string(data)) {
		if name := strings.TrimSpace(line); known[name].Name == "" {
			t.Errorf("%s is not known", name)
		}
	}
}

func TestWithoutAFileTheEnvironmentDecides(t *testing.T) {
	e := env{
		"OPENAI_API_KEY": "sk-o", "GEMINI_API_KEY": "g", "LITELLM_MASTER_KEY": "sk-m", "PORT": "8080",
		"REDIS_HOST": "r", "REDIS_PORT": "6380", "REDIS_PASSWORD": "p@ss", "REDIS_SSL": "True", "GRACEFUL_SHUTDOWN_TIMEOUT": "5",
		"DATABASE_HOST": "db", "DATABASE_NAME": "x", "DATABASE_USERNAME": "u", "DATABASE_PASSWORD": "p/w",
	}
	cfg, rep, err := config.Load(config.Options{Env: e.lookup})
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, d := range cfg.Models {
		groups = append(groups, d.Group+" "+d.Provider+" "+d.Upstream+" "+d.APIKey.Reveal())
	}
	if want := []string{"openai/* openai * sk-o", "gemini/* gemini * g"}; !slices.Equal(groups, want) {
		t.Errorf("deployments are %q, want %q", groups, want)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"Redis URL", cfg.Server.RedisURL.Reveal(), "rediss://:p%40ss@r:6380"},
		{"database URL", cfg.Server.DatabaseURL.Reveal(), "postgresql://u:p%2Fw@db/x"},
		{"drain timeout", cfg.Server.DrainTimeout.String(), "5s"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if cfg.Server.Port != 8080 || len(rep.Files) != 0 {
		t.Errorf("port is %d and files are %v, want 8080 and none", cfg.Server.Port, rep.Files)
	}
}

func TestAMistakeInTheEnvironmentNamesTheVariable(t *testing.T) {
	_, _, err := config.Load(config.Options{Env: env{"PORT": "http", "STORE_MODEL_IN_DB": "maybe"}.lookup})
	want := "PORT: want a whole number from 1 to 65535, got \"http\"\nSTORE_MODEL_IN_DB: want true or false, got \"maybe\""
	if err == nil || err.Error() != want {
		t.Errorf("got error:\n%v\nwant:\n%s", err, want)
	}
}

func TestTheFilesEnvironmentIsSeenByIt(t *testing.T) {
	cfg, _ := load(t, `
environment_variables: {MY_KEY: sk-from-file, COPY: os.environ/OUTER, PORT: 4321}
general_settings: {master_key: os.environ/MY_KEY}
`, env{"OUTER": "outer"})
	if got := cfg.Server.MasterKey.Reveal(); got != "sk-from-file" {
		t.Errorf("master key is %q, want the one of environment_variables", got)
	}
	if got, ok := cfg.Env("COPY"); got != "outer" || !ok {
		t.Errorf("COPY is %q, %v, want outer", got, ok)
	}
	if cfg.Server.Port != 4321 {
		t.Errorf("port is %d, want 4321", cfg.Server.Port)
	}
	if _, ok := os.LookupEnv("MY_KEY"); ok {
		t.Error("the process environment was changed")
	}
}
