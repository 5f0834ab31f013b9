package admin_test

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// Whatever is sent to whatever route is the client's fault, and is answered with
// JSON: the admin calls each with what generators of requests come up with.
func TestNoRouteFailsWhateverIsSent(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { sendEverything(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { sendEverything(t, storetest.Postgres(t)) })
}

func sendEverything(t *testing.T, db *store.DB) {
	h := openHouse(t, db, storesModels(t))
	h.post("/team/new", `{"team_id":"x","organization_id":null,"members_with_roles":[{"user_id":"x"}]}`).ok()
	h.post("/project/new", `{"project_id":"x","team_id":"x"}`).ok()
	h.key(`{"key":"sk-xxxxxxxxxxxxxxxx","key_alias":"x","user_id":"x","team_id":"x","project_id":"x"}`)
	sendTo(t, h, func(rt admin.Route, try string, a *answer) {
		if a.Status >= 500 || a.Status < 200 || !jsontext.Value(a.Body).IsValid() && !strings.HasPrefix(a.Body, "date,") {
			t.Errorf("%s %s with %.300s: %d %.300s", rt.Method, rt.Pattern, try, a.Status, a.Body)
		}
	})
}

// A user who has nothing learns nothing of others, and changes nothing of theirs,
// by whatever it sends to whatever route.
func TestNothingOfOthersLeaks(t *testing.T) {
	h := openHouse(t, sqlite(t), storesModels(t))
	const hush = "hush-hush"
	h.post("/user/new", `{"user_id":"eve","user_role":"internal_user","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"x","user_alias":"`+hush+`","metadata":{"a":"`+hush+`"},"auto_create_key":false}`).ok()
	h.post("/organization/new", `{"organization_id":"x","organization_alias":"`+hush+`"}`).ok()
	h.post("/team/new", `{"team_id":"x","team_alias":"`+hush+`","organization_id":"x","members_with_roles":[{"user_id":"x"}]}`).ok()
	h.post("/project/new", `{"project_id":"x","team_id":"x","project_alias":"`+hush+`"}`).ok()
	h.post("/budget/new", `{"budget_id":"x","max_budget":123.456}`).ok()
	h.post("/customer/new", `{"user_id":"x","alias":"`+hush+`"}`).ok()
	h.key(`{"key":"sk-xxxxxxxxxxxxxxxx","key_alias":"` + hush + `","user_id":"x","team_id":"x","project_id":"x"}`)
	entries := func() map[string]int {
		out := map[string]int{}
		all, n, err := h.db.ListAudit(t.Context(), store.AuditFilter{}, store.Page{Limit: 10_000})
		if err != nil || n > len(all) {
			t.Fatalf("%d entries of the audit log, %v", n, err)
		}
		for _, e := range all {
			if o := e.ObjectID; o == "x" || o == auth.Hash("sk-xxxxxxxxxxxxxxxx") {
				out[e.Table+" "+e.Action]++
			}
		}
		return out
	}
	before := entries()
	for _, role := range []gateway.Role{gateway.InternalUser, gateway.InternalUserViewer, gateway.TeamRole, gateway.Customer, ""} {
		h.as("eve", role)
		sendTo(t, h, func(rt admin.Route, try string, a *answer) {
			if a.Status >= 500 {
				t.Errorf("%s: %s %s with %.300s: %d %.300s", role, rt.Method, rt.Pattern, try, a.Status, a.Body)
			}
			if strings.Contains(a.Body, hush) || strings.Contains(a.Body, "123.456") {
				t.Errorf("%s: %s %s with %.300s tells %.500s", role, rt.Method, rt.Pattern, try, a.Body)
			}
		})
	}
	if diff := cmp.Diff(before, entries()); diff != "" {
		t.Errorf("things of others were changed (-before +after):\n%s", diff)
	}
}

// storesModels has models kept in the database.
func storesModels(t *testing.T) func(*admin.Options) {
	t.Helper()
	box, err := secret.New("sk-salt")
	if err != nil {
		t.Fatal(err)
	}
	return func(o *admin.Options) { o.Secrets, o.StoreModels = box, func() bool { return true } }
}

// sendTo calls every route with everything, and hands each answer to look.
func sendTo(t *testing.T, h *house, look func(rt admin.Route, try string, a *answer)) {
	t.Helper()
	fields := []string{
		"key", "keys", "key_aliases", "team_id", "team_ids", "user_id", "user_ids", "project_id", "project_ids", "member", "members", "members_with_roles", "models",
		"budgets", "budget_id", "id", "organization_id", "organization_ids", "users", "user_updates", "update_fields", "teams", "metadata", "model_max_budget",
		"budget_limits", "model_rpm_limit", "max_budget", "temp_budget_increase", "temp_budget_expiry", "reset_to", "grace_period", "new_key", "tags", "permissions",
		"team_member_permissions", "team_member_budget", "duration", "budget_duration", "object_permission", "router_settings", "name", "user_role", "role", "model_name", "litellm_params", "model_info",
		"credential_name", "credential_values", "organization_alias", "description", "access_group_name", "callback_name", "callback_type", "callback_vars", "invitation_id",
		"is_accepted", "current_password", "new_password", "password",
	}
	values := []string{
		`null`, `""`, `"x"`, `0`, `-1`, `1e400`, `9223372036854775807`, `true`, `[]`, `{}`, `[null]`, `[[]]`, `[{}]`, `["x"]`, `[{"user_id":"x","team_id":"x","key":"x"}]`,
		`{"x":null}`, `{"x":{}}`, `{"x":{"budget_limit":1e400}}`, `{"team_id":"x","user_id":"x"}`, `"\ud83d\ude00"`, `"a\u0000b"`, `[[[[[[[[{"a":[{}]}]]]]]]]]`,
	}
	// One body with every field of one value, and others that are none.
	bodies := []string{``, `null`, `[]`, `"x"`, `{"":""}`, `{"key":"x","key":"y"}`, `{"team_id":"x","user_id":"x","key":"sk-xxxxxxxxxxxxxxxx","reset_to":0,"models":["x"],"member":{"user_id":"y"}}`}
	for _, v := range values {
		var b strings.Builder
		for i, f := range fields {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + f + `":` + v)
		}
		bodies = append(bodies, `{`+b.String()+`}`)
	}
	// And others with a few fields, the same in every run.
	some := rand.New(rand.NewPCG(1, 2))
	for range 80 {
		b := `{"team_id":"x","user_id":"x"`
		for _, i := range some.Perm(len(fields))[:1+some.IntN(4)] {
			if fields[i] != "team_id" && fields[i] != "user_id" {
				b += `,"` + fields[i] + `":` + values[some.IntN(len(values))]
			}
		}
		bodies = append(bodies, b+`}`)
	}
	queries := []string{"", "page=0", "page=1000000&size=100&page_size=100", "size=x"}
	for _, v := range []string{"x", "", "\x00", "\xff", "-1", "' OR 1=1 --", "2026-01-01", "2026-99-99", strings.Repeat("y", 5000)} {
		q := url.Values{}
		for _, f := range append(fields, "search", "sort_by", "sort_order", "start_date", "end_date", "user_ids", "status", "after", "expand", "page", "size", "end_user_id", "tag", "tags") {
			q.Set(f, v)
		}
		queries = append(queries, q.Encode())
	}
	for _, rt := range admin.New(admin.Options{Store: h.db}).Routes() {
		path := strings.NewReplacer("{key}", "sk-xxxxxxxxxxxxxxxx", "...}", "}").Replace(rt.Pattern)
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + "x" + after
		}
		tries := bodies
		if rt.Method == "GET" {
			tries = queries
		}
		for _, try := range tries {
			target, body := path, try
			if rt.Method == "GET" {
				target, body = path+"?"+try, ""
			}
			look(rt, try, h.do(rt.Method, target, body))
		}
	}
}
