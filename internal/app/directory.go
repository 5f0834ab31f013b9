package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/store"
)

// loadDirectory reads all that calls are charged to into memory.
func (a *App) loadDirectory(ctx context.Context) error {
	// First the number, then the rows: what changes in between is read twice.
	seq, err := a.store.LastChange(ctx)
	if err != nil {
		return fmt.Errorf("read the change feed: %w", err)
	}
	// Into a new one: a row that was deleted is not in it.
	d := a.directory.Empty()
	s := a.store
	err = errors.Join(
		s.AllBudgets(ctx, into(d.PutBudget)),
		s.AllUsers(ctx, into(d.PutUser)),
		s.AllTeams(ctx, into(d.PutTeam)),
		s.AllOrganizations(ctx, into(d.PutOrganization)),
		s.AllProjects(ctx, into(d.PutProject)),
		s.AllEndUsers(ctx, into(d.PutEndUser)),
		s.AllTotals(ctx, store.EndUser, func(id string, sp *gateway.Spend) error { d.PutVisitor(id, sp); return nil }),
		s.AllTags(ctx, into(d.PutTag)),
		s.AllAccessGroups(ctx, into(d.PutAccessGroup)),
		s.AllGroupBudgets(ctx, into(d.PutGroupBudget)),
		s.AllKeys(ctx, into(d.PutKey)),
		s.AllDeprecatedKeys(ctx, into(d.PutDeprecatedKey)),
		s.AllJWTMappings(ctx, into(d.PutJWTMapping)),
	)
	if err != nil {
		return fmt.Errorf("load keys, users, teams and their like: %w", err)
	}
	a.directory.Replace(d)
	a.seq = seq
	return nil
}

// into makes put the receiver of a stream that never fails.
func into[T any](put func(*T)) func(*T) error {
	return func(v *T) error { put(v); return nil }
}

// changed makes what the management API has written count for calls that start
// from now on.
func (a *App) changed(ctx context.Context, cs ...admin.Change) error {
	reload := false
	for _, c := range cs {
		if configures(c.Entity) {
			reload = true
			continue
		}
		if err := a.refresh(ctx, c.Entity, c.ID, c.Spend, true); err != nil {
			return err
		}
	}
	if reload {
		_, err := a.Reload(ctx)
		return err
	}
	return nil
}

// configures reports whether rows of the kind are a part of the configuration.
func configures(kind string) bool { return kind == "model" || kind == "credential" }

// refresh reads one row again, by its kind in the change feed. One that is no
// longer there is forgotten. spent says that its spend was set too, ours that
// this process has changed it.
func (a *App) refresh(ctx context.Context, kind, id string, spent, ours bool) error {
	s, d := a.store, a.directory
	_, was, had := a.charged(kind, id)
	var err error
	switch kind {
	case "setting":
		if id == masterKeySetting {
			return a.rereadMaster(ctx)
		}
		return nil
	case admin.KeyEntity:
		err = reread(ctx, id, s.Key, d.PutKey, d.DeleteKey)
	case admin.UserEntity:
		err = reread(ctx, id, s.User, d.PutUser, d.DeleteUser)
	case admin.TeamEntity:
		err = reread(ctx, id, s.Team, d.PutTeam, d.DeleteTeam)
	case admin.MemberEntity:
		team, _, _ := gateway.SplitMemberID(id)
		err = reread(ctx, team, s.Team, d.PutTeam, d.DeleteTeam)
	case admin.OrgMemberEntity:
		organization, _, _ := gateway.SplitMemberID(id)
		err = reread(ctx, organization, s.Organization, d.PutOrganization, d.DeleteOrganization)
	case "organization":
		err = reread(ctx, id, s.Organization, d.PutOrganization, d.DeleteOrganization)
	case "project":
		err = reread(ctx, id, s.Project, d.PutProject, d.DeleteProject)
	case "end_user":
		err = reread(ctx, id, s.EndUser, d.PutEndUser, d.DeleteEndUser)
	case "tag":
		err = reread(ctx, id, s.Tag, d.PutTag, d.DeleteTag)
	case "budget":
		err = reread(ctx, id, s.Budget, d.PutBudget, d.DeleteBudget)
	case "access_group":
		err = reread(ctx, id, s.AccessGroup, d.PutAccessGroup, d.DeleteAccessGroup)
	case admin.GroupBudgetEntity:
		err = reread(ctx, id, s.GroupBudget, d.PutGroupBudget, d.DeleteGroupBudget)
	case "deprecated_key":
		err = reread(ctx, id, s.DeprecatedKey, d.PutDeprecatedKey, d.DeleteDeprecatedKey)
	case admin.JWTMappingEntity:
		err = reread(ctx, id, s.JWTMapping, d.PutJWTMapping, d.DeleteJWTMapping)
	default:
		return nil // settings and the like
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		if scope, ok := scopeOf(kind, id); ok {
			a.counters.Forget(scope)
			a.limiter.Forget(scope)
		}
		return nil
	case err != nil:
		return fmt.Errorf("read %s %s again: %w", kind, id, err)
	}
	if was == nil && kind == admin.KeyEntity {
		if err := a.inherit(ctx, id); err != nil {
			return err
		}
	}
	scope, l, sp := a.charged(kind, id)
	if l == nil {
		return nil
	}
	return a.respend(ctx, scope, was, had, l, sp, spent, ours)
}

// heard takes in a change that another process has made.
func (a *App) heard(ctx context.Context, kind, id string) error {
	owner, spent := strings.CutSuffix(kind, store.SpendChange)
	if !spent {
		return a.refresh(ctx, kind, id, false, false)
	}
	if owner == store.Global {
		return a.reread(ctx, limit.Scope{Kind: limit.GlobalScope})
	}
	if err := a.refresh(ctx, owner, id, false, false); err != nil {
		return err
	}
	if scope, ok := scopeOf(owner, id); ok {
		return a.reread(ctx, scope)
	}
	return nil
}

// reread has the counters of a scope agree with the books, which an import has
// changed.
func (a *App) reread(ctx context.Context, s limit.Scope) error {
	var models []string
	if _, l, _ := a.charged(limit.Scopes[s.Kind].Books, s.String()); l != nil {
		models = slices.Sorted(maps.Keys(l.Models))
	}
	if err := a.store.OwnerWindows(ctx, limit.Scopes[s.Kind].Books, s.String(), models, a.setBooked); err != nil {
		return err
	}
	a.counters.Reread(s)
	return nil
}

// inherit has a key that has replaced another one go on in the budget windows of
// that one.
func (a *App) inherit(ctx context.Context, hash string) error {
	sum, ok := auth.ParseSum(hash)
	if !ok {
		return nil
	}
	if k := a.directory.Key(&sum); k == nil || k.Rotation.Count == 0 {
		return nil
	}
	return a.store.KeyWindows(ctx, hash, a.setBooked)
}

// reread takes what the store has of id into the directory. Only what the store
// says is gone is forgotten: a store that does not answer says nothing.
func reread[T any](ctx context.Context, id string, get func(context.Context, string) (*T, error), put func(*T), forget func(string)) error {
	v, err := get(ctx, id)
	switch {
	case err == nil:
		put(v)
	case errors.Is(err, store.ErrNotFound):
		forget(id)
	}
	return err
}

// scopeOf is where the limits of a row are counted; false if it has none.
func scopeOf(kind, id string) (limit.Scope, bool) {
	kinds := map[string]limit.ScopeKind{
		admin.KeyEntity: limit.KeyScope, admin.UserEntity: limit.UserScope, admin.TeamEntity: limit.TeamScope,
		"organization": limit.OrganizationScope, "project": limit.ProjectScope, "end_user": limit.EndUserScope, "tag": limit.TagScope,
		admin.ProviderEntity:    limit.ProviderScope,
		admin.GroupBudgetEntity: limit.AccessGroupScope,
	}
	if k, ok := kinds[kind]; ok {
		return limit.Scope{Kind: k, ID: id}, true
	}
	of, user, ok := gateway.SplitMemberID(id)
	switch kind {
	case store.Member:
		return limit.Scope{Kind: limit.MemberScope, ID: user, Of: of}, ok
	case store.OrgMember:
		return limit.Scope{Kind: limit.OrganizationMemberScope, ID: user, Of: of}, ok
	}
	return limit.Scope{}, false
}

// charged returns where a row's limits are counted, what they are and what the
// books say was spent; the limits are nil if there is no such row. A member is
// of kind store.Member or store.OrgMember, by gateway.MemberID.
func (a *App) charged(kind, id string) (limit.Scope, *gateway.Limits, *gateway.Spend) {
	scope, ok := scopeOf(kind, id)
	if !ok {
		return scope, nil, nil
	}
	d := a.directory
	switch scope.Kind {
	case limit.KeyScope:
		if sum, ok := auth.ParseSum(id); ok {
			if k := d.Key(&sum); k != nil {
				return scope, &k.Limits, &k.Spend
			}
		}
	case limit.UserScope:
		if u := d.User(id); u != nil {
			return scope, &u.Limits, &u.Spend
		}
	case limit.TeamScope:
		if t := d.Team(id); t != nil {
			return scope, &t.Limits, &t.Spend
		}
	case limit.OrganizationScope:
		if o := d.Organization(id); o != nil {
			return scope, &o.Limits, &o.Spend
		}
	case limit.ProjectScope:
		if p := d.Project(id); p != nil {
			return scope, &p.Limits, &p.Spend
		}
	case limit.EndUserScope:
		if e := d.EndUser(id, ""); e != nil {
			return scope, &e.Limits, &e.Spend
		}
	case limit.TagScope:
		if t := d.Tag(id); t != nil {
			return scope, &t.Limits, &t.Spend
		}
	case limit.AccessGroupScope:
		if b := d.GroupBudget(id); b != nil {
			return scope, &b.Limits, &b.Spend
		}
	case limit.ProviderScope:
		if l, ok := a.settings.Load().Providers[id]; ok {
			return scope, &l, &gateway.Spend{}
		}
	case limit.MemberScope:
		if m := d.Member(scope.Of, scope.ID); m != nil {
			return scope, &m.Limits, &m.Spend
		}
	case limit.OrganizationMemberScope:
		if m := d.OrganizationMember(scope.Of, scope.ID); m != nil {
			return scope, &m.Limits, &m.Spend
		}
	}
	return scope, nil, nil
}

// listen fills told when the database tells of changes, until ctx ends. One
// that is told already stands for all that have come since.
func (a *App) listen(ctx context.Context, told chan<- struct{}) {
	said := false
	for {
		err := a.store.Listen(ctx, func(int64) {
			said = false
			select {
			case told <- struct{}{}:
			default:
			}
		})
		if ctx.Err() != nil {
			return
		}
		if !said {
			a.log.Warn("the database does not tell of changes for now; they are looked for instead", "every", changePoll.String(), "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// reloadPause is how long a reload that a change asked for is put off when it
// has failed: for a broken file, or a database that does not answer.
const reloadPause = 5 * time.Second

// follow reads what other processes on the same database have changed.
func (a *App) follow(ctx context.Context) {
	const most = 1000
	for {
		cs, err := a.store.ChangesSince(ctx, a.seq, most)
		if errors.Is(err, store.ErrChangesLost) {
			err = a.loadDirectory(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				a.log.Warn("changes of other replicas not read; tried again in a moment", "err", err)
			}
			return
		}
		if slices.ContainsFunc(cs, func(c store.Change) bool { return configures(c.Kind) }) {
			a.reloadDue = time.Now()
		}
		for _, c := range cs {
			if err := a.heard(ctx, c.Kind, c.ID); err != nil {
				a.log.Warn("a change of another replica not read; tried again in a moment", "err", err)
				return
			}
			a.seq = c.Seq
		}
		if len(cs) < most {
			break
		}
	}
	if !a.reloadDue.IsZero() && !time.Now().Before(a.reloadDue) {
		a.reloadDue = time.Time{}
		if _, err := a.Reload(ctx); err != nil { // it has said what is wrong
			a.reloadDue = time.Now().Add(reloadPause)
		}
	}
}
