package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/admin"
	"penstock/internal/gateway"
)

func TestNewUser(t *testing.T) {
	f := newFake()
	d := open(t, f)
	d.post("/team/new", `{"team_id":"t1"}`).ok()
	d.post("/team/new", `{"team_id":"t2"}`).ok()
	d.changes = nil
	a := d.post("/user/new", `{"user_id":"u1","user_email":"a@b.c","user_alias":"Ann","user_role":"internal_user","max_budget":5,
		"budget_duration":"1d","rpm_limit":3,"models":["m1"],"metadata":{"a":1},"teams":["t1",{"team_id":"t2","user_role":"admin"}],
		"key_alias":"ann","duration":"1h"}`).ok()
	key, hash := a.text("key"), a.text("token_id")
	a.has("user_id", `"u1"`, "user_email", `"a@b.c"`, "user_alias", `"Ann"`, "user_role", `"internal_user"`, "teams", `["t1","t2"]`,
		"max_budget", "5.0", "budget_duration", `"1d"`, "budget_reset_at", `"2026-01-18T00:00:00Z"`, "rpm_limit", "3", "models", `["m1"]`,
		"metadata", `{"a":1}`, "key_alias", `"ann"`, "expires", `"2026-01-17T13:00:00Z"`, "duration", `"1h"`, "spend", "0.0")
	if hash != sum(key) {
		t.Errorf("token_id is %s, want the hash of the key", hash)
	}
	want := &gateway.User{
		ID: "u1", Alias: "Ann", Email: "a@b.c", Role: gateway.InternalUser, Models: []string{"m1"}, Teams: []string{"t1", "t2"},
		Limits:   gateway.Limits{Budget: new(gateway.NanoUSD(5e9)), BudgetDuration: "1d", RPM: new(int64(3))},
		Spend:    gateway.Spend{WindowStart: time.Date(2026, 1, 17, 0, 0, 0, 0, time.UTC)},
		Metadata: []byte(`{"a":1}`), CreatedAt: noon, UpdatedAt: noon,
	}
	if diff := cmp.Diff(want, f.users["u1"]); diff != "" {
		t.Errorf("stored user (-want +got):\n%s", diff)
	}
	if k := f.keys[hash]; k.UserID != "u1" || k.Limits.Budget != nil || k.Limits.RPM != nil {
		t.Errorf("key is %+v, want one of u1 without limits of its own: they would not follow the user's", k)
	}
	members := []gateway.Member{{UserID: "default_user_id", Role: "admin"}, {UserID: "u1", Email: "a@b.c", Role: "admin"}}
	if diff := cmp.Diff(members, f.teams["t2"].Members); diff != "" {
		t.Errorf("members of t2 (-want +got):\n%s", diff)
	}
	changes := []admin.Change{
		{Entity: admin.UserEntity, ID: "u1"},
		{Entity: admin.TeamEntity, ID: "t1"},
		{Entity: admin.TeamEntity, ID: "t2"},
		{Entity: admin.KeyEntity, ID: hash},
	}
	if diff := cmp.Diff(changes, d.changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	info := d.get("/user/info?user_id=u1").ok().has("user_id", `"u1"`, "user_info.user_email", `"a@b.c"`, "user_info.max_budget", "5.0",
		"user_info.spend", "0.0", "keys.0.token", `"`+hash+`"`, "teams.0.team_id", `"t1"`, "teams.1.team_id", `"t2"`)
	if strings.Contains(info.Body, key) {
		t.Errorf("the key is shown again: %s", info.Body)
	}
}

func TestNewUserWithoutAnything(t *testing.T) {
	f := newFake()
	d := open(t, f)
	a := d.post("/user/new", ``).ok().has("user_email", "null", "user_role", "null", "teams", "[]")
	if id := a.text("user_id"); len(id) != 36 {
		t.Errorf("user_id is %q, want a UUID", id)
	}
	a = d.post("/user/new", `{"user_id":"u2","auto_create_key":false,"max_budget":2}`).ok().has("key", `""`, "user_id", `"u2"`, "max_budget", "2.0")
	if len(f.keys) != 1 || len(f.users) != 2 {
		t.Errorf("%d keys and %d users, want 1 and 2", len(f.keys), len(f.users))
	}
	a.has("models", "[]", "metadata", "{}")
}

func TestNewUserRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"a taken id", `{"user_id":"u1"}`, 409, "bad_request_error", "user_id", "User with id u1 already exists"},
		{"a taken email", `{"user_email":"a@b.c"}`, 409, "bad_request_error", "user_email", "User with email a@b.c already exists"},
		{"a taken key alias", `{"key_alias":"a1"}`, 400, "bad_request_error", "key_alias", "Key with alias 'a1' already exists"},
		{"a taken key", `{"key":"sk-1234567890123456"}`, 400, "bad_request_error", "key", "already exists"},
		{"a short key", `{"key":"sk-1"}`, 400, "bad_request_error", "key", "16 characters"},
		{"a password", `{"password":"x"}`, 400, "bad_request_error", "password", "password"},
		{"a role nobody has", `{"user_role":"king"}`, 422, "validation_error", "user_role", "got 'king'"},
		{"a team that is not there", `{"teams":["t9"]}`, 404, "not_found_error", "team_id", "Team=t9"},
		{"a team without a name", `{"teams":[{"user_role":"user"}]}`, 422, "validation_error", "teams", "team_id"},
		{"a team that is null", `{"teams":[null]}`, 422, "validation_error", "teams", "team_id"},
		{"a role in a team nobody has", `{"teams":[{"team_id":"t1","user_role":"king"}]}`, 422, "validation_error", "teams", "got 'king'"},
		{"a team for a list", `{"teams":"t1"}`, 422, "validation_error", "teams", "want a list of team ids"},
		{"a negative budget", `{"max_budget":-3}`, 422, "validation_error", "max_budget", "-3"},
		{"a window of words", `{"budget_duration":"soon"}`, 400, "bad_request_error", "budget_duration", "soon"},
		{"a long email", `{"user_email":"` + strings.Repeat("e", 300) + `"}`, 400, "bad_request_error", "user_email", "300 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			d := open(t, f)
			d.post("/team/new", `{"team_id":"t1"}`).ok()
			d.post("/user/new", `{"user_id":"u1","user_email":"a@b.c","key_alias":"a1","key":"sk-1234567890123456"}`).ok()
			d.changes = nil
			d.post("/user/new", tt.body).refused(tt.status, tt.typ, tt.param, tt.message)
			if len(f.users) != 1 || len(f.keys) != 1 || len(f.teams["t1"].Members) != 1 || len(d.changes) != 0 {
				t.Errorf("%d users, %d keys, members %v, changes %v: something is stored", len(f.users), len(f.keys), f.teams["t1"].Members, d.changes)
			}
		})
	}
}

func TestUserInfo(t *testing.T) {
	d := open(t, newFake())
	d.key(`{}`)
	d.key(`{"user_id":"u1"}`)
	d.post("/team/new", `{"team_id":"t1"}`).ok()
	d.get("/user/info?user_id=u9").refused(404, "not_found_error", "user_id", "User u9 not found")
	d.get("/user/info?user_id=a%00").refused(400, "bad_request_error", "user_id", "NUL")
	all := d.get("/user/info").ok().has("user_id", "null", "user_info", "null", "teams.0.team_id", `"t1"`)
	all.at("keys.1")
	own := d.get("/user/info?user_id=default_user_id").ok().has("user_info.user_role", `"proxy_admin"`, "keys.0.user_id", `"default_user_id"`)
	if strings.Contains(own.Body, `"u1"`) {
		t.Errorf("shows another user's key: %s", own.Body)
	}
}

func TestNewTeam(t *testing.T) {
	f := newFake()
	d := open(t, f)
	d.post("/user/new", `{"user_id":"u1","user_email":"a@b.c","auto_create_key":false}`).ok()
	d.changes = nil
	d.post("/team/new", `{"team_id":"t1","team_alias":"Ops","organization_id":"o1","models":["m1"],"model_aliases":{"x":"m1"},"max_budget":50,
		"soft_budget":40,"budget_duration":"7d","tpm_limit":9,"rpm_limit":8,"max_parallel_requests":7,"metadata":{"a":1},
		"members_with_roles":[{"role":"admin","user_id":"u1"},{"role":"user","user_email":"new@b.c"},{"user_id":"u3"},{"user_email":"a@b.c"}]}`).ok().
		has("team_id", `"t1"`, "team_alias", `"Ops"`, "organization_id", `"o1"`, "models", `["m1"]`, "model_aliases", `{"x":"m1"}`,
			"max_budget", "50.0", "soft_budget", "40.0", "budget_duration", `"7d"`, "budget_reset_at", `"2026-01-19T00:00:00Z"`,
			"tpm_limit", "9", "rpm_limit", "8", "max_parallel_requests", "7", "metadata", `{"a":1}`, "spend", "0.0", "blocked", "false",
			"admins", "[]", "members", "[]", "members_with_roles.0.user_id", `"u1"`, "members_with_roles.0.role", `"admin"`,
			"members_with_roles.1.user_email", `"new@b.c"`, "members_with_roles.2.role", `"user"`,
			"members_with_roles.3.user_id", `"default_user_id"`, "members_with_roles.3.role", `"admin"`)
	team := f.teams["t1"]
	if len(team.Members) != 4 {
		t.Errorf("members are %v, want 4: one user named twice is one member", team.Members)
	}
	if len(f.users) != 3 {
		t.Errorf("%d users, want 3: those that were named are made", len(f.users))
	}
	for id, u := range f.users {
		if diff := cmp.Diff([]string{"t1"}, u.Teams); diff != "" {
			t.Errorf("teams of %s (-want +got):\n%s", id, diff)
		}
	}
	if len(d.changes) != 4 || d.changes[0] != (admin.Change{Entity: admin.TeamEntity, ID: "t1"}) {
		t.Errorf("changes are %v, want the team and its three users", d.changes)
	}
	if id := d.post("/team/new", `{}`).ok().text("team_id"); len(id) != 36 {
		t.Errorf("team_id is %q, want a UUID", id)
	}
}

func TestNewTeamRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"a taken id", `{"team_id":"t1","members_with_roles":[{"user_id":"u1"}]}`, 400, "bad_request_error", "team_id", "Team id = t1 already exists. Please use a different team id."},
		{"a soft budget above the hard one", `{"soft_budget":5,"max_budget":5}`, 400, "bad_request_error", "soft_budget", "soft_budget (5.0) must be strictly lower than max_budget (5.0)"},
		{"a member without a name", `{"members_with_roles":[{"role":"user"}]}`, 422, "validation_error", "members_with_roles", "user_id"},
		{"a member that is null", `{"members_with_roles":[null]}`, 422, "validation_error", "members_with_roles", "user_id"},
		{"a role nobody has", `{"members_with_roles":[{"role":"king","user_id":"u1"}]}`, 422, "validation_error", "members_with_roles", "got 'king'"},
		{"members that are no objects", `{"members_with_roles":["u1"]}`, 422, "validation_error", "members_with_roles", "want a list of {role"},
		{"too many members", `{"members_with_roles":[` + strings.Repeat(`{"user_id":"u"},`, 500) + `{"user_id":"u"}]}`, 400, "bad_request_error", "members_with_roles", "at most 500"},
		{"a negative budget", `{"max_budget":-1}`, 422, "validation_error", "max_budget", "-1"},
		{"a window of words", `{"budget_duration":"soon"}`, 400, "bad_request_error", "budget_duration", "soon"},
		{"a long alias", `{"team_alias":"` + strings.Repeat("a", 300) + `"}`, 400, "bad_request_error", "team_alias", "300 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			d := open(t, f)
			d.post("/team/new", `{"team_id":"t1"}`).ok()
			d.changes = nil
			d.post("/team/new", tt.body).refused(tt.status, tt.typ, tt.param, tt.message)
			if len(f.teams) != 1 || len(f.users) != 0 || len(d.changes) != 0 {
				t.Errorf("%d teams, %d users, changes %v: something is stored", len(f.teams), len(f.users), d.changes)
			}
		})
	}
}

func TestTeamInfo(t *testing.T) {
	d := open(t, newFake(), func(o *admin.Options) {
		o.LiveSpend = func(entity, id string) (gateway.NanoUSD, bool) {
			return 1_250_000_000, entity == admin.TeamEntity && id == "t1"
		}
	})
	d.post("/team/new", `{"team_id":"t1","max_budget":2}`).ok()
	_, hash := d.key(`{"team_id":"t1"}`)
	d.key(`{}`)
	a := d.get("/team/info?team_id=t1").ok().has("team_id", `"t1"`, "team_info.team_id", `"t1"`, "team_info.max_budget", "2.0", "team_info.spend", "1.25",
		"keys.0.token", `"`+hash+`"`, "keys.0.team_id", `"t1"`,
		"team_memberships", `[{"user_id":"default_user_id","team_id":"t1","budget_id":null,"spend":0.0,"total_spend":0.0,"litellm_budget_table":null,"budget_source":null}]`)
	if n := strings.Count(a.Body, `"key_name"`); n != 1 {
		t.Errorf("%d keys are shown, want 1", n)
	}
	d.get("/team/info?team_id=t9").refused(404, "not_found_error", "team_id", "Team not found, passed team_id=t9")
	d.get("/team/info").refused(422, "validation_error", "team_id", "team_id is missing")
}
