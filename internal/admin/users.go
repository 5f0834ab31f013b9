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

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxKeys is how many keys /user/info, /team/info and /spend/keys show.
const maxKeys = 1000

// userBody is the body of POST /user/new. Limits, models and metadata are the
// user's; the rest of the key fields are for the key that is made with it.
type userBody struct {
	keyFields
	Email     Opt[string]         `json:"user_email"`
	UserAlias Opt[string]         `json:"user_alias"`
	Role      Opt[string]         `json:"user_role"`
	Teams     Opt[teamRefs]       `json:"teams"`
	WantsKey  Opt[bool]           `json:"auto_create_key"`
	Password  Opt[jsontext.Value] `json:"password"`
}

func (b *userBody) unknownFields() map[string]jsontext.Value {
	return nested(b.unknownLimits(b.Unknown), "teams", b.Teams.Value)
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

func (teamRefs) want() string { return "a list of team ids or of {team_id, user_role}" }

type teamRef struct {
	TeamID string `json:"team_id"`
	Role   string `json:"user_role"` // "user" or "admin"
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
	UserEmail *string  `json:"user_email"`
	UserRole  *string  `json:"user_role"`
	UserAlias *string  `json:"user_alias"`
	Teams     []string `json:"teams"`
}

// check refuses what no user can be.
func (b *userBody) check(now time.Time) error {
	if b.Password.Sent {
		return invalid("password", "password cannot be set here")
	}
	if err := checkText("user_email", b.Email.Value); err != nil {
		return err
	}
	if err := checkText("user_alias", b.UserAlias.Value); err != nil {
		return err
	}
	switch role := gateway.Role(b.Role.Or("")); role {
	case "", gateway.ProxyAdmin, gateway.ProxyAdminViewer, gateway.InternalUser, gateway.InternalUserViewer:
	default:
		return malformed("user_role", "user_role: want proxy_admin, proxy_admin_viewer, internal_user or internal_user_viewer, got '%s'", role)
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
			return malformed("teams", "teams: user_role: want user or admin, got '%s'", t.Role)
		}
	}
	if key := b.Key.Or(""); key != "" {
		if err := checkSecret(key); err != nil {
			return err
		}
	}
	return b.keyFields.check(now)
}

func (a *API) newUser(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b userBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := b.check(now); err != nil {
		return nil, err
	}
	if err := a.checkNewUser(ctx, &b); err != nil {
		return nil, err
	}
	u := &gateway.User{
		ID: b.UserID.Or(""), Email: b.Email.Or(""), Alias: b.UserAlias.Or(""),
		Role: gateway.Role(b.Role.Or("")), Models: b.Models.Or(nil), Metadata: b.Metadata.Or(nil), CreatedAt: now, UpdatedAt: now,
	}
	if u.ID == "" {
		u.ID = uuid.NewString()
	}
	for _, t := range b.Teams.Value {
		if !slices.Contains(u.Teams, t.TeamID) {
			u.Teams = append(u.Teams, t.TeamID)
		}
	}
	b.limitFields.apply(&u.Limits, now)
	a.setSpend(&u.Spend, &u.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	u.Spend.Total = u.Spend.Window
	if err := a.store.CreateUser(ctx, u); err != nil {
		return nil, userConflict(err)
	}
	changes := []Change{{Entity: UserEntity, ID: u.ID}}
	for _, t := range b.Teams.Value {
		if err := a.join(ctx, t.TeamID, gateway.Member{UserID: u.ID, Email: u.Email, Role: t.Role}, now); err != nil {
			return nil, err
		}
		changes = append(changes, Change{Entity: TeamEntity, ID: t.TeamID})
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	return a.userWithKey(r, p, &b, u, now)
}

// checkNewUser looks for what would fail after the user has been stored.
func (a *API) checkNewUser(ctx context.Context, b *userBody) error {
	for _, t := range b.Teams.Value {
		if _, err := a.team(ctx, t.TeamID); err != nil {
			return err
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
	return nil
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

// join adds a member to a team; one that is in it already stays as it is.
func (a *API) join(ctx context.Context, team string, m gateway.Member, now time.Time) error {
	_, err := a.store.UpdateTeam(ctx, team, func(t *gateway.Team) error {
		if !slices.ContainsFunc(t.Members, func(have gateway.Member) bool { return have.UserID == m.UserID }) {
			t.Members = append(t.Members, m)
			t.UpdatedAt = now
		}
		return nil
	})
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
			UserID: Opt[string]{Sent: true, Value: u.ID},
		}}
		var err error
		if k, err = a.newKey(p, secret, kb, now); err != nil {
			return nil, err
		}
		if err := a.createKey(r, p, k); err != nil {
			return nil, err
		}
	}
	view := *k
	view.Limits, view.Spend, view.Metadata, view.Models = u.Limits, u.Spend, u.Metadata, u.Models
	return &newUser{
		generated: *a.generated(&view, secret, b.Duration.Or("")),
		UserEmail: text(u.Email), UserRole: text(string(u.Role)), UserAlias: text(u.Alias), Teams: list(u.Teams),
	}, nil
}

type userInfo struct {
	UserID   *string   `json:"user_id"`
	UserInfo *userRow  `json:"user_info"`
	Keys     []keyRow  `json:"keys"`
	Teams    []teamRow `json:"teams"`
}

// userInfo shows a user; without a user_id, the caller, who for the master key
// is everybody.
func (a *API) userInfo(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("user_id")
	if q.err != nil {
		return nil, q.err
	}
	ctx := r.Context()
	if id == "" && !p.Master {
		id = p.UserID()
	}
	out := &userInfo{UserID: text(id), Teams: []teamRow{}}
	var teams []*gateway.Team
	if id != "" {
		u, err := a.store.User(ctx, id)
		if errors.Is(err, store.ErrNotFound) && id == gateway.MasterUserID {
			// It owns the keys that the master key made, and is nowhere stored.
			u, err = &gateway.User{ID: id, Role: gateway.ProxyAdmin}, nil
		}
		if err != nil {
			return nil, notFound(err, "user_id", "User %s not found", id)
		}
		row := a.userRow(u)
		out.UserInfo = &row
		for _, team := range u.Teams {
			t, err := a.store.Team(ctx, team)
			switch {
			case errors.Is(err, store.ErrNotFound): // deleted meanwhile
			case err != nil:
				return nil, err
			default:
				teams = append(teams, t)
			}
		}
	} else {
		var err error
		if teams, _, err = a.store.ListTeams(ctx, store.TeamFilter{}, store.Page{Limit: maxKeys}); err != nil {
			return nil, err
		}
	}
	for _, t := range teams {
		out.Teams = append(out.Teams, a.teamRow(t))
	}
	keys, err := a.keysOf(ctx, w, store.KeyFilter{UserID: id}, store.Page{Sort: "created_at", Desc: true})
	if err != nil {
		return nil, err
	}
	out.Keys = a.keyRows(keys)
	return out, nil
}

// TruncatedHeader says how many keys there are when not all are shown.
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
