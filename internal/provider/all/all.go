package all

import (
	"penstock/internal/provider"
	"penstock/internal/provider/anthropic"
	"penstock/internal/provider/gemini"
	"penstock/internal/provider/openai"
)

// Env are the environment variables that hold a provider's key and another
// address for it, first choice first.
type Env struct{ Key, Base []string }

// Providers returns one adapter of each kind.
func Providers() provider.Set {
	ps := []provider.Provider{anthropic.New(), gemini.New(), openai.New(Mock())}
	for _, v := range openai.Vendors() {
		ps = append(ps, openai.New(v))
	}
	return provider.NewSet(ps...)
}

// Mock is the built-in provider that answers without any account, for trying
// things out. The app tells its deployments where it listens.
func Mock() openai.Vendor { return openai.Vendor{Name: "mock", Keyless: true, Loose: true} }

// Environment returns the variables of each provider.
func Environment() map[string]Env {
	env := map[string]Env{
		"anthropic": {[]string{"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"}, []string{"ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"}},
		"gemini":    {[]string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}, []string{"GEMINI_API_BASE"}},
	}
	for _, v := range openai.Vendors() {
		e := Env{Key: v.KeyEnv}
		if v.BaseEnv != "" {
			e.Base = []string{v.BaseEnv}
		}
		if v.OpenAI {
			e.Base = []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}
		}
		env[v.Name] = e
	}
	return env
}
