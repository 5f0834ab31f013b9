package admin

// reportShapes adds what tags, the audit log and the reports of spend read and
// write.
func reportShapes(out map[string]shape) {
	days, needDays := texts("start_date", "end_date"), must("start_date", "end_date")
	order := oneOf("sort_order", "asc", "desc")

	out["POST /tag/new"] = takes[tagFields, tagDone]().needs("name")
	out["POST /tag/update"] = takes[tagFields, tagDone]().needs("name")
	out["POST /tag/info"] = takes[tagNamesBody, map[string]tagRow]().needs("names")
	out["GET /tag/list"] = shows[[]tagRow](days, paging("page_size", maxListed))
	out["POST /tag/delete"] = takes[tagNameBody, tagDone]().needs("name")

	out["GET /audit"] = shows[auditPage](paging("page_size", 100), days, order,
		oneOf("sort_by", "updated_at", "created_at", "changed_by", "action", "table_name", "object_id"),
		texts("changed_by", "changed_by_api_key", "action", "table_name", "object_id", "object_team_id", "object_key_hash", "search"))
	out["GET /audit/{id}"] = shows[auditRow]()

	out["GET /global/spend/logs"] = shows[[]dateSpend](texts("api_key"))
	out["GET /global/spend/keys"] = shows[[]keySpend](number("limit", 1, maxListed))
	out["GET /global/spend/teams"] = shows[teamsSpend]()
	out["POST /global/spend/end_users"] = takes[endUsersBody, []endUserSpend]()
	out["GET /global/spend/models"] = shows[[]modelSpend](number("limit", 1, maxListed))
	out["GET /global/spend/provider"] = shows[[]providerSpend](days)
	out["GET /global/spend/tags"] = shows[tagsSpend](days, texts("tags"))
	out["GET /global/spend/all_tag_names"] = shows[tagNames]()
	out["GET /global/spend/report"] = shows[[]reportDay](needDays, oneOf("group_by", "team", "customer", "api_key"), texts("api_key", "internal_user_id", "team_id", "customer_id"))
	out["POST /global/spend/refresh"] = takes[struct{ unknown }, refreshed]()
	out["POST /global/spend/reset"] = takes[struct{ unknown }, refreshed]()
	out["GET /global/activity"] = shows[activitySums](needDays)
	out["GET /global/activity/model"] = shows[[]activitySums](needDays)
	out["GET /global/all_end_users"] = shows[[]endUserName]()

	out["GET /spend/users"] = shows[[]userRow](texts("user_id"))
	out["GET /spend/tags"] = shows[[]requestTag](days)
	for _, path := range [...]string{"/spend/logs/v2", "/spend/logs/ui"} {
		out["GET "+path] = shows[callPage](paging("page_size", 1000), days, order, oneOf("sort_by", "startTime", "endTime", "spend", "total_tokens"),
			texts("request_id", "user_id", "team_id", "end_user", "session_id", "api_key", "key_alias", "model", "model_id", "model_group", "error_code", "error_message", "search", "min_spend", "max_spend"),
			oneOf("status_filter", "success", "failure"), flags("exclude_internal_health_checks"))
	}
	out["GET /spend/logs/session/ui"] = shows[callPage](paging("page_size", 100), must("session_id"))
	out["POST /spend/calculate"] = takes[calculateBody, calculated]()
	for noun, id := range map[string]string{"key": "api_key", "user": "internal_user_id", "team": "team_id", "organization": "organization_id"} {
		out["GET /"+noun+"/spend/report"] = shows[[]reportDay](needDays, texts(id))
	}

	for _, r := range [...]struct{ noun, ids, exclude string }{
		{"user", "user_id", ""},
		{"team", "team_ids", "exclude_team_ids"},
		{"organization", "organization_ids", "exclude_organization_ids"},
		{"tag", "tags", ""},
		{"customer", "end_user_ids", "exclude_end_user_ids"},
		{"end_user", "end_user_ids", "exclude_end_user_ids"},
		{"gateway", "", ""},
	} {
		asked := append(texts("model", "api_key"), needDays...)
		for _, name := range [...]string{r.ids, r.exclude} {
			if name != "" {
				asked = append(asked, texts(name)...)
			}
		}
		out["GET /"+r.noun+"/daily/activity"] = shows[activity](asked, paging("page_size", 1000))
		if r.noun != "gateway" {
			out["GET /"+r.noun+"/daily/activity/aggregated"] = shows[activity](asked)
		}
	}
}
