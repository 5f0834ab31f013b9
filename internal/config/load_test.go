package config_test

import (
	"testing"

	"penstock/internal/config"
)

// env is a process environment for tests.
type env map[string]string

func (e env) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

func coreEnv() env {
	return env{
		"OPENAI_API_KEY": "sk-openai-value", "AZURE_API_BASE": "https://me.openai.azure.com", "AZURE_API_KEY": "azure-value",
		"ANTHROPIC_API_KEY": "sk-ant-value", "REDIS_HOST": "redis.internal", "LITELLM_MASTER_KEY": "sk-master-value",
		"DATABASE_URL": "postgresql://u:db-password@db/x", "MY_KEY": "my-value",
		"LANGFUSE_PUBLIC_KEY": "pk-lf-value", "LANGFUSE_SECRET_KEY": "sk-lf-value",
	}
}

func TestTheWholeExampleLoads(t *testing.T) {
	cfg, rep, err := config.Load(config.Options{Path: "testdata/good/core.yaml", Env: coreEnv().lookup})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(cfg.Models), 6; got != want {
		t.Errorf("got %d deployments, want %d", got, want)
	}
	if got := cfg.Models[0].APIKey.Reveal(); got != "sk-openai-value" {
		t.Errorf("got API key %q, want the one of the environment", got)
	}
	if got := len(rep.Ignored); got != 10 {
		t.Errorf("got %d ignored settings, want 10: %v", got, rep.Ignored)
	}
}
