package config

import (
	"maps"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/typo"
)

// routerKeys is router_settings.
func (l *loader) routerKeys() []key {
	r := &l.cfg.Router
	ks := []key{
		bind("routing_strategy", strategy(), &r.Strategy),
		custom("routing_strategy_args", "a mapping", func(l *loader, n *node) { l.apply(n, strategyArgs(&r.StrategyArgs)) }),
		custom("routing_groups", "a list of groups of models", routingGroups),
		bind("weights", dict(dict(number())), &r.Weights),
		bind("redis_url", secret(), &l.redis.url),
		use("redis_host", text(), func(l *loader, host string) {
			l.redis.host, l.redis.url = host, "" // the file wins over REDIS_URL
		}),
		bind("redis_port", whole[int](1, 65535), &l.redis.port),
		bind("redis_password", secret(), &l.redis.password),
		bind("redis_username", text(), &l.redis.username),
		bind("redis_db", whole[int](0, 1<<20), &l.redis.db),
		bind("redis_ssl", boolean(), &l.redis.tls),
		bind("num_retries", count[int](), &r.NumRetries),
		bind("max_fallbacks", count[int](), &r.MaxFallbacks),
		use("timeout", seconds(), func(l *loader, d time.Duration) {
			// litellm_settings.request_timeout is the one LiteLLM lets win.
			if l.cfg.Server.RequestTimeout == 0 {
				r.Timeout = d
			}
		}),
		bind("stream_timeout", seconds(), &r.StreamTimeout),
		bind("max_stream_duration", seconds(), &r.MaxStream),
		bind("hedging", hedging(), &r.Hedging),
		bind("hedge_after", seconds(), &r.HedgeAfter),
		custom("default_litellm_params", "a mapping", func(l *loader, n *node) {
			if n.shape != mapping {
				l.want(n, "a mapping")
				return
			}
			l.fill = n
		}),
		bind("default_max_parallel_requests", count[int64](), &r.DefaultMaxParallel),
		bind("fallbacks", routes(), &r.Fallbacks),
		bind("default_fallbacks", words(), &r.DefaultFallbacks),
		bind("context_window_fallbacks", routes(), &r.ContextWindowFallbacks),
		bind("content_policy_fallbacks", routes(), &r.ContentPolicyFallbacks),
		bind("model_group_alias", dict(alias()), &r.Aliases),
		bind("enable_pre_call_checks", boolean(), &r.PreCallChecks),
		bind("retry_after", seconds(), &r.RetryAfter),
		bind("retry_policy", retryPolicy(), &r.RetryPolicy),
		bind("model_group_retry_policy", dict(retryPolicy()), &r.GroupRetryPolicy),
		maybe("allowed_fails", count[int](), &r.AllowedFails),
		bind("allowed_fails_policy", failsPolicy(), &r.AllowedFailsPolicy),
		bind("cooldown_time", seconds(), &r.CooldownTime),
		bind("disable_cooldowns", boolean(), &r.DisableCooldowns),
		bind("enable_weighted_failover", boolean(), &r.WeightedFailover),
		bind("enable_tag_filtering", boolean(), &r.TagFiltering),
		bind("tag_filtering_match_any", boolean(), &r.TagMatchAny),
		bind("tag_routing_prefix", text(), &r.TagPrefix),
		bind("prompt_cache_affinity", boolean(), &r.CacheAffinity),
		bind("deployment_affinity_ttl_seconds", seconds(), &r.AffinityTTL),
		custom("optional_pre_call_checks", "a list of names", preCallChecks),
		bind("provider_budget_config", dict(providerBudget()), &r.ProviderBudgets),
	}
	ks = append(ks, later("belongs in general_settings", "health_check_interval", "health_check_concurrency")...)
	return append(ks, later(notYet, "cache_responses", "cache_kwargs", "caching_groups", "client_ttl",
		"polling_interval", "default_priority", "model_group_affinity_config", "alerting_config",
		"plugins", "debug_level", "set_verbose", "max_retries",
		"num_retries_per_request")...)
}

func strategy() reader[string] {
	return choice("simple-shuffle", "least-busy", "usage-based-routing", "usage-based-routing-v2", "latency-based-routing",
		"cost-based-routing", "provider-budget-routing", "lar1")
}

// strategyArgs is routing_strategy_args.
func strategyArgs(a *StrategyArgs) []key {
	return []key{
		bind("ttl", seconds(), &a.TTL),
		bind("lowest_latency_buffer", number(), &a.Buffer),
		bind("max_latency_list_size", whole[int](1, 64), &a.Samples),
		use("ttft_percentile", number(), func(_ *loader, v float64) {
			if v > 1 {
				v /= 100 // 95 and 0.95 are both in use
			}
			a.Percentile = min(v, 1)
		}),
	}
}

// routingGroups gives groups of models a strategy of their own.
func routingGroups(l *loader, n *node) {
	if n.shape != list {
		l.want(n, "a list like [{group_name: fast, models: [a, b], routing_strategy: latency-based-routing}]")
		return
	}
	of := map[string]string{}
	for _, item := range n.items {
		var name, how string
		var models []string
		var args *StrategyArgs
		before := len(l.problems)
		l.apply(item, append([]key{
			bind("group_name", text(), &name), bind("models", words(), &models), bind("routing_strategy", strategy(), &how),
			custom("routing_strategy_args", "a mapping", func(l *loader, n *node) {
				args = new(StrategyArgs)
				l.apply(n, strategyArgs(args))
			}),
		}, later(notYet, "model_priorities")...))
		if how == "" || l.clean(before) && len(models) == 0 {
			l.ignore(item, "a routing group without models or without a routing_strategy has no effect here")
			continue
		}
		for _, m := range models {
			if first, twice := of[m]; twice {
				l.bad(item, "model %q is in the routing group %q already; it can have one strategy only", m, first)
				continue
			}
			of[m] = name
			if l.cfg.Router.GroupStrategies == nil {
				l.cfg.Router.GroupStrategies, l.cfg.Router.GroupArgs = map[string]string{}, map[string]StrategyArgs{}
			}
			l.cfg.Router.GroupStrategies[m] = how
			if args != nil {
				l.cfg.Router.GroupArgs[m] = *args
			}
		}
	}
}

// hedging is true for every group, or the names of some.
func hedging() reader[Hedging] {
	const kind = "true, false or a list of model groups"
	return reader[Hedging]{kind, func(l *loader, n *node) (Hedging, bool) {
		if n.shape == scalar {
			on, ok := boolean().read(l, n)
			return Hedging{All: on}, ok
		}
		if n.shape != list {
			l.want(n, kind)
			return Hedging{}, false
		}
		groups, ok := words().read(l, n)
		return Hedging{Groups: groups}, ok
	}}
}

// routes is a list of one-entry mappings from a group to where to go instead.
func routes() reader[map[string][]string] {
	const kind = "a list like [{gpt-4o: [claude, local]}]"
	return reader[map[string][]string]{kind, func(l *loader, n *node) (map[string][]string, bool) {
		if n.shape != list {
			l.want(n, kind)
			return nil, false
		}
		out, good := map[string][]string{}, true
		for _, item := range n.items {
			if item.shape != mapping {
				l.want(item, "a mapping like {gpt-4o: [claude, local]}")
				good = false
			}
			for _, f := range item.fields {
				if _, twice := out[f.name]; twice {
					l.bad(f.value, "%q has fallbacks already; put all of them into one list", f.name)
					good = false
				}
				to, ok := targets(l, f.value)
				out[f.name], good = to, good && ok
			}
		}
		return out, good
	}}
}

// targets are the groups to fall back to: names, or mappings with a model.
func targets(l *loader, n *node) ([]string, bool) {
	if n.shape != list {
		return words().read(l, n)
	}
	out, good := make([]string, 0, len(n.items)), true
	for _, item := range n.items {
		if item.shape != mapping {
			name, ok := text().read(l, item)
			out, good = append(out, name), good && ok
			continue
		}
		name := ""
		for _, f := range item.fields {
			if f.name == "model" {
				name, _ = text().read(l, f.value)
				continue
			}
			l.ignore(f.value, "the members of a fallback are not honoured here; give them to the deployments of its model")
		}
		if name == "" {
			l.bad(item, "needs a model")
			good = false
		}
		out = append(out, name)
	}
	return out, good
}

// alias is a group's name, or {model: name, hidden: true}.
func alias() reader[Alias] {
	const kind = "the name of a model group or {model: name, hidden: true}"
	return reader[Alias]{kind, func(l *loader, n *node) (Alias, bool) {
		var a Alias
		switch n.shape {
		case scalar:
			var ok bool
			a.Model, ok = text().read(l, n)
			return a, ok
		case mapping:
			before := len(l.problems)
			l.apply(n, []key{bind("model", text(), &a.Model), bind("hidden", boolean(), &a.Hidden)})
			if a.Model == "" && len(l.problems) == before {
				l.bad(n, "needs a model")
			}
			return a, len(l.problems) == before
		}
		l.want(n, kind)
		return a, false
	}}
}

var failureClasses = []string{
	"BadRequestError", "AuthenticationError", "TimeoutError", "RateLimitError",
	"ContentPolicyViolationError", "InternalServerError", "ServiceUnavailableError", "NotFoundError", "BadGatewayError",
}

func retryPolicy() reader[Policy] {
	return policy("Retries", slices.Concat(failureClasses, []string{"Default"})...)
}

func failsPolicy() reader[Policy] { return policy("AllowedFails", failureClasses...) }

func policy(ending string, classes ...string) reader[Policy] {
	kind := "a mapping like {RateLimitError" + ending + ": 3}"
	return reader[Policy]{kind, func(l *loader, n *node) (Policy, bool) {
		counts := make([]*int, len(classes))
		keys := make([]key, len(classes))
		for i, c := range classes {
			keys[i] = maybe(c+ending, count[int](), &counts[i])
		}
		before := len(l.problems)
		l.apply(n, keys)
		p := Policy{}
		for i, v := range counts {
			if v != nil {
				p[classes[i]] = *v
			}
		}
		return p, len(l.problems) == before
	}}
}

func preCallChecks(l *loader, n *node) {
	names, ok := words().read(l, n)
	if !ok {
		return
	}
	for i, name := range names {
		at := n
		if n.shape == list {
			at = n.items[i]
		}
		switch name {
		case "enforce_model_rate_limits":
			l.cfg.Router.EnforceRateLimits = true
		case "router_budget_limiting": // budgets of deployments and providers always hold here
		case "prompt_caching":
			l.cfg.Router.CacheAffinity = true
		case "session_affinity":
			l.cfg.Router.SessionAffinity = true
		case "deployment_affinity":
			l.cfg.Router.KeyAffinity = true
		case "responses_api_deployment_check", "forward_client_headers_by_model_group", "encrypted_content_affinity":
			l.ignore(at, name+": "+notYet)
		default:
			l.want(at, "the name of a check such as enforce_model_rate_limits")
		}
	}
}

func providerBudget() reader[gateway.Limits] {
	return reader[gateway.Limits]{"{budget_limit: 100, time_period: 1d}", func(l *loader, n *node) (gateway.Limits, bool) {
		var out gateway.Limits
		before := len(l.problems)
		l.apply(n, []key{
			maybe("budget_limit", money(), &out.Budget), maybe("max_budget", money(), &out.Budget),
			bind("time_period", span(), &out.BudgetDuration), bind("budget_duration", span(), &out.BudgetDuration),
		})
		return out, len(l.problems) == before
	}}
}

// finishRouter looks for names that lead nowhere. They are no errors: models
// may also come from the database.
func (l *loader) finishRouter() {
	r := &l.cfg.Router
	if len(l.cfg.Models) == 0 || l.cfg.Server.StoreModelInDB {
		return
	}
	var groups []string
	for _, d := range l.cfg.Models {
		groups = append(groups, d.Group)
		if d.TeamModel != "" {
			groups = append(groups, d.TeamModel)
		}
	}
	groups = slices.AppendSeq(groups, maps.Keys(r.Aliases))
	check := func(where, name string) {
		if name == "*" || slices.ContainsFunc(groups, func(g string) bool { return gateway.Match(g, name, nil) }) {
			return
		}
		w := where + ": there is no model " + name + " in model_list"
		if s := typo.Nearest(name, groups); s != "" {
			w += ", did you mean " + s + "?"
		}
		l.report.Warnings = append(l.report.Warnings, w)
	}
	for _, m := range []struct {
		where  string
		routes map[string][]string
	}{
		{"fallbacks", r.Fallbacks},
		{"context_window_fallbacks", r.ContextWindowFallbacks},
		{"content_policy_fallbacks", r.ContentPolicyFallbacks},
		{"default_fallbacks", map[string][]string{"*": r.DefaultFallbacks}},
	} {
		for _, from := range slices.Sorted(maps.Keys(m.routes)) {
			check(m.where, from)
			for _, to := range m.routes[from] {
				check(m.where, to)
			}
		}
	}
	for _, name := range r.Hedging.Groups {
		check("hedging", name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Aliases)) {
		check("model_group_alias", r.Aliases[name].Model)
	}
}
