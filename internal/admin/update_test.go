package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/admin"
	"penstock/internal/gateway"
)

// full is a key with everything set.
const full = `{"key_alias":"a1","models":["m1"],"user_id":"u1","max_budget":10,"soft_budget":1,"budget_duration":"30d",
	"tpm_limit":1000,"rpm_limit":10,"max_parallel_requests":3,"spend":0.25,"metadata":{"a":1},"permissions":{"p":true},
	"aliases":{"x":"m1"},"tags":["g"],"allowed_routes":["/v1/models"],"duration":"30h"}`

func TestUpdateChangesOnlyWhatIsSent(t *testing.T) {
	untouched := []string{
		"key_alias", `"a1"`, "models", `["m1"]`, "user_id", `"u1"`, "max_budget", "10.0", "soft_budget", "1.0", "budget_duration", `"30d"`,
		"budget_reset_at", `"2026-02-01T00:00:00Z"`, "tpm_limit", "1000", "rpm_limit", "10", "max_parallel_requests", "3",
		"spend", "0.25", "total_spend", "0.25", "metadata", `{"a":1,"tags":["g"]}`, "permissions", `{"p":true}`, "aliases", `{"x":"m1"}`,
		"tags", `["g"]`, "allowed_routes", `["/v1/models"]`, "expires", `"2026-01-18T18:00:00Z"`, "blocked", "false",
	}
	for _, tt := range []struct {
		name, body string
		want       []string // what differs from untouched
	}{
		{"nothing sent, nothing changed", `{}`, nil},
		{"a value replaces", `{"max_budget":20.5}`, []string{"max_budget", "20.5"}},
		{"null takes the budget away", `{"max_budget":null}`, []string{"max_budget", "null"}},
		{"an empty string takes it away too", `{"max_budget":""}`, []string{"max_budget", "null"}},
		{"zero is a budget", `{"max_budget":0}`, []string{"max_budget", "0.0"}},
		{
			"null takes rates away", `{"rpm_limit":null,"tpm_limit":null,"max_parallel_requests":null}`,
			[]string{"rpm_limit", "null", "tpm_limit", "null", "max_parallel_requests", "null"},
		},
		{"null empties a list", `{"models":null}`, []string{"models", "[]"}},
		{"an empty list empties a list", `{"models":[]}`, []string{"models", "[]"}},
		{"null frees the alias", `{"key_alias":null}`, []string{"key_alias", "null"}},
		{"metadata is replaced, not merged", `{"metadata":{"b":2}}`, []string{"metadata", `{"b":2,"tags":["g"]}`}},
		{"null empties metadata", `{"metadata":null}`, []string{"metadata", `{"tags":["g"]}`}},
		{"null ends the life's end", `{"duration":null}`, []string{"expires", "null"}},
		{"minus one ends the life's end", `{"duration":"-1"}`, []string{"expires", "null"}},
		{"a life starts now", `{"duration":"1h"}`, []string{"expires", `"2026-01-17T13:00:00Z"`}},
		{"spend is set, what was ever spent is not", `{"spend":0}`, []string{"spend", "0.0"}},
		{"null sets spend to nothing", `{"spend":null}`, []string{"spend", "0.0"}},
		{
			"a new budget window keeps what was spent", `{"budget_duration":"1d"}`,
			[]string{"budget_duration", `"1d"`, "budget_reset_at", `"2026-01-18T00:00:00Z"`},
		},
		{"a lifetime budget keeps what was spent", `{"budget_duration":null}`, []string{"budget_duration", "null", "budget_reset_at", "null"}},
		{"a user can be taken away", `{"user_id":null}`, []string{"user_id", "null"}},
		{"a key can be blocked", `{"blocked":true}`, []string{"blocked", "true"}},
		{"null unblocks", `{"blocked":null}`, []string{"blocked", "false"}},
		{"a team that is there", `{"team_id":"t1"}`, []string{"team_id", `"t1"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, newFake())
			d.post("/team/new", `{"team_id":"t1"}`).ok()
			key, hash := d.key(full)
			a := d.post("/key/update", `{"key":"`+key+`"`+rest(tt.body)).ok()
			want := map[string]string{}
			for i := 0; i < len(untouched); i += 2 {
				want[untouched[i]] = untouched[i+1]
			}
			for i := 0; i < len(tt.want); i += 2 {
				want[tt.want[i]] = tt.want[i+1]
			}
			info := d.get("/key/info?key=" + hash).ok()
			for field, value := range want {
				a.has(field, value)
				info.has("info."+field, value)
			}
			a.has("key", `"`+key+`"`)
		})
	}
}

// rest is what follows the first field of an object that goes on with body.
func rest(body string) string {
	if body == "{}" {
		return "}"
	}
	return "," + body[1:]
}

func TestUpdateRecordsWhoAndWhen(t *testing.T) {
	d := open(t, newFake())
	key, hash := d.key(`{"max_budget":1}`)
	d.changes, d.now = nil, noon.Add(time.Hour)
	d.who = gateway.Principal{Role: gateway.ProxyAdmin, Key: &gateway.Key{Hash: "h"}, User: &gateway.User{ID: "boss"}}
	d.post("/key/update", `{"key":"`+hash+`","rpm_limit":1}`).ok().has("key", `"`+hash+`"`,
		"updated_by", `"boss"`, "updated_at", `"2026-01-17T13:00:00Z"`, "created_by", `"default_user_id"`, "created_at", `"2026-01-17T12:00:00Z"`)
	d.post("/key/update", `{"key":"`+key+`","spend":2}`).ok()
	want := []admin.Change{{Entity: admin.KeyEntity, ID: hash}, {Entity: admin.KeyEntity, ID: hash, Spend: true}}
	if diff := cmp.Diff(want, d.changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if d.flushes != 1 {
		t.Errorf("%d flushes, want 1: before the spend is replaced", d.flushes)
	}
}

func TestUpdateByAlias(t *testing.T) {
	d := open(t, newFake())
	_, hash := d.key(`{"key_alias":"a1"}`)
	d.post("/key/update", `{"key_alias":"a1","rpm_limit":4}`).ok().has("key", `"`+hash+`"`, "rpm_limit", "4", "key_alias", `"a1"`)
	d.post("/key/update", `{"key_alias":"a2","rpm_limit":4}`).refused(404, "not_found_error", "key_alias", "key_alias=a2")
}

func TestUpdateRefuses(t *testing.T) {
	d := open(t, newFake())
	key, hash := d.key(full)
	d.key(`{"key_alias":"taken"}`)
	before := d.get("/key/info?key=" + hash).ok().Body
	d.changes = nil
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"no key", `{"max_budget":1}`, 422, "validation_error", "key", "key is missing"},
		{"an unknown key", `{"key":"sk-unknown","max_budget":1}`, 404, "not_found_error", "key", "Key not found in database"},
		{"an unknown hash", `{"key":"` + strings.Repeat("0", 64) + `"}`, 404, "not_found_error", "key", "Key not found in database"},
		{"a very long key", `{"key":"` + strings.Repeat("0", 1000) + `"}`, 400, "bad_request_error", "key", "1000 bytes"},
		{"a negative budget", `{"key":"` + key + `","rpm_limit":1,"max_budget":-1}`, 422, "validation_error", "max_budget", "-1"},
		{"a life of words", `{"key":"` + key + `","rpm_limit":1,"duration":"soon"}`, 400, "bad_request_error", "duration", "soon"},
		{"a window of words", `{"key":"` + key + `","rpm_limit":1,"budget_duration":"1y"}`, 400, "bad_request_error", "budget_duration", "1y"},
		{"a taken alias", `{"key":"` + key + `","rpm_limit":1,"key_alias":"taken"}`, 400, "bad_request_error", "key_alias", "Key with alias 'taken' already exists"},
		{"a team that is not there", `{"key":"` + key + `","rpm_limit":1,"team_id":"t9"}`, 404, "not_found_error", "team_id", "Team=t9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &door{t: t, mux: d.mux}
			d.post("/key/update", tt.body).refused(tt.status, tt.typ, tt.param, tt.message)
		})
	}
	if after := d.get("/key/info?key=" + hash).ok().Body; after != before {
		t.Errorf("the key has changed:\n%s\n%s", before, after)
	}
	if len(d.changes) > 0 {
		t.Errorf("changes are %v, want none", d.changes)
	}
}

func TestSpendIsThatOfTheCurrentWindow(t *testing.T) {
	for _, tt := range []struct {
		name     string
		duration string
		spend    gateway.Spend
		live     gateway.NanoUSD // -1: the counters have not seen the key
		want     string
	}{
		{"a lifetime never ends", "", gateway.Spend{Window: 3e9}, -1, "3.0"},
		{"this month's counts", "30d", gateway.Spend{Window: 3e9, WindowStart: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, -1, "3.0"},
		{"last month's does not", "30d", gateway.Spend{Window: 3e9, WindowStart: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)}, -1, "0.0"},
		{"the counters know better", "30d", gateway.Spend{Window: 3e9}, 4e9, "4.0"},
		{"the books know better than counters that are behind", "", gateway.Spend{Window: 3e9}, 1e9, "3.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			d := open(t, f, func(o *admin.Options) {
				o.LiveSpend = func(entity, id string) (gateway.NanoUSD, bool) {
					return max(tt.live, 0), tt.live >= 0 && entity == admin.KeyEntity && id == "h"
				}
			})
			f.keys["h"] = &gateway.Key{Hash: "h", Limits: gateway.Limits{BudgetDuration: tt.duration}, Spend: tt.spend}
			d.get("/key/info?key=h").ok().has("info.spend", tt.want)
		})
	}
}

func TestUpdateOfSpendStartsInTheWindowThatHolds(t *testing.T) {
	f := newFake()
	d := open(t, f)
	_, hash := d.key(`{"budget_duration":"30d"}`)
	d.now = noon.AddDate(0, 1, 0)
	d.post("/key/update", `{"key":"`+hash+`","spend":1.5}`).ok().has("spend", "1.5")
	want := gateway.Spend{Window: 1_500_000_000, WindowStart: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}
	if diff := cmp.Diff(want, f.keys[hash].Spend); diff != "" {
		t.Errorf("spend (-want +got):\n%s", diff)
	}
}

func TestInfo(t *testing.T) {
	d := open(t, newFake())
	key, hash := d.key(`{"duration":"1h"}`)
	byKey, byHash := d.get("/key/info?key="+key).ok(), d.get("/key/info?key="+hash).ok()
	byKey.has("key", `"`+key+`"`, "info.status", `"active"`)
	byHash.has("key", `"`+hash+`"`)
	if byKey.at("info") != byHash.at("info") {
		t.Errorf("by key and by hash differ:\n%s\n%s", byKey.Body, byHash.Body)
	}
	if strings.Contains(byKey.at("info"), hash) {
		t.Errorf("info has the hash: %s", byKey.Body)
	}
	d.now = noon.Add(2 * time.Hour)
	d.get("/key/info?key="+key).ok().has("info.status", `"expired"`)
	d.get("/key/info").refused(400, "bad_request_error", "key", "?key=")
	d.get("/key/info?key=sk-unknown").refused(404, "not_found_error", "key", "Key not found in database")
	d.get("/key/info?key=a%00b").refused(400, "bad_request_error", "key", "NUL")
	d.get("/key/info?key=%zz").refused(400, "bad_request_error", "", "query string")
	d.get("/key/info?key="+strings.Repeat("k", 1000)).refused(400, "bad_request_error", "key", "1000 bytes")
	d.get("/key/info?key=%27%20OR%201=1--%0d%0a").refused(404, "not_found_error", "key", "Key not found")
}

func TestDelete(t *testing.T) {
	f := newFake()
	d := open(t, f)
	k1, h1 := d.key(`{}`)
	_, h2 := d.key(`{}`)
	_, h3 := d.key(`{"key_alias":"a3"}`)
	_, h4 := d.key(`{}`)
	d.changes = nil
	d.post("/key/delete", `{"keys":["`+k1+`","`+h2+`","sk-unknown","`+h1+`"],"key_aliases":["a3"]}`).ok().
		has("deleted_keys", `["`+k1+`","`+h2+`","a3"]`)
	var want []admin.Change
	for _, h := range []string{h1, h2, h3} {
		want = append(want, admin.Change{Entity: admin.KeyEntity, ID: h, Deleted: true})
	}
	if diff := cmp.Diff(want, d.changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if len(f.keys) != 1 || f.keys[h4] == nil {
		t.Errorf("%d keys are left, want the one that was not named", len(f.keys))
	}
	for _, tt := range []struct {
		name, body string
		status     int
		param      string
		message    string
	}{
		{"keys that are gone", `{"keys":["` + k1 + `"]}`, 404, "keys", "No keys found"},
		{"an alias that is gone", `{"key_aliases":["a3"]}`, 404, "key_aliases", "a3"},
		{"no keys", `{"keys":[]}`, 400, "keys", "No keys to delete"},
		{"nothing", `{}`, 400, "keys", "No keys to delete"},
		{"too many keys", `{"keys":[` + strings.Repeat(`"k",`, 1000) + `"k"]}`, 400, "keys", "at most 1000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ := map[int]string{404: "not_found_error", 400: "bad_request_error"}[tt.status]
			(&door{t: t, mux: d.mux}).post("/key/delete", tt.body).refused(tt.status, typ, tt.param, tt.message)
		})
	}
}

func TestBlock(t *testing.T) {
	f := newFake()
	var blockedThen bool
	d := open(t, f, func(o *admin.Options) {
		o.Changed = func(_ context.Context, c ...admin.Change) error {
			blockedThen = f.keys[c[0].ID].Blocked
			return nil
		}
	})
	key, hash := d.key(`{}`)
	d.post("/key/block", `{"key":"`+key+`"}`).ok().has("blocked", "true", "token", `"`+hash+`"`, "status", `"revoked"`)
	if !blockedThen {
		t.Error("the change is told before it is stored")
	}
	d.post("/key/block", `{"key":"`+hash+`"}`).ok().has("blocked", "true")
	d.post("/key/unblock", `{"key":"`+hash+`"}`).ok().has("blocked", "false", "status", `"active"`)
	if blockedThen {
		t.Error("the key is still blocked when its change is told")
	}
	for _, path := range []string{"/key/block", "/key/unblock"} {
		d.post(path, `{}`).refused(422, "validation_error", "key", "key is missing")
		d.post(path, `{"key":"my-key"}`).refused(400, "bad_request_error", "key", "Invalid key format.")
		d.post(path, `{"key":"`+strings.Repeat("Z", 64)+`"}`).refused(400, "bad_request_error", "key", "Invalid key format.")
		d.post(path, `{"key":"sk-unknown"}`).refused(404, "not_found_error", "key", "Key not found.")
	}
}

func TestList(t *testing.T) {
	d := open(t, newFake())
	var hashes []string
	for i, body := range []string{`{"key_alias":"blue","user_id":"u1"}`, `{"key_alias":"green","user_id":"u1"}`, `{"user_id":"u2"}`} {
		d.now = noon.Add(time.Duration(i) * time.Second)
		_, h := d.key(body)
		hashes = append(hashes, `"`+h+`"`)
	}
	list := func(i ...int) string {
		var s []string
		for _, i := range i {
			s = append(s, hashes[i])
		}
		return "[" + strings.Join(s, ",") + "]"
	}
	for _, tt := range []struct{ name, query, keys, total, page, pages string }{
		{"the newest come first", "", list(2, 1, 0), "3", "1", "1"},
		{"the oldest first", "?sort_order=asc", list(0, 1, 2), "3", "1", "1"},
		{"a page", "?size=2", list(2, 1), "3", "1", "2"},
		{"the last page", "?size=2&page=2", list(0), "3", "2", "2"},
		{"a page beyond", "?size=2&page=9", list(), "3", "9", "2"},
		{"of a user", "?user_id=u1", list(1, 0), "2", "1", "1"},
		{"of nobody", "?user_id=u3", list(), "0", "1", "0"},
		{"by alias", "?key_alias=blue", list(0), "1", "1", "1"},
		{"by part of an alias", "?key_alias=ree&substring_matching=true", list(1), "1", "1", "1"},
		{"a part is not an alias", "?key_alias=ree", list(), "0", "1", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			(&door{t: t, mux: d.mux}).get("/key/list"+tt.query).ok().
				has("keys", tt.keys, "total_count", tt.total, "current_page", tt.page, "total_pages", tt.pages)
		})
	}
	d.get("/key/list?return_full_object=true&size=1").ok().has("keys.0.user_id", `"u2"`, "keys.0.token", hashes[2])
	d.get("/key/list?size=101").refused(422, "validation_error", "size", "from 1 to 100")
	d.get("/key/list?page=0").refused(422, "validation_error", "page", "from 1")
	d.get("/key/list?page=x").refused(422, "validation_error", "page", `got "x"`)
	d.get("/key/list?sort_by=secret").refused(422, "validation_error", "sort_by", "spend")
	d.get("/key/list?return_full_object=perhaps").refused(422, "validation_error", "return_full_object", "true or false")
}
