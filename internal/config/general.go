package config

import (
	"strconv"
	"time"
)

// generalKeys is general_settings.
func (l *loader) generalKeys() []key {
	s := &l.cfg.Server
	ks := []key{
		bind("master_key", secret(), &s.MasterKey),
		bind("dangerously_permit_weak_or_unset_master_key", boolean(), &s.AllowWeakMasterKey),
		bind("database_url", secret(), &s.DatabaseURL),
		bind("store_model_in_db", boolean(), &s.StoreModelInDB),
		bind("model_list_healthy_only", boolean(), &s.ListHealthy),
		bind("proxy_config_reload_interval_seconds", seconds(), &s.ConfigPoll),
		bind("data_dir", text(), &s.DataDir),
		bind("journal_fsync", fsync(), &s.JournalFsync),
		bind("ledger_hash_chain", boolean(), &s.LedgerChain),
		bind("on_journal_failure", journalFailure(), &s.ServeUnjournaled),
		use("max_request_size_mb", number(), func(l *loader, mb float64) {
			if mb > 0 {
				s.MaxRequestBytes, s.MaxRequestSet = int64(min(mb, 1<<20)*(1<<20)), true
			}
		}),
		bind("allow_client_side_credentials", boolean(), &s.AllowClientCredentials),
		bind("litellm_key_header_name", text(), &s.KeyHeader),
		bind("allow_requests_on_db_unavailable", boolean(), &s.OpenWhenStoreDown),
		bind("user_api_key_cache_ttl", seconds(), &s.KeyCacheTTL),
		maybe("global_rpm_limit", count[int64](), &s.Global.RPM),
		maybe("global_tpm_limit", count[int64](), &s.Global.TPM),
		maybe("global_max_parallel_requests", count[int64](), &s.Global.Parallel),
		maybe("max_parallel_requests", count[int64](), &s.DefaultKeyParallel),
		use("enforce_global_limits", boolean(), func(_ *loader, on bool) { s.Global.Shadow = !on }),
		bind("token_rate_limit_type", choice("total", "input", "output"), &s.CountTokens),
		bind("apply_user_budget_to_team_keys", boolean(), &s.UserBudgetsInTeams),
		bind("unpriced", choice("block", "estimate", "allow"), &s.Unpriced),
		bind("unpriced_input_cost_per_token", price(), &s.UnpricedInput),
		bind("unpriced_output_cost_per_token", price(), &s.UnpricedOutput),
		bind("user_header_name", text(), &s.UserHeader),
		custom("user_header_mappings", "a list of {header_name, litellm_user_role}", userHeaders),
		bind("enforce_user_param", boolean(), &s.EnforceUserParam),
		maybe("always_include_stream_usage", boolean(), &s.AlwaysStreamUsage),
		bind("store_prompts_in_spend_logs", boolean(), &s.StorePrompts),
		bind("disable_spend_logs", boolean(), &s.DisableSpendLogs),
		bind("maximum_spend_logs_retention_period", length(), &s.SpendLogsRetention),
		bind("maximum_spend_logs_retention_interval", length(), &s.RetentionInterval),
		bind("background_health_checks", boolean(), &s.Health.Background),
		bind("health_check_interval", seconds(), &s.Health.Every),
		bind("health_check_concurrency", count[int](), &s.Health.Concurrency),
		bind("health_check_details", boolean(), &s.Health.Details),
		bind("enable_health_check_routing", boolean(), &s.Health.Routing),
		bind("health_check_staleness_threshold", seconds(), &s.Health.Stale),
		bind("health_check_ignore_transient_errors", boolean(), &s.Health.IgnoreTransient),
		bind("reject_clientside_metadata_tags", boolean(), &s.RejectClientTags),
		bind("forward_client_headers_to_llm_api", boolean(), &s.ForwardHeaders),
		custom("on_store_failure", "local_share, open or closed, or a mapping of requests, tokens, parallel and budgets to them", storeFailure),
		bind("limit_store_timeout", seconds(), &s.LimitStoreTimeout),
		use("fail_closed_rate_limit_enforcement", boolean(), func(l *loader, closed bool) {
			if closed {
				f := &l.cfg.Server.OnStoreFailure
				f.Requests, f.Tokens, f.Parallel = "closed", "closed", "closed"
			}
		}),
		use("fail_closed_budget_enforcement", boolean(), func(l *loader, closed bool) {
			if closed {
				l.cfg.Server.OnStoreFailure.Budgets = "closed"
			}
		}),
		custom("coordination_redis", "a mapping", func(l *loader, n *node) {
			l.redis = redisParts{} // it wins over all others
			l.apply(n, redisKeys(&l.redis))
		}),
	}
	ks = append(ks, l.accessKeys()...)
	ks = append(ks, bind("disable_custom_api_keys", boolean(), &l.cfg.Keys.NoCustom))
	ks = append(ks, custom("team_metadata_schema", "a list of {key, label}", func(l *loader, n *node) { l.teamMetadata(n) }))
	ks = append(ks, l.passwordKeys()...)
	ks = append(ks, l.jwtKeys()...)
	ks = append(ks, later(python, "custom_auth", "custom_key_generate", "custom_sso", "custom_auth_run_common_checks")...)
	ks = append(ks, later(paid, "litellm_license")...)
	ks = append(ks, later("not needed: budget windows are computed when they are read", "proxy_budget_rescheduler_min_time",
		"proxy_budget_rescheduler_max_time", "disable_reset_budget")...)
	ks = append(ks, later("not needed: spend is journaled at once and booked in the background", "proxy_batch_write_at",
		"use_redis_transaction_buffer")...)
	ks = append(ks, later("not needed: replicas on one database use each other's checks", "use_shared_health_check")...)
	ks = append(ks, later("not needed: upstream is always cancelled when the client leaves", "cancel_on_disconnect")...)
	ks = append(ks, later(notHere, "database_connect_timeout", "database_socket_timeout", "database_extra_connection_params",
		"database_disable_prepared_statements", "user_api_key_cache_max_size", "max_in_flight_requests_per_worker",
		"max_queued_requests_per_worker", "admission_queue_timeout_seconds", "proxy_batch_polling_interval",
		"disable_budget_reservation", "disable_responses_id_security")...)
	ks = append(ks, later(unchecked, "default_team_disabled")...)
	return append(ks, later(notYet, "database_connection_pool_limit", "database_connection_timeout", "supported_db_objects",
		"completion_model", "embedding_model", "image_generation_model", "moderation_model",
		"infer_model_from_keys",
		"background_health_check_model_groups", "health_check_skip_disabled_background_models",
		"alerting", "alerting_threshold", "alert_types", "alert_to_webhook_url",
		"alerting_args", "alert_type_config", "spend_report_frequency", "disable_spend_updates",
		"disable_error_logs", "spend_logs_metadata_fields",
		"pass_through_endpoints", "pass_through_request_timeout", "forward_openai_org_id",
		"forward_llm_provider_auth_headers", "use_client_credentials_pass_through_routes", "missing_session_id",
		"expose_fallback_errors_to_caller", "dangerously_allow_mock_testing_request_params",
		"include_call_id_in_error_body", "key_management_system",
		"key_management_settings",
		"ui_access_mode",
		"disable_auto_add_proxy_admin_to_teams", "encryption_algorithm",
		"enable_drain_endpoint", "drain_endpoint_token",
		"allow_public_health_readiness_details")...)
}

// journalFailure says what becomes of calls when the journal takes no entries.
func journalFailure() reader[bool] {
	return one(`refuse or serve`, func(s string) (bool, bool) { return s == "serve", s == "serve" || s == "refuse" })
}

func fsync() reader[Fsync] {
	return one(`always, off or a time like "100ms"`, func(s string) (Fsync, bool) {
		switch s {
		case "always":
			return Fsync{Always: true}, true
		case "off", "false":
			return Fsync{}, true
		}
		d, err := time.ParseDuration(s)
		return Fsync{Every: d}, err == nil && d > 0 && d <= time.Minute
	})
}

// userHeaders takes the header that names the customer. Headers for internal
// users would let a client choose whom it is charged to.
func userHeaders(l *loader, n *node) {
	items := []*node{n}
	if n.shape == list {
		items = n.items
	}
	for _, item := range items {
		var header, role string
		l.apply(item, []key{bind("header_name", text(), &header), bind("litellm_user_role", text(), &role)})
		switch {
		case role == "customer" && header != "":
			l.cfg.Server.UserHeader = header
		case role != "":
			l.ignore(item, "litellm_user_role "+strconv.Quote(role)+": "+notYet)
		}
	}
}
