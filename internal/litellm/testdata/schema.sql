-- The tables of LiteLLM 1.106 as far as rows of them mean something elsewhere.
CREATE TABLE "LiteLLM_BudgetTable" (
    budget_id TEXT PRIMARY KEY, max_budget DOUBLE PRECISION, soft_budget DOUBLE PRECISION, max_parallel_requests INTEGER, tpm_limit BIGINT, rpm_limit BIGINT,
    tpd_limit BIGINT, model_max_budget JSONB, budget_duration TEXT, budget_reset_at TIMESTAMP(3), allowed_models TEXT[] DEFAULT '{}',
    temp_budget_increase DOUBLE PRECISION, temp_budget_expiry TIMESTAMP(3),
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, created_by TEXT NOT NULL DEFAULT '', updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "LiteLLM_ObjectPermissionTable" (
    object_permission_id TEXT PRIMARY KEY, mcp_servers TEXT[] DEFAULT '{}', mcp_access_groups TEXT[] DEFAULT '{}', mcp_tool_permissions JSONB, vector_stores TEXT[] DEFAULT '{}',
    agents TEXT[] DEFAULT '{}', agent_access_groups TEXT[] DEFAULT '{}', models TEXT[] DEFAULT '{}', blocked_tools TEXT[] DEFAULT '{}',
    mcp_toolsets TEXT[] DEFAULT '{}', search_tools TEXT[] DEFAULT '{}', mcp_tool_search_enabled BOOLEAN, skills TEXT[] DEFAULT '{}'
);
CREATE TABLE "LiteLLM_OrganizationTable" (
    organization_id TEXT PRIMARY KEY, organization_alias TEXT NOT NULL, budget_id TEXT NOT NULL REFERENCES "LiteLLM_BudgetTable", metadata JSONB DEFAULT '{}', models TEXT[],
    spend DOUBLE PRECISION NOT NULL DEFAULT 0, model_spend JSONB DEFAULT '{}', object_permission_id TEXT,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, created_by TEXT NOT NULL DEFAULT '', updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "LiteLLM_ModelTable" (
    id SERIAL PRIMARY KEY, aliases JSONB, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, created_by TEXT NOT NULL DEFAULT '',
    updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_by TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "LiteLLM_TeamTable" (
    team_id TEXT PRIMARY KEY, team_alias TEXT, organization_id TEXT, object_permission_id TEXT, admins TEXT[], members TEXT[], members_with_roles JSONB NOT NULL DEFAULT '{}',
    metadata JSONB NOT NULL DEFAULT '{}', max_budget DOUBLE PRECISION, soft_budget DOUBLE PRECISION, spend DOUBLE PRECISION NOT NULL DEFAULT 0, models TEXT[],
    max_parallel_requests INTEGER, tpm_limit BIGINT, rpm_limit BIGINT, tpd_limit BIGINT, budget_duration TEXT, budget_reset_at TIMESTAMP(3), blocked BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, model_spend JSONB NOT NULL DEFAULT '{}',
    model_max_budget JSONB NOT NULL DEFAULT '{}', router_settings JSONB DEFAULT '{}', team_member_permissions TEXT[] DEFAULT '{}', access_group_ids TEXT[], policies TEXT[],
    default_team_member_models TEXT[], budget_limits JSONB, model_id INTEGER UNIQUE, allow_team_guardrail_config BOOLEAN NOT NULL DEFAULT false
);
CREATE TABLE "LiteLLM_TeamMembership" (
    user_id TEXT, team_id TEXT, spend DOUBLE PRECISION NOT NULL DEFAULT 0, total_spend DOUBLE PRECISION NOT NULL DEFAULT 0, budget_id TEXT, PRIMARY KEY (user_id, team_id)
);
CREATE TABLE "LiteLLM_OrganizationMembership" (
    user_id TEXT, organization_id TEXT, user_role TEXT, spend DOUBLE PRECISION DEFAULT 0, budget_id TEXT,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (user_id, organization_id)
);
CREATE TABLE "LiteLLM_UserTable" (
    user_id TEXT PRIMARY KEY, user_alias TEXT, team_id TEXT, sso_user_id TEXT UNIQUE, organization_id TEXT, object_permission_id TEXT, password TEXT, teams TEXT[] DEFAULT '{}',
    user_role TEXT, max_budget DOUBLE PRECISION, spend DOUBLE PRECISION NOT NULL DEFAULT 0, user_email TEXT, models TEXT[], metadata JSONB NOT NULL DEFAULT '{}',
    max_parallel_requests INTEGER, tpm_limit BIGINT, rpm_limit BIGINT, budget_duration TEXT, budget_reset_at TIMESTAMP(3), allowed_cache_controls TEXT[] DEFAULT '{}',
    policies TEXT[] DEFAULT '{}', model_spend JSONB NOT NULL DEFAULT '{}', model_max_budget JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3)
);
CREATE TABLE "LiteLLM_ProjectTable" (
    project_id TEXT PRIMARY KEY, project_alias TEXT, description TEXT, team_id TEXT, budget_id TEXT, metadata JSONB DEFAULT '{}', models TEXT[], spend DOUBLE PRECISION DEFAULT 0,
    model_spend JSONB DEFAULT '{}', model_rpm_limit JSONB DEFAULT '{}', model_tpm_limit JSONB DEFAULT '{}', blocked BOOLEAN DEFAULT false, object_permission_id TEXT,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3), updated_by TEXT
);
CREATE TABLE "LiteLLM_VerificationToken" (
    token TEXT PRIMARY KEY, key_name TEXT, key_alias TEXT, soft_budget_cooldown BOOLEAN NOT NULL DEFAULT false, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    total_spend DOUBLE PRECISION NOT NULL DEFAULT 0, expires TIMESTAMP(3), models TEXT[], aliases JSONB NOT NULL DEFAULT '{}', config JSONB NOT NULL DEFAULT '{}',
    router_settings JSONB DEFAULT '{}', user_id TEXT, team_id TEXT, agent_id TEXT, project_id TEXT, permissions JSONB NOT NULL DEFAULT '{}', max_parallel_requests INTEGER,
    metadata JSONB NOT NULL DEFAULT '{}', blocked BOOLEAN, tpm_limit BIGINT, rpm_limit BIGINT, tpd_limit BIGINT, max_budget DOUBLE PRECISION, budget_duration TEXT,
    budget_reset_at TIMESTAMP(3), allowed_cache_controls TEXT[] DEFAULT '{}', allowed_routes TEXT[] DEFAULT '{}', key_type TEXT, policies TEXT[] DEFAULT '{}',
    access_group_ids TEXT[] DEFAULT '{}', model_spend JSONB NOT NULL DEFAULT '{}', model_max_budget JSONB NOT NULL DEFAULT '{}', budget_fallbacks JSONB NOT NULL DEFAULT '{}',
    budget_id TEXT, organization_id TEXT, object_permission_id TEXT, created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3), updated_by TEXT,
    last_active TIMESTAMP(3), rotation_count INTEGER DEFAULT 0, auto_rotate BOOLEAN DEFAULT false, rotation_interval TEXT, last_rotation_at TIMESTAMP(3), key_rotation_at TIMESTAMP(3),
    budget_limits JSONB
);
CREATE TABLE "LiteLLM_DeprecatedVerificationToken" (
    id TEXT PRIMARY KEY, token TEXT UNIQUE, active_token_id TEXT, revoke_at TIMESTAMP(3), created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_JWTKeyMapping" (
    id TEXT PRIMARY KEY, jwt_issuer TEXT NOT NULL DEFAULT '', jwt_claim_name TEXT, jwt_claim_value TEXT, token TEXT, description TEXT, is_active BOOLEAN DEFAULT true,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3), updated_by TEXT
);
CREATE TABLE "LiteLLM_EndUserTable" (
    user_id TEXT PRIMARY KEY, alias TEXT, spend DOUBLE PRECISION NOT NULL DEFAULT 0, allowed_model_region TEXT, default_model TEXT, models TEXT[] DEFAULT '{}', budget_id TEXT,
    object_permission_id TEXT, blocked BOOLEAN NOT NULL DEFAULT false
);
CREATE TABLE "LiteLLM_TagTable" (
    tag_name TEXT PRIMARY KEY, description TEXT, models TEXT[], model_info JSONB, spend DOUBLE PRECISION NOT NULL DEFAULT 0, budget_id TEXT,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3)
);
CREATE TABLE "LiteLLM_ProxyModelTable" (
    model_id TEXT PRIMARY KEY, model_name TEXT, litellm_params JSONB, model_info JSONB, blocked BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_by TEXT
);
CREATE TABLE "LiteLLM_CredentialsTable" (
    credential_id TEXT PRIMARY KEY, credential_name TEXT UNIQUE, display_name TEXT, credential_values JSONB, credential_info JSONB,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_by TEXT
);
CREATE TABLE "LiteLLM_AccessGroupTable" (
    access_group_id TEXT PRIMARY KEY, access_group_name TEXT UNIQUE, description TEXT, access_model_names TEXT[] DEFAULT '{}', access_mcp_server_ids TEXT[] DEFAULT '{}',
    access_agent_ids TEXT[] DEFAULT '{}', assigned_team_ids TEXT[] DEFAULT '{}', assigned_key_ids TEXT[] DEFAULT '{}',
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, created_by TEXT, updated_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_by TEXT
);
CREATE TABLE "LiteLLM_Config" (param_name TEXT PRIMARY KEY, param_value JSONB, last_run_at TIMESTAMP(3), reload_revision BIGINT NOT NULL DEFAULT 0);
CREATE TABLE "LiteLLM_SpendLogs" (
    request_id TEXT PRIMARY KEY, call_type TEXT NOT NULL, api_key TEXT NOT NULL DEFAULT '', spend DOUBLE PRECISION NOT NULL DEFAULT 0, total_tokens INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0, completion_tokens INTEGER NOT NULL DEFAULT 0, "startTime" TIMESTAMP(3) NOT NULL, "endTime" TIMESTAMP(3) NOT NULL,
    "completionStartTime" TIMESTAMP(3), model TEXT NOT NULL DEFAULT '', model_id TEXT DEFAULT '', model_group TEXT DEFAULT '', custom_llm_provider TEXT DEFAULT '', api_base TEXT DEFAULT '',
    "user" TEXT DEFAULT '', metadata JSONB DEFAULT '{}', cache_hit TEXT DEFAULT '', cache_key TEXT DEFAULT '', request_tags JSONB DEFAULT '[]', team_id TEXT, organization_id TEXT,
    end_user TEXT, requester_ip_address TEXT, messages JSONB DEFAULT '{}', response JSONB DEFAULT '{}', session_id TEXT, status TEXT, proxy_server_request JSONB DEFAULT '{}',
    request_duration_ms INTEGER, mcp_namespaced_tool_name TEXT, billing_agent_id TEXT, agent_id TEXT, litellm_call_id TEXT,
    created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX ON "LiteLLM_SpendLogs" ("startTime", request_id);
CREATE TABLE "LiteLLM_BudgetWindowSpend" (
    entity_type TEXT, entity_id TEXT, window_duration TEXT, window_start TIMESTAMP(3), spend DOUBLE PRECISION, created_at TIMESTAMP(3), updated_at TIMESTAMP(3),
    PRIMARY KEY (entity_type, entity_id, window_duration)
);
CREATE TABLE "LiteLLM_AuditLog" (
    id TEXT PRIMARY KEY, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, changed_by TEXT NOT NULL DEFAULT '', changed_by_api_key TEXT NOT NULL DEFAULT '', action TEXT NOT NULL,
    table_name TEXT NOT NULL, object_id TEXT NOT NULL, before_value JSONB, updated_values JSONB
);
CREATE TABLE "LiteLLM_DailyUserSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, user_id TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_DailyTeamSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, team_id TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, ptu_flat_cost DOUBLE PRECISION NOT NULL DEFAULT 0
);
CREATE TABLE "LiteLLM_DailyTagSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, tag TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, request_id TEXT
);
CREATE TABLE "LiteLLM_DailyOrganizationSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, organization_id TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_DailyEndUserSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, end_user_id TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_DailyAgentSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, agent_id TEXT, date TEXT NOT NULL, api_key TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_DailyGlobalSpend" (
    id TEXT PRIMARY KEY DEFAULT gen_random_uuid()::text, date TEXT NOT NULL, model TEXT, model_group TEXT, custom_llm_provider TEXT, mcp_namespaced_tool_name TEXT, endpoint TEXT,
    prompt_tokens BIGINT NOT NULL DEFAULT 0, completion_tokens BIGINT NOT NULL DEFAULT 0, cache_read_input_tokens BIGINT NOT NULL DEFAULT 0, cache_creation_input_tokens BIGINT NOT NULL DEFAULT 0,
    compression_saved_tokens BIGINT NOT NULL DEFAULT 0, compression_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, prompt_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    gateway_injected_caching_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, autorouter_savings_spend DOUBLE PRECISION NOT NULL DEFAULT 0, spend DOUBLE PRECISION NOT NULL DEFAULT 0,
    api_requests BIGINT NOT NULL DEFAULT 0, successful_requests BIGINT NOT NULL DEFAULT 0, failed_requests BIGINT NOT NULL DEFAULT 0, total_response_time_ms BIGINT NOT NULL DEFAULT 0,
    timed_requests BIGINT NOT NULL DEFAULT 0, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE "LiteLLM_DeletedVerificationToken" (
    LIKE "LiteLLM_VerificationToken" INCLUDING DEFAULTS, id TEXT PRIMARY KEY, deleted_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, deleted_by TEXT, deleted_by_api_key TEXT, litellm_changed_by TEXT
);
CREATE TABLE "LiteLLM_DeletedTeamTable" (
    LIKE "LiteLLM_TeamTable" INCLUDING DEFAULTS, id TEXT PRIMARY KEY, deleted_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, deleted_by TEXT, deleted_by_api_key TEXT, litellm_changed_by TEXT
);
CREATE TABLE "LiteLLM_ModelAccessGroupBudgetTable" (
    access_group_name TEXT PRIMARY KEY, spend DOUBLE PRECISION NOT NULL DEFAULT 0, budget_id TEXT, created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, created_by TEXT,
    updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_by TEXT
);
CREATE TABLE "LiteLLM_ErrorLogs" (
    request_id TEXT PRIMARY KEY, "startTime" TIMESTAMP(3) NOT NULL, "endTime" TIMESTAMP(3) NOT NULL, api_base TEXT NOT NULL DEFAULT '', model_group TEXT NOT NULL DEFAULT '',
    litellm_model_name TEXT NOT NULL DEFAULT '', model_id TEXT NOT NULL DEFAULT '', request_kwargs JSONB NOT NULL DEFAULT '{}', exception_type TEXT NOT NULL DEFAULT '',
    exception_string TEXT NOT NULL DEFAULT '', status_code TEXT NOT NULL DEFAULT ''
);
CREATE TABLE "LiteLLM_SSOConfig" (id TEXT PRIMARY KEY DEFAULT 'sso_config', sso_settings JSONB NOT NULL, created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3));
CREATE TABLE "LiteLLM_CacheConfig" (id TEXT PRIMARY KEY DEFAULT 'cache_config', cache_settings JSONB NOT NULL, created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3));
CREATE TABLE "LiteLLM_UISettings" (id TEXT PRIMARY KEY DEFAULT 'ui_settings', ui_settings JSONB NOT NULL, created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3));
CREATE TABLE "LiteLLM_ConfigOverrides" (config_type TEXT PRIMARY KEY, config_value JSONB NOT NULL, created_at TIMESTAMP(3) DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP(3));
CREATE TABLE "LiteLLM_InvitationLink" (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, is_accepted BOOLEAN NOT NULL DEFAULT false, accepted_at TIMESTAMP(3), expires_at TIMESTAMP(3) NOT NULL, created_at TIMESTAMP(3) NOT NULL,
    created_by TEXT NOT NULL, updated_at TIMESTAMP(3) NOT NULL, updated_by TEXT NOT NULL
);
CREATE TABLE "LiteLLM_UserNotifications" (request_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, models TEXT[], justification TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE "LiteLLM_CronJob" (cronjob_id TEXT PRIMARY KEY, pod_id TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'INACTIVE', last_updated TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, ttl TIMESTAMP(3) NOT NULL);
CREATE TABLE "LiteLLM_ProxyWorkerHeartbeat" (worker_id TEXT PRIMARY KEY, hostname TEXT, started_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, last_heartbeat_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP);
