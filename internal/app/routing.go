package app

import (
	"maps"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/relay"
	"penstock/internal/router"
)

// routing returns what the configuration says about routing.
func routing(c *config.Config, options *config.Options, prices *relay.Prices) router.Settings {
	r := &c.Router
	aliases := map[string]router.Alias{}
	for name, t := range r.Aliases {
		aliases[name] = router.Alias{Group: t.Model, Hidden: t.Hidden}
	}
	groups := map[string]router.Strategy{}
	for name, s := range r.GroupStrategies {
		groups[name] = strategy(s)
	}
	args := map[string]router.Args{}
	for name, a := range r.GroupArgs {
		args[name] = strategyArgs(&a)
	}
	policies := map[string]map[string]int{}
	for name, p := range r.GroupRetryPolicy {
		policies[name] = p
	}
	return router.Settings{
		Strategy: strategy(r.Strategy), Groups: groups,
		Args: strategyArgs(&r.StrategyArgs), GroupArgs: args,
		Retries: r.NumRetries, RetryPolicy: r.RetryPolicy, GroupRetryPolicy: policies, RetryAfter: r.RetryAfter,
		Timeout: r.Timeout, StreamIdle: r.StreamTimeout, MaxFallback: r.MaxFallbacks,
		Fallbacks: r.Fallbacks, DefaultFallbacks: r.DefaultFallbacks, ContextWindow: r.ContextWindowFallbacks, ContentPolicy: r.ContentPolicyFallbacks,
		Aliases: aliases, Cooldown: r.CooldownTime, DisableCooldowns: r.DisableCooldowns,
		AllowedFails: r.AllowedFails, FailsPolicy: r.AllowedFailsPolicy,
		WeightedFailover: r.WeightedFailover,
		PreCallChecks:    r.PreCallChecks, EnforceLimits: r.EnforceRateLimits, AllowedOnly: r.EnforceFallbackAccess,
		TagFiltering: r.TagFiltering, MatchAll: !r.TagMatchAny, TagPrefix: r.TagPrefix,
		Affinity: router.Affinity{Off: !r.CacheAffinity, Session: r.SessionAffinity, Key: r.KeyAffinity, TTL: r.AffinityTTL},
		Qualify: func(model string) string {
			if p, up, ok := options.Provider(model, "", ""); ok {
				return p + "/" + up
			}
			return ""
		},
		ForModel: c.ForModel,
		Facts:    func(d *gateway.Deployment, model string) router.Facts { return facts(prices, d, model) },
	}
}

// strategy returns the strategy of that name, or the usual one for a name that
// only LiteLLM knows.
func strategy(name string) router.Strategy {
	if s := router.Strategy(name); s.Known() {
		return s
	}
	return router.SimpleShuffle
}

func strategyArgs(a *config.StrategyArgs) router.Args {
	return router.Args{Buffer: a.Buffer, TTL: a.TTL, Samples: a.Samples, Percentile: a.Percentile}
}

// capabilities are those that routing looks at, by the price table's names.
var capabilities = map[gateway.Capability]string{
	gateway.Vision: "vision", gateway.Tools: "function_calling", gateway.ResponseSchema: "response_schema", gateway.AudioInput: "audio_input",
}

// facts returns what the price table and the deployment's own prices tell
// about a model.
func facts(prices *relay.Prices, d *gateway.Deployment, model string) router.Facts {
	var f router.Facts
	if rate := prices.Rate(d, model); rate != nil {
		const n = 1000
		f.Cost, f.Priced = rate.Cost(gateway.Usage{Prompt: n, Completion: n})*(1e6/n), true
		f.Caches = rate.Cost(gateway.Usage{Prompt: n * n, CacheRead: n * n}) < rate.Cost(gateway.Usage{Prompt: n * n})
	}
	if d.BaseModel != "" {
		model = d.BaseModel
	}
	book := prices.Book()
	f.MaxInput = book.MaxInput(d.Provider, model)
	if m, ok := book.Model(d.Provider, model); ok {
		can(&f, m)
	}
	return f
}

func can(f *router.Facts, m *price.Model) {
	for c, name := range maps.All(capabilities) {
		if yes, known := m.Supports(name); known {
			f.Known |= c
			if yes {
				f.Can |= c
			}
		}
	}
}
