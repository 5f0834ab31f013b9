package store_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// Far pages of long lists are those of the whole list, whatever has changed since
// their rows were counted, and counting them anew changes nothing.
func TestFarPages(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { farPages(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { farPages(t, storetest.Postgres(t)) })
}

func farPages(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(db.Fill(ctx, 29_000))
	must(db.CountLists(ctx))
	if n, err := db.Rows(ctx, "list_marks"); err != nil || n < 100 {
		t.Fatalf("%d marks, %v", n, err)
	}
	allKeysMatch(t, db, "as they were counted")

	list, _, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{Limit: 10_000})
	must(err)
	var gone []string
	for i, k := range list[:9000] {
		switch {
		case i%31 == 0:
			gone = append(gone, k.Hash)
		case i%77 == 1:
			_, err := db.UpdateKey(ctx, k.Hash, func(k *gateway.Key) error {
				k.Alias, k.UpdatedAt = fmt.Sprint("renamed-", i), k.UpdatedAt.Add(time.Duration(i)*time.Hour)
				if k.Limits.Budget = nil; i%2 == 0 {
					k.Limits.Budget = new(gateway.NanoUSD(i))
				}
				return nil
			})
			must(err)
		case i%500 == 2:
			_, err := db.RotateKey(ctx, k.Hash, auth.Hash(fmt.Sprint("rotated", i)), time.Now(), time.Time{}, func(*gateway.Key) error { return nil })
			must(err)
		}
	}
	_, err = db.DeleteKeys(ctx, gone)
	must(err)
	for i := range 60 {
		must(db.CreateKey(ctx, &gateway.Key{Hash: auth.Hash(fmt.Sprint("new", i)), CreatedAt: time.UnixMicro(int64(i)).UTC(), UpdatedAt: time.UnixMicro(int64(i)).UTC()}))
	}
	must(db.CountLists(ctx)) // too few changes to count anew
	if n, err := db.Rows(ctx, "list_moves"); err != nil || n < 500 {
		t.Fatalf("%d changes noted, %v", n, err)
	}
	allKeysMatch(t, db, "changed since")

	// So many changes are counted anew.
	gone = gone[:0]
	for _, k := range list[5800:] {
		gone = append(gone, k.Hash)
	}
	_, err = db.DeleteKeys(ctx, gone)
	must(err)
	must(db.CountLists(ctx))
	if n, err := db.Rows(ctx, "list_moves"); err != nil || n != 0 {
		t.Fatalf("%d changes still noted, %v", n, err)
	}
	allKeysMatch(t, db, "counted anew")
}

// allKeysMatch compares pages of keys in all orders with the keys that there are.
func allKeysMatch(t *testing.T, db *store.DB, when string) {
	t.Helper()
	var all []*gateway.Key
	if err := db.AllKeys(t.Context(), func(k *gateway.Key) error { all = append(all, k); return nil }); err != nil {
		t.Fatal(err)
	}
	budget := func(k *gateway.Key) int64 {
		if k.Limits.Budget == nil {
			return math.MaxInt64
		}
		return int64(*k.Limits.Budget)
	}
	by := func(of func(*gateway.Key) int64) func(a, b *gateway.Key) int {
		return func(a, b *gateway.Key) int { return cmp.Or(cmp.Compare(of(a), of(b)), cmp.Compare(a.Hash, b.Hash)) }
	}
	for name, compare := range map[string]func(a, b *gateway.Key) int{
		"updated_at": by(func(k *gateway.Key) int64 { return k.UpdatedAt.UnixMicro() }),
		"spend":      by(func(k *gateway.Key) int64 { return int64(k.Spend.Total) }),
		"max_budget": by(budget),
		"token":      by(func(*gateway.Key) int64 { return 0 }),
		"key_alias": func(a, b *gateway.Key) int {
			return cmp.Or(strings.Compare(a.Alias, b.Alias), cmp.Compare(a.Hash, b.Hash))
		},
	} {
		if name == "spend" && when != "as they were counted" {
			continue // what moves this order is not noted
		}
		slices.SortFunc(all, compare)
		for _, desc := range []bool{false, true} {
			if desc {
				slices.Reverse(all)
			}
			for offset := 0; offset < len(all); offset += 2777 {
				pageMatches(t, fmt.Sprintf("keys %s, by %s, descending %v, from %d on", when, name, desc, offset), len(all), all[offset:min(offset+3, len(all))], func(ctx context.Context) ([]*gateway.Key, int, error) {
					return db.ListKeys(ctx, store.KeyFilter{}, store.Page{Sort: name, Desc: desc, Offset: offset, Limit: 3})
				})
			}
		}
		if name != "key_alias" {
			continue
		}
		slices.Reverse(all)
		named := slices.DeleteFunc(slices.Clone(all), func(k *gateway.Key) bool { return k.Alias == "" })
		for offset := 0; offset < len(named); offset += 2777 {
			pageMatches(t, fmt.Sprintf("keys with an alias %s, from %d on", when, offset), len(named), named[offset:min(offset+3, len(named))], func(ctx context.Context) ([]*gateway.Key, int, error) {
				return db.ListKeys(ctx, store.KeyFilter{HasAlias: true}, store.Page{Sort: name, Offset: offset, Limit: 3})
			})
		}
	}
}

func pageMatches(t *testing.T, what string, total int, want []*gateway.Key, page func(context.Context) ([]*gateway.Key, int, error)) {
	t.Helper()
	list, n, err := page(t.Context())
	same := func(a, b *gateway.Key) bool { return a.Hash == b.Hash }
	if err != nil || n != total || !slices.EqualFunc(list, want, same) {
		t.Fatalf("%s: got %d keys of %d, %v; want %d of %d, the first %s", what, len(list), n, err, len(want), total, want[0].Hash)
	}
}

// Rows that very many are like are found in any order, and where there are few.
func TestPagesOfMostUsers(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { mostUsers(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { mostUsers(t, storetest.Postgres(t)) })
}

func mostUsers(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	const rows = 12_000
	if err := db.Fill(ctx, rows); err != nil {
		t.Fatal(err)
	}
	// The first four thousand in every order are others.
	if err := db.SetRoles(ctx, gateway.InternalUserViewer, fmt.Sprintf("user-%030d", 4000)); err != nil {
		t.Fatal(err)
	}
	var all []string
	err := db.AllUsers(ctx, func(u *gateway.User) error {
		if u.Role == gateway.InternalUser {
			all = append(all, u.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sort := range []string{"spend", "user_alias", "user_id", "updated_at", "created_at"} {
		for _, desc := range []bool{false, true} {
			slices.Sort(all)
			if desc {
				slices.Reverse(all)
			}
			var next string
			for offset := range 5 {
				offset *= 37
				for _, after := range []string{"", next} {
					page := store.Page{Sort: sort, Desc: desc, Offset: offset, Limit: 37, After: after, Next: &next}
					list, total, err := db.ListUsers(ctx, store.UserFilter{Role: gateway.InternalUser}, page)
					var got []string
					for _, u := range list {
						got = append(got, u.ID)
					}
					if err != nil || total != len(all) || !slices.Equal(got, all[offset:offset+37]) {
						t.Fatalf("by %s, descending %v, from %d on, after %q: got %d users of %d, %v; want those of %d from %s on", sort, desc, offset, after, len(list), total, err, len(all), all[offset])
					}
				}
			}
		}
	}
}

// A page or search touches few rows, however long the list is: what decides how long
// it takes when a list is a thousand times as long.
func TestListsTouchFewRows(t *testing.T) {
	db := storetest.Postgres(t)
	ctx := t.Context()
	const rows = 50_000
	if err := db.Fill(ctx, rows); err != nil {
		t.Fatal(err)
	}
	if err := db.CountLists(ctx); err != nil {
		t.Fatal(err)
	}
	keys := func(f store.KeyFilter, p store.Page) func() error {
		return func() error { _, _, err := db.ListKeys(ctx, f, p); return err }
	}
	users := func(f store.UserFilter, p store.Page) func() error {
		return func() error { _, _, err := db.ListUsers(ctx, f, p); return err }
	}
	teams := func(f store.TeamFilter, p store.Page) func() error {
		return func() error { _, _, err := db.ListTeams(ctx, f, p); return err }
	}
	far := func(sort string) store.Page {
		return store.Page{Limit: 50, Offset: rows/2 - 333, Sort: sort, Desc: true}
	}
	for _, tt := range []struct {
		name string
		list func() error
		most int64
	}{
		{"any page by number", keys(store.KeyFilter{}, far("")), 2500},
		{"by spend, any page by number", keys(store.KeyFilter{}, far("spend")), 2500},
		{"by max_budget, any page by number", keys(store.KeyFilter{}, far("max_budget")), 2500},
		{"by updated_at, any page by number", keys(store.KeyFilter{}, far("updated_at")), 2500},
		{"by key_alias, any page by number", keys(store.KeyFilter{}, far("key_alias")), 2500},
		{"by token, any page by number", keys(store.KeyFilter{}, far("token")), 2500},
		{"aliases, any page by number", keys(store.KeyFilter{HasAlias: true}, store.Page{Limit: 50, Offset: rows / 2, Sort: "key_alias"}), 2500},
		{"of an organization, by spend", keys(store.KeyFilter{OrganizationID: fmt.Sprintf("org-%030d", 7)}, store.Page{Limit: 50, Sort: "spend", Desc: true}), 1000 + 150},
		{"two characters", keys(store.KeyFilter{Search: "07"}, store.Page{Limit: 50, Desc: true}), 20_000},
		{"two characters, by spend", keys(store.KeyFilter{Search: "07"}, store.Page{Limit: 50, Sort: "spend", Desc: true}), 20_000},
		{"a part of the alias", keys(store.KeyFilter{AliasContains: "ICE-00097"}, store.Page{Limit: 50, Desc: true}), 100},
		{"users by email, any page by number", users(store.UserFilter{}, far("user_email")), 2500},
		{"users by role, any page by number", users(store.UserFilter{}, far("user_role")), 2500},
		{"users of a role that nearly all have, by spend", users(store.UserFilter{Role: gateway.InternalUser}, store.Page{Limit: 50, Sort: "spend", Desc: true}), rows + 2500},
		{"teams by alias, any page by number", teams(store.TeamFilter{}, far("team_alias")), 2500},
		{"teams of an organization, by spend", teams(store.TeamFilter{OrganizationID: fmt.Sprintf("org-%030d", 7)}, store.Page{Limit: 50, Sort: "spend", Desc: true}), 1000 + 150},
	} {
		n, err := db.Touched(ctx, tt.list)
		t.Logf("%s touches %d rows", tt.name, n)
		if err != nil || n > tt.most {
			t.Errorf("%s touches %d rows, %v; want no more than %d", tt.name, n, err, tt.most)
		}
	}
}

// SQLite, which nothing tells how many rows there are of each kind, takes the index
// that a list is meant to be found by.
func TestListsAreFoundByIndexes(t *testing.T) {
	db := storetest.SQLite(t)
	if err := db.Fill(t.Context(), 21_000); err != nil {
		t.Fatal(err)
	}
	if err := db.CountLists(t.Context()); err != nil {
		t.Fatal(err)
	}
	far := func(sort string) store.Page { return store.Page{Limit: 50, Offset: 10_000, Sort: sort} }
	for _, tt := range []struct {
		name string
		f    store.KeyFilter
		p    store.Page
		want string
	}{
		{"by updated_at, far", store.KeyFilter{}, far("updated_at"), "SEARCH keys USING COVERING INDEX keys_updated ((updated_at,hash)>(?,?))"},
		{"by spend, far", store.KeyFilter{}, far("spend"), "SEARCH keys USING COVERING INDEX keys_by_spend ((spend_total,hash)>(?,?))"},
		{"by max_budget, far", store.KeyFilter{}, far("max_budget"), "SEARCH keys USING COVERING INDEX keys_budgeted (<expr>=? AND hash>?)"},
		{"by key_alias, far", store.KeyFilter{}, far("key_alias"), "SEARCH keys USING COVERING INDEX keys_by_alias ((alias,hash)>(?,?))"},
		{"by token, far", store.KeyFilter{}, far("token"), "SEARCH keys USING COVERING INDEX sqlite_autoindex_keys_1 (hash>?)"},
		{"of an organization", store.KeyFilter{OrganizationID: "o"}, store.Page{}, "SEARCH keys USING COVERING INDEX keys_org (org_id=?)"},
		{"of a team", store.KeyFilter{TeamID: "t"}, store.Page{}, "SEARCH keys USING COVERING INDEX keys_team (team_id=?)"},
	} {
		tt.f.OrganizationID = strings.Replace(tt.f.OrganizationID, "o", fmt.Sprintf("org-%030d", 7), 1)
		tt.f.TeamID = strings.Replace(tt.f.TeamID, "t", fmt.Sprintf("team-%030d", 7), 1)
		plan, err := db.ExplainKeys(t.Context(), tt.f, tt.p)
		if got := strings.Join(plan, "; "); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s is found by %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}
