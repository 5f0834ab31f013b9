package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxKeys is how many keys /user/info, /team/info and /spend/keys show.
const maxKeys = 1000

// checkPerson refuses what is no name, address or role of a user.
func checkPerson(email, alias, sso, role Opt[string], password Opt[jsontext.Value]) error {
	if password.Has() {
		return invalid("password", "password cannot be set here: use /user/password/change once there is the user")
	}
	for _, t := range []struct{ name, value string }{{"user_email", email.Value}, {"user_alias", alias.Value}, {"sso_user_id", sso.Value}} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	switch role := gateway.Role(role.Or("")); role {
	case "", gateway.ProxyAdmin, gateway.ProxyAdminViewer, gateway.InternalUser, gateway.InternalUserViewer:
	default:
		return malformed("user_role", "user_role: want proxy_admin, proxy_admin_viewer, internal_user or internal_user_viewer, got '%s'", shorten([]byte(role)))
	}
	return nil
}

// mayGiveRole keeps everybody but proxy admins from making somebody one.
func (a *API) mayGiveRole(p *gateway.Principal, role Opt[string]) error {
	switch gateway.Role(role.Or("")) {
	case gateway.ProxyAdmin, gateway.ProxyAdminViewer:
		if err := a.directory.MayAdmin(p, auth.Change); err != nil {
			e := gateway.AsError(err)
			e.Param = "user_role"
			return e
		}
	}
	return nil
}

// userFields are the fields of POST /user/update.
type userFields struct {
	limitFields
	keptFields
	UserID           Opt[string]   `json:"user_id"`
	Email            Opt[string]   `json:"user_email"`
	Alias            Opt[string]   `json:"user_alias"`
	Role             Opt[string]   `json:"user_role"`
	SSOUserID        Opt[string]   `json:"sso_user_id"`
	Models           Opt[[]string] `json:"models"`
	Metadata         Opt[object]   `json:"metadata"`
	CacheControls    Opt[[]string] `json:"allowed_cache_controls"`
	ObjectPermission Opt[object]   `json:"object_permission"`
	Blocked          Opt[bool]     `json:"blocked"`
	Password         Opt[string]   `json:"password"`
	unknown
}

func (f userFields) unknownFields() map[string]jsontext.Value { return f.unknownLimits(f.Unknown) }

func (f *userFields) check(now time.Time) error {
	if err := liftMeta(&f.Metadata, &f.finerFields, nil, nil, nil, nil); err != nil {
		return err
	}
	if err := checkText("user_id", f.UserID.Value); err != nil {
		return err
	}
	if err := checkPerson(f.Email, f.Alias, f.SSOUserID, f.Role, Opt[jsontext.Value]{}); err != nil {
		return err
	}
	if err := checkTexts("models", f.Models.Value); err != nil {
		return err
	}
	if err := checkTexts("allowed_cache_controls", f.CacheControls.Value); err != nil {
		return err
	}
	if err := f.keptFields.check(); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in u what was sent; null clears.
func (f *userFields) apply(u *gateway.User, now time.Time) {
	setText(&u.Email, f.Email)
	setText(&u.Alias, f.Alias)
	setText(&u.SSOID, f.SSOUserID)
	if f.Role.Sent {
		u.Role = gateway.Role(f.Role.Or(""))
	}
	setList(&u.Models, f.Models)
	setList(&u.CacheControls, f.CacheControls)
	setObject(&u.Metadata, f.Metadata)
	setObject(&u.ObjectPermission, f.ObjectPermission)
	f.keptFields.apply(&u.Metadata)
	if f.Blocked.Sent {
		u.Blocked = f.Blocked.Or(false)
	}
	f.limitFields.apply(&u.Limits, now)
}

type userUpdated struct {
	UserID string  `json:"user_id"`
	Data   userRow `json:"data"`
}

// viewerFields are what a proxy_admin_viewer may send of itself.
type viewerFields struct {
	UserID Opt[string] `json:"user_id"`
	Email  Opt[string] `json:"user_email"`
	unknown
}

// updateViewer changes the address of a proxy_admin_viewer, who may change nothing
// else and nobody else.
func (a *API) updateViewer(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b viewerFields
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	const refused = "user not allowed to access this route, role= proxy_admin_viewer. Trying to access: /user/update"
	me := p.UserID()
	bad := ""
	switch names := slices.Sorted(maps.Keys(b.Unknown)); {
	case len(names) > 0:
		bad = names[0]
	case me == "" || me == gateway.MasterUserID || p.User == nil || b.UserID.Has() && b.UserID.Value != me:
		bad = "user_id"
	}
	if bad != "" {
		w.Header().Del(UnknownHeader)
		return nil, &gateway.Error{
			Kind: gateway.Forbidden, Type: "auth_error", Param: bad,
			Message: refused + " and updating invalid param: " + shorten([]byte(bad)) + ". only user_email can be updated",
		}
	}
	if b.Email.Or("") == "" {
		return nil, malformed("user_email", "user_email is missing: say which address is yours now")
	}
	f := userFields{UserID: Opt[string]{Sent: true, Value: me}, Email: b.Email}
	if err := f.check(a.now()); err != nil {
		return nil, err
	}
	e := a.entry(r, p, changed, userTable, me)
	u, err := a.store.UpdateUser(store.Audited(r.Context(), e), me, func(u *gateway.User) error {
		e.Before = snapshot(a.userRow(u))
		u.Email, u.UpdatedAt = b.Email.Value, a.now()
		e.After = snapshot(a.userRow(u))
		return nil
	})
	if err != nil {
		return nil, userConflict(notFound(err, "user_id", "User not found, passed user_id=%s", me))
	}
	return &userUpdated{UserID: u.ID, Data: a.userRow(u)}, a.changed(r.Context(), Change{Entity: UserEntity, ID: me})
}

func (a *API) updateUser(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if p.Role == gateway.ProxyAdminViewer && !p.Master {
		return a.updateViewer(w, r, p)
	}
	var f userFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	u, err := a.changeUser(r, p, &f)
	if err != nil {
		return nil, err
	}
	setUnused(w.Header(), f.unused()...)
	return &userUpdated{UserID: u.ID, Data: a.userRow(u)}, nil
}

// changeUser changes the fields that were sent of the user that f names. One
// that does not exist is made, if a proxy admin asks.
func (a *API) changeUser(r *http.Request, p *gateway.Principal, f *userFields) (*gateway.User, error) {
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	if f.Password.Has() {
		if err := a.checkPassword("password", f.Password.Value); err != nil {
			return nil, err
		}
	}
	id := f.UserID.Or("")
	if id == "" {
		email := f.Email.Or("")
		if email == "" {
			return nil, malformed("user_id", "user_id is missing: pass user_id, or user_email to say which user to change")
		}
		u, err := a.store.UserByEmail(ctx, email)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := a.directory.MayUser(p, auth.Change, email, u); err != nil {
			return nil, err
		}
		if u == nil {
			return nil, notFound(err, "user_email", "User not found, passed user_email=%s", email)
		}
		id = u.ID
	}
	have, err := a.store.User(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := a.directory.MayUser(p, auth.Change, id, have); err != nil {
		return nil, err
	}
	if err := a.mayGiveRole(p, f.Role); err != nil {
		return nil, err
	}
	if have == nil {
		return a.upsertUser(r, p, id, f, now)
	}
	if f.touchesSpend() {
		if err := a.flush(ctx); err != nil {
			return nil, err
		}
	}
	e := a.entry(r, p, changed, userTable, id)
	u, err := a.store.UpdateUser(store.Audited(ctx, e), id, func(u *gateway.User) error {
		if err := a.directory.MayUser(p, auth.Change, id, u); err != nil {
			return err
		}
		e.Before = snapshot(a.userRow(u))
		respend := f.respend(a, &u.Spend, &u.Limits, now, u.CreatedAt)
		f.apply(u, now)
		respend()
		u.UpdatedAt = now
		e.After = snapshot(a.userRow(u))
		return nil
	})
	if err != nil {
		return nil, userConflict(notFound(err, "user_id", "User not found, passed user_id=%s", id))
	}
	if err := a.changed(ctx, Change{Entity: UserEntity, ID: id, Spend: f.Spend.Sent}); err != nil {
		return nil, err
	}
	return u, a.setPasswordOf(r, p, f, id)
}

func (a *API) upsertUser(r *http.Request, p *gateway.Principal, id string, f *userFields, now time.Time) (*gateway.User, error) {
	u := &gateway.User{ID: id, CreatedAt: now, UpdatedAt: now}
	f.apply(u, now)
	a.setSpend(&u.Spend, &u.Limits, gateway.NanoUSD(f.Spend.Or(0)), now, now)
	u.Spend.Total = u.Spend.Window
	e := a.entry(r, p, created, userTable, id)
	e.After = snapshot(a.userRow(u))
	if err := a.store.CreateUser(store.Audited(r.Context(), e), u); err != nil {
		return nil, userConflict(err)
	}
	if err := a.changed(r.Context(), Change{Entity: UserEntity, ID: id}); err != nil {
		return nil, err
	}
	return u, a.setPasswordOf(r, p, f, id)
}

// userIDsBody is the body of POST /user/delete.
type userIDsBody struct {
	IDs Opt[[]string] `json:"user_ids"`
	unknown
}

// deleteUsers deletes users with their keys, and answers how many those were.
func (a *API) deleteUsers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b userIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	ids := slices.Compact(slices.Sorted(slices.Values(b.IDs.Value)))
	switch n := len(ids); {
	case n == 0:
		return nil, invalid("user_ids", "user_ids is missing: pass a list of ids of users")
	case n > maxBulk:
		return nil, invalid("user_ids", "%d users are too many for one call, at most %d are deleted at once", n, maxBulk)
	}
	var entries []*gateway.AuditEntry
	var changes []Change
	for _, id := range ids {
		u, err := a.store.User(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := a.directory.MayUser(p, auth.Remove, id, u); err != nil {
			return nil, err
		}
		if u == nil {
			return nil, notFound(err, "user_ids", "User not found, passed user_id=%s", id)
		}
		e := a.entry(r, p, removed, userTable, id)
		e.Before = snapshot(a.userRow(u))
		entries = append(entries, e)
		changes = append(changes, Change{Entity: UserEntity, ID: id, Deleted: true})
		for _, t := range u.Teams {
			changes = append(changes, Change{Entity: TeamEntity, ID: t})
		}
		for _, o := range u.Organizations {
			changes = append(changes, Change{Entity: OrganizationEntity, ID: o})
		}
		keyEntries, keyChanges, err := a.keysGone(r, p, store.KeyFilter{UserID: id})
		if err != nil {
			return nil, err
		}
		entries, changes = append(entries, keyEntries...), append(changes, keyChanges...)
	}
	gone, err := a.store.DeleteUsers(a.deleting(store.Audited(ctx, entries...), r, p), ids)
	if err != nil {
		return nil, err
	}
	return len(gone), a.changed(ctx, changes...)
}

// TruncatedHeader says how many rows there are when not all are shown.
const TruncatedHeader = "x-penstock-truncated"

// keysOf returns the keys that f selects, up to maxKeys.
func (a *API) keysOf(ctx context.Context, w http.ResponseWriter, f store.KeyFilter, p store.Page) ([]*gateway.Key, error) {
	p.Limit = maxKeys
	keys, total, err := a.store.ListKeys(ctx, f, p)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(keys), total)
	return keys, nil
}

func setTruncated(h http.Header, shown, total int) {
	if shown < total {
		h.Set(TruncatedHeader, fmt.Sprintf("%d of %d", shown, total))
	}
}
