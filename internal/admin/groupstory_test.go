package admin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/secret"
)

// TestAccessGroupsAndWhoHasThem: a stored group is given to keys and teams from
// either side, and both sides show it.
func TestAccessGroupsAndWhoHasThem(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/team/new", `{"team_id":"t1","team_alias":"Red"}`).ok()
		h.post("/team/new", `{"team_id":"t2"}`).ok()
		key, hash := h.key(`{"key_alias":"mine"}`)
		_, other := h.key(`{"key_alias":"other"}`)

		h.post("/v1/access_group", `{"access_group_name":"x","assigned_team_ids":["t1","t9","t8"]}`).refused(400, "bad_request_error", "assigned_team_ids", "Unknown team ids: t8, t9")
		h.post("/v1/access_group", `{"access_group_name":"x","assigned_key_ids":["nothing"]}`).refused(400, "bad_request_error", "assigned_key_ids", "Unknown key ids: nothing")
		h.post("/v1/access_group", `{"access_group_name":" "}`).refused(422, "validation_error", "access_group_name", "missing")
		made := h.post("/v1/access_group", `{"access_group_name":"fast","description":"d","access_model_names":["gpt-*"],"assigned_team_ids":["t1"],"assigned_key_ids":["`+key+`"],"access_agent_ids":["a"]}`)
		if made.Status != 201 || made.Header.Get(admin.UnknownHeader) != "access_agent_ids" {
			t.Fatalf("%d %v %s, want 201 and a word about access_agent_ids", made.Status, made.Header, made.Body)
		}
		made.has("access_group_name", `"fast"`, "access_model_names", `["gpt-*"]`, "assigned_team_ids", `["t1"]`, "assigned_key_ids", `["`+hash+`"]`, "access_mcp_server_ids", `[]`,
			"assigned_teams", `[{"id":"t1","name":"Red"}]`, "assigned_keys", `[{"id":"`+hash+`","name":"mine"}]`, "created_by", `"default_user_id"`)
		id := made.at("access_group_id")
		path := "/v1/access_group/" + id[1:len(id)-1]
		h.post("/v1/access_group", `{"access_group_name":"fast"}`).refused(409, "bad_request_error", "access_group_name", "Access group 'fast' already exists")
		h.get("/key/info?key="+hash).ok().has("info.access_group_ids", `[`+id+`]`)
		h.get("/team/info?team_id=t1").ok().has("team_info.access_group_ids", `[`+id+`]`)

		// From the key's side.
		h.post("/key/update", `{"key":"`+other+`","access_group_ids":[`+id+`]}`).ok()
		h.post("/key/update", `{"key":"`+hash+`","access_group_ids":null}`).ok()
		h.get(path).ok().has("assigned_key_ids", `["`+other+`"]`)
		h.get("/key/list?access_group_id="+id[1:len(id)-1]).ok().has("keys", `["`+other+`"]`, "total_count", "1")
		h.get("/key/list?access_group_id="+id[1:9]).ok().has("total_count", "0")

		// From the group's.
		h.do("PUT", path, `{"assigned_key_ids":["`+hash+`"],"assigned_team_ids":["t2"]}`).ok().has("assigned_key_ids", `["`+hash+`"]`, "assigned_team_ids", `["t2"]`, "access_model_names", `["gpt-*"]`)
		h.get("/key/info?key="+hash).ok().has("info.access_group_ids", `[`+id+`]`)
		h.get("/key/info?key="+other).ok().has("info.access_group_ids", `[]`)
		h.get("/team/info?team_id=t1").ok().has("team_info.access_group_ids", `[]`)
		h.get("/team/info?team_id=t2").ok().has("team_info.access_group_ids", `[`+id+`]`)
		told := map[string]bool{}
		for _, c := range h.changes {
			told[c.Entity+" "+c.ID] = true
		}
		for _, want := range []string{"key " + hash, "key " + other, "team t1", "team t2", "access_group " + id[1:len(id)-1]} {
			if !told[want] {
				t.Errorf("nobody was told that %s has changed", want)
			}
		}
		h.do("PUT", path, `{"access_group_name":"quick","description":null,"access_model_names":null}`).ok().has("access_group_name", `"quick"`, "description", "null", "access_model_names", `[]`)
		h.do("PUT", path, `{"access_group_name":""}`).refused(422, "validation_error", "access_group_name", "cannot have none")
		h.get("/v1/unified_access_group").ok().has("0.access_group_name", `"quick"`)

		// Who is no admin sees nothing of it.
		h.post("/user/new", `{"user_id":"u","auto_create_key":false}`).ok()
		h.as("u", gateway.InternalUser)
		if a := h.get("/v1/access_group"); a.Status < 400 {
			t.Errorf("a user sees access groups: %s", a.Body)
		}
		h.asAdmin()

		if a := h.do("DELETE", path, ""); a.Status != 204 || a.Body != "" {
			t.Errorf("deleted with %d %q, want 204 and nothing", a.Status, a.Body)
		}
		h.get(path).refused(404, "not_found_error", "access_group_id", "not found")
		h.get(path).has("detail", `"Access group '`+id[1:len(id)-1]+`' not found"`)
		h.get("/key/info?key="+hash).ok().has("info.access_group_ids", `[]`)
		h.get("/team/info?team_id=t2").ok().has("team_info.access_group_ids", `[]`)
		h.audited(id[1:len(id)-1], "deleted by default_user_id", "updated by default_user_id", "updated by default_user_id", "created by default_user_id")
	})
}

// TestAccessGroupsOfModels: groups are names that deployments have.
func TestAccessGroupsOfModels(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		box, err := secret.New("sk-salt")
		if err != nil {
			t.Fatal(err)
		}
		serve := func() []admin.Model {
			out := []admin.Model{{Deployment: &gateway.Deployment{ID: "file", Group: "filed", AccessGroups: []string{"old"}}}}
			err := h.db.AllStoredModels(t.Context(), func(m *gateway.StoredModel) error {
				out = append(out, admin.Model{Deployment: &gateway.Deployment{ID: m.ID, Group: m.Name, Stored: true, AccessGroups: groupsOf(m.Info)}})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(out[1:], func(x, y admin.Model) int { return strings.Compare(x.Deployment.ID, y.Deployment.ID) })
			return out
		}
		d := open(t, h.db, func(o *admin.Options) {
			o.Directory, o.Secrets, o.StoreModels, o.Models = h.directory, box, func() bool { return true }, serve
			o.Changed = func(context.Context, ...admin.Change) error { h.reload(t); return nil }
		})
		for _, m := range []string{`"a","model_info":{"id":"a1"}`, `"a","model_info":{"id":"a2","mode":"chat"}`, `"b","model_info":{"id":"b1"}`} {
			d.now = d.now.Add(time.Second)
			d.post("/model/new", `{"litellm_params":{"model":"openai/x"},"model_name":`+m+`}`).ok()
		}
		d.post("/access_group/new", `{"model_names":["a"]}`).refused(400, "bad_request_error", "access_group", "access_group is required and cannot be empty")
		d.post("/access_group/new", `{"access_group":"g"}`).refused(400, "bad_request_error", "model_names", "Either model_names or model_ids must be provided and non-empty")
		d.post("/access_group/new", `{"access_group":"g","model_names":["a","z"]}`).refused(400, "bad_request_error", "model_names", "Model(s) not found: z")
		d.post("/access_group/new", `{"access_group":"g","model_names":["a","filed"]}`).refused(400, "bad_request_error", "model_names", "Can't find model 'filed' in Database.")
		d.post("/access_group/new", `{"access_group":"g","model_ids":["z"]}`).refused(400, "bad_request_error", "model_ids", "Deployment with model_id 'z' not found in Database.")
		d.post("/access_group/new", `{"access_group":"old","model_names":["a"]}`).refused(409, "bad_request_error", "access_group", "already exists")
		d.post("/access_group/new", `{"access_group":"premium","model_names":["a"]}`).ok().has("access_group", `"premium"`, "model_names", `["a"]`, "model_ids", "null", "models_updated", "2")
		d.get("/access_group/list").ok().has("access_groups.0.access_group", `"old"`, "access_groups.1.access_group", `"premium"`, "access_groups.1.model_names", `["a"]`,
			"access_groups.1.deployment_count", "2", "access_groups.1.spend", "0.0", "access_groups.1.budget", "null")
		d.do("PUT", "/access_group/premium/update", `{"model_ids":["a2","b1"]}`).ok().has("models_updated", "1", "model_ids", `["a2","b1"]`)
		d.get("/access_group/premium/info").ok().has("model_names", `["a","b"]`, "deployment_count", "2")
		for query, want := range map[string]string{
			"user_models_only=true": "a1 a2 b1", "access_group=premium": "a2 b1", "sortBy=created_at&sortOrder=desc": "b1 a2 a1 file", "sortBy=updated_at": "file", "sortBy=status": "file",
			"sortBy=costs&debug=true": "file a1 a2 b1", "wildcard_only=true": "", "search=A1": "a1", "model=a&sortBy=model_id&sortOrder=desc": "a2 a1", "modelId=b1": "b1", "size=2&page=2": "a2 b1",
		} {
			page := d.get("/v2/model/info?" + query).ok()
			for i, id := range strings.Fields(want) {
				page.has(fmt.Sprintf("data.%d.model_info.id", i), `"`+id+`"`)
			}
			if want == "" {
				page.has("data", "[]", "total_count", "0")
			}
		}
		d.get("/v2/model/info?sortBy=colour").refused(422, "validation_error", "sortBy", "want one of")
		d.do("PUT", "/access_group/nothing/update", `{"model_ids":["a2"]}`).refused(404, "not_found_error", "access_group", "Access group 'nothing' not found")

		// Budgets.
		d.get("/access_group/premium/budget").ok().has("access_group", `"premium"`, "spend", "0.0", "budget", "null")
		d.get("/access_group/nothing/budget").refused(404, "not_found_error", "access_group", "Access group 'nothing' not found")
		d.do("PUT", "/access_group/nothing/budget", `{"max_budget":1}`).refused(404, "not_found_error", "access_group", "Access group 'nothing' not found")
		d.do("PUT", "/access_group/premium/budget", `{}`).refused(400, "bad_request_error", "max_budget", "One of max_budget, soft_budget, budget_duration or budget_id is required")
		d.do("PUT", "/access_group/premium/budget", `{"max_budget":1,"rpm_limit":5}`).refused(422, "validation_error", "rpm_limit", "no such field")
		d.do("PUT", "/access_group/premium/budget", `{"max_budget":-1}`).refused(422, "validation_error", "max_budget", "at least 0")
		d.do("PUT", "/access_group/premium/budget", `{"budget_duration":"soon"}`).refused(400, "bad_request_error", "budget_duration", "soon")
		d.do("PUT", "/access_group/premium/budget", `{"budget_id":"none"}`).refused(400, "bad_request_error", "budget_id", "none")
		d.do("PUT", "/access_group/premium/budget", `{"max_budget":500,"budget_duration":"30d"}`).ok().
			has("access_group", `"premium"`, "budget.max_budget", "500.0", "budget.budget_duration", `"30d"`, "budget.soft_budget", "null")
		d.do("PUT", "/access_group/premium/budget", `{"soft_budget":400}`).ok().has("budget.max_budget", "500.0", "budget.soft_budget", "400.0")
		if b := h.directory.GroupBudget("premium"); b == nil || *b.Limits.Budget != 500e9 {
			t.Errorf("the directory has %+v, want a budget of $500", b)
		}
		d.post("/budget/new", `{"budget_id":"shared","max_budget":7}`).ok()
		d.do("PUT", "/access_group/premium/budget", `{"budget_id":"shared"}`).ok().has("budget.budget_id", `"shared"`, "budget.max_budget", "7.0")
		d.get("/access_group/premium/info").ok().has("budget.budget_id", `"shared"`)
		d.post("/v1/access_group", `{"access_group_name":"stored"}`)
		d.do("PUT", "/access_group/stored/budget", `{"max_budget":3}`).ok().has("budget.max_budget", "3.0")
		d.do("DELETE", "/access_group/stored/budget", "").ok().has("budget_deleted", "true", "message", `"Budget for access group 'stored' deleted successfully"`)
		d.do("DELETE", "/access_group/stored/budget", "").ok().has("budget_deleted", "false", "message", `"Access group 'stored' has no budget to delete"`)

		d.do("DELETE", "/access_group/old/delete", "").refused(400, "bad_request_error", "access_group", "in the configuration")
		d.do("DELETE", "/access_group/premium/delete", "").ok().has("models_updated", "2", "message", `"Access group 'premium' deleted successfully"`)
		d.do("DELETE", "/access_group/premium/delete", "").refused(404, "not_found_error", "access_group", "not found")
		d.do("DELETE", "/access_group/premium/delete", "").has("detail.error", `"Access group 'premium' not found"`)
		if h.directory.GroupBudget("premium") != nil {
			t.Error("the group's budget is still known")
		}
		h.audited("premium", "deleted by default_user_id")
		if m, err := h.db.StoredModel(t.Context(), "a2"); err != nil || string(m.Info) != `{"id":"a2","mode":"chat","access_groups":[]}` {
			t.Errorf("model_info is %s, %v", m.Info, err)
		}
	})
}

func groupsOf(info []byte) []string {
	var i struct {
		Groups []string `json:"access_groups"`
	}
	if json.Unmarshal(info, &i) != nil {
		return nil
	}
	return i.Groups
}
