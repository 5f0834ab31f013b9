INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, soft_budget, tpm_limit, budget_duration, budget_reset_at, allowed_models, created_at, updated_at) VALUES
    ('b-month', 25.5, NULL, 1000, '30d', '2026-12-01', '{gpt-4o}', '2026-01-05', '2026-01-05'),
    ('b-bad', -1, NULL, NULL, 'soon', NULL, NULL, '2026-01-05', '2026-01-05');
INSERT INTO "LiteLLM_ObjectPermissionTable" (object_permission_id, mcp_servers) VALUES ('p-1', '{github}'), ('p-2', '{}');
INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, models, spend) VALUES ('org-1', 'Acme', 'b-month', '{gpt-4o}', 3.25);
INSERT INTO "LiteLLM_OrganizationMembership" (user_id, organization_id, user_role, spend) VALUES ('ann', 'org-1', 'org_admin', 0), ('bob', 'org-1', NULL, 1);
INSERT INTO "LiteLLM_ModelTable" (id, aliases) VALUES (7, '{"fast": "gpt-4o-mini"}');
INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id, members_with_roles, admins, members, metadata, max_budget, budget_duration, budget_reset_at, spend, models, model_id, created_at) VALUES
    ('team-1', 'Search', 'org-1', '[{"role": "admin", "user_id": "ann", "user_email": null}, {"role": "user", "user_id": "bob"}, {"role": "user", "user_id": null, "user_email": "x@y.z"}]',
     '{}', '{}', '{"tags": ["search"], "team_member_budget_id": "b-month", "guardrails": ["pii"], "note": "kept", "model_rpm_limit": {"gpt-4o": 5}}', 100, '30d', '2026-12-01', 12.5, '{gpt-4o,fast}', 7, '2026-01-01'),
    ('team-old', NULL, NULL, '{}', '{ann}', '{bob,ann}', '[]', NULL, NULL, NULL, 0, NULL, NULL, '2024-01-01');
INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, spend, total_spend, budget_id) VALUES ('bob', 'team-1', 1.5, 4, 'b-month'), ('zoe', 'team-1', 0, 0, NULL), ('bob', 'nowhere', 9, 9, NULL);
INSERT INTO "LiteLLM_UserTable" (user_id, user_email, user_role, spend, max_budget, teams, metadata, password, sso_user_id, created_at) VALUES
    ('ann', 'Ann@acme.test', 'proxy_admin', 1.000000001, 50, '{team-1,team-old}', '{}', NULL, 'sso-ann', '2026-01-01'),
    ('bob', 'ann@ACME.test', 'demo_app_owner', 0.1, NULL, '{team-1}', '{"scim_active": false, "department": "x"}', 'scrypt:…', NULL, '2026-01-01'),
    ('litellm-proxy-budget', NULL, NULL, 77.125, NULL, '{}', '{}', NULL, NULL, '2026-01-01'),
    ('O''Brien"; DROP TABLE users', NULL, NULL, 0, NULL, NULL, '{}', NULL, NULL, NULL);
INSERT INTO "LiteLLM_ProjectTable" (project_id, project_alias, team_id, models, spend, model_rpm_limit, blocked) VALUES ('proj-1', 'Crawler', 'team-1', '{}', 2.5, '{"gpt-4o": 9}', true);
INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, total_spend, expires, models, aliases, user_id, team_id, metadata, blocked, rpm_limit, max_budget, budget_duration,
        budget_reset_at, model_max_budget, budget_id, object_permission_id, created_at, last_active, budget_limits, config, soft_budget_cooldown) VALUES
    (repeat('a', 64), 'sk-...aaaa', 'prod', 0.30000000000000004, 5, NULL, '{gpt-4o}', '{"mini": "gpt-4o-mini"}', 'ann', 'team-1',
     '{"tags": ["x"], "service_account_id": "robot", "logging": [{"callback_name": "langfuse"}], "enforced_params": ["user"], "temp_budget_increase": 10, "temp_budget_expiry": "2026-12-24T00:00:00"}',
     NULL, 60, 10, '30d', '2026-12-01', '{"gpt-4o": {"budget_limit": 2, "time_period": "1d"}}', NULL, 'p-1', '2026-02-03 04:05:06.789', '2026-11-20', NULL, '{}', false),
    (repeat('b', 64), 'sk-...bbbb', 'prod', 0, 0, '2025-01-01', NULL, '{}', NULL, NULL, '{}', true, -3, NULL, NULL, NULL, '{}', NULL, 'p-2', NULL, NULL, NULL, '{}', false),
    (repeat('c', 64), NULL, NULL, 2.25, 0, NULL, '{}', '{}', 'bob', NULL, 'null', false, NULL, NULL, NULL, NULL, '{}', 'b-month', NULL, '2026-02-03', NULL,
     '[{"budget_duration": "24h", "max_budget": 3, "reset_at": null}]', '{}', false),
    (repeat('d', 64), 'sk-...dddd', NULL, 0, 0, NULL, '{}', '{}', 'ann', 'litellm-dashboard', '{}', NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, '2026-02-03', NULL, NULL, '{}', false),
    ('sk-stored-in-clear-0123', NULL, 'oops', 0, 0, NULL, '{}', '{}', NULL, NULL, '{}', NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, '2026-02-03', NULL, NULL, '{}', false),
    (repeat('e', 64), 'sk-...eeee', 'odd', 'NaN', 0, 'infinity', '{}', '{}', NULL, NULL, '{}', NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, '2026-02-03', NULL, NULL, '{}', false),
    (repeat('f', 64), 'sk-...ffff', 'strange', 0, 0, NULL, '{}', '[1]', NULL, NULL, '"text"', NULL, NULL, 'Infinity', 'soon', NULL, '[]', NULL, NULL, '2026-02-03', NULL, '{}', '{"model_list": []}', false);
INSERT INTO "LiteLLM_DeprecatedVerificationToken" (id, token, active_token_id, revoke_at) VALUES
    ('1', repeat('1', 64), repeat('a', 64), '2026-12-31'), ('2', repeat('2', 64), repeat('a', 64), '2026-01-01');
INSERT INTO "LiteLLM_JWTKeyMapping" (id, jwt_claim_name, jwt_claim_value, token) VALUES ('j-1', 'sub', 'robot', repeat('a', 64));
INSERT INTO "LiteLLM_EndUserTable" (user_id, spend, budget_id, blocked, allowed_model_region) VALUES ('customer-1', 0.75, 'b-month', true, 'eu'), ('customer-2', 0, NULL, false, NULL);
INSERT INTO "LiteLLM_TagTable" (tag_name, description, models, spend, budget_id) VALUES ('search', 'of search', NULL, 0.5, NULL);
INSERT INTO "LiteLLM_Config" (param_name, param_value) VALUES ('general_settings', '{"store_model_in_db": true, "nothing": null}'), ('environment_variables', '{"OPENAI_API_KEY": "sealed"}'),
    ('litellm_settings', '{}'), ('router_settings', '{"num_retries": 2, "routing_strategy": "latency-based-routing"}'), ('model_cost_map_reload_config', '{"interval_hours": 6}');
INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, prompt_tokens, completion_tokens, "startTime", "endTime", model, model_group, custom_llm_provider, "user", team_id, end_user,
        request_tags, metadata, status, session_id) VALUES
    ('chatcmpl-1', 'acompletion', repeat('a', 64), 0.0012345678912, 100, 20, '2026-11-20 10:00:00', '2026-11-20 10:00:01.5', 'gpt-4o', 'gpt-4o', 'openai', 'ann', 'team-1', 'customer-1',
     '["search", "x"]', '{"usage_object": {"prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 8}}, "attempted_retries": 1}', 'success', 's-1'),
    ('chatcmpl-2', 'aembedding', 'litellm_proxy_master_key', 0.002, 50, 0, '2026-11-20 11:00:00', '2026-11-20 10:59:59', 'text-embedding-3-small', '', 'openai', 'default_user_id', NULL, NULL,
     NULL, NULL, NULL, NULL),
    ('failed-1', 'acompletion', repeat('a', 64), 0, 0, 0, '2026-11-21', '2026-11-21', '', 'gpt-4o', '', 'ann', 'team-1', '', '"text"',
     '{"status": "failure", "error_information": {"error_class": "RateLimitError", "error_message": "slow down"}, "usage_object": "none"}', 'failure', NULL),
    ('negative', 'acompletion', '', -1, 0, 0, '2026-11-21', '2026-11-21', '', '', '', '', NULL, '', '[]', '[]', 'success', NULL);
INSERT INTO "LiteLLM_BudgetWindowSpend" (entity_type, entity_id, window_duration, window_start, spend) VALUES ('key', repeat('c', 64), '24h', '2026-11-24', 0.25), ('key', repeat('c', 64), '1h', '2026-11-20', 1);
INSERT INTO "LiteLLM_AuditLog" (id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values) VALUES
    ('audit-1', '2026-11-01 08:00', 'ann', repeat('a', 64), 'updated', 'LiteLLM_VerificationToken', repeat('a', 64), '{"max_budget": 5, "team_id": "team-1"}', '{"max_budget": 10, "team_id": "team-1"}'),
    ('audit-2', '2026-11-02 08:00', 'default_user_id', '', 'created', 'LiteLLM_ProxyModelTable', 'm-1', 'null', '{"model_name": "stored", "litellm_params": {"api_key": "azure-in-the-log", "model": "openai/gpt-4o"}}'),
    ('audit-3', '2026-11-03 08:00', 'ann', '', 'deleted', 'LiteLLM_TeamTable', 'team-gone', '"text"', NULL);
INSERT INTO "LiteLLM_DailyUserSpend" (user_id, date, api_key, model, model_group, custom_llm_provider, endpoint, spend, api_requests, successful_requests, failed_requests, prompt_tokens, completion_tokens, cache_read_input_tokens) VALUES
    ('ann', '2026-10-05', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', '/chat/completions', 1.25, 20, 19, 1, 2000, 300, 100),
    ('ann', '2026-10-05', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', '/responses', 0.25, 10, 10, 0, 1000, 200, 0),
    ('ann', '2026-11-20', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', '/chat/completions', 0.0012345678912, 1, 1, 0, 100, 20, 60),
    ('ann', '2026-11-21', repeat('a', 64), '', 'gpt-4o', '', '/chat/completions', 0, 1, 0, 1, 0, 0, 0),
    ('ann', '2026-11-24', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', '/chat/completions', 0.125, 1, 1, 0, 10, 2, 0),
    ('default_user_id', '2026-11-20', 'litellm_proxy_master_key', 'text-embedding-3-small', '', 'openai', '/embeddings', 0.006, 3, 3, 0, 150, 0, 0),
    ('ann', 'someday', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', '', 9, 9, 9, 0, 9, 9, 0);
INSERT INTO "LiteLLM_DailyTeamSpend" (team_id, date, api_key, model, model_group, custom_llm_provider, spend, api_requests, successful_requests, prompt_tokens, completion_tokens) VALUES
    ('team-1', '2026-10-05', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', 1.5, 30, 30, 3000, 500);
INSERT INTO "LiteLLM_DailyTagSpend" (tag, date, api_key, model, model_group, custom_llm_provider, spend, api_requests, successful_requests, prompt_tokens, completion_tokens) VALUES
    ('search', '2026-11-20', repeat('a', 64), 'gpt-4o', 'gpt-4o', 'openai', 0.5012345678912, 2, 2, 120, 30);
INSERT INTO "LiteLLM_DailyAgentSpend" (agent_id, date, api_key, spend, api_requests) VALUES ('agent-1', '2026-10-05', '', 1, 1);
INSERT INTO "LiteLLM_DailyGlobalSpend" (date, model, spend, api_requests) VALUES ('2026-10-05', 'gpt-4o', 1.5, 30);
INSERT INTO "LiteLLM_DeletedVerificationToken" (id, token, key_alias, spend, deleted_at, deleted_by) VALUES ('gone-1', repeat('9', 64), 'prod', 3, '2026-10-01', 'ann');
INSERT INTO "LiteLLM_DeletedTeamTable" (id, team_id, spend, members_with_roles) VALUES ('gone-2', 'team-gone', 3, '[{"role": "admin", "user_id": "ann"}]');
INSERT INTO "LiteLLM_ModelAccessGroupBudgetTable" (access_group_name, spend, budget_id) VALUES ('premium', 0.75, 'b-month');
INSERT INTO "LiteLLM_ErrorLogs" (request_id, "startTime", "endTime") VALUES ('failed-1', '2026-11-21', '2026-11-21');
INSERT INTO "LiteLLM_InvitationLink" (id, user_id, expires_at, created_at, created_by, updated_at, updated_by) VALUES ('i-1', 'bob', '2026-12-01', '2026-11-01', 'ann', '2026-11-01', 'ann');
INSERT INTO "LiteLLM_UserNotifications" (request_id, user_id, models, justification, status) VALUES ('n-1', 'bob', '{gpt-4o}', 'please', 'pending');
INSERT INTO "LiteLLM_CronJob" (cronjob_id, pod_id, ttl) VALUES ('c-1', 'pod', '2026-11-24');
INSERT INTO "LiteLLM_ProxyWorkerHeartbeat" (worker_id) VALUES ('w-1');
INSERT INTO "LiteLLM_AccessGroupTable" (access_group_id, access_group_name, access_model_names, access_mcp_server_ids, assigned_team_ids) VALUES ('g-1', 'fast ones', '{gpt-4o-mini}', '{github}', '{team-1}');
INSERT INTO "LiteLLM_SSOConfig" (sso_settings) VALUES ('{"google_client_id": "sealed"}');
INSERT INTO "LiteLLM_ConfigOverrides" (config_type, config_value) VALUES ('hashicorp_vault', '{}');
