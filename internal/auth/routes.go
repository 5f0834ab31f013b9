package auth

import (
	"slices"
	"strings"
)

// routeGroups are LiteLLM's names for sets of routes, as they may stand in
// allowed_routes. {} is one part of a path, an entry that ends in * stands for
// all that begins like it, and one without a slash for another group.
var routeGroups = map[string][]string{
	"llm_api_routes": {
		"openai_routes", "anthropic_routes", "google_routes", "mcp_routes", "agent_routes", "litellm_native_routes", "mapped_pass_through_routes",
		"/guardrails/apply_guardrail", "/model/info", "/v1/model/info", "/model_group/info",
	},
	"openai_routes": {
		"/v1/explain*",
		"/chat/completions", "/v1/chat/completions", "/completions", "/v1/completions", "/embeddings", "/v1/embeddings", "/engines/*",
		"/openai/deployments/{}/chat/completions", "/openai/deployments/{}/completions", "/openai/deployments/{}/embeddings",
		"/images/generations", "/v1/images/generations", "/images/edits", "/v1/images/edits", "/videos*", "/v1/videos*",
		"/audio/transcriptions", "/v1/audio/transcriptions", "/audio/speech", "/v1/audio/speech", "/moderations", "/v1/moderations",
		"/batches*", "/v1/batches*", "/files*", "/v1/files*", "/fine_tuning/jobs*", "/v1/fine_tuning/jobs*", "/assistants*", "/v1/assistants*",
		"/threads*", "/v1/threads*", "/models", "/v1/models", "/models/*", "/v1/models/*", "/utils/token_counter", "/utils/model_info", "/utils/transform_request",
		"/rerank", "/v1/rerank", "/v2/rerank", "/realtime*", "/v1/realtime*", "/responses*", "/v1/responses*", "/openai/v1/responses*",
		"/vector_stores*", "/v1/vector_stores*", "/search*", "/v1/search*", "/ocr", "/v1/ocr", "/containers*", "/v1/containers*",
	},
	"anthropic_routes":      {"/v1/explain*", "/v1/messages", "/v1/messages/count_tokens", "/v1/skills*"},
	"google_routes":         {"/v1beta/models/*", "/models/*", "/interactions*", "/v1beta/interactions*"},
	"mcp_routes":            {"/mcp*", "/v1/mcp*"},
	"agent_routes":          {"/a2a/*", "/v1/a2a/*", "/agents", "/v1/agents"},
	"litellm_native_routes": {"/rag/*", "/v1/rag/*", "/v1/traces", "/traces"},
	"mapped_pass_through_routes": {
		"/anthropic/*", "/openai/*", "/gemini/*", "/vertex_ai/*", "/vertex-ai/*", "/bedrock/*", "/azure/*", "/azure_ai/*", "/cohere/*", "/mistral/*",
		"/vllm/*", "/assemblyai/*", "/eu.assemblyai/*", "/langfuse/*",
	},
	"info_routes": {
		"/key/info", "/key/health", "/v2/key/info", "/key/list", "/team/info", "/team/list", "/v2/team/list", "/team/available", "/team/metadata_schema",
		"/organization/list", "/user/info", "/v2/user/info", "/user/filter/ui", "/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info",
		"/health", "/health/services", "/models", "/v1/models", "/v1/explain*",
	},
	"key_management_routes": {
		"/key/generate", "/key/update", "/key/delete", "/key/info", "/key/regenerate", "/key/list", "/key/block", "/key/unblock", "/key/bulk_update",
		"/key/aliases", "/key/service-account/generate", "/key/{}/regenerate", "/key/{}/reset_spend", "/team/key/bulk_update",
		"/team/daily/activity*", "/spend/logs", "/spend/logs/v2",
	},
	"management_routes": {
		"key_management_routes", "/user/new", "/user/update", "/user/bulk_update", "/user/delete", "/user/info", "/user/list", "/user/daily/activity*",
		"/team/new", "/team/update", "/team/delete", "/team/list", "/team/info", "/team/block", "/team/unblock", "/team/available",
		"/team/permissions_list", "/team/permissions_update", "/team/permissions_bulk_update", "/team/daily/activity*", "/team/spend/by_user",
		"/model/new", "/model/update", "/model/{}/update", "/model/delete", "/model/info", "/jwt/key/mapping/*",
	},
	"spend_tracking_routes": {
		"/spend/keys", "/spend/users", "/spend/tags", "/spend/calculate", "/spend/logs", "/spend/logs/*", "/key/spend/report", "/user/spend/report",
		"/team/spend/report", "/organization/spend/report", "/cost/estimate", "/management/v1/spend_logs/*",
	},
	"global_spend_tracking_routes": {"/global/spend", "/global/spend/*", "/global/predict/spend/logs", "/spend/capture_rate"},
	"self_managed_routes": {
		"/team/update", "/team/member_add", "/team/member_delete", "/team/member_update", "/team/permissions_list", "/team/permissions_update",
		"/team/daily/activity*", "/user/daily/activity*", "/organization/daily/activity*", "/team/{}/members/me", "/team/{}/callback*",
		"/model/new", "/model/update", "/model/delete", "/model/{}/update", "/user/list", "/user/available_roles", "/user/password/change",
		"/invitation/new", "/invitation/delete", "/project/*", "/health/test_connection",
	},
	"org_admin_only_routes": {
		"/organization/info", "/organization/delete", "/organization/member_add", "/organization/member_update", "/organization/member_delete",
	},
	"master_key_only_routes": {"/global/spend/reset"},
	"public_routes":          {"/", "/routes", "/health/liveliness", "/health/liveness", "/health/readiness", "/test", "/config/yaml", "/public/*"},
}

// KnownRoutes reports whether an entry of allowed_routes can name anything: a
// path, or a group there is.
func KnownRoutes(entry string) bool {
	_, group := routeGroups[entry]
	return group || strings.HasPrefix(entry, "/") || entry == "*"
}

// listed reports whether the path is one of those that a list of routes and
// groups stands for.
func listed(list []string, path string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		group, ok := routeGroups[entry]
		return ok && inGroup(group, path) || !ok && within(entry, path)
	})
}

func inGroup(group []string, path string) bool {
	for _, entry := range group {
		switch {
		case entry[0] != '/':
			if inGroup(routeGroups[entry], path) {
				return true
			}
		case like(entry, path):
			return true
		}
	}
	return false
}

// like reports whether a path is what a pattern of a group stands for. A name in
// the middle may have slashes in it, as that of a model.
func like(pattern, path string) bool {
	for {
		fixed, rest, part := strings.Cut(pattern, "{}")
		if !part {
			begin, star := strings.CutSuffix(fixed, "*")
			return path == fixed || star && strings.HasPrefix(path, begin)
		}
		if !strings.HasPrefix(path, fixed) {
			return false
		}
		path, pattern = path[len(fixed):], rest
		if rest != "" && !strings.ContainsAny(rest, "{*") {
			return len(path) > len(rest) && strings.HasSuffix(path, rest)
		}
		end := strings.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if end == 0 {
			return false
		}
		path = path[end:]
	}
}
