package app

import (
	"penstock/internal/config"
	"penstock/internal/limit"
	"penstock/internal/router"
)

// Unhonoured returns the settings that a configuration sets, that package
// config understands, and that no package acts on yet, each with what that
// means. They are said at every start: a limit that is not kept must not be
// believed to be.
func Unhonoured(c *config.Config) []string {
	var out []string
	s, r := &c.Server, &c.Router
	for _, x := range [...]struct {
		set  bool
		what string
	}{
		{!router.Strategy(r.Strategy).Known(), "router_settings.routing_strategy: " + r.Strategy + " (simple-shuffle is used)"},
		{s.AllowClientCredentials, "general_settings.allow_client_side_credentials (clients' api_base and api_key are refused)"},
		{s.OpenWhenStoreDown, "general_settings.allow_requests_on_db_unavailable (keys are in memory anyway)"},
		{s.AlwaysStreamUsage != nil, "general_settings.always_include_stream_usage (usage is shown if the client asks)"},
		{s.StorePrompts, "general_settings.store_prompts_in_spend_logs (prompts are not stored)"},
		{s.DisableSpendLogs, "general_settings.disable_spend_logs (calls are booked)"},
		{len(s.SpendTagHeaders) > 0, "litellm_settings.extra_spend_tag_headers"},
		{s.ForwardHeaders, "general_settings.forward_client_headers_to_llm_api"},
		{s.RateWindow != 0 && s.RateWindow != limit.Sliding, "LITELLM_RATE_LIMIT_WINDOW_SIZE (rates are counted over the last 60 seconds)"},
		{c.Logging.RedactKeyInfo, "litellm_settings.redact_user_api_key_info"},
	} {
		if x.set {
			out = append(out, x.what)
		}
	}
	return out
}
