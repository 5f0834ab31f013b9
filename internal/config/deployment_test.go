package config_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/gateway"
)

func TestProvider(t *testing.T) {
	prices := func(model string) string { return map[string]string{"deepseek-chat": "deepseek"}[model] }
	o := config.Options{Known: []string{"mock"}, PriceProvider: prices}
	for _, tt := range []struct {
		name, model, custom, base string
		provider, upstream        string
		ok                        bool
	}{
		{"a known prefix is cut off", "openai/gpt-4o", "", "", "openai", "gpt-4o", true},
		{"only the first slash counts", "openrouter/anthropic/claude-x", "", "", "openrouter", "anthropic/claude-x", true},
		{"a provider with an adapter is known although LiteLLM has none", "mock/x", "", "", "mock", "x", true},
		{"custom_llm_provider wins over the prefix, which stays", "meta-llama/llama-3", "together_ai", "", "together_ai", "meta-llama/llama-3", true},
		{"custom_llm_provider cuts off its own prefix", "groq/llama-3", "groq", "", "groq", "llama-3", true},
		{"the prefix wins over the address", "openai/qwen", "", "https://api.groq.com/openai/v1", "openai", "qwen", true},
		{"the vendor's address tells the provider", "llama-3", "", "https://api.groq.com/openai/v1", "groq", "llama-3", true},
		{"a longer path of the vendor's address does too", "llama-3", "", "https://api.groq.com/openai/v1/chat", "groq", "llama-3", true},
		{"a longer path segment does not", "llama-3", "", "https://api.groq.com/openai/v1x", "", "llama-3", false},
		{"the address in a query does not", "llama-3", "", "https://evil.example/?x=api.groq.com/openai/v1", "", "llama-3", false},
		{"the address as a user name does not", "llama-3", "", "https://api.groq.com@evil.example/openai/v1", "", "llama-3", false},
		{"the address as a subdomain does not", "llama-3", "", "https://api.groq.com.evil.example/openai/v1", "", "llama-3", false},
		{"another port does not", "llama-3", "", "https://api.groq.com:8443/openai/v1", "", "llama-3", false},
		{"plain HTTP does not", "llama-3", "", "http://api.groq.com/openai/v1", "", "llama-3", false},
		{"with an unknown address the name does not count", "gpt-4o", "", "http://vllm:8000/v1", "", "gpt-4o", false},
		{"the price table knows names", "deepseek-chat", "", "", "deepseek", "deepseek-chat", true},
		{"new Claude models are Anthropic's", "claude-opus-9-20300101", "", "", "anthropic", "claude-opus-9-20300101", true},
		{"old Claude models are Anthropic's", "claude-3-haiku-20240307", "", "", "anthropic", "claude-3-haiku-20240307", true},
		{"Claude with a region is Bedrock's", "eu.anthropic.claude-x", "", "", "bedrock", "eu.anthropic.claude-x", true},
		{"o3 is OpenAI's", "o3-mini", "", "", "openai", "o3-mini", true},
		{"o365 is nobody's", "o365", "", "", "", "o365", false},
		{"gemini without a prefix is Vertex AI's", "gemini-2.5-pro", "", "", "vertex_ai", "gemini-2.5-pro", true},
		{"the catch-all waits for a name", "*", "", "", "", "*", true},
		{"an unknown prefix tells nothing", "meta-llama/llama-3", "", "", "", "meta-llama/llama-3", false},
		{"a prefix without a model tells nothing", "openai/", "", "", "", "openai/", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, u, ok := o.Provider(tt.model, tt.custom, tt.base)
			if p != tt.provider || u != tt.upstream || ok != tt.ok {
				t.Errorf("Provider(%q, %q, %q) = %q, %q, %v, want %q, %q, %v",
					tt.model, tt.custom, tt.base, p, u, ok, tt.provider, tt.upstream, tt.ok)
			}
		})
	}
}

func TestDefaultsAreTheSameJSON(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"numbers keep their digits", "seed: 12345678901234567890, top_p: 0.10", `seed=12345678901234567890 top_p=0.10`},
		{"exponents stay", "x: 1e-7", `x=1e-7`},
		{"what JSON cannot write is rewritten", "a: .5, b: +3, c: 0x1F, d: 1_000, e: 5.", `a=0.5 b=3 c=31 d=1000 e=5`},
		{"order is that of the file", "z: 1, a: {z: 1, a: [1, null, true]}", `z=1 a={"z":1,"a":[1,null,true]}`},
		{"YAML 1.1 booleans are booleans unless quoted", `a: yes, b: off, c: "yes"`, `a=true b=false c="yes"`},
		{"dates are text", "a: 2024-10-21", `a="2024-10-21"`},
		{"quotes are escaped", `a: "say \"hi\" <b>\n"`, `a="say \"hi\" <b>\n"`},
		{"null asks for nothing", "a: null, b: 1", `b=1`},
		{"extra_body adds and overrides", "temperature: 0.2, extra_body: {temperature: 0.3, top_k: 5}", `temperature=0.3 top_k=5`},
		{"variables are filled in at any depth", "stop: [os.environ/WORD, x], meta: {a: {b: os.environ/WORD}}", `stop=["w\"ord","x"] meta={"a":{"b":"w\"ord"}}`},
		{"settings of the gateway are not sent", "rpm: 3, tags: [a], aws_region_name: x, weight: 2, max_retries: 3, input_cost_per_token: 1", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, model("model: openai/gpt-4o, api_key: k, "+tt.yaml), env{"WORD": `w"ord`})
			var got []string
			for _, p := range cfg.Models[0].Defaults {
				got = append(got, p.Name+"="+string(p.Value))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("got  %s\nwant %s", g, tt.want)
			}
		})
	}
}

func TestPrices(t *testing.T) {
	for _, tt := range []struct{ name, written, want string }{
		{"a float", "0.0000025", "0.0000025"},
		{"an exponent", "1e-7", "0.0000001"},
		{"an exponent with a point", "2.5e-06", "0.0000025"},
		{"an exponent in quotes", `"1.25E-6"`, "0.00000125"},
		{"zero", "0", "0"},
		{"zero with a point", "0.0", "0"},
		{"from the environment", "os.environ/PRICE", "0.5"},
		{"a whole number", "3", "3"},
		{"a positive exponent", "1.5e2", "150"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, model("model: openai/x, api_key: k, cache_read_input_token_cost_above_200k_tokens: "+tt.written), env{"PRICE": ".5"})
			if got := cfg.Models[0].Prices["cache_read_input_token_cost_above_200k_tokens"]; got != tt.want {
				t.Errorf("%s became %q, want %q", tt.written, got, tt.want)
			}
		})
	}
}

func TestADeploymentGetsEveryField(t *testing.T) {
	cfg, rep := load(t, `
credential_list:
  - {credential_name: main, credential_values: {api_key: from-credential, api_base: "https://proxy.example/v1", api_version: v9}}
router_settings:
  default_litellm_params: {timeout: 7, top_p: 0.5, drop_params: false}
model_list:
  - model_name: m
    tpm: 9
    litellm_params:
      model: openai/gpt-4o
      litellm_credential_name: main
      api_version: v1
      weight: 1.5
      order: 2
      max_parallel_requests: 4
      stream_timeout: 2.5
      num_retries: 0
      cooldown_time: 0
      drop_params: true
      additional_drop_params: [seed]
      allowed_openai_params: [tools]
      extra_headers: {X-A: os.environ/A, X-B: b}
      configurable_clientside_auth_params: [api_key, base_url]
      input_cost_per_token: 1e-6
      max_budget: 1.25
      budget_duration: 1d
      temperature: 0.7
    model_info: {id: 42, base_model: azure/gpt-4o, mode: chat, access_groups: prod, input_cost_per_token: 5, output_cost_per_token: 2, note: hello}
`, env{"A": "aa", "OPENAI_API_KEY": "not-this-one"})
	want := gateway.Deployment{
		ID: "42", Group: "m", Provider: "openai", Upstream: "gpt-4o", BaseURL: "https://proxy.example/v1",
		APIKey: "from-credential", APIVersion: "v1", Weight: 1.5, TPM: 9, MaxParallel: 4, Order: 2,
		Timeout: 7 * time.Second, StreamIdle: 2500 * time.Millisecond, Retries: new(0), Cooldown: new(time.Duration(0)),
		DropParams: true, Mode: "chat", BaseModel: "azure/gpt-4o", AccessGroups: []string{"prod"},
		Prices:     map[string]string{"input_cost_per_token": "0.000001", "output_cost_per_token": "2"},
		Defaults:   []gateway.Param{{Name: "temperature", Value: []byte("0.7")}, {Name: "top_p", Value: []byte("0.5")}},
		Headers:    map[string]string{"X-A": "aa", "X-B": "b"},
		DropAlways: []string{"seed"}, AllowParams: []string{"tools"}, ClientCredentials: []string{"api_key", "api_base"},
	}
	if d := cmp.Diff(want, cfg.Models[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	budget := cfg.Router.DeploymentBudgets["42"]
	if budget.Budget == nil || *budget.Budget != 1_250_000_000 || budget.BudgetDuration != "1d" {
		t.Errorf("budget is %+v, want 1.25 USD a day", budget)
	}
	if got, want := string(cfg.ModelInfo["42"]), `"note":"hello"}`; !strings.HasSuffix(got, want) {
		t.Errorf("model info is %s, want it to end in %s", got, want)
	}
	if len(rep.Ignored)+len(rep.Warnings) != 0 {
		t.Errorf("ignored %v and warned %v, want neither", rep.Ignored, rep.Warnings)
	}
}

func TestAPIKeyAndAddressFromTheEnvironment(t *testing.T) {
	e := env{"OPENAI_API_KEY": "from-env", "OPENAI_BASE_URL": "https://env.example/v1"}
	for _, tt := range []struct{ name, params, key, base string }{
		{"the file's key wins", "model: openai/x, api_key: own", "own", "https://env.example/v1"},
		{"the provider's variable fills in", "model: openai/x", "from-env", "https://env.example/v1"},
		{"also for an address of the operator's", "model: openai/x, api_base: http://vllm:8000", "from-env", "http://vllm:8000"},
		{"another provider's variable does not", "model: mistral/x, api_key: ''", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, model(tt.params), e)
			d := cfg.Models[0]
			if d.APIKey.Reveal() != tt.key || d.BaseURL != tt.base {
				t.Errorf("key %q for %q, want %q for %q", d.APIKey.Reveal(), d.BaseURL, tt.key, tt.base)
			}
		})
	}
	_, rep := load(t, model("model: groq/x"), nil)
	if want := "config.yaml:3: model_list[0].litellm_params: has no api_key, and GROQ_API_KEY is not set"; !slices.Contains(rep.Warnings, want) {
		t.Errorf("warnings are %q, want %q among them", rep.Warnings, want)
	}
}

func TestIDs(t *testing.T) {
	id := func(yaml string, e env) string {
		cfg, _ := load(t, yaml, e)
		return cfg.Models[0].ID
	}
	base := model("model: openai/x, api_key: os.environ/K, rpm: 1")
	first := id(base, env{"K": "one"})
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first) {
		t.Errorf("id %q is not a SHA-256", first)
	}
	for _, tt := range []struct {
		name, yaml string
		key        string
		same       bool
	}{
		{"the same entry has the same id", base, "one", true},
		{"a rotated key keeps the id", base, "two", true},
		{"a comment and spaces keep the id", "# hello\n\n" + base, "one", true},
		{"another limit changes the id", model("model: openai/x, api_key: os.environ/K, rpm: 2"), "one", false},
		{"another name changes the id", strings.Replace(base, "model_name: m", "model_name: n", 1), "one", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := id(tt.yaml, env{"K": tt.key}); (got == first) != tt.same {
				t.Errorf("ids are %s and %s, want same=%v", first, got, tt.same)
			}
		})
	}
	cfg, _ := load(t, base+"  - model_name: m\n    litellm_params: {model: openai/x, api_key: os.environ/K, rpm: 1}\n", env{"K": "k"})
	if cfg.Models[0].ID == cfg.Models[1].ID {
		t.Error("two equal entries have one id, so they would share counters")
	}
}

func TestOneDeploymentForEachOrganization(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		orgs, ids  []string
	}{
		{"one", model("model: openai/x, api_key: k, organization: org-a"), []string{"org-a"}, nil},
		{"two", model("model: openai/x, api_key: k, organization: [org-a, org-b]"), []string{"org-a", "org-b"}, nil},
		{
			"two with an id", model("model: openai/x, api_key: k, organization: [org-a, org-b]") + "    model_info: {id: i}\n",
			[]string{"org-a", "org-b"},
			[]string{"i-org-a", "i-org-b"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, tt.yaml, nil)
			var orgs, ids []string
			for _, d := range cfg.Models {
				orgs, ids = append(orgs, d.Organization), append(ids, d.ID)
			}
			if !slices.Equal(orgs, tt.orgs) {
				t.Errorf("organizations are %v, want %v", orgs, tt.orgs)
			}
			if tt.ids != nil && !slices.Equal(ids, tt.ids) {
				t.Errorf("ids are %v, want %v", ids, tt.ids)
			}
			if len(ids) == 2 && ids[0] == ids[1] {
				t.Errorf("both have the id %s", ids[0])
			}
		})
	}
}

func TestTheCatchAllIsFilledInByTheClientsModel(t *testing.T) {
	o := options("model_list: [{model_name: '*', litellm_params: {model: '*', rpm: 3}}]", env{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://o"})
	o.Known = []string{"openai", "anthropic"}
	cfg, _, err := config.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	all := &cfg.Models[0]
	d, ok := cfg.ForModel(all, "openai/gpt-4o")
	if !ok || d.Provider != "openai" || d.Upstream != "gpt-4o" || d.APIKey != "k" || d.BaseURL != "https://o" || d.RPM != 3 || d.ID != all.ID {
		t.Errorf("got %+v, %v", d, ok)
	}
	if d, ok := cfg.ForModel(all, "claude-sonnet-4-5"); !ok || d.Provider != "anthropic" {
		t.Errorf("claude-sonnet-4-5 is served by %+v, %v", d, ok)
	}
	for _, name := range []string{"nobody/x", "qwen", "groq/x", "*"} {
		if d, ok := cfg.ForModel(all, name); ok {
			t.Errorf("%s is served by %+v", name, d)
		}
	}
	if all.Provider != "" {
		t.Errorf("the catch-all itself became %s's", all.Provider)
	}
}
