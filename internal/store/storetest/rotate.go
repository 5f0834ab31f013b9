package storetest

import (
	"errors"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

func rotateKeys(t *testing.T, db *store.DB) {
	ctx := t.Context()
	now := at(1000)
	must(t, db.CreateKey(ctx, full(keyObject, 1)))
	must(t, db.CreateKey(ctx, full(keyObject, 9)))
	rotated := func(k *gateway.Key) error { k.Rotation.Count++; k.Rotation.Last = now; return nil }
	want := full(keyObject, 1)
	want.Hash, want.Rotation.Last = hash(2), now
	want.Rotation.Count++
	same(t, "returned", got(db.RotateKey(ctx, hash(1), hash(2), now, now.Add(time.Hour), rotated))(t), want)
	same(t, "stored", got(db.Key(ctx, hash(2)))(t), want)
	if _, err := db.Key(ctx, hash(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old key: got error %v, want ErrNotFound", err)
	}
	first := &gateway.DeprecatedKey{Hash: hash(1), Active: hash(2), Until: now.Add(time.Hour), CreatedAt: now}
	same(t, "the old key", got(db.DeprecatedKey(ctx, hash(1)))(t), first)

	before := got(db.LastChange(ctx))(t)
	got(db.RotateKey(ctx, hash(2), hash(3), now.Add(time.Minute), time.Time{}, rotated))(t)
	first.Active = hash(3)
	same(t, "the oldest key stands for the newest", got(db.DeprecatedKey(ctx, hash(1)))(t), first)
	same(t, "a key without grace is over at once", got(db.DeprecatedKey(ctx, hash(2)))(t).Until, now.Add(time.Minute))
	same(t, "told", ids(got(db.ChangesSince(ctx, before, 0))(t)),
		[]string{"key " + hash(3), "key " + hash(2), "deprecated_key " + hash(1), "deprecated_key " + hash(2)})

	if _, err := db.RotateKey(ctx, hash(3), hash(9), now, now, rotated); !isConflict(err) {
		t.Errorf("a new key that is taken: got error %v, want ErrConflict", err)
	}
	if _, err := db.RotateKey(ctx, hash(8), hash(7), now, now, rotated); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that is not there: got error %v, want ErrNotFound", err)
	}
	same(t, "pruned", got(db.PruneDeprecatedKeys(ctx, now.Add(2*time.Minute)))(t), 1)
	n := 0
	must(t, db.AllDeprecatedKeys(ctx, func(*gateway.DeprecatedKey) error { n++; return nil }))
	same(t, "left", n, 1)

	got(db.UpdateKey(ctx, hash(3), func(k *gateway.Key) error { k.Rotation.Next = now; return nil }))(t)
	got(db.UpdateKey(ctx, hash(9), func(k *gateway.Key) error { k.Rotation.Next = time.Time{}; return nil }))(t)
	same(t, "due an instant before", got(db.KeysToRotate(ctx, now.Add(-time.Microsecond), 10))(t), []string(nil))
	same(t, "due", got(db.KeysToRotate(ctx, now, 10))(t), []string{hash(3)})
}

// What a key has spent in its budget windows goes along, also from calls that
// began before.
func rotateWindows(t *testing.T, db *store.DB) {
	ctx := t.Context()
	now := at(1000)
	must(t, db.CreateKey(ctx, full(keyObject, 1)))
	for _, w := range []spend.Window{{Scope: "key", ID: hash(1)}, {Scope: "model_per_key", ID: hash(1) + ":m"}, {Scope: "user", ID: hash(1)}} {
		w.Duration, w.Start = "1d", now
		must(t, db.SetWindow(ctx, w, 5))
	}
	must(t, db.CreateJWTMapping(ctx, &gateway.JWTMapping{ID: "m", Claim: "sub", Value: "v", KeyHash: hash(1), Active: true}))
	for n := range 2 {
		got(db.RotateKey(ctx, hash(n+1), hash(n+2), now, now, func(*gateway.Key) error { return nil }))(t)
	}
	late := spend.Row{CallID: "late", KeyHash: hash(1), Start: now, End: now, Cost: 2, Windows: []spend.Window{
		{Scope: "key", ID: hash(1), Duration: "1d", Start: now}, {Scope: "model_per_key", ID: hash(1) + ":m", Duration: "1d", Start: now},
	}}
	got(db.Book(ctx, []spend.Row{late}))(t)
	spent := map[string]gateway.NanoUSD{}
	must(t, db.KeyWindows(ctx, hash(3), func(w spend.Window, n gateway.NanoUSD) error { spent[w.Scope+" "+w.ID] = n; return nil }))
	same(t, "the new key", spent, map[string]gateway.NanoUSD{"key " + hash(3): 7, "model_per_key " + hash(3) + ":m": 7})
	clear(spent)
	must(t, db.OwnerWindows(ctx, store.Key, hash(3), []string{"m", "n"}, func(w spend.Window, n gateway.NanoUSD) error { spent[w.Scope+" "+w.ID] = n; return nil }))
	same(t, "asked for by models", spent, map[string]gateway.NanoUSD{"key " + hash(3): 7, "model_per_key " + hash(3) + ":m": 7})
	same(t, "the claim stands for", got(db.JWTMapping(ctx, "m"))(t).KeyHash, hash(3))
	left := 0
	must(t, db.Windows(ctx, func(spend.Window, gateway.NanoUSD) error { left++; return nil }))
	same(t, "windows in all", left, 3)
}

func isConflict(err error) bool {
	_, ok := errors.AsType[store.ErrConflict](err)
	return ok
}

func auditLog(t *testing.T, db *store.DB) {
	ctx := t.Context()
	entry := func(n int, action, object string) *gateway.AuditEntry {
		return &gateway.AuditEntry{
			ID: hash(n), At: at(n), Actor: "admin", ActorKey: hash(7), Action: action, Table: "LiteLLM_TeamTable", ObjectID: object, TeamID: "t1",
			KeyHash: "k", Before: []byte(`{"a":1}`), After: []byte(`{"a":"Needle"}`), ClientIP: "192.0.2.1", RequestURL: "/team/update",
		}
	}
	must(t, db.Audit(ctx, entry(1, "created", "t1"), entry(2, "updated", "t1")))
	must(t, db.Audit(ctx, &gateway.AuditEntry{ID: hash(3), At: at(3), Action: "deleted", ObjectID: "t2"}))
	must(t, db.Audit(ctx))
	same(t, "entry", got(db.AuditEntry(ctx, hash(1)))(t), entry(1, "created", "t1"))
	for _, tt := range []struct {
		name string
		f    store.AuditFilter
		want []string
	}{
		{"all, the newest first", store.AuditFilter{}, []string{hash(3), hash(2), hash(1)}},
		{"by action", store.AuditFilter{Action: "updated"}, []string{hash(2)}},
		{"by object", store.AuditFilter{ObjectID: "t2"}, []string{hash(3)}},
		{"by actor and table", store.AuditFilter{Actor: "admin", Table: "LiteLLM_TeamTable", ActorKey: hash(7)}, []string{hash(2), hash(1)}},
		{"by team", store.AuditFilter{TeamID: "t1", KeyHash: "k"}, []string{hash(2), hash(1)}},
		{"of no team", store.AuditFilter{TeamIDs: []string{}}, nil},
		{"by time", store.AuditFilter{From: at(2), To: at(3)}, []string{hash(2)}},
		{"by what was written", store.AuditFilter{Search: "needle"}, []string{hash(2), hash(1)}},
	} {
		list, total, err := db.ListAudit(ctx, tt.f, store.Page{Desc: true})
		must(t, err)
		var have []string
		for _, e := range list {
			have = append(have, e.ID)
		}
		same(t, tt.name, have, tt.want)
		same(t, "number of entries "+tt.name, total, len(tt.want))
	}
	if err := db.Audit(ctx, entry(4, "created", "x"), entry(1, "created", "x")); err == nil {
		t.Error("an entry was written twice")
	}
	if _, err := db.AuditEntry(ctx, hash(4)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("entry of a failed write: got error %v, want ErrNotFound", err)
	}
	wantInvalid(t, "an object with NUL", db.Audit(ctx, entry(5, "created", "\x00")), "object_id")
	same(t, "pruned", got(db.PruneAudit(ctx, at(2)))(t), int64(1))
}

// Spend that stands beside its rows is read with them and written by updates.
func spendBeside(t *testing.T, db *store.DB) {
	ctx := t.Context()
	r := Row(0) // of user-0 in team-0
	r.EndUser, r.Tags, r.OrgID = "customer", []string{"tag"}, "org"
	book(t, db, append(rows(1, 3), r), 3)
	// What was booked before there was a row is its spend.
	must(t, db.CreateEndUser(ctx, &gateway.EndUser{ID: "customer"}))
	must(t, db.CreateTag(ctx, &gateway.Tag{Name: "tag"}))
	must(t, db.CreateOrganization(ctx, &gateway.Organization{ID: "org"}))
	for what, s := range map[string]gateway.Spend{
		"end user": got(db.EndUser(ctx, "customer"))(t).Spend, "tag": got(db.Tag(ctx, "tag"))(t).Spend, "organization": got(db.Organization(ctx, "org"))(t).Spend,
	} {
		same(t, what, s.Total, r.Cost)
	}
	// An update that leaves it alone leaves what is booked.
	got(db.UpdateTag(ctx, "tag", func(tg *gateway.Tag) error { tg.Description = "x"; return nil }))(t)
	same(t, "after an update", got(db.Tag(ctx, "tag"))(t).Spend.Total, r.Cost)
	got(db.UpdateTag(ctx, "tag", func(tg *gateway.Tag) error { tg.Spend = gateway.Spend{}; return nil }))(t)
	same(t, "after a reset", got(db.Tag(ctx, "tag"))(t).Spend, gateway.Spend{})
	list, _, err := db.ListTags(ctx, store.TagFilter{}, store.Page{Sort: "spend"})
	must(t, err)
	same(t, "tags by spend", len(list), 1)

	// Members keep theirs by the id of their place.
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "a:b", Members: []gateway.Member{{UserID: "u"}, {UserID: "v"}}}))
	want := gateway.Spend{Window: 1, WindowStart: at(1), Total: 2}
	must(t, db.SetTotal(ctx, store.Member, gateway.MemberID("a:b", "v"), want, "team", "a:b"))
	same(t, "member", got(db.Team(ctx, "a:b"))(t).Members, []gateway.Member{{UserID: "u"}, {UserID: "v", Spend: want}})
}

func updateTagsTogether(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateTag(ctx, &gateway.Tag{Name: "x"}))
	const n = 10
	together(t, 4, func(i int) error {
		for j := range n {
			if i%2 == 0 {
				r := Row(i*n + j)
				r.Tags, r.Cost = []string{"x"}, 1
				if _, err := db.Book(ctx, []spend.Row{r}); err != nil {
					return err
				}
				continue
			}
			_, err := db.UpdateTag(ctx, "x", func(tg *gateway.Tag) error { tg.Spend.Total++; return nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "spend", got(db.Tag(ctx, "x"))(t).Spend.Total, gateway.NanoUSD(4*n))
}

func deleteOrganizations(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u", Teams: []string{"t"}, Organizations: []string{"o", "p"}}))
	must(t, db.CreateOrganization(ctx, &gateway.Organization{ID: "o", Members: []gateway.Member{{UserID: "u"}}}))
	must(t, db.CreateOrganization(ctx, &gateway.Organization{ID: "p", Members: []gateway.Member{{UserID: "u"}}}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t", OrganizationID: "o", Members: []gateway.Member{{UserID: "u"}}}))
	must(t, db.CreateProject(ctx, &gateway.Project{ID: "pr", TeamID: "t"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), TeamID: "t"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(2), OrganizationID: "o"}))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(3), OrganizationID: "p"}))
	same(t, "deleted", got(db.DeleteOrganizations(ctx, []string{"o", "none"}))(t), []string{"o"})
	same(t, "keys left", hashes(t, db), []string{hash(3)})
	u := got(db.User(ctx, "u"))(t)
	same(t, "organizations of the user", u.Organizations, []string{"p"})
	same(t, "teams of the user", u.Teams, []string(nil))
	if _, err := db.Project(ctx, "pr"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("project of a deleted team: got error %v, want ErrNotFound", err)
	}
	got(db.DeleteUsers(ctx, []string{"u"}))(t)
	same(t, "members left", got(db.Organization(ctx, "p"))(t).Members, []gateway.Member(nil))
}
