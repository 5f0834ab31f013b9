package admin_test

import (
	"context"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// house is an API over a real database, with a directory that knows what was
// written, so that callers of every role can be played.
type house struct {
	*door
	db        *store.DB
	directory *auth.Directory
}

// onEngines runs a story on SQLite and, where there is one, on PostgreSQL.
func onEngines(t *testing.T, story func(*testing.T, *house)) {
	t.Run("sqlite", func(t *testing.T) { story(t, openHouse(t, storetest.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { story(t, openHouse(t, storetest.Postgres(t))) })
}

func openHouse(t *testing.T, db *store.DB, tune ...func(*admin.Options)) *house {
	t.Helper()
	h := &house{db: db, directory: auth.NewDirectory()}
	h.door = open(t, db, func(o *admin.Options) {
		for _, f := range tune {
			f(o)
		}
		o.Directory = h.directory
		told := o.Changed
		o.Changed = func(ctx context.Context, cs ...admin.Change) error {
			h.reload(t)
			return told(ctx, cs...)
		}
	})
	return h
}

// reload has the directory know what the database does.
func (h *house) reload(t *testing.T) {
	t.Helper()
	d, ctx := h.directory.Empty(), t.Context()
	for _, err := range []error{
		h.db.AllBudgets(ctx, func(b *gateway.Budget) error { d.PutBudget(b); return nil }),
		h.db.AllUsers(ctx, func(u *gateway.User) error { d.PutUser(u); return nil }),
		h.db.AllTeams(ctx, func(v *gateway.Team) error { d.PutTeam(v); return nil }),
		h.db.AllOrganizations(ctx, func(v *gateway.Organization) error { d.PutOrganization(v); return nil }),
		h.db.AllProjects(ctx, func(v *gateway.Project) error { d.PutProject(v); return nil }),
		h.db.AllEndUsers(ctx, func(v *gateway.EndUser) error { d.PutEndUser(v); return nil }),
		h.db.AllTags(ctx, func(v *gateway.Tag) error { d.PutTag(v); return nil }),
		h.db.AllAccessGroups(ctx, func(v *gateway.AccessGroup) error { d.PutAccessGroup(v); return nil }),
		h.db.AllGroupBudgets(ctx, func(v *gateway.GroupBudget) error { d.PutGroupBudget(v); return nil }),
		h.db.AllKeys(ctx, func(v *gateway.Key) error { d.PutKey(v); return nil }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.directory.Replace(d)
}

// as has the calls that follow made by a user.
func (h *house) as(user string, role gateway.Role) *house {
	h.t.Helper()
	u, err := h.db.User(h.t.Context(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	h.who = gateway.Principal{Role: role, User: u, Key: &gateway.Key{Hash: auth.Hash("sk-of-" + user), UserID: user}}
	return h
}

// asAdmin has them made with the master key again.
func (h *house) asAdmin() *house {
	h.who = master
	return h
}

// audited wants the last entries of the audit log about an object, the newest
// first, given as "action by actor".
func (h *house) audited(object string, want ...string) {
	h.t.Helper()
	entries, _, err := h.db.ListAudit(h.t.Context(), store.AuditFilter{ObjectID: object}, store.Page{Desc: true})
	if err != nil {
		h.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Action+" by "+e.Actor)
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			h.t.Errorf("the audit log of %s is %q, want it to begin with %q", object, got, want)
			return
		}
	}
}

func sqlite(t *testing.T) *store.DB { return storetest.SQLite(t) }

func auditOf(object string) store.AuditFilter { return store.AuditFilter{ObjectID: object} }

var pageOne = store.Page{Desc: true}
