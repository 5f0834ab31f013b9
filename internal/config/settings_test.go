package config_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/gateway"
)

func TestRouterSettingsWinOverLiteLLMSettings(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		env        env
		got        func(config.Router) any
		want       any
	}{
		{"retries are two", "model_list: []", nil, func(r config.Router) any { return r.NumRetries }, 2},
		{"retries from the environment", "model_list: []", env{"DEFAULT_MAX_RETRIES": "4"}, func(r config.Router) any { return r.NumRetries }, 4},
		{"retries from litellm_settings", "litellm_settings: {num_retries: 5}", env{"DEFAULT_MAX_RETRIES": "4"}, func(r config.Router) any { return r.NumRetries }, 5},
		{"retries from router_settings", "router_settings: {num_retries: 6}\nlitellm_settings: {num_retries: 5}", nil, func(r config.Router) any { return r.NumRetries }, 6},
		{"no retries", "router_settings: {num_retries: 0}", nil, func(r config.Router) any { return r.NumRetries }, 0},
		{"the timeout is ten minutes", "model_list: []", nil, func(r config.Router) any { return r.Timeout }, 10 * time.Minute},
		{"the timeout of router_settings", "router_settings: {timeout: 1.5}", nil, func(r config.Router) any { return r.Timeout }, 1500 * time.Millisecond},
		{"request_timeout wins over it", "router_settings: {timeout: 1.5}\nlitellm_settings: {request_timeout: 20}", nil, func(r config.Router) any { return r.Timeout }, 20 * time.Second},
		{
			"fallbacks are replaced as a whole", "litellm_settings: {fallbacks: [{a: [b]}]}\nrouter_settings: {fallbacks: [{c: [d]}]}", nil,
			func(r config.Router) any { return r.Fallbacks },
			map[string][]string{"c": {"d"}},
		},
		{
			"fallbacks of litellm_settings count too", "litellm_settings: {fallbacks: [{a: b}, {c: [d, e]}], default_fallbacks: [z]}", nil,
			func(r config.Router) any { return fmt.Sprint(r.Fallbacks, r.DefaultFallbacks) }, "map[a:[b] c:[d e]] [z]",
		},
		{
			"a fallback may be an object", "router_settings: {fallbacks: [{a: [{model: b}, c]}]}", nil,
			func(r config.Router) any { return fmt.Sprint(r.Fallbacks) }, "map[a:[b c]]",
		},
		{"not configured is nil", "model_list: []", nil, func(r config.Router) any { return r.ContextWindowFallbacks == nil }, true},
		{
			"aliases", "router_settings: {model_group_alias: {a: b, c: {model: d, hidden: true}}}", nil,
			func(r config.Router) any { return r.Aliases },
			map[string]config.Alias{"a": {Model: "b"}, "c": {Model: "d", Hidden: true}},
		},
		{
			"a strategy has arguments", "router_settings: {routing_strategy: latency-based-routing, routing_strategy_args: {ttl: 10, lowest_latency_buffer: 0.50, max_latency_list_size: 20, ttft_percentile: 95}}", nil,
			func(r config.Router) any { return fmt.Sprint(r.Strategy, r.StrategyArgs) }, "latency-based-routing{10s 0.5 20 0.95}",
		},
		{
			"a routing group gives its models a strategy", "router_settings: {routing_groups: [{group_name: g, models: [a, b], routing_strategy: least-busy, routing_strategy_args: {ttl: 5}}]}", nil,
			func(r config.Router) any { return fmt.Sprint(r.GroupStrategies, r.GroupArgs) }, "map[a:least-busy b:least-busy] map[a:{5s 0 0 0} b:{5s 0 0 0}]",
		},
		{
			"weights by group and deployment", "router_settings: {weights: {a: {id-1: 2, id-2: 0.5}}}", nil,
			func(r config.Router) any { return fmt.Sprint(r.Weights) }, "map[a:map[id-1:2 id-2:0.5]]",
		},
		{
			"tags", "router_settings: {enable_tag_filtering: true, tag_filtering_match_any: false, tag_routing_prefix: t-}", nil,
			func(r config.Router) any { return fmt.Sprint(r.TagFiltering, r.TagMatchAny, r.TagPrefix) }, "true falset-",
		},
		{
			"one of a call's tags is enough unless set", "router_settings: {enable_tag_filtering: true}", nil,
			func(r config.Router) any { return fmt.Sprint(r.TagFiltering, r.TagMatchAny) }, "true true",
		},
		{
			"affinity", "router_settings: {optional_pre_call_checks: [session_affinity, deployment_affinity], deployment_affinity_ttl_seconds: 60}", nil,
			func(r config.Router) any {
				return fmt.Sprint(r.CacheAffinity, r.SessionAffinity, r.KeyAffinity, r.AffinityTTL)
			}, "true true true 1m0s",
		},
		{
			"no affinity", "router_settings: {prompt_cache_affinity: false}", nil,
			func(r config.Router) any { return r.CacheAffinity }, false,
		},
		{
			"cooldown of nothing", "router_settings: {cooldown_time: 0, disable_cooldowns: true}", nil,
			func(r config.Router) any { return fmt.Sprint(r.CooldownTime, r.DisableCooldowns) }, "0s true",
		},
		{
			"provider budgets", "router_settings: {provider_budget_config: {openai: {budget_limit: 0.000000000001, time_period: 1d}, azure: {budget_limit: 100, time_period: 30d}}}", nil,
			func(r config.Router) any {
				o, a := r.ProviderBudgets["openai"], r.ProviderBudgets["azure"]
				return fmt.Sprintf("%d/%s %d/%s", *o.Budget, o.BudgetDuration, *a.Budget, a.BudgetDuration)
			}, "0/1d 100000000000/30d",
		},
		{"hard rate limits", "router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}", nil, func(r config.Router) any { return r.EnforceRateLimits }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, tt.yaml, tt.env)
			if d := cmp.Diff(tt.want, tt.got(cfg.Router)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	cfg, _ := load(t, `router_settings:
  retry_policy: {RateLimitErrorRetries: 3, TimeoutErrorRetries: 1, InternalServerErrorRetries: 0, ServiceUnavailableErrorRetries: 4, DefaultRetries: 9}
  model_group_retry_policy: {a: {BadRequestErrorRetries: 7}}
  allowed_fails_policy: {BadGatewayErrorAllowedFails: 5}`, nil)
	for _, tt := range []struct {
		name   string
		policy config.Policy
		want   config.Policy
	}{
		{"of all groups", cfg.Router.RetryPolicy, config.Policy{
			"RateLimitError": 3, "TimeoutError": 1, "InternalServerError": 0, "ServiceUnavailableError": 4, "Default": 9,
		}},
		{"of one group", cfg.Router.GroupRetryPolicy["a"], config.Policy{"BadRequestError": 7}},
		{"of failures", cfg.Router.AllowedFailsPolicy, config.Policy{"BadGatewayError": 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tt.policy); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestLimitsAndLoggingOfAFile(t *testing.T) {
	cfg, _, err := config.Load(config.Options{Path: "testdata/good/limits.yaml", Env: coreEnv().lookup})
	if err != nil {
		t.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	wantServer := config.Server{
		Host: "0.0.0.0", Port: 4000, MasterKey: "sk-master-value", SaltKey: "sk-master-value",
		DatabaseURL: "postgresql://u:db-password@db/x", RedisURL: "redis://redis.internal:6379",
		DataDir: "/var/lib/penstock", JournalFsync: config.Fsync{Always: true}, MaxRequestBytes: 1 << 19, MaxRequestSet: true,
		AllowClientCredentials: true, KeyHeader: "X-My-Key", BudgetExceededStatus: 429, KeyCacheTTL: time.Minute,
		Rotation: config.Rotation{Every: 15 * time.Second}, Timezone: paris, BudgetResetTime: 4*time.Hour + 30*time.Minute,
		Global: gateway.Limits{
			RPM: new(int64(1000)), TPM: new(int64(2_000_000)), Parallel: new(int64(50)),
			Budget: new(gateway.NanoUSD(100_000_000)), BudgetDuration: "30d", Shadow: true,
		},
		TagBudgets:         map[string]gateway.Limits{"night": {Budget: new(gateway.NanoUSD(500_000_000)), BudgetDuration: "1d"}},
		DefaultKeyParallel: new(int64(8)), CountTokens: "input", UserBudgetsInTeams: true,
		Unpriced: "estimate", UnpricedInput: "0.000002", UnpricedOutput: "0.00003",
		UserHeader: "X-Customer", StorePrompts: true, SpendLogsRetention: 30 * 24 * time.Hour, RetentionInterval: 24 * time.Hour,
		DrainTimeout: 30 * time.Second, ConfigPoll: 30 * time.Second, Health: config.Health{Details: true},
	}
	wantServer.JWT = cfg.Server.JWT // TestWhoseTokensAreTaken
	sameZone := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if d := cmp.Diff(wantServer, cfg.Server, sameZone); d != "" {
		t.Errorf("server (-want +got):\n%s", d)
	}
	wantKeys := config.KeyRules{
		Default: config.KeyParams{Limits: gateway.Limits{Budget: new(gateway.NanoUSD(5e9))}, Models: []string{"gpt-4o"}, TeamID: "core", Metadata: []byte(`{"tier":1.50}`)},
		Upper: config.KeyParams{Duration: "30d", Limits: gateway.Limits{
			Budget: new(gateway.NanoUSD(100e9)), BudgetDuration: "30d",
			TPM: new(int64(1000)), RPM: new(int64(10)), Parallel: new(int64(3)),
		}},
	}
	if d := cmp.Diff(wantKeys, cfg.Keys); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	wantLogging := config.Logging{RedactMessages: true, Level: "info", Destinations: []config.Destination{
		{Name: "generic_api", Type: "generic_api", OnSuccess: true, OnFailure: true, Settings: config.Settings{
			"endpoint": "https://logs.example.com/in", "headers": "Authorization=Bearer os.environ/NOT_REPLACED,X-Token=sk-lf-value",
		}},
		{Name: "audit", Type: "generic_api", OnFailure: true, Settings: config.Settings{
			"endpoint": "https://audit.example.com", "event_types": "llm_api_failure", "log_format": "ndjson",
		}},
		{Name: "langfuse", Type: "langfuse", OnSuccess: true, Settings: config.Settings{"public_key": "pk-lf-value", "secret_key": "sk-lf-value"}},
	}}
	if d := cmp.Diff(wantLogging, cfg.Logging); d != "" {
		t.Errorf("logging (-want +got):\n%s", d)
	}
}

func TestDestinationsFromTheEnvironment(t *testing.T) {
	cfg, _ := load(t, `
litellm_settings: {success_callback: [prometheus, generic_api, langfuse_otel], failure_callback: generic_api, langfuse_default_tags: [cache_hit, proxy_base_url]}
environment_variables: {LANGFUSE_BASE_URL: "https://lf.example"}
`, env{"GENERIC_LOGGER_ENDPOINT": "https://in.example", "GENERIC_LOGGER_HEADERS": "a=b,c=d", "LANGFUSE_PUBLIC_KEY": "p", "LANGFUSE_SECRET_KEY": "s"})
	want := config.Logging{Prometheus: true, Level: "info", Destinations: []config.Destination{
		{Name: "generic_api", Type: "generic_api", OnSuccess: true, OnFailure: true, Settings: config.Settings{"endpoint": "https://in.example", "headers": "a=b,c=d"}},
		{Name: "langfuse_otel", Type: "langfuse_otel", OnSuccess: true, Settings: config.Settings{
			"public_key": "p", "secret_key": "s", "host": "https://lf.example", "default_tags": "cache_hit,proxy_base_url",
		}},
	}}
	if d := cmp.Diff(want, cfg.Logging); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRedis(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		env        env
		want       string
	}{
		{"none", "model_list: []", nil, ""},
		{"a URL in the environment", "model_list: []", env{"REDIS_URL": "redis://e:1"}, "redis://e:1"},
		{"a host in the file wins over a URL in the environment", "router_settings: {redis_host: f, redis_port: 7, redis_password: p, redis_db: 2}", env{"REDIS_URL": "redis://e:1"}, "redis://:p@f:7/2"},
		{"the environment fills in what the file leaves out", "router_settings: {redis_host: f}", env{"REDIS_PASSWORD": "p", "REDIS_SSL": "true"}, "rediss://:p@f:6379"},
		{"limits are counted in the cache's Redis", "litellm_settings: {cache_params: {type: redis, host: c, port: 9, password: q}}", env{"REDIS_HOST": "e"}, "redis://:q@c:9"},
		{"but not in a cache that is none", "litellm_settings: {cache_params: {type: s3, host: c}}", env{"REDIS_HOST": "e"}, "redis://e:6379"},
		{"a Redis of their own wins", "litellm_settings: {cache_params: {host: c}}\ngeneral_settings: {coordination_redis: {host: own, ssl: true}}", env{"REDIS_PASSWORD": "p"}, "rediss://own:6379"},
		{"a cluster", "model_list: []", env{"REDIS_CLUSTER_NODES": `[{"host":"n1","port":7001},{"host":"n2"}]`, "REDIS_PASSWORD": "p"}, "redis://:p@n1:7001"},
		{"a URL in the file wins over a host in it", "router_settings: {redis_host: f, redis_url: redis://u}", nil, "redis://u"},
		{"an IPv6 host gets brackets", "router_settings: {redis_host: '::1'}", nil, "redis://[::1]:6379"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := load(t, tt.yaml, tt.env)
			if got := cfg.Server.RedisURL.Reveal(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIncludes(t *testing.T) {
	cfg, rep, err := config.Load(config.Options{Path: "testdata/good/includes.yaml", Env: coreEnv().lookup})
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, d := range cfg.Models {
		groups = append(groups, d.Group)
	}
	if want := []string{"main", "first", "second"}; !slices.Equal(groups, want) {
		t.Errorf("deployments are %v, want %v", groups, want)
	}
	if cfg.Router.NumRetries != 7 {
		t.Errorf("num_retries is %d, want the 7 of the innermost file", cfg.Router.NumRetries)
	}
	if want := []string{"testdata/good/includes.yaml", "testdata/good/parts/first.yaml", "testdata/good/parts/second.yaml"}; !slices.Equal(rep.Files, want) {
		t.Errorf("files are %v, want %v", rep.Files, want)
	}
}

func TestAnEndlessChainOfIncludesEnds(t *testing.T) {
	o := options("", nil)
	// As with a symlink d -> . that includes d/config.yaml.
	o.ReadFile = func(string) ([]byte, error) { return []byte("include: [d/config.yaml]"), nil }
	_, rep, err := config.Load(o)
	if err == nil || !strings.Contains(err.Error(), "more than 100 files; is there a cycle of includes?") {
		t.Errorf("got %v, want an error about too many files", err)
	}
	if len(rep.Files) != 100 {
		t.Errorf("read %d files, want 100", len(rep.Files))
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const s = "hunter2" // in every value below that is a secret
	e := env{"LITELLM_SALT_KEY": s + "0", "ENV_KEY": s + "1", "LANGFUSE_PUBLIC_KEY": s + "a", "LANGFUSE_SECRET_KEY": s + "2"}
	yaml := `
environment_variables: {X: ` + s + `3}
model_list:
  - model_name: m
    litellm_params: {model: openai/x, api_key: ` + s + `4, extra_headers: {Authorization: ` + s + `5}, extra_body: {k: ` + s + `6}}
router_settings: {redis_host: h, redis_password: ` + s + `7}
general_settings: {master_key: os.environ/ENV_KEY, database_url: "postgresql://u:` + s + `8@h/d"}
litellm_settings: {callbacks: [langfuse, generic_api], cache_params: {password: ` + s + `9}}
callback_settings: {generic_api: {endpoint: "https://x.example", headers: {Authorization: ` + s + `b}}}
`
	cfg, rep := load(t, yaml, e)
	if got := cfg.Server.RedisURL.Reveal(); !strings.Contains(got, s) {
		t.Fatalf("the secret did not arrive: %q", got)
	}
	encoded, err := json.Marshal(cfg.Logging)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", cfg, "server", cfg.Server, "logging", cfg.Logging)
	for name, out := range map[string]string{
		"%v of the Config": fmt.Sprintf("%v", cfg), "%+v of the Config": fmt.Sprintf("%+v %+v", cfg, *cfg), "%#v of the Config": fmt.Sprintf("%#v", cfg),
		"%+v of the Server": fmt.Sprintf("%+v", cfg.Server), "%#v of the Server": fmt.Sprintf("%#v", cfg.Server),
		"%+v of the Logging": fmt.Sprintf("%+v", cfg.Logging), "%#v of the Logging": fmt.Sprintf("%#v", cfg.Logging),
		"%+v of the Router": fmt.Sprintf("%+v", cfg.Router), "%+v of the Report": fmt.Sprintf("%+v", rep),
		"JSON of the Logging": string(encoded), "slog": logged.String(),
	} {
		if strings.Contains(out, s) {
			t.Errorf("%s shows a secret:\n%s", name, out)
		}
	}
	// Every value of the file, one after the other, where something else is wanted.
	for i := range 12 {
		bad := strings.Replace(yaml, fmt.Sprintf("%s%x", s, i), fmt.Sprintf("[{%s%x: %s}]", s+"-in-a-name-", i, s), 1)
		bad = strings.ReplaceAll(bad, s+"-in-a-name-", "n")
		if bad == yaml {
			continue
		}
		if _, rep, err := config.Load(options(bad, e)); strings.Contains(fmt.Sprint(err, rep), s) {
			t.Errorf("a mistake shows a secret:\n%v\n%+v", err, rep)
		}
	}
}
