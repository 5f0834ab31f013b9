package openai

import "strings"

// GatewayOnly reports whether the top-level member name is for a gateway and
// must never reach a vendor: it holds our credentials, routing or accounting,
// and vendors refuse members they do not know.
//
// "metadata" is not in the list, because OpenAI has a metadata of its own. It
// goes to the vendor only if "store" is true: gateways use the same member for
// tags and trace ids.
func GatewayOnly(name string) bool {
	switch name {
	case "api_key", "api_base", "base_url", "api_version", "organization", "custom_llm_provider", "user_config", "model_list",
		"timeout", "request_timeout", "stream_timeout", "num_retries", "max_retries", "retry_policy",
		"fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "disable_fallbacks", "include_fallback_errors",
		"mock_response", "mock_tool_calls", "mock_timeout", "mock_testing_fallbacks", "mock_testing_context_fallbacks",
		"mock_testing_content_policy_fallbacks", "mock_testing_rate_limit_error",
		"cache", "caching", "ttl", "no-log", "no_log", "tags", "priority", "keepalive_seconds",
		"guardrails", "guardrail_config", "policies", "disable_global_guardrails",
		"litellm_metadata", "litellm_call_id", "litellm_trace_id", "litellm_session_id", "litellm_params", "litellm_logging_obj",
		"proxy_server_request", "secret_fields", "model_info", "model_group", "base_model", "preset_cache_key",
		"drop_params", "additional_drop_params", "allowed_openai_params", "modify_params", "extra_body", "extra_headers",
		"prompt_id", "prompt_variables", "prompt_version", "prompt_label",
		"success_callback", "failure_callback", "callbacks",
		"rpm", "tpm", "max_parallel_requests", "cooldown_time", "region_name", "allowed_model_region":
		return true
	}
	if len(name) < len("user_api_key") {
		return false
	}
	return strings.HasPrefix(name, "input_cost_per_") || strings.HasPrefix(name, "output_cost_per_") ||
		strings.HasPrefix(name, "cache_creation_input_") || strings.HasPrefix(name, "cache_read_input_") ||
		strings.HasPrefix(name, "user_api_key")
}
