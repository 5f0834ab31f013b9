package storetest

import (
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// groupOwners: who has a group is said by the keys and teams that have it, and
// known of the group, whoever of them was written.
func groupOwners(t *testing.T, db *store.DB) {
	ctx := t.Context()
	keyHas := func(i int, want ...string) {
		t.Helper()
		same(t, "groups of a key", got(db.Key(ctx, hash(i)))(t).AccessGroupIDs, want)
	}
	group := func(id string) *gateway.AccessGroup {
		t.Helper()
		return got(db.AccessGroup(ctx, id))(t)
	}
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0)}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), AccessGroupIDs: []string{"other", `g"1'`}}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t"}))
	before := got(db.LastChange(ctx))(t)
	must(t, db.CreateAccessGroup(ctx, &gateway.AccessGroup{ID: `g"1'`, Name: "one", Keys: []string{hash(0), hash(9)}, Teams: []string{"t", "gone"}}))
	same(t, "keys of a group", group(`g"1'`).Keys, []string{hash(0), hash(1)})
	same(t, "teams of a group", group(`g"1'`).Teams, []string{"t"})
	keyHas(0, `g"1'`)
	same(t, "groups of a team", got(db.Team(ctx, "t"))(t).AccessGroupIDs, []string{`g"1'`})
	var told []string
	for _, c := range got(db.ChangesSince(ctx, before, 0))(t) {
		told = append(told, c.Kind)
	}
	same(t, "who is told", told, []string{"access_group", "key", "team"})

	// From the other side.
	got(db.UpdateKey(ctx, hash(0), func(k *gateway.Key) error { k.AccessGroupIDs = []string{"other"}; return nil }))(t)
	same(t, "after a key has left it", group(`g"1'`).Keys, []string{hash(1)})
	got(db.RotateKey(ctx, hash(1), hash(2), at(1), time.Time{}, func(*gateway.Key) error { return nil }))(t)
	same(t, "after a key was replaced", group(`g"1'`).Keys, []string{hash(2)})
	got(db.UpdateTeam(ctx, "t", func(t *gateway.Team) error { t.Alias = "x"; return nil }))(t)
	same(t, "after a team has kept it", group(`g"1'`).Teams, []string{"t"})

	// From the group's.
	updated := got(db.UpdateAccessGroup(ctx, `g"1'`, func(g *gateway.AccessGroup) error {
		g.Keys, g.Teams = []string{hash(0)}, nil
		return nil
	}))(t)
	same(t, "the key returned", updated.Keys, []string{hash(0)})
	keyHas(0, "other", `g"1'`)
	keyHas(2, "other")
	same(t, "groups of a team that lost it", got(db.Team(ctx, "t"))(t).AccessGroupIDs, []string(nil))
	list, _, err := db.ListAccessGroups(ctx, store.AccessGroupFilter{}, store.Page{})
	must(t, err)
	same(t, "keys in a list", list[0].Keys, []string{hash(0)})

	// A group is found exactly.
	for _, tt := range []struct {
		group string
		want  int
	}{{`g"1'`, 1}, {"other", 2}, {"othe", 0}, {"Other", 0}, {`G"1'`, 0}, {"t", 0}, {"access_group_ids", 0}, {"%", 0}} {
		_, n, err := db.ListKeys(ctx, store.KeyFilter{AccessGroupID: tt.group}, store.Page{})
		must(t, err)
		same(t, "keys with group "+tt.group, n, tt.want)
	}

	got(db.DeleteKeys(ctx, []string{hash(2)}))(t)
	got(db.DeleteAccessGroups(ctx, []string{`g"1'`}))(t)
	keyHas(0, "other")
	if _, n, err := db.ListKeys(ctx, store.KeyFilter{AccessGroupID: "other"}, store.Page{}); err != nil || n != 1 {
		t.Errorf("%d keys have a group after one was deleted (%v), want 1", n, err)
	}
}

// groupSpend: what calls cost is booked to the access groups that they came through.
func groupSpend(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateGroupBudget(ctx, &gateway.GroupBudget{Name: "premium"}))
	calls := rows(1, 4)
	calls[0].Through = []string{"premium", "eval", "premium"}
	calls[1].Through = []string{"premium"}
	if n, err := db.Book(ctx, calls); err != nil || n != 3 {
		t.Fatalf("booked %d, %v", n, err)
	}
	same(t, "through one group", got(db.GroupBudget(ctx, "premium"))(t).Spend.Total, calls[0].Cost+calls[1].Cost)
	same(t, "through a group without a budget", got(db.Total(ctx, store.AccessGroup, "eval"))(t).Total, calls[0].Cost)
	back := got(db.Calls(ctx, store.CallFilter{CallID: calls[0].CallID}))(t)
	same(t, "groups of a call", back[0].Through, calls[0].Through)
	got(db.DeleteGroupBudgets(ctx, []string{"premium"}))(t)
	must(t, db.CreateGroupBudget(ctx, &gateway.GroupBudget{Name: "premium"}))
	same(t, "with a budget anew", got(db.GroupBudget(ctx, "premium"))(t).Spend.Total, calls[0].Cost+calls[1].Cost)
}
