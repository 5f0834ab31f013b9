package storetest

import (
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// Texts that strangers send.
var hostile = []struct {
	name, text string
	kept       bool // as an id
}{
	{"quotes", `'; DROP TABLE keys; --"` + "`", true},
	{"CR and LF", "a\r\nSet-Cookie: x", true},
	{"a dollar parameter", "$1 ?1 :name %s {{x}}", true},
	{"emoji and combining marks", "e\u0301🦀\u202e", true},
	{"the longest id", strings.Repeat("i", 512), true},
	{"an id one byte too long", strings.Repeat("i", 513), false},
	{"NUL", "a\x00b", false},
	{"broken UTF-8", "a\xff\xc3", false},
	{"a megabyte", strings.Repeat("x", 1<<20), false},
}

func hostileTexts(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i, h := range hostile {
		key := &gateway.Key{Hash: hash(i), Alias: h.text}
		user := &gateway.User{ID: h.text}
		team := &gateway.Team{ID: h.text}
		if !h.kept {
			wantInvalid(t, h.name+" as an alias", db.CreateKey(ctx, key), "key_alias")
			wantInvalid(t, h.name+" as a user", db.CreateUser(ctx, user), "user_id")
			wantInvalid(t, h.name+" as a team", db.CreateTeam(ctx, team), "team_id")
			continue
		}
		must(t, db.CreateKey(ctx, key))
		must(t, db.CreateUser(ctx, user))
		must(t, db.CreateTeam(ctx, team))
		same(t, h.name+" as an alias", got(db.KeyByAlias(ctx, h.text))(t), key)
		same(t, h.name+" as a user", got(db.User(ctx, h.text))(t), user)
		same(t, h.name+" as a team", got(db.Team(ctx, h.text))(t), team)
		list, n, err := db.ListKeys(ctx, store.KeyFilter{AliasContains: h.text}, store.Page{})
		must(t, err)
		if n != 1 || len(list) != 1 {
			t.Errorf("%s: a search for the alias found %d keys, want 1", h.name, n)
		}
		same(t, h.name+" deleted", got(db.DeleteUsers(ctx, []string{h.text}))(t), []string{h.text})
	}
	// Lists and texts that are in no index may be long, not broken.
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(100), Models: []string{strings.Repeat("m", 1<<20)}}))
	wantInvalid(t, "NUL in a text", db.CreateKey(ctx, &gateway.Key{Hash: hash(101), Name: "\x00"}), "key_name")
	wantInvalid(t, "broken UTF-8 in a list", db.CreateKey(ctx, &gateway.Key{Hash: hash(102), Models: []string{"\xff"}}), "models")
	wantInvalid(t, "broken UTF-8 in metadata", db.CreateKey(ctx, &gateway.Key{Hash: hash(103), Metadata: []byte("{\"a\":\"\xff\"}")}), "metadata")
	wantInvalid(t, "a key without a hash", db.CreateKey(ctx, &gateway.Key{}), "hash")
	nul := gateway.Key{Hash: hash(104), Models: []string{"a\x00b"}, Aliases: map[string]string{"\x00": "\x00"}}
	must(t, db.CreateKey(ctx, &nul))
	same(t, "NUL in a list, which JSON escapes", got(db.Key(ctx, nul.Hash))(t), &nul)
}

func hostileRows(t *testing.T, db *store.DB) {
	ctx := t.Context()
	var rs []spend.Row
	for i, h := range hostile {
		r := Row(i)
		r.EndUser, r.Tags, r.Session, r.Group, r.Error, r.ResponseID = h.text, []string{h.text, h.text}, h.text, h.text, h.text, h.text
		r.Model, r.Usage.Tier, r.Finish, r.OrgID, r.ClientIP = h.text, h.text, h.text, h.text, h.text
		rs = append(rs, r)
	}
	// Two ids that differ only behind the point where they are cut.
	long := strings.Repeat("L", 5000)
	for i, id := range []string{long + "a", long + "b"} {
		r := Row(100 + i)
		r.CallID, r.EndUser = id, id
		rs = append(rs, r)
	}
	book(t, db, rs, len(rs))
	book(t, db, rs, 0)
	for i, h := range hostile {
		for _, scope := range []string{store.EndUser, store.Tag, store.Organization} {
			if total := got(db.Total(ctx, scope, h.text))(t).Total; total != rs[i].Cost {
				t.Errorf("%s: total of %s is %d, want %d", h.name, scope, total, rs[i].Cost)
			}
		}
		days := got(db.SpendByDay(ctx, store.DayFilter{Scope: store.EndUser, ID: h.text}))(t)
		if len(days) != 1 || days[0].Cost != rs[i].Cost {
			t.Errorf("%s: daily spend is %+v, want one day of %d", h.name, days, rs[i].Cost)
		}
		list := got(db.Calls(ctx, store.CallFilter{CallID: rs[i].CallID}))(t)
		if len(list) != 1 || h.kept && list[0].EndUser != h.text {
			t.Errorf("%s: found %d rows", h.name, len(list))
		}
	}
	for i, id := range []string{long + "a", long + "b"} {
		if total := got(db.Total(ctx, store.EndUser, id))(t).Total; total != Row(100+i).Cost {
			t.Errorf("total of a long id is %d, want %d", total, Row(100+i).Cost)
		}
	}
	_, err := db.Calls(ctx, store.CallFilter{KeyHash: "\x00"})
	wantInvalid(t, "NUL in a filter", err, "key_hash")
}
