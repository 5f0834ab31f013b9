package app

import (
	"context"
	"errors"
	"fmt"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/store"
)

// loadDirectory reads every key, user and team into memory.
func (a *App) loadDirectory(ctx context.Context) error {
	// First the number, then the rows: what changes in between is read twice.
	seq, err := a.store.LastChange(ctx)
	if err != nil {
		return fmt.Errorf("read the change feed: %w", err)
	}
	err = errors.Join(
		a.store.AllUsers(ctx, func(u *gateway.User) error { a.directory.PutUser(u); return nil }),
		a.store.AllTeams(ctx, func(t *gateway.Team) error { a.directory.PutTeam(t); return nil }),
		a.store.AllKeys(ctx, func(k *gateway.Key) error { a.directory.PutKey(k); return nil }),
	)
	if err != nil {
		return fmt.Errorf("load keys, users and teams: %w", err)
	}
	a.seq = seq
	return nil
}

// changed makes what the management API has written count for calls that start
// from now on.
func (a *App) changed(ctx context.Context, cs ...admin.Change) error {
	for _, c := range cs {
		if err := a.refresh(ctx, c.Entity, c.ID, c.Spend); err != nil {
			return err
		}
	}
	return nil
}

// refresh reads one entity again. One that is no longer there is forgotten.
func (a *App) refresh(ctx context.Context, entity, id string, spent bool) error {
	var (
		err   error
		scope limit.Scope
		l     gateway.Limits
		sp    gateway.Spend
	)
	switch entity {
	case admin.KeyEntity:
		scope = limit.Scope{Kind: limit.KeyScope, ID: id}
		var k *gateway.Key
		if k, err = reread(ctx, id, a.store.Key, a.directory.PutKey, a.directory.DeleteKey); err == nil {
			l, sp = k.Limits, k.Spend
		}
	case admin.UserEntity:
		scope = limit.Scope{Kind: limit.UserScope, ID: id}
		var u *gateway.User
		if u, err = reread(ctx, id, a.store.User, a.directory.PutUser, a.directory.DeleteUser); err == nil {
			l, sp = u.Limits, u.Spend
		}
	case admin.TeamEntity:
		scope = limit.Scope{Kind: limit.TeamScope, ID: id}
		var t *gateway.Team
		if t, err = reread(ctx, id, a.store.Team, a.directory.PutTeam, a.directory.DeleteTeam); err == nil {
			l, sp = t.Limits, t.Spend
		}
	default:
		return nil // settings and the like
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		a.counters.Forget(scope)
		return nil
	case err != nil:
		return fmt.Errorf("read %s %s again: %w", entity, id, err)
	case spent:
		w, err := limit.ParseWindow(l.BudgetDuration)
		if err != nil {
			return fmt.Errorf("%s %s: %w", entity, id, err)
		}
		a.counters.SetSpent(scope, w, int64(sp.Window))
	}
	return nil
}

// reread takes what the store has of id into the directory. Only what the store
// says is gone is forgotten: a store that does not answer says nothing.
func reread[T any](ctx context.Context, id string, get func(context.Context, string) (*T, error), put func(*T), forget func(string)) (*T, error) {
	v, err := get(ctx, id)
	switch {
	case err == nil:
		put(v)
	case errors.Is(err, store.ErrNotFound):
		forget(id)
	}
	return v, err
}

// follow reads what other processes on the same database have changed.
func (a *App) follow(ctx context.Context) {
	cs, err := a.store.ChangesSince(ctx, a.seq, 1000)
	if errors.Is(err, store.ErrChangesLost) {
		err = a.loadDirectory(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.Warn("changes of other replicas not read; tried again in a moment", "err", err)
		}
		return
	}
	for _, c := range cs {
		if err := a.refresh(ctx, c.Kind, c.ID, false); err != nil {
			a.log.Warn("a change of another replica not read; tried again in a moment", "err", err)
			return
		}
		a.seq = c.Seq
	}
}
