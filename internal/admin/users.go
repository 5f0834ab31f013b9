package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxKeys is how many keys /user/info, /team/info and /spend/keys show.
const maxKeys = 1000

// userBody is the body of POST /user/new. Limits, models and metadata are the
// user's; the rest of the key fields are for the key that is made with it.
type userBody struct {
	keyFields
	Email         Opt[string]         `json:"user_email"`
	UserAlias     Opt[string]         `json:"user_alias"`
	Role          Opt[string]         `json:"user_role"`
	SSOUserID     Opt[string]         `json:"sso_user_id"`
	Teams         Opt[teamRefs]       `json:"teams"`
	Organizations Opt[[]string]       `json:"organizations"`
	WantsKey      Opt[bool]           `json:"auto_create_key"`
	Password      Opt[jsontext.Value] `json:"password"`
}

func (b userBody) unknownFields() map[string]jsontext.Value {
	return nested(b.keyFields.unknownFields(), "teams", b.Teams.Value)
}

// nested adds what the elements of a list did not understand, under the list's
// name. A budget in a team that is not kept must not go unnoticed.
func nested[T body](fields map[string]jsontext.Value, name string, elements []T) map[string]jsontext.Value {
	all := map[string]jsontext.Value{}
	for _, e := range elements {
		for k, v := range e.unknownFields() {
			all[name+"."+k] = v
		}
	}
	maps.Copy(all, fields)
	return all
}

// teamRefs are the teams of a new user: ids, or objects with a role.
type teamRefs []teamRef

func (teamRefs) want() string {
	return "a list of team ids or of {team_id, user_role, max_budget_in_team}"
}

type teamRef struct {
	TeamID    string   `json:"team_id"`
	Role      string   `json:"user_role"` // "user" or "admin"
	MaxBudget Opt[usd] `json:"max_budget_in_team"`
	unknown
}

// teamRefObject is teamRef without its methods.
type teamRefObject teamRef

// UnmarshalJSONFrom reads an id or an object.
func (t *teamRef) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &t.TeamID)
	}
	return json.UnmarshalDecode(d, (*teamRefObject)(t))
}

// newUser is a new user and the key that was made with it.
type newUser struct {
	generated
	UserEmail     *string  `json:"user_email"`
	UserRole      *string  `json:"user_role"`
	UserAlias     *string  `json:"user_alias"`
	Teams         []string `json:"teams"`
	Organizations []string `json:"organizations"`
}

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

// check refuses what no user can be.
func (b *userBody) check(now time.Time) error {
	if err := checkPerson(b.Email, b.UserAlias, b.SSOUserID, b.Role, b.Password); err != nil {
		return err
	}
	if err := checkTexts("organizations", b.Organizations.Value); err != nil {
		return err
	}
	if team := b.TeamID.Or(""); team != "" {
		b.Teams = Opt[teamRefs]{Sent: true, Value: append(b.Teams.Value, teamRef{TeamID: team})}
	}
	for i := range b.Teams.Value {
		t := &b.Teams.Value[i]
		if t.TeamID == "" {
			return malformed("teams", "teams: every team needs a team_id")
		}
		if err := checkText("teams", t.TeamID); err != nil {
			return err
		}
		if t.Role == "" {
			t.Role = "user"
		}
		if t.Role != "user" && t.Role != "admin" {
			return malformed("teams", "teams: user_role: want user or admin, got '%s'", shorten([]byte(t.Role)))
		}
	}
	if err := liftMeta(&b.Metadata, &b.finerFields, nil, nil, nil, nil); err != nil {
		return err
	}
	return b.keyFields.checkFields(now)
}

// fillUser sets what was not sent to the configured defaults.
func fillUser(b *userBody, d *config.UserRules) {
	if b.Role.Or("") == string(gateway.InternalUser) {
		fillOpt(&b.MaxBudget, (*usd)(d.Internal.Budget))
		fillOpt(&b.BudgetDuration, text(d.Internal.BudgetDuration))
	}
	if b.Role.Or("") == string(gateway.ProxyAdmin) {
		return
	}
	fillOpt(&b.Role, text(d.Role))
	fillLimits(&b.limitFields, &d.Limits)
	if d.Models != nil && len(b.Models.Or(nil)) == 0 {
		b.Models = Opt[[]string]{Sent: true, Value: slices.Clone(d.Models)}
	}
	if d.Teams != nil && !b.Teams.Has() {
		b.Teams.Sent, b.Teams.Null = true, false
		for _, t := range d.Teams {
			ref := teamRef{TeamID: t.ID, Role: t.Role}
			fillOpt(&ref.MaxBudget, (*usd)(t.Budget))
			b.Teams.Value = append(b.Teams.Value, ref)
		}
	}
}

func fillLimits(f *limitFields, d *gateway.Limits) {
	fillOpt(&f.MaxBudget, (*usd)(d.Budget))
	fillOpt(&f.BudgetDuration, text(d.BudgetDuration))
	fillOpt(&f.RPM, (*count)(d.RPM))
	fillOpt(&f.TPM, (*count)(d.TPM))
	fillOpt(&f.Parallel, (*count)(d.Parallel))
}

func (a *API) newUser(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b userBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	given := b.Teams.Has()
	fillUser(&b, &a.o.Settings().Users)
	if err := b.check(now); err != nil {
		return nil, err
	}
	if key := b.Key.Or(""); key != "" {
		if err := a.mayChoose("key", key); err != nil {
			return nil, err
		}
	}
	u := &gateway.User{
		ID: b.UserID.Or(""), Email: b.Email.Or(""), Alias: b.UserAlias.Or(""), SSOID: b.SSOUserID.Or(""), OrganizationID: b.OrganizationID.Or(""),
		Role: gateway.Role(b.Role.Or("")), Models: b.Models.Or(nil), Metadata: b.Metadata.Or(nil), Blocked: b.Blocked.Or(false),
		CacheControls: b.CacheControls.Or(nil), ObjectPermission: b.ObjectPermission.Or(nil), CreatedAt: now, UpdatedAt: now,
	}
	if u.ID == "" {
		u.ID = uuid.NewString()
	}
	for _, t := range b.Teams.Value {
		if !slices.Contains(u.Teams, t.TeamID) {
			u.Teams = append(u.Teams, t.TeamID)
		}
	}
	u.Organizations = slices.Compact(slices.Sorted(slices.Values(b.Organizations.Or(nil))))
	b.limitFields.apply(&u.Limits, now)
	b.keptFields.apply(&u.Metadata)
	a.setSpend(&u.Spend, &u.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	u.Spend.Total = u.Spend.Window
	if err := a.mayMakeUser(ctx, p, &b, u, given); err != nil {
		return nil, err
	}
	e := a.entry(r, p, created, userTable, u.ID)
	e.After = snapshot(a.userRow(u))
	if err := a.store.CreateUser(store.Audited(ctx, e), u); err != nil {
		return nil, userConflict(err)
	}
	if err := a.changed(ctx, Change{Entity: UserEntity, ID: u.ID}); err != nil {
		return nil, err
	}
	for i := range b.Teams.Value {
		ref := &b.Teams.Value[i]
		by := p
		if !given {
			by = &gateway.Principal{Master: true, Role: gateway.ProxyAdmin} // the configuration puts it there
		}
		_, err := a.editTeam(r, by, ref.TeamID, nil, func(t *gateway.Team) error {
			m := gateway.Member{UserID: u.ID, Email: u.Email, Role: ref.Role, Models: slices.Clone(t.MemberModels)}
			setMoney(&m.Limits.Budget, ref.MaxBudget)
			add(t, m)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, id := range u.Organizations {
		if err := a.enterOrganization(r, p, id, u); err != nil {
			return nil, err
		}
		if err := a.changed(ctx, Change{Entity: OrganizationEntity, ID: id}); err != nil {
			return nil, err
		}
	}
	setUnused(w.Header(), b.unused()...)
	return a.userWithKey(r, p, &b, u, now)
}

// mayMakeUser looks for what would fail after the user has been stored, and for
// what the caller may not do. given says that the caller has named the teams.
func (a *API) mayMakeUser(ctx context.Context, p *gateway.Principal, b *userBody, u *gateway.User, given bool) error {
	if err := a.directory.MayUser(p, auth.Create, u.ID, u); err != nil {
		return err
	}
	if err := a.mayGiveRole(p, b.Role); err != nil {
		return err
	}
	for _, t := range b.Teams.Value {
		team, err := a.store.Team(ctx, t.TeamID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if e := a.directory.MayTeam(p, auth.Change, t.TeamID, team); e != nil && given {
			return e
		}
		if team == nil {
			_, err := a.team(ctx, t.TeamID)
			return err
		}
	}
	for _, id := range u.Organizations {
		o, err := a.store.Organization(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := a.directory.MayOrganization(p, auth.Change, id, o); err != nil {
			return err
		}
		if o == nil {
			return notFound(err, "organizations", "Organization not found for organization_id=%s", id)
		}
	}
	if alias := b.Alias.Or(""); alias != "" {
		_, err := a.store.KeyByAlias(ctx, alias)
		if err := free(err, store.ErrConflict{Field: "alias", Value: alias}); err != nil {
			return keyConflict(err)
		}
	}
	if key := b.Key.Or(""); key != "" {
		_, err := a.store.Key(ctx, keyHash(key))
		if err := free(err, store.ErrConflict{Field: "hash"}); err != nil {
			return keyConflict(err)
		}
	}
	return a.budgetExists(ctx, "budget_id", b.BudgetID.Or(""))
}

// enterOrganization makes a user a member of an organization.
func (a *API) enterOrganization(r *http.Request, p *gateway.Principal, id string, u *gateway.User) error {
	e := a.entry(r, p, changed, organizationTable, id)
	_, err := a.store.UpdateOrganization(store.Audited(r.Context(), e), id, func(o *gateway.Organization) error {
		if !slices.ContainsFunc(o.Members, func(m gateway.Member) bool { return m.UserID == u.ID }) {
			o.Members = append(o.Members, gateway.Member{UserID: u.ID, Email: u.Email, Role: string(gateway.InternalUser)})
		}
		e.After = snapshot(entered{OrganizationID: id, UserID: u.ID})
		return nil
	})
	return notFound(err, "organizations", "Organization not found for organization_id=%s", id)
}

// entered is what the audit log says of somebody who has come into an organization.
type entered struct {
	OrganizationID string `json:"organization_id"`
	UserID         string `json:"user_id"`
}

// free turns the error of a look-up around: a row that is there is in the way.
func free(err error, taken store.ErrConflict) error {
	switch {
	case err == nil:
		return taken
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// userWithKey answers with u and, unless told otherwise, a new key of u. The
// limits are the user's: the key is bound by them without a copy of its own.
func (a *API) userWithKey(r *http.Request, p *gateway.Principal, b *userBody, u *gateway.User, now time.Time) (*newUser, error) {
	k := &gateway.Key{UserID: u.ID, CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	var secret gateway.Secret
	if b.WantsKey.Or(true) {
		secret = newSecret()
		if key := b.Key.Or(""); key != "" {
			secret = gateway.Secret(key)
		}
		kb := &generateBody{keyFields: keyFields{
			Alias: b.Alias, Duration: b.Duration, Models: b.Models, Permissions: b.Permissions, Aliases: b.Aliases,
			Blocked: b.Blocked, Tags: b.Tags, AllowedRoutes: b.AllowedRoutes, OrganizationID: b.OrganizationID,
			AllowedIPs: b.AllowedIPs, EnforcedParams: b.EnforcedParams, BudgetID: b.BudgetID, EndUserBudgetID: b.EndUserBudgetID,
			BudgetFallbacks: b.BudgetFallbacks, AccessGroupIDs: b.AccessGroupIDs, RouterSettings: b.RouterSettings,
			AutoRotate: b.AutoRotate, RotationInterval: b.RotationInterval,
			UserID: Opt[string]{Sent: true, Value: u.ID},
		}}
		var err error
		if k, err = a.newKey(p, secret, kb, now); err != nil {
			return nil, err
		}
		if k.OrganizationID == "" && len(u.Organizations) > 0 && !isAdmin(p) {
			k.OrganizationID = u.Organizations[0] // by which the caller may make it
		}
		if err := a.directory.MayKey(p, auth.GenerateKey, k); err != nil {
			return nil, err
		}
		if err := a.ownBounds(p, &kb.keyFields, &gateway.Key{}, k); err != nil {
			return nil, err
		}
		if err := a.createKey(r, p, k); err != nil {
			return nil, err
		}
	}
	view := *k
	view.Limits, view.Spend, view.Metadata, view.Models, view.CacheControls = u.Limits, u.Spend, u.Metadata, u.Models, u.CacheControls
	return &newUser{
		generated: *a.generated(&view, secret, b.Duration.Or("")),
		UserEmail: text(u.Email), UserRole: text(string(u.Role)), UserAlias: text(u.Alias), Teams: list(u.Teams), Organizations: list(u.Organizations),
	}, nil
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

// bulkUsersBody is the body of POST /user/bulk_update.
type bulkUsersBody struct {
	Users   Opt[userUpdates] `json:"users"`
	All     Opt[bool]        `json:"all_users"`
	Updates Opt[userUpdate]  `json:"user_updates"`
	unknown
}

type userUpdates []userFields

func (userUpdates) want() string { return "a list of objects with a user_id and the fields to change" }

type userUpdate struct{ userFields }

func (userUpdate) want() string { return "an object with the fields to change" }

type usersUpdated struct {
	Results []userResult `json:"results"`
	Total   int          `json:"total_requested"`
	Done    int          `json:"successful_updates"`
	Failed  int          `json:"failed_updates"`
}

type userResult struct {
	UserID  *string  `json:"user_id"`
	Email   *string  `json:"user_email"`
	Success bool     `json:"success"`
	Error   *string  `json:"error"`
	Updated *userRow `json:"updated_user"`
}

func (a *API) bulkUpdateUsers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b bulkUsersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	updates := b.Users.Or(nil)
	if b.All.Or(false) {
		if !b.Updates.Has() {
			return nil, malformed("user_updates", "user_updates is missing: say what to change of all users")
		}
		users, total, err := a.store.ListUsers(r.Context(), store.UserFilter{}, store.Page{Limit: maxBulk})
		if err != nil {
			return nil, err
		}
		if total > maxBulk {
			return nil, invalid("all_users", "all_users: %d users are too many for one call, at most %d are changed at once", total, maxBulk)
		}
		if err := a.directory.MayAdmin(p, auth.Change); err != nil {
			return nil, err
		}
		updates = nil
		for _, u := range users {
			f := b.Updates.Value.userFields
			f.UserID = Opt[string]{Sent: true, Value: u.ID}
			updates = append(updates, f)
		}
	}
	switch n := len(updates); {
	case n == 0:
		return nil, invalid("users", "users is missing: pass a list of objects with a user_id and the fields to change")
	case n > maxBulk:
		return nil, invalid("users", "%d users are too many for one call, at most %d are changed at once", n, maxBulk)
	}
	setUnknown(w.Header(), nested(b.Unknown, "users", updates))
	out := &usersUpdated{Total: len(updates), Results: []userResult{}}
	for i := range updates {
		f := &updates[i]
		res := userResult{UserID: text(f.UserID.Or("")), Email: text(f.Email.Or(""))}
		u, err := a.changeUser(r, p, f)
		if err != nil {
			e := gateway.AsError(err)
			if code, _ := status(e); code >= 500 {
				return nil, err
			}
			res.Error = &e.Message
			out.Failed++
		} else {
			row := a.userRow(u)
			res.UserID, res.Email, res.Success, res.Updated = text(u.ID), text(u.Email), true, &row
			out.Done++
		}
		out.Results = append(out.Results, res)
	}
	return out, nil
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
