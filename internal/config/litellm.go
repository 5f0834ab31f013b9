package config

import (
	"fmt"
	"strings"
	"time"

	"penstock/internal/gateway"
)

const (
	notYet    = "not honoured here yet"
	unchecked = "not honoured here yet: nothing is refused because of it"
	python    = "needs Python code inside the gateway; send calls to a webhook with the callback generic_api instead"
	notHere   = "has no meaning here"
	paid      = "not needed: nothing here asks for a licence"
)

// file maps LiteLLM's sections onto the Config. The order is that of
// precedence: what comes later overwrites.
func (l *loader) file(root *node) {
	l.apply(root.get("litellm_settings"), l.litellmKeys())
	l.apply(root.get("router_settings"), l.routerKeys())
	l.apply(root.get("general_settings"), l.generalKeys())
	l.finishRedis()
	l.finishJWT(root.get("general_settings"))
	l.credentials(root.get("credential_list"))
	l.models(root.get("model_list"))
	l.finishLogging(root.get("callback_settings"))
	l.finishRouter()
	l.sections(root)
}

// sectionKeys are the sections of the file. Those with a set function here do
// nothing in it: file has read them in the order that precedence needs.
func sectionKeys() []key {
	done := func(*loader, *node) {}
	ks := []key{
		custom("model_list", "a list of deployments", done),
		custom("litellm_settings", "a mapping", done),
		custom("router_settings", "a mapping", done),
		custom("general_settings", "a mapping", done),
		custom("environment_variables", "a mapping of names to text", done),
		custom("credential_list", "a list of credentials", done),
		custom("callback_settings", "a mapping of callbacks to their options", done),
		custom("include", "a list of files", done),
	}
	ks = append(ks, later(unchecked, "guardrails", "policies", "policy_attachments")...)
	return append(ks, later(notYet, "prompts", "mcp_servers", "mcp_tools",
		"mcp_aliases", "agents", "agent_list", "vector_store_registry", "search_tools", "sandbox_tools",
		"assistant_settings", "files_settings", "finetune_settings", "default_vertex_config", "worker_registry")...)
}

func (l *loader) sections(root *node) {
	top := *root
	top.fields = nil
	for _, f := range root.fields {
		// x-… is where people keep their anchors.
		if !strings.HasPrefix(f.name, "x-") {
			top.fields = append(top.fields, f)
		}
	}
	l.apply(&top, sectionKeys())
}

// litellmKeys is litellm_settings.
func (l *loader) litellmKeys() []key {
	s, r, g := &l.cfg.Server, &l.cfg.Router, &l.cfg.Logging
	ks := []key{
		bind("drop_params", boolean(), &s.DropParams),
		bind("num_retries", count[int](), &r.NumRetries),
		use("request_timeout", seconds(), func(l *loader, d time.Duration) { s.RequestTimeout, r.Timeout = d, d }),
		bind("fallbacks", routes(), &r.Fallbacks),
		bind("default_fallbacks", words(), &r.DefaultFallbacks),
		bind("context_window_fallbacks", routes(), &r.ContextWindowFallbacks),
		bind("content_policy_fallbacks", routes(), &r.ContentPolicyFallbacks),
		maybe("allowed_fails", count[int](), &r.AllowedFails),
		bind("max_fallbacks", count[int](), &r.MaxFallbacks),

		callbackKey("callbacks", true, true),
		callbackKey("success_callback", true, false),
		callbackKey("failure_callback", false, true),
		bind("turn_off_message_logging", boolean(), &g.RedactMessages),
		bind("redact_user_api_key_info", boolean(), &g.RedactKeyInfo),
		bind("json_logs", boolean(), &g.JSONLogs),
		use("set_verbose", boolean(), func(l *loader, on bool) {
			if on {
				g.Level = "debug"
			}
		}),
		bind("langfuse_default_tags", words(), &l.logs.langfuseTags),
		bind("generic_logger_headers", dict(text()), &l.logs.headers),

		use("max_budget", money(), func(l *loader, v gateway.NanoUSD) {
			// LiteLLM's default is 0 and means "no budget" there.
			if v > 0 {
				s.Global.Budget = &v
			}
		}),
		bind("budget_duration", span(), &s.Global.BudgetDuration),
		bind("budget_exceeded_status_code", whole[int](400, 599), &s.BudgetExceededStatus),
		bind("max_end_user_budget_id", text(), &s.EndUserBudgetID),
		maybe("default_soft_budget", money(), &s.DefaultSoftBudget),
		bind("tag_budget_config", dict(providerBudget()), &s.TagBudgets),
		bind("timezone", zone(), &s.Timezone),
		bind("budget_reset_time", clock(), &s.BudgetResetTime),
		bind("model_alias_map", dict(text()), &s.ModelAliases),
		bind("block_requests_for_models_without_pricing", boolean(), &s.BlockUnpriced),
		bind("extra_spend_tag_headers", words(), &s.SpendTagHeaders),
		bind("disable_add_user_agent_to_request_tags", boolean(), &s.NoAgents),
		bind("require_auth_for_metrics_endpoint", boolean(), &s.RequireMetricsAuth),
		custom("cache_params", "a mapping", sharedRedis),
	}
	ks = append(ks, l.peopleKeys()...)
	ks = append(ks, custom("default_team_settings", "a list of {team_id, success_callback, failure_callback, …}", teamLogging))
	ks = append(ks, later(python, "custom_provider_map", "post_call_rules", "pre_call_rules")...)
	ks = append(ks, later(unchecked, "guardrails", "key_alias_pattern",
		"max_end_user_budget", "validate_end_user_id_in_db", "user_url_validation")...)
	ks = append(ks, later(notHere, "enable_preview_features", "aiohttp_trust_env", "enable_redis_auth_cache",
		"route_all_chat_openai_to_responses")...)
	return append(ks, later(notYet, "modify_params", "num_retries_per_request", "service_callback", "service_callbacks",
		"audit_log_callbacks", "store_audit_logs", "cache", "redact_messages_in_exceptions",
		"log_raw_request_response", "standard_logging_payload_excluded_fields", "global_disable_no_log_param",
		"langfuse_enable_update_trace_keys",
		"budget_exceeded_throttle_percentage",
		"budget_rollover", "model_group_settings",
		"public_model_groups", "priority_reservation", "priority_reservation_settings",
		"overwrite_user_with_key_hash",
		"add_user_information_to_llm_headers", "forward_traceparent_to_llm_provider", "ssl_verify",
		"ssl_certificate", "force_ipv4", "enable_json_schema_validation", "disable_end_user_cost_tracking",
		"disable_end_user_cost_tracking_prometheus_only", "prometheus_metrics_config", "prometheus_exclude_metrics",
		"prometheus_exclude_labels", "prometheus_latency_buckets", "prometheus_initialize_budget_metrics",
		"prometheus_emit_stream_label", "prometheus_emit_rate_limit_labels",
		"prometheus_emit_input_sequence_length_label", "custom_prometheus_metadata_labels",
		"custom_prometheus_tags", "s3_callback_params", "gcs_callback_params", "datadog_params",
		"aws_sqs_callback_params", "cold_storage_custom_logger", "include_cost_in_streaming_usage",
		"expose_router_debug_in_errors", "sse_keepalive_ping_interval_seconds", "anthropic_sse_ping_interval_seconds",
		"disable_streaming_logging", "skip_system_message_in_guardrail",
		"request_correlation_in_logs", "responses", "cost_discount_config", "cost_margin_config",
		"use_chat_completions_url_for_anthropic_messages", "enable_loadbalancing_on_batch_endpoints",
		"image_generation_model")...)
}

// keyParamKeys is default_key_generate_params: fields of a new key.
func keyParamKeys(p *KeyParams) []key {
	ks := append(upperKeys(p),
		bind("models", words(), &p.Models),
		bind("team_id", text(), &p.TeamID),
		bind("user_id", text(), &p.UserID),
		bind("tags", words(), &p.Tags),
		bind("metadata", object(), &p.Metadata),
		maybe("soft_budget", money(), &p.Limits.SoftBudget),
	)
	ks = append(ks, moreKeys(p)...)
	ks = append(ks, later("every key must have an alias of its own", "key_alias")...)
	return append(ks, later(notYet, "config", "send_invite_email")...)
}

// moreKeys are the fields of keys that only the management API understands.
func moreKeys(p *KeyParams) []key {
	windows := reader[struct{}]{"a list of {budget_duration, max_budget}", func(l *loader, n *node) (struct{}, bool) {
		if n.shape != list {
			l.want(n, "a list of {budget_duration, max_budget}")
		}
		return struct{}{}, n.shape == list
	}}
	ks := []key{kept(p, "budget_limits", windows)}
	for _, name := range []string{"permissions", "model_max_budget", "object_permission", "router_settings", "budget_fallbacks"} {
		ks = append(ks, kept(p, name, object()))
	}
	for _, name := range []string{"allowed_routes", "allowed_cache_controls", "allowed_ips", "enforced_params", "access_group_ids", "guardrails", "policies", "prompts"} {
		ks = append(ks, kept(p, name, words()))
	}
	for _, name := range []string{"budget_id", "end_user_budget_id", "organization_id", "project_id"} {
		ks = append(ks, kept(p, name, text()))
	}
	for _, name := range []string{"model_rpm_limit", "model_tpm_limit", "tag_rpm_limit"} {
		ks = append(ks, kept(p, name, dict(count[int64]())))
	}
	return append(ks,
		kept(p, "aliases", dict(text())), kept(p, "spend", money()), kept(p, "tpd_limit", count[int64]()), kept(p, "blocked", boolean()),
		kept(p, "key_type", choice("default", "llm_api", "management", "read_only")), kept(p, "auto_rotate", boolean()), kept(p, "rotation_interval", span()))
}

// kept is a key whose value r must understand, and which is kept as JSON.
func kept[T any](p *KeyParams, name string, r reader[T]) key {
	return custom(name, r.kind, func(l *loader, n *node) {
		v, ok := r.read(l, n)
		if !ok {
			return
		}
		var b []byte
		if words, is := any(v).([]string); is { // one name may stand for a list of it
			b = appendList(words)
		} else {
			b, ok = l.json(nil, n)
		}
		if ok {
			p.More = append(p.More, gateway.Param{Name: name, Value: b})
		}
	})
}

func appendList(words []string) []byte {
	b := []byte{'['}
	for i, w := range words {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, w)
	}
	return append(b, ']')
}

// upperKeys is upperbound_key_generate_params: what has an order.
func upperKeys(p *KeyParams) []key {
	return []key{
		maybe("max_budget", money(), &p.Limits.Budget),
		bind("budget_duration", span(), &p.Limits.BudgetDuration),
		bind("duration", span(), &p.Duration),
		maybe("tpm_limit", count[int64](), &p.Limits.TPM),
		maybe("rpm_limit", count[int64](), &p.Limits.RPM),
		maybe("max_parallel_requests", count[int64](), &p.Limits.Parallel),
	}
}

func zone() reader[*time.Location] {
	return one(`a time zone like "Europe/Paris"`, func(s string) (*time.Location, bool) {
		z, err := time.LoadLocation(s)
		// "Local" would give every replica its own budget windows.
		return z, err == nil && s != "Local"
	})
}

// clock is a time of day, as time since midnight.
func clock() reader[time.Duration] {
	return one(`a time of day like "04:30"`, func(s string) (time.Duration, bool) {
		var h, m int
		if n, err := fmt.Sscanf(s, "%d:%d", &h, &m); n != 2 || err != nil || len(s) > 5 {
			return 0, false
		}
		return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, h >= 0 && h < 24 && m >= 0 && m < 60
	})
}
