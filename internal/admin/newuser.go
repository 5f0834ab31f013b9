package admin

import (
	"context"
	"errors"
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
