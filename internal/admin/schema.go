package admin

import (
	"net/http"
	"reflect"
	"strings"

	"penstock/internal/auth"
	"penstock/internal/openapi"
)

// shape is what a route reads and writes.
type shape struct {
	in, out reflect.Type
	needed  []string // members of the body
	media   string   // of the answer, "" for JSON
	status  int      // of the answer, 0 for 200
	params  []openapi.Param
}

// needs says which members the body must have.
func (s shape) needs(names ...string) shape {
	s.needed = names
	return s
}

// as says what the answer is if not JSON.
func (s shape) as(media string) shape {
	s.media, s.out = media, nil
	return s
}

// answers says with which status it answers, if not with 200.
func (s shape) answers(status int) shape {
	s.status = status
	return s
}

// takes is a route with a body.
func takes[In, Out any](params ...[]openapi.Param) shape {
	s := shows[Out](params...)
	s.in = reflect.TypeFor[In]()
	return s
}

// shows is a route without one.
func shows[Out any](params ...[]openapi.Param) shape {
	s := shape{out: reflect.TypeFor[Out]()}
	for _, p := range params {
		s.params = append(s.params, p...)
	}
	return s
}

func texts(names ...string) []openapi.Param { return each(openapi.Text(), names) }

// must are texts that have to be sent.
func must(names ...string) []openapi.Param {
	out := texts(names...)
	for i := range out {
		out[i].Required = true
	}
	return out
}

func flags(names ...string) []openapi.Param { return each(openapi.Bool(), names) }

func number(name string, least, most int64) []openapi.Param {
	return each(openapi.Between(least, most), []string{name})
}

func oneOf(name string, words ...string) []openapi.Param {
	return each(openapi.OneOf(words...), []string{name})
}

// paging is the number of a page and how many rows it has.
func paging(size string, most int64) []openapi.Param {
	return append(number("page", 1, 1_000_000), number(size, 1, most)...)
}

func each(s *openapi.Schema, names []string) []openapi.Param {
	var out []openapi.Param
	for _, name := range names {
		hint := hints[name]
		out = append(out, openapi.Param{Name: name, Says: hint.Says, Schema: (&openapi.Hint{Example: hint.Example}).On(s)})
	}
	return out
}

// shapes says what every route reads and writes. A route without a line here
// fails TestEveryRouteHasAShape.
func shapes() map[string]shape {
	out := map[string]shape{
		"GET /key/aliases":                   shows[keyAliases](paging("size", 100), texts("team_id", "search")),
		"POST /key/block":                    takes[keyBody, keyRow]().needs("key"),
		"POST /key/bulk_update":              takes[bulkKeysBody, bulkUpdated]().needs("keys"),
		"POST /key/delete":                   takes[deleteBody, deleted](),
		"POST /key/generate":                 takes[generateBody, generated](),
		"POST /key/health":                   takes[struct{ unknown }, keyHealth](),
		"GET /key/info":                      shows[keyInfo](texts("key")),
		"POST /v2/key/info":                  takes[keysBody, keyInfos]().needs("keys"),
		"GET /key/list":                      shows[keyList](paging("size", 100), oneOf("expand", "user"), oneOf("sort_by", "spend", "max_budget", "created_at", "updated_at", "token", "key_alias"), oneOf("sort_order", "asc", "desc"), texts("user_id", "team_id", "organization_id", "project_id", "key_hash", "search", "key_alias", "after", "status", "agent_id", "access_group_id"), flags("return_full_object", "substring_matching", "include_team_keys", "include_created_by_keys")),
		"POST /key/regenerate":               takes[regenerateBody, generated](),
		"POST /key/service-account/generate": takes[generateBody, generated](),
		"POST /key/successor":                takes[keyBody, successor](),
		"POST /key/unblock":                  takes[keyBody, keyRow]().needs("key"),
		"POST /key/update":                   takes[updateBody, updated](),
		"POST /key/{key}/regenerate":         takes[regenerateBody, generated](),
		"POST /key/{key}/reset_spend":        takes[resetBody, spendReset]().needs("reset_to"),

		"GET /user/available_roles": shows[availableRoles](),
		"POST /user/bulk_update":    takes[bulkUsersBody, usersUpdated](),
		"POST /user/delete":         takes[userIDsBody, int]().needs("user_ids"),
		"GET /user/filter/ui":       shows[[]foundUser](paging("page_size", 100), texts("user_email", "user_id")),
		"GET /user/info":            shows[userInfo](texts("user_id")),
		"GET /v2/user/info":         shows[userDetail](texts("user_id")),
		"GET /user/list":            shows[userPage](paging("page_size", 100), oneOf("sort_by", "user_id", "user_email", "user_alias", "user_role", "created_at", "updated_at", "spend", "max_budget"), oneOf("sort_order", "asc", "desc"), texts("user_email", "role", "search", "user_ids", "sso_user_ids", "team", "organization_ids")),
		"POST /user/new":            takes[userBody, newUser](),
		"POST /user/update":         takes[userFields, userUpdated](),

		"POST /user/password/change": takes[passwordBody, passwordChanged]().needs("new_password"),
		"POST /invitation/new":       takes[invitationBody, invitationRow]().needs("user_id"),
		"GET /invitation/info":       shows[invitationRow](must("invitation_id")),
		"POST /invitation/update":    takes[invitationUpdate, invitationRow]().needs("invitation_id", "is_accepted"),
		"POST /invitation/delete":    takes[invitationID, invitationRow]().needs("invitation_id"),

		"GET /team/metadata_schema":                          shows[metadataSchema](),
		"GET /team/available":                                shows[[]teamRow](),
		"POST /team/block":                                   takes[teamIDBody, teamRow]().needs("team_id"),
		"POST /team/bulk_member_add":                         takes[bulkMembersBody, membersAdded]().needs("team_id"),
		"POST /team/delete":                                  takes[teamIDsBody, teamsDeleted]().needs("team_ids"),
		"GET /team/filter/ui":                                shows[[]teamRow](paging("page_size", 100), texts("team_alias", "team_id")),
		"GET /team/info":                                     shows[teamInfo](number("key_limit", 0, 1000), must("team_id")),
		"POST /team/key/bulk_update":                         takes[teamKeysBody, bulkUpdated]().needs("team_id"),
		"GET /team/list":                                     shows[[]listedTeam](texts("user_id", "organization_id")),
		"GET /v2/team/list":                                  shows[listedTeams](paging("page_size", 100), oneOf("sort_by", "team_id", "team_alias", "created_at", "updated_at", "spend", "max_budget"), oneOf("sort_order", "asc", "desc"), texts("organization_id", "team_alias", "search", "team_id", "user_id", "status")),
		"POST /team/member_add":                              takes[addMembersBody, teamWithChanges]().needs("team_id", "member"),
		"POST /team/member_delete":                           takes[memberRef, teamRow]().needs("team_id"),
		"POST /team/member_update":                           takes[updateMemberBody, memberUpdated]().needs("team_id"),
		"POST /team/model/add":                               takes[teamModelsBody, teamRow]().needs("team_id", "models"),
		"POST /team/model/delete":                            takes[teamModelsBody, teamRow]().needs("team_id", "models"),
		"POST /team/new":                                     takes[teamBody, teamRow](),
		"POST /team/permissions_bulk_update":                 takes[bulkPermissionsBody, permissionsAdded]().needs("permissions"),
		"GET /team/permissions_list":                         shows[permissions](must("team_id")),
		"POST /team/permissions_update":                      takes[permissionsBody, teamRow]().needs("team_id", "team_member_permissions"),
		"POST /team/unblock":                                 takes[teamIDBody, teamRow]().needs("team_id"),
		"POST /team/update":                                  takes[teamFields, teamUpdated]().needs("team_id"),
		"PATCH /team/{team_id}":                              takes[teamFields, teamUpdated](),
		"POST /team/{team_id}/member/{user_id}/reset_budget": takes[struct{ unknown }, membership](),
		"POST /team/{team_id}/member/{user_id}/reset_spend":  takes[resetBody, memberReset]().needs("reset_to"),
		"GET /team/{team_id}/callback":                       shows[teamCallbacks](),
		"POST /team/{team_id}/callback":                      takes[callbackBody, callbackAdded]().needs("callback_name", "callback_vars"),
		"DELETE /team/{team_id}/callback/{callback_name}":    shows[teamCallbacks](),
		"POST /team/{team_id}/disable_logging":               takes[struct{ unknown }, teamCallbacks](),
		"GET /team/{team_id}/members/me":                     shows[ownPlace](),

		"DELETE /project/delete": takes[projectIDsBody, []projectRow]().needs("project_ids"),
		"GET /project/info":      shows[projectRow](must("project_id")),
		"GET /project/list":      shows[[]projectRow](texts("team_id", "search")),
		"POST /project/new":      takes[projectFields, projectRow]().needs("team_id"),
		"POST /project/update":   takes[projectFields, projectRow]().needs("project_id"),

		"DELETE /organization/delete":              takes[organizationIDsBody, []organizationRow]().needs("organization_ids"),
		"GET /organization/info":                   shows[organizationWithPeople](must("organization_id")),
		"POST /organization/info":                  takes[organizationsBody, []organizationRow]().needs("organizations"),
		"GET /organization/list":                   shows[[]organizationWithPeople](paging("page_size", maxListed), texts("org_id", "org_alias")),
		"POST /organization/member_add":            takes[orgMembersBody, orgMembersAdded]().needs("organization_id", "member"),
		"DELETE /organization/member_delete":       takes[orgMemberBody, orgMemberRow]().needs("organization_id"),
		"PATCH /organization/member_update":        takes[orgMemberBody, orgMemberRow]().needs("organization_id"),
		"POST /organization/member_update":         takes[orgMemberBody, orgMemberRow]().needs("organization_id"),
		"POST /organization/new":                   takes[organizationFields, organizationRow]().needs("organization_alias"),
		"PATCH /organization/update":               takes[organizationFields, organizationRow]().needs("organization_id"),
		"POST /organization/update":                takes[organizationFields, organizationRow]().needs("organization_id"),
		"PATCH /v2/organization/{organization_id}": takes[organizationFields, organizationRow](),

		"POST /budget/delete":  takes[budgetIDBody, storedBudgetRow]().needs("id"),
		"POST /budget/info":    takes[budgetsBody, []storedBudgetRow]().needs("budgets"),
		"GET /budget/list":     shows[[]storedBudgetRow](paging("page_size", maxListed), texts("search")),
		"POST /budget/new":     takes[budgetFields, storedBudgetRow](),
		"GET /budget/settings": shows[[]settingRow](must("budget_id")),
		"POST /budget/update":  takes[budgetFields, storedBudgetRow]().needs("budget_id"),

		"POST /model/block":              takes[modelIDBody, storedModelRow]().needs("model_id"),
		"POST /model/delete":             takes[modelIDBody, messageRow]().needs("id"),
		"GET /model/info":                shows[modelList](texts("litellm_model_id", "teamId"), flags("include_team_models", "healthy_only")),
		"GET /v1/model/info":             shows[modelList](texts("litellm_model_id", "teamId"), flags("include_team_models", "healthy_only")),
		"GET /v2/model/info":             shows[modelPage](paging("size", 1000), oneOf("sortBy", "model_name", "model_id", "provider", "created_at", "updated_at", "costs", "status"), oneOf("sortOrder", "asc", "desc"), texts("model", "modelId", "teamId", "access_group", "search"), flags("wildcard_only", "include_team_models", "user_models_only", "debug")),
		"POST /model/new":                takes[modelBody, storedModelRow]().needs("model_name", "litellm_params"),
		"POST /model/unblock":            takes[modelIDBody, storedModelRow]().needs("model_id"),
		"POST /model/update":             takes[modelBody, storedModelRow](),
		"PATCH /model/{model_id}/update": takes[modelBody, storedModelRow](),

		"GET /model/deprecations":           shows[deprecations](number("warn_within_days", 0, 100_000)),
		"GET /v1/model/deprecations":        shows[deprecations](number("warn_within_days", 0, 100_000)),
		"GET /model/metrics":                shows[measures](texts("_selected_model_group", "startTime", "endTime", "api_key", "customer")),
		"GET /model/metrics/slow_responses": shows[[]slowDeployment](texts("_selected_model_group", "startTime", "endTime", "api_key", "customer")),
		"GET /model/metrics/exceptions":     shows[modelExceptions](texts("_selected_model_group", "startTime", "endTime", "api_key", "customer")),
		"GET /model/streaming_metrics":      shows[measures](texts("_selected_model_group", "startTime", "endTime", "api_key", "customer")),

		"GET /model_group/info": shows[modelGroupList](texts("model_group")),

		"GET /credentials":                     shows[credentialList](paging("page_size", maxListed), texts("search")),
		"POST /credentials":                    takes[credentialBody, credentialDone]().needs("credential_name"),
		"GET /credentials/by_model/{model_id}": shows[credentialRow](),
		"GET /credentials/by_name/{name}":      shows[credentialRow](),
		"DELETE /credentials/{name}":           shows[credentialDone](),
		"PATCH /credentials/{name}":            takes[credentialBody, credentialDone](),

		"POST /access_group/new":                     takes[modelAccessBody, modelAccessDone]().needs("access_group"),
		"GET /access_group/list":                     shows[modelAccessList](),
		"GET /access_group/{access_group}/info":      shows[modelAccessRow](),
		"PUT /access_group/{access_group}/update":    takes[modelAccessBody, modelAccessDone](),
		"DELETE /access_group/{access_group}/delete": shows[modelAccessGone](),
		"GET /access_group/{access_group}/budget":    shows[groupBudgetRow](),
		"PUT /access_group/{access_group}/budget":    takes[groupBudgetFields, groupBudgetRow](),
		"DELETE /access_group/{access_group}/budget": shows[groupBudgetGone](),

		"GET /public/litellm_model_cost_map": shows[map[string]costRow](),
		"GET /model/cost_map/source":         shows[costMapSource](),
		"POST /reload/model_cost_map":        shows[costMapReloaded](),

		"GET /tag/dau":                           shows[activeUsers](texts("start_date", "end_date", "tag_filter", "tag_filters", "custom_llm_provider")),
		"GET /tag/wau":                           shows[activeUsers](texts("tag_filter", "tag_filters", "custom_llm_provider")),
		"GET /tag/mau":                           shows[activeUsers](number("months", 1, 12), texts("tag_filter", "tag_filters", "custom_llm_provider")),
		"GET /tag/distinct":                      shows[distinctUserAgents](texts("tag_filter", "tag_filters", "custom_llm_provider")),
		"GET /tag/summary":                       shows[tagSummaries](must("start_date", "end_date"), texts("tag_filter", "tag_filters", "custom_llm_provider")),
		"GET /tag/user-agent/per-user-analytics": shows[agentUserPage](paging("page_size", 1000), texts("tag_filter", "tag_filters", "custom_llm_provider")),
		"POST /tag/delete":                       takes[tagNameBody, tagDone]().needs("name"),
		"POST /tag/info":                         takes[tagNamesBody, map[string]*tagRow]().needs("names"),
		"GET /tag/list":                          shows[listedTags](paging("page_size", maxListed), texts("start_date", "end_date")),
		"POST /tag/new":                          takes[tagFields, tagDone]().needs("name"),
		"POST /tag/update":                       takes[tagFields, tagDone]().needs("name"),

		"GET /audit":      shows[auditPage](paging("page_size", 100), oneOf("sort_by", "updated_at", "created_at", "changed_by", "action", "table_name", "object_id"), oneOf("sort_order", "asc", "desc"), texts("changed_by", "changed_by_api_key", "action", "table_name", "object_id", "object_team_id", "object_key_hash", "search", "start_date", "end_date")),
		"GET /audit/{id}": shows[auditRow](),

		"GET /key/spend/report":          shows[[]reportDay](texts("start_date", "end_date", "api_key")),
		"GET /user/spend/report":         shows[[]reportDay](texts("start_date", "end_date", "internal_user_id")),
		"GET /team/spend/report":         shows[[]reportDay](texts("start_date", "end_date", "team_id")),
		"GET /organization/spend/report": shows[[]reportDay](texts("start_date", "end_date", "organization_id")),

		"POST /cost/estimate":                        takes[estimateBody, estimate]().needs("model", "input_tokens", "output_tokens"),
		"GET /provider/budgets":                      shows[providerBudgets](),
		"GET /management/v1/spend_logs/users":        shows[facetPage](paging("page_size", 100), must("filter[startTime][gte]", "filter[startTime][lte]"), texts("q")),
		"GET /management/v1/spend_logs/end_users":    shows[facetPage](paging("page_size", 100), must("filter[startTime][gte]", "filter[startTime][lte]"), texts("q")),
		"POST /spend/calculate":                      takes[calculateBody, calculated](),
		"GET /spend/logs/session/ui":                 shows[callPage](paging("page_size", 100), texts("session_id", "after")),
		"GET /spend/logs/ui/{request_id}":            shows[callDetail](texts("start_date")),
		"GET /spend/logs/ui":                         shows[callPage](callParams()...),
		"GET /spend/logs/v2":                         shows[callPage](callParams()...),
		"GET /spend/tags":                            shows[[]requestTag](texts("start_date", "end_date", "tags")),
		"GET /spend/users":                           shows[[]userRow](texts("user_id")),
		"GET /global/activity":                       shows[activitySums](texts("start_date", "end_date")),
		"GET /global/activity/model":                 shows[[]activitySums](texts("start_date", "end_date")),
		"GET /global/activity/cache_hits":            shows[cacheActivity](texts("start_date", "end_date", "key_aliases", "models")),
		"GET /global/activity/exceptions":            shows[exceptionSums](must("model_group"), texts("start_date", "end_date")),
		"GET /global/activity/exceptions/deployment": shows[[]exceptionSums](must("model_group"), texts("start_date", "end_date")),
		"GET /global/all_end_users":                  shows[[]endUserName](),
		"GET /global/spend/keys":                     shows[[]keySpend](number("limit", 1, maxListed)),
		"GET /global/spend/logs":                     shows[[]dateSpend](texts("api_key")),
		"GET /global/spend/models":                   shows[[]modelSpend](number("limit", 1, maxListed)),
		"GET /global/spend/provider":                 shows[[]providerSpend](texts("start_date", "end_date")),
		"GET /global/spend/report":                   shows[[]reportDay](oneOf("group_by", "team", "customer", "api_key"), texts("start_date", "end_date", "api_key", "internal_user_id", "team_id", "customer_id")),
		"GET /global/spend/tags":                     shows[tagsSpend](texts("start_date", "end_date", "tags")),
		"GET /global/spend/teams":                    shows[teamsSpend](),
		"POST /global/spend/refresh":                 shows[refreshed](),
		"POST /global/spend/reset":                   shows[refreshed](),
		"POST /global/spend/end_users":               takes[endUsersBody, []endUserSpend](),
		"GET /global/spend/all_tag_names":            shows[tagNames](),

		"GET /spend/keys": shows[[]keyRow](),
		"GET /spend/logs": shows[callsOrDays](texts("request_id", "user_id", "api_key", "start_date", "end_date"), flags("summarize")),

		"GET /global/spend": shows[globalSpend](),

		"POST /jwt/key/mapping/delete": takes[mappingBody, mappingStatus]().needs("id"),
		"GET /jwt/key/mapping/info":    shows[mappingRow](must("id")),
		"GET /jwt/key/mapping/list":    shows[mappingList](paging("size", 100)),
		"POST /jwt/key/mapping/new":    takes[mappingBody, mappingRow]().needs("jwt_claim_name", "jwt_claim_value", "key"),
		"POST /jwt/key/mapping/update": takes[mappingBody, mappingRow]().needs("id"),
	}
	for noun, n := range nouns {
		of := append(must("start_date", "end_date"), texts("model", "api_key")...)
		for _, list := range []string{n.ids, n.exclude} {
			if list != "" {
				of = append(of, texts(list)...)
			}
		}
		if noun == "user" {
			of = append(append(of, number("timezone", -18*60, 18*60)...), flags("include_current_utc_day")...)
		}
		base, few, some := "GET /"+noun+"/daily/activity", number("api_key_limit", 1, maxListed), number("limit", 1, maxListed)
		out[base] = shows[activity](paging("page_size", 1000), few, of)
		out[base+"/aggregated"] = shows[activity](few, of)
		out[base+"/aggregated/keys"] = shows[keyActivityPage](some, number("offset", 0, 100_000_000), of)
		out[base+"/aggregated/search"] = shows[keysFound](must("search"), some, of)
		out[base+"/aggregated/model_top_keys"] = shows[modelKeys](must("model_group"), flags("by_model_group"), some, of)
		out[base+"/export"] = shows[[]exportRow](oneOf("export_type", "daily", "daily_with_keys", "daily_with_models", "daily_with_users"), oneOf("format", "csv", "json"), of).as("text/csv")
		if noun == "user" {
			out[base+"/aggregated/users"] = shows[userActivityPage](some, number("offset", 0, 100_000_000), of)
		}
	}
	out["GET /team/spend/by_user"] = shows[teamUsers](must("team_ids", "start_date", "end_date"), texts("model", "api_key", "exclude_team_ids"))
	for _, path := range [...]string{"/v1/access_group", "/v1/unified_access_group"} {
		out["POST "+path] = takes[accessGroupFields, accessGroupRow]().needs("access_group_name").answers(http.StatusCreated)
		out["GET "+path] = shows[[]accessGroupRow](paging("page_size", maxListed), texts("search"))
		out["GET "+path+"/{access_group_id}"] = shows[accessGroupRow]()
		out["PUT "+path+"/{access_group_id}"] = takes[accessGroupFields, accessGroupRow]()
		out["DELETE "+path+"/{access_group_id}"] = shows[struct{}]().answers(http.StatusNoContent)
	}
	for _, noun := range [...]string{"/customer", "/end_user"} {
		out["GET "+noun+"/info"] = shows[customerRow](must("end_user_id"))
		out["GET "+noun+"/list"] = shows[[]customerRow](paging("page_size", maxListed), texts("search", "budget_id"))
		out["POST "+noun+"/block"] = takes[customerIDsBody, customersBlocked]().needs("user_ids")
		out["POST "+noun+"/delete"] = takes[customerIDsBody, customersDeleted]().needs("user_ids")
		out["POST "+noun+"/new"] = takes[customerFields, customerRow]().needs("user_id")
		out["POST "+noun+"/unblock"] = takes[customerIDsBody, customersBlocked]().needs("user_ids")
		out["POST "+noun+"/update"] = takes[customerFields, customerRow]().needs("user_id")
	}
	return out
}

// callParams are those of a page of calls.
func callParams() [][]openapi.Param {
	return [][]openapi.Param{
		paging("page_size", 1000), oneOf("sort_by", "startTime", "endTime", "spend", "total_tokens"), oneOf("sort_order", "asc", "desc"), oneOf("status_filter", "success", "failure"),
		texts("start_date", "end_date", "request_id", "user_id", "team_id", "end_user", "session_id", "api_key", "key_alias", "model", "model_id", "model_group",
			"error_code", "error_message", "min_spend", "max_spend", "search", "after"), flags("exclude_internal_health_checks"),
	}
}

// Operations describes the API, route by route.
func (a *API) Operations() []openapi.Operation {
	known := shapes()
	var out []openapi.Operation
	for _, rt := range a.Routes() {
		s := known[rt.Method+" "+rt.Pattern]
		out = append(out, openapi.Operation{
			Method: rt.Method, Path: rt.Pattern, Summary: rt.Summary, Description: rt.lets(), Tag: group(rt.Pattern),
			In: s.in, Needs: s.needed, Out: s.out, Media: s.media, Status: s.status, Params: s.params,
		})
	}
	return out
}

// lets says in words whom a route lets in.
func (rt *Route) lets() string {
	door := auth.DoorOf(rt.Method, rt.Pattern)
	switch {
	case rt.Access == AdminOnly || door.Rule == auth.Admin:
		if door.Reads {
			return "For proxy admins and their viewers."
		}
		return "For proxy admins."
	case door.Rule == auth.Info:
		return "For every key. The answer holds what the caller may see."
	case door.Rule == auth.Own:
		return "For every key whose owner has a say in the object."
	}
	return "For proxy admins, and for others whose role lets them, about what they have a say in."
}

// group is the heading that a route stands under.
func group(pattern string) string {
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		switch part {
		case "v1", "v2":
			continue
		case "end_user":
			return "Customers"
		case "jwt":
			return "Tokens"
		case "spend", "global", "gateway", "cost", "provider", "management":
			return "Spend"
		case "model_group", "public", "reload":
			return "Models"
		case "access_group", "unified_access_group":
			return "Access groups"
		case "credentials", "audit":
			return strings.ToUpper(part[:1]) + part[1:]
		}
		return strings.ToUpper(part[:1]) + part[1:] + "s"
	}
	return ""
}
