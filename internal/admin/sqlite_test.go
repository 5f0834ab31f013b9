package admin_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// openSQLite returns an API over a database of its own.
func openSQLite(t *testing.T) (*door, *store.DB) {
	t.Helper()
	db := storetest.SQLite(t)
	return open(t, db), db
}

// The fake agrees with the database in everything that the API relies on.
func TestOnSQLite(t *testing.T) {
	d, db := openSQLite(t)
	d.post("/team/new", `{"team_id":"t1","max_budget":9,"members_with_roles":[{"user_id":"u2","role":"user"}]}`).ok()
	d.post("/team/new", `{"team_id":"t1"}`).refused(400, "bad_request_error", "team_id", "Team id = t1 already exists")
	d.post("/user/new", `{"user_id":"u1","user_email":"a@b.c","auto_create_key":false,"teams":["t1"]}`).ok()
	d.post("/user/new", `{"user_id":"u1"}`).refused(409, "bad_request_error", "user_id", "User with id u1 already exists")
	d.post("/user/new", `{"user_email":"a@b.c"}`).refused(409, "bad_request_error", "user_email", "User with email a@b.c already exists")

	made := d.post("/key/generate", `{"key_alias":"a1","user_id":"u1","team_id":"t1","max_budget":1.5,"budget_duration":"30d","spend":0.25,
		"metadata":{"z":1,"a":12345678901234567890},"models":["m"],"aliases":{"x":"m"},"duration":"1h","tags":["g"]}`).ok()
	key, hash := made.text("key"), made.text("token_id")
	info := d.get("/key/info?key="+key).ok().has("info.spend", "0.25", "info.metadata", `{"z":1,"a":12345678901234567890,"tags":["g"]}`)
	for _, field := range []string{
		"key_name", "key_alias", "models", "aliases", "user_id", "team_id", "metadata", "max_budget", "budget_duration", "budget_reset_at",
		"expires", "tags", "created_at", "created_by", "updated_at", "spend", "blocked",
	} {
		if got, want := info.at("info."+field), made.at(field); got != want {
			t.Errorf("%s is %s after it was stored, and was %s in the answer", field, got, want)
		}
	}
	d.post("/key/generate", `{"key_alias":"a1"}`).refused(400, "bad_request_error", "key_alias", "Key with alias 'a1' already exists")
	d.post("/key/generate", `{"key":"`+key+`"}`).refused(400, "bad_request_error", "key", "already exists")
	d.post("/key/update", `{"key":"`+key+`","max_budget":null,"rpm_limit":3}`).ok().has("max_budget", "null", "rpm_limit", "3", "key_alias", `"a1"`)
	d.post("/key/update", `{"key":"sk-unknown"}`).refused(404, "not_found_error", "key", "Key not found in database")
	other, _ := d.key(`{"key_alias":"a2"}`)
	d.post("/key/update", `{"key":"`+other+`","key_alias":"a1"}`).refused(400, "bad_request_error", "key_alias", "Key with alias 'a1' already exists")
	d.post("/key/block", `{"key":"`+key+`"}`).ok().has("blocked", "true")
	d.post("/key/unblock", `{"key":"`+hash+`"}`).ok().has("blocked", "false")

	row := bill()
	row.KeyHash, row.TeamID, row.KeyWindow = hash, "t1", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if n, err := db.Book(t.Context(), []spend.Row{row}); n != 1 || err != nil {
		t.Fatalf("booked %d rows, %v", n, err)
	}
	d.get("/key/info?key="+key).ok().has("info.spend", "0.2500285", "info.total_spend", "0.2500285")
	d.get("/team/info?team_id=t1").ok().has("team_info.spend", "2.85e-05", "keys.0.token", `"`+hash+`"`)
	d.get("/user/info?user_id=u1").ok().has("user_info.spend", "2.85e-05", "keys.0.key_alias", `"a1"`, "teams.0.team_id", `"t1"`)
	d.get("/user/info?user_id=u2").ok().has("user_info.teams", `["t1"]`)
	d.get("/global/spend").ok().has("spend", "2.85e-05")
	d.get("/spend/logs?request_id=call-1").ok().has("0.request_id", `"chatcmpl-1"`, "0.spend", "2.85e-05", "0.metadata.user_api_key_alias", `"a1"`)
	const day = `{"startTime":"2026-01-17","spend":2.85e-05,"users":{"u1":2.85e-05},"models":{"gpt-4o":2.85e-05}}`
	for _, query := range []string{"", "&user_id=u1", "&api_key=" + key} {
		if got := d.get("/spend/logs?start_date=2026-01-17&end_date=2026-01-17" + query).ok().Body; got != "["+day+"]" {
			t.Errorf("days with %q: got %s, want [%s]", query, got, day)
		}
	}
	d.get("/spend/keys").ok().has("0.token", `"`+hash+`"`)

	d.get("/key/list?key_alias=a1").ok().has("keys", `["`+hash+`"]`, "total_count", "1", "total_pages", "1")
	d.get("/key/list?size=1&page=2&sort_by=key_alias&sort_order=asc").ok().has("total_count", "2", "total_pages", "2", "current_page", "2")
	d.get("/key/list?search=a&user_id=%27%20OR%201=1%20--").ok().has("total_count", "0")
	d.post("/key/delete", `{"keys":["`+key+`","sk-unknown"]}`).ok().has("deleted_keys", `["`+key+`"]`)
	d.get("/key/info?key="+key).ok().has("info.status", `"deleted"`)
	d.post("/key/delete", `{"keys":["`+key+`"]}`).refused(404, "not_found_error", "keys", "No keys found")
}

func TestStrangeTextGoesThroughSQLiteUnharmed(t *testing.T) {
	for _, tt := range []struct{ name, json string }{
		{"quotes and comments", `'; DROP TABLE keys; -- \" /* */`},
		{"line ends", `a\r\nSet-Cookie: x`},
		{"wildcards of SQL", `%_\\`},
		{"other scripts", `ключ 鍵 🔑`},
		{"255 bytes", strings.Repeat("x", 255)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := openSQLite(t)
			d.post("/team/new", `{"team_id":"`+tt.json+`"}`).ok()
			a := d.post("/user/new", `{"user_id":"`+tt.json+`","key_alias":"`+tt.json+`","teams":["`+tt.json+`"]}`).ok()
			want := a.text("key_alias")
			if got := d.get("/key/info?key=" + a.text("key")).ok().text("info.key_alias"); got != want {
				t.Errorf("alias is %q, want %q", got, want)
			}
			d.post("/key/update", `{"key_alias":"`+tt.json+`","blocked":true}`).ok().has("blocked", "true")
			d.post("/key/delete", `{"key_aliases":["`+tt.json+`"]}`).ok()
		})
	}
}

func TestOneAliasIsGivenOnce(t *testing.T) {
	_, db := openSQLite(t)
	const writers = 8
	status := make(chan int)
	for range writers {
		go func() {
			// A door of its own: what a door records is not for sharing.
			status <- open(t, db).post("/key/generate", `{"key_alias":"the one"}`).Status
		}()
	}
	made := 0
	for range writers {
		switch s := <-status; s {
		case 200:
			made++
		case 400:
		default:
			t.Errorf("status is %d, want 200 or 400", s)
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made, want 1", made)
	}
	if _, n, err := db.ListKeys(t.Context(), store.KeyFilter{Alias: "the one"}, store.Page{}); n != 1 || err != nil {
		t.Errorf("%d keys are stored, %v, want 1", n, err)
	}
}
