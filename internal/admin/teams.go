package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxMembers is how many members a team may be made with.
const maxMembers = 500

func setTruncated(h http.Header, shown, total int) {
	if shown < total {
		h.Set(TruncatedHeader, fmt.Sprintf("%d of %d keys", shown, total))
	}
}

// teamBody is the body of POST /team/new.
type teamBody struct {
	limitFields
	ID             Opt[string]            `json:"team_id"`
	Alias          Opt[string]            `json:"team_alias"`
	OrganizationID Opt[string]            `json:"organization_id"`
	Models         Opt[[]string]          `json:"models"`
	ModelAliases   Opt[map[string]string] `json:"model_aliases"`
	Members        Opt[members]           `json:"members_with_roles"`
	Blocked        Opt[bool]              `json:"blocked"`
	Metadata       Opt[object]            `json:"metadata"`
	unknown
}

func (b *teamBody) unknownFields() map[string]jsontext.Value {
	return nested(b.unknownLimits(b.Unknown), "members_with_roles", b.Members.Value)
}

type members []member

func (members) want() string { return "a list of {role, user_id, user_email}" }

type member struct {
	Role   string `json:"role"`
	UserID string `json:"user_id"`
	Email  string `json:"user_email"`
	unknown
}

// check refuses what no team can be.
func (b *teamBody) check(now time.Time) error {
	for _, t := range []struct{ name, value string }{
		{"team_id", b.ID.Value}, {"team_alias", b.Alias.Value}, {"organization_id", b.OrganizationID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	if err := checkTexts("models", b.Models.Value); err != nil {
		return err
	}
	if err := checkMap("model_aliases", b.ModelAliases.Value); err != nil {
		return err
	}
	if b.SoftBudget.Has() && b.MaxBudget.Has() && b.SoftBudget.Value >= b.MaxBudget.Value {
		return invalid("soft_budget", "soft_budget (%v) must be strictly lower than max_budget (%v)", b.SoftBudget.Value, b.MaxBudget.Value)
	}
	if n := len(b.Members.Value); n > maxMembers {
		return invalid("members_with_roles", "members_with_roles: %d members are too many, at most %d can be added at once", n, maxMembers)
	}
	for i := range b.Members.Value {
		m := &b.Members.Value[i]
		if m.UserID == "" && m.Email == "" {
			return malformed("members_with_roles", "members_with_roles: every member needs a user_id or a user_email")
		}
		if err := checkTexts("members_with_roles", []string{m.UserID, m.Email}); err != nil {
			return err
		}
		if m.Role == "" {
			m.Role = "user"
		}
		if m.Role != "user" && m.Role != "admin" {
			return malformed("members_with_roles", "members_with_roles: role: want user or admin, got '%s'", m.Role)
		}
	}
	return b.limitFields.check(now)
}

func (a *API) newTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b teamBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := b.check(now); err != nil {
		return nil, err
	}
	t := &gateway.Team{
		ID: b.ID.Or(""), Alias: b.Alias.Or(""), OrganizationID: b.OrganizationID.Or(""),
		Models: b.Models.Or(nil), ModelAliases: b.ModelAliases.Or(nil),
		Blocked: b.Blocked.Or(false), Metadata: b.Metadata.Or(nil), CreatedAt: now, UpdatedAt: now,
	}
	if t.ID == "" {
		t.ID = uuid.NewString()
	}
	b.limitFields.apply(&t.Limits, now)
	a.setSpend(&t.Spend, &t.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	t.Spend.Total = t.Spend.Window
	// Before users are made for a team that cannot be.
	_, err := a.store.Team(ctx, t.ID)
	if err := free(err, store.ErrConflict{Field: "id", Value: t.ID}); err != nil {
		return nil, teamConflict(err)
	}
	for i := range b.Members.Value {
		m := &b.Members.Value[i]
		u, err := a.ensureUser(ctx, m, now)
		if err != nil {
			return nil, err
		}
		add(t, gateway.Member{UserID: u.ID, Email: u.Email, Role: m.Role})
	}
	// Whoever makes a team leads it.
	add(t, gateway.Member{UserID: actor(p), Role: "admin"})
	if err := a.store.CreateTeam(ctx, t); err != nil {
		return nil, teamConflict(err)
	}
	changes := []Change{{Entity: TeamEntity, ID: t.ID}}
	for _, m := range t.Members {
		err := a.enter(ctx, m.UserID, t.ID, now)
		switch {
		case errors.Is(err, store.ErrNotFound): // the master key's user has no row
		case err != nil:
			return nil, err
		default:
			changes = append(changes, Change{Entity: UserEntity, ID: m.UserID})
		}
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}

// add adds a member; the first entry about a user counts.
func add(t *gateway.Team, m gateway.Member) {
	if !slices.ContainsFunc(t.Members, func(have gateway.Member) bool { return have.UserID == m.UserID }) {
		t.Members = append(t.Members, m)
	}
}

// ensureUser returns the user that m names, made if it does not exist.
func (a *API) ensureUser(ctx context.Context, m *member, now time.Time) (*gateway.User, error) {
	find := func() (*gateway.User, error) {
		if m.UserID != "" {
			return a.store.User(ctx, m.UserID)
		}
		return a.store.UserByEmail(ctx, m.Email)
	}
	u, err := find()
	if !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	u = &gateway.User{ID: m.UserID, Email: m.Email, CreatedAt: now, UpdatedAt: now}
	if u.ID == "" {
		u.ID = uuid.NewString()
	}
	err = a.store.CreateUser(ctx, u)
	if _, raced := errors.AsType[store.ErrConflict](err); raced {
		if other, err := find(); err == nil {
			return other, nil
		}
	}
	return u, userConflict(err)
}

// enter notes a team with its user.
func (a *API) enter(ctx context.Context, user, team string, now time.Time) error {
	_, err := a.store.UpdateUser(ctx, user, func(u *gateway.User) error {
		if !slices.Contains(u.Teams, team) {
			u.Teams = append(u.Teams, team)
			u.UpdatedAt = now
		}
		return nil
	})
	return err
}

type teamInfo struct {
	TeamID      string       `json:"team_id"`
	TeamInfo    teamDetail   `json:"team_info"`
	Keys        []keyRow     `json:"keys"`
	Memberships []membership `json:"team_memberships"`
}

type teamDetail struct {
	teamRow
	MemberBudget       none     `json:"team_member_budget_table"`
	OrganizationModels []string `json:"organization_models"`
}

type membership struct {
	UserID      string `json:"user_id"`
	TeamID      string `json:"team_id"`
	BudgetID    none   `json:"budget_id"`
	Spend       usd    `json:"spend"`
	TotalSpend  usd    `json:"total_spend"`
	BudgetTable none   `json:"litellm_budget_table"`
}

func (a *API) teamInfo(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("team_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say which team to show with ?team_id=")
	}
	t, err := a.store.Team(r.Context(), id)
	if err != nil {
		return nil, notFound(err, "team_id", "Team not found, passed team id: %s.", id)
	}
	keys, err := a.keysOf(r.Context(), w, store.KeyFilter{TeamID: id}, store.Page{Sort: "created_at", Desc: true})
	if err != nil {
		return nil, err
	}
	out := &teamInfo{TeamID: id, TeamInfo: teamDetail{teamRow: a.teamRow(t), OrganizationModels: []string{}}, Keys: a.keyRows(keys)}
	for _, m := range t.Members {
		out.Memberships = append(out.Memberships, membership{UserID: m.UserID, TeamID: id})
	}
	return out, nil
}

// teamFor returns a team if the caller may do this to it. Only who may see every
// team is told that one does not exist.
func (a *API) teamFor(ctx context.Context, p *gateway.Principal, do auth.Act, id string) (*gateway.Team, error) {
	t, err := a.store.Team(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if e := a.directory.MayTeam(p, do, id, t); e != nil {
		return nil, e
	}
	if t == nil {
		return nil, notFound(err, "team_id", "Team not found, passed team_id=%s", id)
	}
	return t, nil
}
