package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/store/storetest"
)

// terraform sends requests as the Terraform providers for LiteLLM do
// (BerriAI/litellm and ncecere/litellm): the key in x-api-key, empty texts for
// what is not set, and after each change a read that is compared with the plan.
type terraform struct{ *house }

// call sends one request, which must be answered with the status.
func (h terraform) call(t *testing.T, method, path, body string, status int) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("x-api-key", master)
	req.Header.Set("litellm-changed-by", "terraform")
	a, err := h.answered(h.client.Do(req))
	if err != nil {
		t.Fatal(err)
	}
	if a.status != status {
		t.Fatalf("%s %s %s: want %d, got %s", method, path, body, status, a)
	}
	return a
}

// reads fails the test unless the members of an answer, by their path, are what
// Terraform has planned.
func (h terraform) reads(t *testing.T, a *answer, plan map[string]string) {
	t.Helper()
	for path, want := range plan {
		at := jsontext.Value(a.body)
		for name := range strings.SplitSeq(path, ".") {
			var object map[string]jsontext.Value
			var list []jsontext.Value
			switch {
			case json.Unmarshal(at, &object) == nil:
				at = object[name]
			case json.Unmarshal(at, &list) == nil && name == "0" && len(list) == 1:
				at = list[0]
			default:
				at = nil
			}
		}
		if string(at) != want {
			t.Errorf("%s is %s, and Terraform has planned %s, in %s", path, at, want, a)
		}
	}
}

func TestWhatTheTerraformProviderSends(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			vars := []string{env()}
			if engine == "PostgreSQL" {
				vars = append(vars, "DATABASE_URL="+storetest.EmptyPostgresURL(t))
			}
			h := open(t, acceptanceConfig, vars...)
			for _, c := range []struct {
				name string
				run  func(t *testing.T, h terraform)
			}{
				{"a key is made, read, emptied and deleted by its hash", terraformKey},
				{"a key is made and changed by its value, and a service account has no user", terraformOwnKey},
				{"a team is made, cleared by nulls and deleted", terraformTeam},
				{"members come, change and go", terraformMembers},
				{"a user is found by email and taken over", terraformUser},
				{"an organization and its members", terraformOrganization},
				{"a model is made, read, changed and missed", terraformModel},
				{"a credential that exists is taken over", terraformCredential},
				{"a budget, a tag and a project", terraformBudgets},
				{"access groups of both kinds", terraformAccessGroups},
			} {
				t.Run(c.name, func(t *testing.T) { c.run(t, terraform{h}) })
			}
		})
	}
}

func terraformKey(t *testing.T, h terraform) {
	a := h.call(t, "POST", "/key/generate", `{"models":["gpt-4o"],"max_budget":100,"tpm_limit":1000,"rpm_limit":60,"budget_duration":"30d","key_alias":"tf",
		"duration":"90d","blocked":false,"metadata":{"env":"prod"},"soft_budget":80,"allowed_cache_controls":["no-cache"],"aliases":{"g":"gpt-4o"},"permissions":{"pii":"true"},
		"model_max_budget":{"gpt-4o":50},"model_rpm_limit":{"gpt-4o":10},"model_tpm_limit":{"gpt-4o":1000},"guardrails":["g"],"tags":["a"],"rpm_limit_type":"best_effort_throughput"}`, 200)
	token := in[string](t, a, "token_id")
	h.reads(t, h.call(t, "GET", "/key/info?key="+token, "", 200), map[string]string{
		"info.models": `["gpt-4o"]`, "info.max_budget": "100.0", "info.tpm_limit": "1000", "info.rpm_limit": "60", "info.budget_duration": `"30d"`, "info.key_alias": `"tf"`,
		"info.blocked": "false", "info.soft_budget": "80.0", "info.aliases": `{"g":"gpt-4o"}`, "info.permissions": `{"pii":"true"}`, "info.allowed_cache_controls": `["no-cache"]`,
		"info.model_max_budget.gpt-4o.budget_limit": "50.0", "info.model_rpm_limit": `{"gpt-4o":10}`, "info.tags": `["a"]`,
	})
	// It sends empty texts for what is not set any more.
	h.call(t, "POST", "/key/update", `{"key":"`+token+`","team_id":"","metadata":{},"budget_duration":"","key_alias":"","aliases":{},"permissions":{},"model_max_budget":{},
		"model_rpm_limit":{},"model_tpm_limit":{},"blocked":false,"max_budget":5}`, 200)
	h.reads(t, h.call(t, "GET", "/key/info?key="+token, "", 200), map[string]string{
		"info.team_id": "null", "info.budget_duration": "null", "info.key_alias": "null", "info.aliases": "{}", "info.model_max_budget": "{}", "info.model_rpm_limit": "null",
		"info.max_budget": "5.0", "info.models": `["gpt-4o"]`, "info.rpm_limit": "60",
	})
	h.call(t, "POST", "/key/delete", `{"keys":["`+token+`"]}`, 200)
	h.reads(t, h.call(t, "GET", "/key/info?key="+token, "", 200), map[string]string{"info.status": `"deleted"`})
	h.call(t, "POST", "/key/delete", `{"keys":["`+token+`"]}`, 404)
}

func terraformOwnKey(t *testing.T, h terraform) {
	const own = "sk-made-with-terraform-0001"
	h.call(t, "POST", "/team/new", `{"team_id":"tf-programs","team_alias":"Programs","router_settings":{}}`, 200)
	h.reads(t, h.call(t, "POST", "/key/generate", `{"key":"`+own+`","team_id":"tf-programs","models":["all-team-models"],"router_settings":{"fallbacks":[{"gpt-4o":["other"]}]}}`, 200),
		map[string]string{"key": `"` + own + `"`, "team_id": `"tf-programs"`})
	h.call(t, "POST", "/key/update", `{"key":"`+own+`","team_id":"tf-programs","models":["all-team-models"],"blocked":true}`, 200)
	h.reads(t, h.call(t, "GET", "/key/info?key="+own, "", 200), map[string]string{"key": `"` + own + `"`, "info.blocked": "true", "info.models": `["all-team-models"]`})
	h.call(t, "POST", "/key/block", `{"key":"`+own+`"}`, 200)
	h.call(t, "POST", "/key/unblock", `{"key":"`+hashOf(own)+`"}`, 200)
	h.reads(t, h.call(t, "GET", "/key/info?key="+own, "", 200), map[string]string{"info.blocked": "false"})

	a := h.call(t, "POST", "/key/service-account/generate", `{"team_id":"tf-programs","models":["all-team-models"],"key_alias":"robot","metadata":{"service_account_id":"robot"}}`, 200)
	h.reads(t, h.call(t, "GET", "/key/info?key="+in[string](t, a, "key"), "", 200), map[string]string{"info.user_id": "null", "info.key_alias": `"robot"`, "info.metadata.service_account_id": `"robot"`})
	h.reads(t, h.call(t, "GET", "/key/list?page=1&size=100&return_full_object=true&team_id=tf-programs&sort_by=created_at&sort_order=desc", "", 200),
		map[string]string{"total_count": "2", "current_page": "1", "total_pages": "1"})
}

func terraformTeam(t *testing.T, h terraform) {
	h.call(t, "POST", "/team/new", `{"team_id":"tf","team_alias":"TF","models":["gpt-4o"],"tpm_limit_type":"best_effort_throughput","budget_duration":"30d","tpm_limit":1000,"rpm_limit":100,
		"max_budget":10.5,"team_member_budget":2.5,"team_member_rpm_limit":5,"team_member_tpm_limit":500,"blocked":false,"tags":["t"],"guardrails":["g"],"prompts":["p"],
		"team_member_permissions":["/key/generate","/key/info"],"model_aliases":{"x":"gpt-4o"},"model_rpm_limit":{"gpt-4o":5},"model_tpm_limit":{"gpt-4o":50},"metadata":{"a":"b"},"router_settings":{}}`, 200)
	h.reads(t, h.call(t, "GET", "/team/info?team_id=tf", "", 200), map[string]string{
		"team_info.team_id": `"tf"`, "team_info.team_alias": `"TF"`, "team_info.max_budget": "10.5", "team_info.budget_duration": `"30d"`, "team_info.tpm_limit": "1000", "team_info.rpm_limit": "100",
		"team_info.blocked": "false", "team_info.models": `["gpt-4o"]`, "team_info.tags": `["t"]`, "team_info.metadata.guardrails": `["g"]`, "team_info.metadata.a": `"b"`,
		"team_info.team_member_permissions": `["/key/generate","/key/info"]`, "team_info.litellm_model_table.model_aliases": `{"x":"gpt-4o"}`, "team_info.model_rpm_limit": `{"gpt-4o":5}`,
		"team_info.team_member_budget_table.max_budget": "2.5", "team_info.team_member_budget_table.rpm_limit": "5",
	})
	h.call(t, "POST", "/team/update", `{"team_id":"tf","team_alias":"TF2","max_budget":null,"budget_duration":null,"tpm_limit":null,"rpm_limit":null,
		"team_member_budget":null,"team_member_rpm_limit":null,"team_member_tpm_limit":null,"router_settings":{"fallbacks":[{"gpt-4o":["other"]}]}}`, 200)
	h.call(t, "POST", "/team/permissions_update", `{"team_id":"tf","team_member_permissions":["/key/info"]}`, 200)
	h.reads(t, h.call(t, "GET", "/team/permissions_list?team_id=tf", "", 200), map[string]string{"team_member_permissions": `["/key/info"]`})
	h.reads(t, h.call(t, "GET", "/team/info?team_id=tf", "", 200), map[string]string{
		"team_info.team_alias": `"TF2"`, "team_info.max_budget": "null", "team_info.budget_duration": "null", "team_info.tpm_limit": "null", "team_info.rpm_limit": "null",
		"team_info.team_member_budget_table.max_budget": "null", "team_info.router_settings": `{"fallbacks":[{"gpt-4o":["other"]}]}`, "team_info.models": `["gpt-4o"]`,
	})
	h.call(t, "POST", "/team/block", `{"team_id":"tf"}`, 200)
	h.reads(t, h.call(t, "GET", "/team/info?team_id=tf", "", 200), map[string]string{"team_info.blocked": "true"})
	h.call(t, "POST", "/team/unblock", `{"team_id":"tf"}`, 200)
	h.call(t, "GET", "/team/list?organization_id=none", "", 200)
	h.call(t, "POST", "/team/delete", `{"team_ids":["tf"]}`, 200)
	h.call(t, "GET", "/team/info?team_id=tf", "", 404)
	h.call(t, "POST", "/team/delete", `{"team_ids":["tf"]}`, 404)
}

func terraformMembers(t *testing.T, h terraform) {
	h.call(t, "POST", "/team/new", `{"team_id":"tf-crew"}`, 200)
	h.call(t, "POST", "/team/member_add", `{"member":[{"role":"user","user_id":"tf-sailor","user_email":""},{"role":"admin","user_email":"mate@example.org"}],"team_id":"tf-crew","max_budget_in_team":5}`, 200)
	says(t, "twice", h.call(t, "POST", "/team/member_add", `{"member":[{"role":"user","user_id":"tf-sailor","user_email":""}],"team_id":"tf-crew"}`, 400), 400, "team_member_already_in_team")
	h.reads(t, h.call(t, "POST", "/team/member_update", `{"user_id":"tf-sailor","user_email":"","team_id":"tf-crew","role":"user","max_budget_in_team":7,"budget_duration":"30d"}`, 200),
		map[string]string{"max_budget_in_team": "7.0", "budget_duration": `"30d"`, "user_id": `"tf-sailor"`})
	h.reads(t, h.call(t, "POST", "/team/member_update", `{"user_id":"tf-sailor","user_email":"","team_id":"tf-crew","max_budget_in_team":null}`, 200), map[string]string{"max_budget_in_team": "null"})
	for _, member := range []string{`"user_id":"tf-sailor","user_email":""`, `"user_email":"mate@example.org"`} {
		h.call(t, "POST", "/team/member_delete", `{`+member+`,"team_id":"tf-crew"}`, 200)
	}
	h.call(t, "POST", "/team/member_delete", `{"user_id":"tf-sailor","user_email":"","team_id":"tf-crew"}`, 400)
}

func terraformUser(t *testing.T, h terraform) {
	h.call(t, "POST", "/user/new", `{"user_id":"tf-user","user_alias":"U","user_email":"tf@example.org","user_role":"internal_user","budget_duration":"30d","max_budget":5,"tpm_limit":10,
		"rpm_limit":10,"auto_create_key":false,"models":["gpt-4o"],"metadata":{"a":"b"}}`, 200)
	h.call(t, "POST", "/user/new", `{"user_email":"tf@example.org","auto_create_key":false}`, 409)
	h.reads(t, h.call(t, "GET", "/user/list?page=1&page_size=100&user_email=tf%40example.org", "", 200), map[string]string{
		"users.0.user_id": `"tf-user"`, "users.0.user_email": `"tf@example.org"`, "total_pages": "1",
	})
	h.call(t, "POST", "/user/update", `{"user_id":"tf-user","user_alias":"V","models":[],"metadata":{},"max_budget":6}`, 200)
	h.reads(t, h.call(t, "GET", "/user/info?user_id=tf-user", "", 200), map[string]string{
		"user_info.user_id": `"tf-user"`, "user_info.user_alias": `"V"`, "user_info.models": "[]", "user_info.metadata": "{}", "user_info.max_budget": "6.0", "user_info.user_role": `"internal_user"`,
		"user_info.tpm_limit": "10", "user_info.budget_duration": `"30d"`,
	})
	h.reads(t, h.call(t, "GET", "/v2/user/info?user_id=tf-user", "", 200), map[string]string{"user_id": `"tf-user"`, "teams": "[]"})
	h.call(t, "POST", "/user/delete", `{"user_ids":["tf-user"]}`, 200)
	h.call(t, "GET", "/user/info?user_id=tf-user", "", 404)
	h.call(t, "POST", "/user/delete", `{"user_ids":["tf-user"]}`, 404)
}

func terraformOrganization(t *testing.T, h terraform) {
	h.call(t, "POST", "/organization/new", `{"organization_id":"tf-org","organization_alias":"O","models":["gpt-4o"],"max_budget":10,"budget_duration":"30d","tpm_limit":10,"rpm_limit":20,"metadata":{"x":"y"}}`, 200)
	h.reads(t, h.call(t, "POST", "/organization/info", `{"organizations":["tf-org"]}`, 200), map[string]string{
		"0.organization_alias": `"O"`, "0.metadata": `{"x":"y"}`, "0.models": `["gpt-4o"]`, "0.max_budget": "10.0", "0.budget_duration": `"30d"`, "0.tpm_limit": "10", "0.rpm_limit": "20",
	})
	h.call(t, "POST", "/organization/update", `{"organization_id":"tf-org","organization_alias":"O2","max_budget":11}`, 200)
	h.call(t, "PATCH", "/v2/organization/tf-org", `{"rpm_limit":null}`, 200)
	h.reads(t, h.call(t, "GET", "/organization/info?organization_id=tf-org", "", 200), map[string]string{
		"organization_alias": `"O2"`, "litellm_budget_table.max_budget": "11.0", "litellm_budget_table.rpm_limit": "null", "litellm_budget_table.tpm_limit": "10",
	})
	h.call(t, "POST", "/organization/member_add", `{"organization_id":"tf-org","member":[{"role":"internal_user","user_id":"tf-citizen","user_email":""}],"max_budget_in_organization":3}`, 200)
	h.call(t, "POST", "/organization/member_update", `{"organization_id":"tf-org","user_id":"tf-citizen","role":"org_admin"}`, 200)
	h.reads(t, h.call(t, "PATCH", "/organization/member_update", `{"organization_id":"tf-org","user_id":"tf-citizen","user_email":"","max_budget_in_organization":4}`, 200),
		map[string]string{"user_role": `"org_admin"`, "litellm_budget_table.max_budget": "4.0"})
	h.call(t, "DELETE", "/organization/member_delete", `{"organization_id":"tf-org","user_id":"tf-citizen","user_email":""}`, 200)
	h.reads(t, h.call(t, "GET", "/organization/list?org_alias=O2", "", 200), map[string]string{"0.organization_id": `"tf-org"`})
	h.call(t, "DELETE", "/organization/delete", `{"organization_ids":["tf-org"]}`, 200)
	h.call(t, "GET", "/organization/info?organization_id=tf-org", "", 404)
	h.call(t, "POST", "/organization/info", `{"organizations":["tf-org"]}`, 404)
}

func terraformModel(t *testing.T, h terraform) {
	const id = "11111111-2222-3333-4444-555555555555"
	base := h.mockAt()
	h.call(t, "POST", "/model/new", `{"model_name":"tf-model","litellm_params":{"custom_llm_provider":"openai","model":"openai/mock-tokens=5","merge_reasoning_content_in_choices":false,"tpm":1000,
		"rpm":100,"input_cost_per_token":0.000001,"output_cost_per_token":0.000002,"api_key":"sk-secret-of-a-provider","api_base":"`+base+`"},
		"model_info":{"id":"`+id+`","db_model":true,"base_model":"gpt-4o","tier":"paid","mode":"chat","team":{"cost_center":7}},"additional":{}}`, 200)
	a := h.call(t, "GET", "/model/info?litellm_model_id="+id, "", 200)
	h.reads(t, a, map[string]string{
		"data.0.model_name": `"tf-model"`, "data.0.litellm_params.tpm": "1000", "data.0.litellm_params.rpm": "100", "data.0.litellm_params.api_base": `"` + base + `"`,
		"data.0.model_info.id": `"` + id + `"`, "data.0.model_info.base_model": `"gpt-4o"`, "data.0.model_info.tier": `"paid"`, "data.0.model_info.mode": `"chat"`,
		"data.0.model_info.db_model": "true", "data.0.model_info.team": `{"cost_center":7}`,
	})
	if strings.Contains(a.body, "sk-secret") {
		t.Errorf("a provider's key is shown: %s", a)
	}
	says(t, "the model", h.ask(master, `"model":"tf-model","max_tokens":5`), 200)
	h.call(t, "POST", "/model/update", `{"model_name":"tf-model-2","litellm_params":{"custom_llm_provider":"openai","model":"openai/mock-tokens=5","api_key":"sk-another-secret"},
		"model_info":{"id":"`+id+`","db_model":true,"base_model":"gpt-4o","tier":"free","mode":"chat"},"additional":{}}`, 200)
	h.call(t, "PATCH", "/model/"+id+"/update", `{"model_name":"tf-model-3","model_info":{"id":"`+id+`","access_groups":["g1"]}}`, 200)
	h.reads(t, h.call(t, "GET", "/model/info?litellm_model_id="+id, "", 200), map[string]string{
		"data.0.model_name": `"tf-model-3"`, "data.0.litellm_params.rpm": "100", "data.0.model_info.tier": `"free"`, "data.0.model_info.access_groups": `["g1"]`,
	})
	h.call(t, "POST", "/model/delete", `{"id":"`+id+`"}`, 200)
	// By these words it knows that the model is gone.
	says(t, "a model that is gone", h.call(t, "GET", "/model/info?litellm_model_id="+id, "", 400), 400, `"detail":{"error":"Model id = `+id+` not found on litellm proxy"}`)
	says(t, "deleting it again", h.call(t, "POST", "/model/delete", `{"id":"`+id+`"}`, 400), 400, "Model with id="+id+" not found in db")
}

func terraformCredential(t *testing.T, h terraform) {
	h.call(t, "GET", "/credentials/by_name/tf-cred", "", 404)
	h.call(t, "POST", "/credentials", `{"credential_name":"tf-cred","credential_info":{"custom_llm_provider":"openai"},"credential_values":{"api_key":"sk-secret-of-a-provider"}}`, 200)
	// By these words it knows that there is one already, and takes it over.
	says(t, "again", h.call(t, "POST", "/credentials", `{"credential_name":"tf-cred","credential_info":{},"credential_values":{"api_key":"x"}}`, 409), 409, "Unique constraint failed", "credential_name")
	h.call(t, "PATCH", "/credentials/tf-cred", `{"credential_name":"tf-cred","credential_info":{"custom_llm_provider":"openai","description":"d"},"credential_values":{"api_key":"sk-another-secret"}}`, 200)
	a := h.call(t, "GET", "/credentials/by_name/tf-cred?model_id=", "", 200)
	h.reads(t, a, map[string]string{"credential_name": `"tf-cred"`, "credential_info": `{"custom_llm_provider":"openai","description":"d"}`})
	if strings.Contains(a.body, "secret") {
		t.Errorf("a secret is shown: %s", a)
	}
	h.call(t, "DELETE", "/credentials/tf-cred", "", 200)
	h.call(t, "DELETE", "/credentials/tf-cred", "", 404)
}

func terraformBudgets(t *testing.T, h terraform) {
	h.call(t, "POST", "/budget/new", `{"budget_id":"tf-budget","max_budget":1,"soft_budget":0.5,"max_parallel_requests":3,"tpm_limit":1,"rpm_limit":2,"budget_duration":"1d"}`, 200)
	h.call(t, "POST", "/budget/update", `{"budget_id":"tf-budget","max_budget":null,"rpm_limit":4}`, 200)
	h.reads(t, h.call(t, "POST", "/budget/info", `{"budgets":["tf-budget"]}`, 200), map[string]string{
		"0.budget_id": `"tf-budget"`, "0.max_budget": "null", "0.rpm_limit": "4", "0.soft_budget": "0.5", "0.budget_duration": `"1d"`,
	})

	h.call(t, "POST", "/tag/new", `{"name":"tf-tag","description":"d","models":[],"budget_id":"tf-budget"}`, 200)
	h.call(t, "POST", "/tag/update", `{"name":"tf-tag","description":"d2","models":[]}`, 200)
	h.reads(t, h.call(t, "POST", "/tag/info", `{"names":["tf-tag"]}`, 200), map[string]string{
		"tf-tag.name": `"tf-tag"`, "tf-tag.description": `"d2"`, "tf-tag.models": "[]", "tf-tag.litellm_budget_table.budget_id": `"tf-budget"`,
	})
	h.call(t, "POST", "/tag/delete", `{"name":"tf-tag"}`, 200)
	h.call(t, "POST", "/tag/info", `{"names":["tf-tag"]}`, 404)

	h.call(t, "POST", "/team/new", `{"team_id":"tf-team"}`, 200)
	h.call(t, "POST", "/project/new", `{"project_id":"tf-project","project_alias":"P","team_id":"tf-team","description":"d","models":["gpt-4o"],"max_budget":5,"tpm_limit":5,"metadata":{"a":"b"},"tags":["x"],"blocked":false}`, 200)
	// The duration it sets where LiteLLM has the project's own budget.
	budget := in[string](t, h.call(t, "GET", "/project/info?project_id=tf-project", "", 200), "budget_id")
	h.reads(t, h.call(t, "POST", "/budget/update", `{"budget_id":"`+budget+`","budget_duration":"30d"}`, 200), map[string]string{"budget_id": `"` + budget + `"`, "budget_duration": `"30d"`})
	h.call(t, "POST", "/project/update", `{"project_id":"tf-project","budget_id":"`+budget+`","max_budget":6,"description":"e"}`, 200)
	h.reads(t, h.call(t, "GET", "/project/info?project_id=tf-project", "", 200), map[string]string{
		"project_id": `"tf-project"`, "description": `"e"`, "litellm_budget_table.max_budget": "6.0", "litellm_budget_table.tpm_limit": "5",
		"budget_id": `"` + budget + `"`, "litellm_budget_table.budget_id": `"` + budget + `"`, "litellm_budget_table.budget_duration": `"30d"`, "models": `["gpt-4o"]`, "blocked": "false",
	})
	h.call(t, "DELETE", "/project/delete", `{"project_ids":["tf-project"]}`, 200)
	h.call(t, "GET", "/project/info?project_id=tf-project", "", 404)
	h.call(t, "POST", "/budget/delete", `{"id":"tf-budget"}`, 200)
	h.reads(t, h.call(t, "POST", "/budget/info", `{"budgets":["tf-budget"]}`, 200), map[string]string{"0": ""})
}

func terraformAccessGroups(t *testing.T, h terraform) {
	base := h.mockAt()
	for _, name := range []string{"tf-one", "tf-two"} {
		h.call(t, "POST", "/model/new", `{"model_name":"`+name+`","litellm_params":{"model":"openai/mock-tokens=5","api_base":"`+base+`","api_key":"k"}}`, 200)
	}
	h.call(t, "POST", "/access_group/new", `{"access_group":"tf-group","model_names":["tf-one"]}`, 200)
	h.call(t, "PUT", "/access_group/tf-group/update", `{"model_names":["tf-one","tf-two"]}`, 200)
	h.reads(t, h.call(t, "GET", "/access_group/tf-group/info", "", 200), map[string]string{"access_group": `"tf-group"`, "model_names": `["tf-one","tf-two"]`})
	key := h.key(`"models":["tf-group"]`)
	says(t, "a model of the group", h.ask(key, `"model":"tf-two","max_tokens":5`), 200)
	h.call(t, "DELETE", "/access_group/tf-group/delete", "", 200)
	h.call(t, "GET", "/access_group/tf-group/info", "", 404)
	says(t, "the model without the group", h.ask(key, `"model":"tf-two","max_tokens":5`), 403, "key_model_access_denied")

	a := h.call(t, "POST", "/v1/access_group", `{"access_group_name":"TF","description":"d","access_model_names":["tf-one"],"assigned_team_ids":[],"assigned_key_ids":["`+hashOf(key)+`"]}`, 201)
	path := "/v1/access_group/" + in[string](t, a, "access_group_id")
	says(t, "a model of the stored group", h.ask(key, `"model":"tf-one","max_tokens":5`), 200)
	h.reads(t, h.call(t, "PUT", path, `{"access_group_name":"TF2","access_model_names":["tf-two"]}`, 200), map[string]string{"access_group_name": `"TF2"`, "access_model_names": `["tf-two"]`})
	h.call(t, "GET", "/v1/access_group", "", 200)
	says(t, "a model it has no more", h.ask(key, `"model":"tf-one","max_tokens":5`), 403, "key_model_access_denied")
	h.call(t, "DELETE", path, "", 204)
	h.call(t, "GET", path, "", 404)
}
