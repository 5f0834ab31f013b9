package config

import (
	"regexp"
	"strings"

	"penstock/internal/gateway"
)

// paramKeys is litellm_params. What is not in it is a request parameter.
func paramKeys(dr *draft) []key {
	d := &dr.d
	ks := []key{
		bind("model", text(), &dr.model),
		bind("custom_llm_provider", text(), &dr.custom),
		bind("api_key", secret(), &d.APIKey),
		bind("api_base", baseURL(), &d.BaseURL),
		bind("base_url", baseURL(), &d.BaseURL),
		bind("api_version", text(), &d.APIVersion),
		bind("organization", words(), &dr.orgs),
		bind("rpm", count[int64](), &d.RPM),
		bind("tpm", count[int64](), &d.TPM),
		bind("weight", number(), &d.Weight),
		bind("tags", words(), &d.Tags),
		custom("tag_regex", "a list of regular expressions", func(l *loader, n *node) { tagRegex(l, d, n) }),
		bind("region_name", text(), &d.Region),
		bind("order", whole[int](-1<<20, 1<<20), &d.Order),
		bind("max_parallel_requests", count[int64](), &d.MaxParallel),
		bind("timeout", seconds(), &d.Timeout),
		bind("request_timeout", seconds(), &d.Timeout),
		bind("stream_timeout", seconds(), &d.StreamIdle),
		maybe("num_retries", count[int](), &d.Retries),
		maybe("cooldown_time", seconds(), &d.Cooldown),
		bind("drop_params", boolean(), &d.DropParams),
		bind("additional_drop_params", words(), &d.DropAlways),
		bind("allowed_openai_params", words(), &d.AllowParams),
		bind("extra_headers", dict(text()), &d.Headers),
		bind("extra_body", params(), &dr.extra),
		custom("configurable_clientside_auth_params", "a list of api_key and api_base", func(l *loader, n *node) { clientCredentials(l, d, n) }),
		custom("litellm_credential_name", "the name of a credential", func(*loader, *node) {}), // read by mergedParams
		maybe("max_budget", money(), &dr.budget.Budget),
		bind("budget_duration", span(), &dr.budget.BudgetDuration),
		custom("mock_response", "any value", func(*loader, *node) {}), // read by leftOut
	}
	ks = append(ks, later("no provider here takes it yet", "azure_ad_token", "tenant_id", "client_id", "client_secret",
		"azure_scope", "azure_username", "azure_password", "vertex_project", "vertex_location", "vertex_credentials",
		"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "aws_session_name",
		"aws_profile_name", "aws_role_name", "aws_web_identity_token", "aws_sts_endpoint", "aws_external_id",
		"aws_bedrock_runtime_endpoint", "watsonx_region_name")...)
	ks = append(ks, later(unchecked, "guardrails")...)
	ks = append(ks, later("give one price per token instead", "tiered_pricing")...)
	return append(ks, later(notYet, "itpm", "otpm", "max_retries",
		"timeout_by_service_tier", "stream_timeout_by_service_tier", "silent_model",
		"default_api_key_tpm_limit", "default_api_key_rpm_limit", "keepalive_seconds",
		"allow_client_keepalive_override", "use_in_pass_through", "use_litellm_proxy", "use_chat_completions_api",
		"merge_reasoning_content_in_choices", "cache_control_injection_points", "max_file_size_mb",
		"provider_affinity_header", "complexity_router_config", "auto_router_config", "auto_router_config_path",
		"auto_router_default_model", "auto_router_embedding_model")...)
}

// ability is a key that says whether the model can do something.
func ability(name string, c gateway.Capability, d *gateway.Deployment) key {
	return use(name, boolean(), func(_ *loader, can bool) {
		d.Said |= c
		if can {
			d.Abilities |= c
		}
	})
}

// tagRegex checks patterns here, so that a broken one is found at start.
func tagRegex(l *loader, d *gateway.Deployment, n *node) {
	patterns, _ := words().read(l, n)
	for _, p := range patterns {
		if _, err := regexp.Compile(p); err != nil {
			l.bad(n, "%q is no regular expression: %v", p, err)
			continue
		}
		d.TagRegex = append(d.TagRegex, p)
	}
}

// isPrice reports whether a parameter is a price field. There are too many
// combinations of unit, tier and size to list.
func isPrice(name string) bool {
	return strings.Contains(name, "_cost_per_") || strings.Contains(name, "_token_cost")
}

func (l *loader) params(dr *draft, n *node) {
	known := make(map[string]key)
	for _, k := range paramKeys(dr) {
		known[k.name] = k
	}
	for _, f := range n.fields {
		k, ok := known[f.name]
		switch {
		case ok:
			l.take(k, f.value)
		case f.value.shape == null:
		case isPrice(f.name):
			l.price(dr, f)
		default:
			if v, ok := l.json(nil, f.value); ok {
				dr.d.Defaults = append(dr.d.Defaults, gateway.Param{Name: f.name, Value: v})
			}
		}
	}
}

func (l *loader) price(dr *draft, f field) {
	if f.value.shape == null {
		return
	}
	if v, ok := price().read(l, f.value); ok {
		dr.d.Prices[f.name] = v
	}
}

// baseURL is an absolute URL. A typo here would otherwise show as a connection
// error of every call.
func baseURL() reader[string] {
	return one("a URL like https://api.example.com/v1", func(s string) (string, bool) {
		return s, strings.HasPrefix(s, "https://") && len(s) > 8 || strings.HasPrefix(s, "http://") && len(s) > 7
	})
}

func clientCredentials(l *loader, d *gateway.Deployment, n *node) {
	if n.shape != list {
		l.want(n, "a list of api_key and api_base")
		return
	}
	for _, item := range n.items {
		if item.shape == mapping {
			// Taking the name without its pattern would allow more than was meant.
			l.ignore(item, "patterns for client credentials are not honoured here, so the field stays forbidden")
			continue
		}
		if name, ok := choice("api_key", "api_base", "base_url").read(l, item); ok {
			if name == "base_url" {
				name = "api_base"
			}
			d.ClientCredentials = append(d.ClientCredentials, name)
		}
	}
}

// infoKeys is model_info. Other keys are shown by /model/info and do nothing.
func infoKeys(dr *draft) []key {
	d := &dr.d
	shown := func(*loader, *node) {} // only listed
	ks := []key{
		bind("id", text(), &d.ID),
		bind("base_model", text(), &d.BaseModel),
		bind("mode", text(), &d.Mode),
		bind("access_groups", words(), &d.AccessGroups),
		bind("tpm", count[int64](), &d.TPM),
		bind("rpm", count[int64](), &d.RPM),
		bind("order", whole[int](-1<<20, 1<<20), &d.Order),
		maybe("cooldown_time", seconds(), &d.Cooldown),
		bind("disable_background_health_check", boolean(), &d.Check.Off),
		bind("health_check_model", text(), &d.Check.Model),
		bind("health_check_timeout", seconds(), &d.Check.Timeout),
		bind("health_check_max_tokens", count[int64](), &d.Check.MaxTokens),
		bind("supported_environments", words(), &dr.environs),
		bind("blocked", boolean(), &d.Blocked),
		use("discoverable", boolean(), func(_ *loader, on bool) { d.Hidden = !on }),
		bind("team_id", text(), &d.TeamID),
		bind("team_public_model_name", text(), &d.TeamModel),
		maybe("enable_tag_filtering", boolean(), &d.TagFiltering),
		maybe("allowed_fails", count[int](), &d.AllowedFails),
		use("allowed_fails_policy", failsPolicy(), func(_ *loader, p Policy) { d.FailsPolicy = p }),
		bind("max_input_tokens", count[int64](), &d.MaxInput),
		ability("supports_vision", gateway.Vision, d),
		ability("supports_function_calling", gateway.Tools, d),
		ability("supports_response_schema", gateway.ResponseSchema, d),
		ability("supports_audio_input", gateway.AudioInput, d),
		custom("max_tokens", "a whole number", shown),
		custom("max_output_tokens", "a whole number", shown),
		custom("db_model", "true or false", shown),
		custom("tier", "text", shown),
	}
	return append(ks, later(notYet, "access_windows", "health_check_max_tokens_reasoning", "health_check_max_tokens_non_reasoning",
		"health_check_voice", "health_check_params", "health_check_reasoning_effort",
		"health_check_supports_max_tokens", "tiered_pricing")...)
}

// modelInfo runs before params, which win over its alternates.
func (l *loader) modelInfo(dr *draft) {
	if dr.info.shape == null {
		return
	}
	if dr.info.shape != mapping {
		l.want(dr.info, "a mapping")
		return
	}
	known := make(map[string]key)
	for _, k := range infoKeys(dr) {
		known[k.name] = k
	}
	for _, f := range dr.info.fields {
		switch k, ok := known[f.name]; {
		case ok:
			l.take(k, f.value)
		case isPrice(f.name):
			l.price(dr, f)
		}
	}
}
