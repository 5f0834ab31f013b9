package storetest

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

func fullKey() *gateway.Key {
	return &gateway.Key{
		Hash: hash(1), Name: "sk-...abcd", Alias: "build 'bot' \"1\"; --", UserID: "user-1", TeamID: "team-1", OrganizationID: "org-1",
		Models: []string{"gpt-4o", "claude-*"}, Aliases: map[string]string{"z": "gpt-4o", "a": "x"},
		Limits: gateway.Limits{
			RPM: new(int64(0)), TPM: new(int64(math.MaxInt64)), Parallel: new(int64(3)),
			Budget: new(gateway.NanoUSD(math.MaxInt64)), BudgetDuration: "30d", SoftBudget: new(gateway.NanoUSD(1)),
		},
		Spend:   gateway.Spend{Window: math.MinInt64, WindowStart: at(0), Total: math.MaxInt64},
		Expires: time.UnixMicro(1).UTC(), Blocked: true, AllowedRoutes: []string{"/v1/models"}, Type: "llm_api", Tags: []string{"a", ""},
		Metadata: []byte(`{"z":1, "a":{"nul":"\u0000","big":12345678901234567890}}`), Permissions: []byte(`{}`),
		CreatedAt: time.Date(1900, 1, 1, 0, 0, 0, 1000, time.UTC), CreatedBy: "admin",
		UpdatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), UpdatedBy: "zoë 🦀", LastActive: at(9),
	}
}

func keysRoundTrip(t *testing.T, db *store.DB) {
	ctx := t.Context()
	full, bare := fullKey(), &gateway.Key{Hash: hash(2)}
	must(t, db.CreateKey(ctx, full))
	must(t, db.CreateKey(ctx, bare))
	// Two keys without an alias do not collide.
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(3)}))
	same(t, "full key", got(db.Key(ctx, full.Hash))(t), fullKey())
	same(t, "bare key", got(db.Key(ctx, bare.Hash))(t), &gateway.Key{Hash: hash(2)})
	same(t, "key by alias", got(db.KeyByAlias(ctx, full.Alias))(t), fullKey())

	// An update writes every field, and a ceiling of nothing is not no ceiling.
	want := fullKey()
	want.Hash = bare.Hash
	want.Alias = "other"
	updated := got(db.UpdateKey(ctx, bare.Hash, func(k *gateway.Key) error { *k = *want; return nil }))(t)
	same(t, "returned by update", updated, want)
	same(t, "stored by update", got(db.Key(ctx, bare.Hash))(t), want)
}

func usersRoundTrip(t *testing.T, db *store.DB) {
	ctx := t.Context()
	full := gateway.User{
		ID: "u\r\n1", Alias: "Zoë", Email: "Zoe@Example.com", Role: gateway.InternalUser, Models: []string{"m"}, Teams: []string{"t1", "t2"},
		Limits:   gateway.Limits{RPM: new(int64(5)), Budget: new(gateway.NanoUSD(0))},
		Spend:    gateway.Spend{Window: 1, WindowStart: at(1), Total: 2},
		Metadata: []byte(`{"k":"v"}`), CreatedAt: at(0), UpdatedAt: at(1),
	}
	want := full
	must(t, db.CreateUser(ctx, &full))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "bare"}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "bare2"}))
	same(t, "user", got(db.User(ctx, full.ID))(t), &want)
	same(t, "bare user", got(db.User(ctx, "bare"))(t), &gateway.User{ID: "bare"})
	same(t, "user by email", got(db.UserByEmail(ctx, "zoe@example.COM"))(t), &want)
	want.Email = "new@example.com"
	got(db.UpdateUser(ctx, full.ID, func(u *gateway.User) error { u.Email = "new@example.com"; return nil }))(t)
	same(t, "updated user", got(db.User(ctx, full.ID))(t), &want)
}

func teamsRoundTrip(t *testing.T, db *store.DB) {
	ctx := t.Context()
	full := gateway.Team{
		ID: "t1", Alias: "Red", OrganizationID: "org", Models: []string{"m"}, ModelAliases: map[string]string{"a": "b"},
		Members: []gateway.Member{{UserID: "u1", Role: "admin"}, {UserID: "u2", Email: "u2@example.com", Role: "user"}},
		Limits:  gateway.Limits{TPM: new(int64(5)), SoftBudget: new(gateway.NanoUSD(7))},
		Spend:   gateway.Spend{Total: 2}, Blocked: true, Metadata: []byte(`{}`), CreatedAt: at(0), UpdatedAt: at(1),
	}
	want := full
	must(t, db.CreateTeam(ctx, &full))
	same(t, "team", got(db.Team(ctx, "t1"))(t), &want)
	want.Members, want.Blocked = nil, false
	got(db.UpdateTeam(ctx, "t1", func(tm *gateway.Team) error { tm.Members, tm.Blocked = nil, false; return nil }))(t)
	same(t, "updated team", got(db.Team(ctx, "t1"))(t), &want)
	// Two teams may bear one name.
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t2", Alias: "Red"}))
}

func notFound(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1)}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u"}))
	no := func(*gateway.Key) error { t.Error("the key that is not there was given to the update"); return nil }
	for _, tt := range []struct {
		name string
		ask  func() error
	}{
		{"a key", func() error { _, err := db.Key(ctx, hash(2)); return err }},
		{"a key in capitals", func() error { _, err := db.Key(ctx, strings.ToUpper(hash(0xa))); return err }},
		{"an empty alias, although a key without one exists", func() error { _, err := db.KeyByAlias(ctx, ""); return err }},
		{"an empty email, although a user without one exists", func() error { _, err := db.UserByEmail(ctx, ""); return err }},
		{"a user", func() error { _, err := db.User(ctx, "x"); return err }},
		{"a team", func() error { _, err := db.Team(ctx, "x"); return err }},
		{"a setting", func() error { _, err := db.Setting(ctx, "x"); return err }},
		{"a key to update", func() error { _, err := db.UpdateKey(ctx, hash(2), no); return err }},
		{"a NUL byte", func() error { _, err := db.Key(ctx, "\x00"); return err }},
		{"broken UTF-8", func() error { _, err := db.User(ctx, "\xff"); return err }},
		{"a megabyte", func() error { _, err := db.KeyByAlias(ctx, strings.Repeat("x", 1<<20)); return err }},
		{"SQL", func() error { _, err := db.Key(ctx, "' OR '1'='1"); return err }},
	} {
		err := tt.ask()
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: got error %v, want ErrNotFound", tt.name, err)
		} else if len(err.Error()) > 500 {
			t.Errorf("%s: the error is %d bytes long", tt.name, len(err.Error()))
		}
	}
}

func conflicts(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), Alias: "one"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(2), Alias: "two"}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u1", Email: "a@example.com"}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u2"}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t1"}))
	for _, tt := range []struct {
		name string
		err  error
		want store.ErrConflict
	}{
		{"a taken hash", db.CreateKey(ctx, &gateway.Key{Hash: hash(1), Alias: "three"}), store.ErrConflict{Field: "hash", Value: hash(1)}},
		{"a taken alias", db.CreateKey(ctx, &gateway.Key{Hash: hash(3), Alias: "one"}), store.ErrConflict{Field: "alias", Value: "one"}},
		{"an alias taken by an update", second(db.UpdateKey(ctx, hash(2), func(k *gateway.Key) error { k.Alias = "one"; return nil })), store.ErrConflict{Field: "alias", Value: "one"}},
		{"a taken user", db.CreateUser(ctx, &gateway.User{ID: "u1"}), store.ErrConflict{Field: "id", Value: "u1"}},
		{"a taken email in another case", db.CreateUser(ctx, &gateway.User{ID: "u3", Email: "A@example.com"}), store.ErrConflict{Field: "email", Value: "A@example.com"}},
		{"an email taken by an update", second(db.UpdateUser(ctx, "u2", func(u *gateway.User) error { u.Email = "a@example.com"; return nil })), store.ErrConflict{Field: "email", Value: "a@example.com"}},
		{"a taken team", db.CreateTeam(ctx, &gateway.Team{ID: "t1"}), store.ErrConflict{Field: "id", Value: "t1"}},
	} {
		if got, _ := errors.AsType[store.ErrConflict](tt.err); got != tt.want {
			t.Errorf("%s: got error %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	same(t, "key after a refused update", got(db.Key(ctx, hash(2)))(t).Alias, "two")
	if n := got(db.LastChange(ctx))(t); n != 5 {
		t.Errorf("%d changes after 5 writes that were done and 7 that were refused", n)
	}
}

func second[T any](_ T, err error) error { return err }

func updateFails(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), Alias: "one"}))
	mine := errors.New("mine")
	_, err := db.UpdateKey(ctx, hash(1), func(k *gateway.Key) error { k.Alias = "x"; return mine })
	if !errors.Is(err, mine) {
		t.Errorf("error %v, want the one that the update returned, as it is", err)
	}
	if _, err := db.UpdateKey(ctx, hash(1), func(k *gateway.Key) error { k.Hash = hash(2); return nil }); err == nil {
		t.Error("an update could change the hash of a key")
	}
	_, err = db.UpdateKey(ctx, hash(1), func(k *gateway.Key) error { k.Alias = "x"; k.Metadata = []byte(`[1]`); return nil })
	wantInvalid(t, "metadata that is no object", err, "metadata")
	same(t, "key", got(db.Key(ctx, hash(1)))(t), &gateway.Key{Hash: hash(1), Alias: "one"})
}

func wantInvalid(t *testing.T, what string, err error, param string) {
	t.Helper()
	e, ok := errors.AsType[*gateway.Error](err)
	if !ok || e.Kind != gateway.Invalid || e.Param != param {
		t.Errorf("%s: got error %v, want an Invalid one about %s", what, err, param)
	}
}

func deleteKeys(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i := range 3 {
		must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(i)}))
	}
	same(t, "deleted", got(db.DeleteKeys(ctx, []string{hash(2), hash(9), hash(0), hash(0), "", "\x00", "\xff"}))(t), []string{hash(0), hash(2)})
	same(t, "deleted again", got(db.DeleteKeys(ctx, []string{hash(2)}))(t), []string(nil))
	same(t, "deleted none", got(db.DeleteKeys(ctx, nil))(t), []string(nil))
	got(db.Key(ctx, hash(1)))(t)
	if _, err := db.Key(ctx, hash(0)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted key: got error %v, want ErrNotFound", err)
	}
}

func deleteTeams(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u", Teams: []string{"a", "b"}}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "a", Members: []gateway.Member{{UserID: "u"}, {UserID: "not stored"}}}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "b", Members: []gateway.Member{{UserID: "u"}}}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), TeamID: "a", UserID: "u"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(2), TeamID: "b"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(3)}))
	before := got(db.LastChange(ctx))(t)
	same(t, "deleted", got(db.DeleteTeams(ctx, []string{"a", "no such team"}))(t), []string{"a"})
	same(t, "keys left", hashes(t, db), []string{hash(2), hash(3)})
	same(t, "teams of the user", got(db.User(ctx, "u"))(t).Teams, []string{"b"})
	same(t, "changes", ids(got(db.ChangesSince(ctx, before, 0))(t)), []string{"key " + hash(1), "user u", "team a"})
}

func deleteUsers(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u", Teams: []string{"a", "no such team"}}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "v", Teams: []string{"a"}}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "a", Members: []gateway.Member{{UserID: "u"}, {UserID: "v"}}}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), UserID: "u"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(2), UserID: "v"}))
	before := got(db.LastChange(ctx))(t)
	same(t, "deleted", got(db.DeleteUsers(ctx, []string{"x", "u"}))(t), []string{"u"})
	same(t, "keys left", hashes(t, db), []string{hash(2)})
	same(t, "members", got(db.Team(ctx, "a"))(t).Members, []gateway.Member{{UserID: "v"}})
	same(t, "changes", ids(got(db.ChangesSince(ctx, before, 0))(t)), []string{"key " + hash(1), "user u", "team a"})
}

func hashes(t *testing.T, db *store.DB) (out []string) {
	t.Helper()
	list, _, err := db.ListKeys(t.Context(), store.KeyFilter{}, store.Page{Sort: "token"})
	must(t, err)
	for _, k := range list {
		out = append(out, k.Hash)
	}
	return out
}
