package config_test

import (
	"io/fs"
	"strings"
	"testing"

	"penstock/internal/config"
)

// env is a process environment for tests.
type env map[string]string

func (e env) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

// files are a file system for tests.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	s, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

// vendorKeys are the variables of the providers that tests know.
func vendorKeys(provider string) []string {
	return map[string][]string{
		"openai": {"OPENAI_API_KEY"}, "anthropic": {"ANTHROPIC_API_KEY"}, "groq": {"GROQ_API_KEY"},
	}[provider]
}

func options(yaml string, e env) config.Options {
	return config.Options{
		Path: "config.yaml", ReadFile: files{"config.yaml": yaml}.read, Env: e.lookup, EnvKey: vendorKeys,
		EnvBase: func(p string) []string { return []string{strings.ToUpper(p) + "_BASE_URL"} },
	}
}

// load reads yaml as config.yaml and fails the test if that has a mistake.
func load(t *testing.T, yaml string, e env) (*config.Config, *config.Report) {
	t.Helper()
	cfg, rep, err := config.Load(options(yaml, e))
	if err != nil {
		t.Fatalf("load: %v\nof:\n%s", err, yaml)
	}
	return cfg, rep
}

// model wraps litellm_params in a file with one deployment called m.
func model(params string) string {
	return "model_list:\n  - model_name: m\n    litellm_params: {" + params + "}\n"
}
