package storetest

import (
	"errors"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

func listKeys(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i, k := range []gateway.Key{
		{Alias: "Alpha_1", UserID: "u1", TeamID: "t1", Spend: gateway.Spend{Total: 5}},
		{Alias: "alphaX1", UserID: "u1", CreatedBy: "admin", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(10))}},
		{Alias: "100%", UserID: "u2", TeamID: "t1", OrganizationID: "o"},
		{Alias: `back\slash`, UserID: "u2", TeamID: "t2", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(0))}},
		{UserID: "u3", Spend: gateway.Spend{Total: 7}},
	} {
		k.Hash, k.CreatedAt = hash(i), at(10-i/2)
		must(t, db.CreateKey(ctx, &k))
	}
	for _, tt := range []struct {
		name   string
		filter store.KeyFilter
		page   store.Page
		want   string // last digits of the hashes
		total  int
	}{
		{"everything, the oldest first, equals by hash", store.KeyFilter{}, store.Page{}, "42301", 5},
		{"the newest first", store.KeyFilter{}, store.Page{Desc: true}, "10324", 5},
		{"the second page", store.KeyFilter{}, store.Page{Sort: "token", Limit: 2, Offset: 2}, "23", 5},
		{"a page behind the end", store.KeyFilter{}, store.Page{Limit: 2, Offset: 9}, "", 5},
		{"a page before the beginning", store.KeyFilter{}, store.Page{Sort: "token", Limit: 1, Offset: -9}, "0", 5},
		{"the dearest first", store.KeyFilter{}, store.Page{Sort: "spend", Desc: true, Limit: 2}, "40", 5},
		{"no budget is the largest budget", store.KeyFilter{}, store.Page{Sort: "max_budget"}, "31024", 5},
		{"of a user", store.KeyFilter{UserID: "u2"}, store.Page{Sort: "token"}, "23", 2},
		{"of a team", store.KeyFilter{TeamID: "t1"}, store.Page{Sort: "token"}, "02", 2},
		{"of a user in a team", store.KeyFilter{UserID: "u2", TeamID: "t1"}, store.Page{}, "2", 1},
		{"of a user or of the user's teams", store.KeyFilter{UserID: "u1", TeamIDs: []string{"t2", "t9"}}, store.Page{Sort: "token"}, "013", 3},
		{"of an organization", store.KeyFilter{OrganizationID: "o"}, store.Page{}, "2", 1},
		{"by maker", store.KeyFilter{CreatedBy: "admin"}, store.Page{}, "1", 1},
		{"by alias", store.KeyFilter{Alias: "100%"}, store.Page{}, "2", 1},
		{"by hash", store.KeyFilter{Hash: hash(3)}, store.Page{}, "3", 1},
		{"part of an alias in another case", store.KeyFilter{AliasContains: "ALPHA"}, store.Page{Sort: "token"}, "01", 2},
		{"an underscore is not a wildcard", store.KeyFilter{AliasContains: "a_1"}, store.Page{}, "0", 1},
		{"a percent sign is not a wildcard", store.KeyFilter{AliasContains: "%"}, store.Page{}, "2", 1},
		{"a backslash is not an escape", store.KeyFilter{AliasContains: `k\s`}, store.Page{}, "3", 1},
		{"a search looks at users too", store.KeyFilter{Search: "U3"}, store.Page{}, "4", 1},
		{"a quote is only a quote", store.KeyFilter{Search: "' OR '1'='1"}, store.Page{}, "", 0},
		{"a megabyte finds nothing", store.KeyFilter{Search: strings.Repeat("%", 1<<20)}, store.Page{}, "", 0},
	} {
		list, total, err := db.ListKeys(ctx, tt.filter, tt.page)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var digits strings.Builder
		for _, k := range list {
			digits.WriteString(k.Hash[63:])
		}
		if digits.String() != tt.want || total != tt.total {
			t.Errorf("%s: got keys %q of %d, want %q of %d", tt.name, digits.String(), total, tt.want, tt.total)
		}
	}
	_, _, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{Sort: "hash; DROP TABLE keys"})
	wantInvalid(t, "an order that there is not", err, "sort_by")
	_, _, err = db.ListKeys(ctx, store.KeyFilter{UserID: "\x00"}, store.Page{})
	wantInvalid(t, "a NUL byte", err, "user_id")
}

func listOthers(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, u := range []gateway.User{{ID: "u1", Email: "A@x.org", Role: gateway.ProxyAdmin}, {ID: "u2", Alias: "Zoe"}, {ID: "u3"}} {
		must(t, db.CreateUser(ctx, &u))
	}
	for _, tm := range []gateway.Team{{ID: "t1", Alias: "Red"}, {ID: "t2", Alias: "Blue", OrganizationID: "o"}, {ID: "t3", Alias: "Red"}} {
		must(t, db.CreateTeam(ctx, &tm))
	}
	for _, tt := range []struct {
		name   string
		filter store.UserFilter
		page   store.Page
		want   []string
		total  int
	}{
		{"all, backwards", store.UserFilter{}, store.Page{Sort: "user_id", Desc: true}, []string{"u3", "u2", "u1"}, 3},
		{"one page", store.UserFilter{}, store.Page{Sort: "user_id", Limit: 1, Offset: 1}, []string{"u2"}, 3},
		{"by ids", store.UserFilter{IDs: []string{"u3", "x"}}, store.Page{}, []string{"u3"}, 1},
		{"of no ids, which is not of all", store.UserFilter{IDs: []string{}}, store.Page{}, nil, 0},
		{"by email in another case", store.UserFilter{Email: "a@X.org"}, store.Page{}, []string{"u1"}, 1},
		{"by role", store.UserFilter{Role: gateway.ProxyAdmin}, store.Page{}, []string{"u1"}, 1},
		{"by part of the alias", store.UserFilter{Search: "zo"}, store.Page{}, []string{"u2"}, 1},
	} {
		list, total, err := db.ListUsers(ctx, tt.filter, tt.page)
		must(t, err)
		var ids []string
		for _, u := range list {
			ids = append(ids, u.ID)
		}
		same(t, "users "+tt.name, ids, tt.want)
		same(t, "number of users "+tt.name, total, tt.total)
	}
	for _, tt := range []struct {
		name   string
		filter store.TeamFilter
		want   []string
	}{
		{"all", store.TeamFilter{}, []string{"t1", "t2", "t3"}},
		{"by alias", store.TeamFilter{Alias: "Red"}, []string{"t1", "t3"}},
		{"by organization", store.TeamFilter{OrganizationID: "o"}, []string{"t2"}},
		{"by ids", store.TeamFilter{IDs: []string{"t3", "t1"}}, []string{"t1", "t3"}},
		{"by part", store.TeamFilter{Search: "LU"}, []string{"t2"}},
	} {
		list, total, err := db.ListTeams(ctx, tt.filter, store.Page{Sort: "team_id"})
		must(t, err)
		var ids []string
		for _, tm := range list {
			ids = append(ids, tm.ID)
		}
		same(t, "teams "+tt.name, ids, tt.want)
		same(t, "number of teams "+tt.name, total, len(tt.want))
	}
}

func streamAll(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i := range 5 {
		must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(i)}))
		must(t, db.CreateUser(ctx, &gateway.User{ID: hash(i)}))
		must(t, db.CreateTeam(ctx, &gateway.Team{ID: hash(i)}))
	}
	stop := errors.New("stop")
	for _, tt := range []struct {
		name string
		all  func(yield func() error) error
	}{
		{"keys", func(y func() error) error { return db.AllKeys(ctx, func(*gateway.Key) error { return y() }) }},
		{"users", func(y func() error) error { return db.AllUsers(ctx, func(*gateway.User) error { return y() }) }},
		{"teams", func(y func() error) error { return db.AllTeams(ctx, func(*gateway.Team) error { return y() }) }},
	} {
		n := 0
		must(t, tt.all(func() error { n++; return nil }))
		if n != 5 {
			t.Errorf("%d %s streamed, want 5", n, tt.name)
		}
		n = 0
		err := tt.all(func() error {
			if n++; n == 2 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || n != 2 {
			t.Errorf("%s: stopped after %d with %v, want after 2 with %v", tt.name, n, err, stop)
		}
	}
}

// Searches that an index answers follow every change of the keys.
func searchFollows(t *testing.T, db *store.DB) {
	ctx := t.Context()
	find := func(name string, f store.KeyFilter, want ...string) {
		t.Helper()
		list, total, err := db.ListKeys(ctx, f, store.Page{Sort: "token"})
		must(t, err)
		var have []string
		for _, k := range list {
			have = append(have, k.Hash)
		}
		same(t, name, have, want)
		same(t, "number of "+name, total, len(want))
	}
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0xabcdef01), Name: "sk-...wxyz", Alias: "Straße \"nine\" lives", UserID: "User-One"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(2), Name: "sk-...wxyq", Alias: "other", UserID: "two"}))
	first := hash(0xabcdef01)
	find("part of an alias", store.KeyFilter{Search: "NINE\" liv"}, first)
	find("part of a user", store.KeyFilter{Search: "er-on"}, first)
	find("end of one and beginning of the other", store.KeyFilter{Search: "lives\nUser"})
	find("last four characters", store.KeyFilter{Search: "wxyz"}, first)
	find("a whole name", store.KeyFilter{Search: "sk-...wxyq"}, hash(2))
	find("beginning of a hash", store.KeyFilter{Search: first[:62]}, first)
	find("too little of a hash", store.KeyFilter{Search: "000000"})
	find("operators of a search language", store.KeyFilter{Search: `nine" OR "other`})
	find("part of an alias only", store.KeyFilter{AliasContains: "er-on"})
	find("of a user, with a search", store.KeyFilter{Search: "other", UserID: "User-One"})

	got(db.UpdateKey(ctx, hash(2), func(k *gateway.Key) error { k.Alias, k.UserID = "renamed", "three"; return nil }))(t)
	find("a name of before", store.KeyFilter{Search: "other"})
	find("a user of before", store.KeyFilter{Search: "two"})
	find("a new name", store.KeyFilter{Search: "ename"}, hash(2))
	got(db.RotateKey(ctx, hash(2), hash(3), at(0), at(0), func(*gateway.Key) error { return nil }))(t)
	find("a rotated key", store.KeyFilter{Search: "ename"}, hash(3))
	got(db.DeleteKeys(ctx, []string{first}))(t)
	find("a deleted key", store.KeyFilter{Search: "nine"})
	_, total, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{})
	must(t, err)
	same(t, "keys left", total, 1)
	if _, err := db.DeleteKeys(ctx, []string{"none"}); err != nil {
		t.Error(err)
	}
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(4)}))
	_, total, err = db.ListKeys(ctx, store.KeyFilter{}, store.Page{Limit: 1, Offset: 1})
	must(t, err)
	same(t, "keys at last", total, 2)
}
