package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxMembers is how many members one call may add to a team.
const maxMembers = 500

// members are people to be put into a team: a list, or one of them.
type members []member

func (members) want() string { return "a list of {role, user_id, user_email}" }

type member struct {
	Role   string `json:"role"`
	UserID string `json:"user_id"`
	Email  string `json:"user_email"`
	unknown
}

// checkMembers refuses who cannot be a member, and makes the others users.
func checkMembers(field string, list []member) error {
	if n := len(list); n > maxMembers {
		return invalid(field, "%s: %d members are too many, at most %d can be added at once", field, n, maxMembers)
	}
	for i := range list {
		m := &list[i]
		if m.UserID == "" && m.Email == "" {
			return malformed(field, "%s: every member needs a user_id or a user_email", field)
		}
		if err := checkTexts(field, []string{m.UserID, m.Email}); err != nil {
			return err
		}
		if m.Role == "" {
			m.Role = "user"
		}
		if m.Role != "user" && m.Role != "admin" {
			return malformed(field, "%s: role: want user or admin, got '%s'", field, shorten([]byte(m.Role)))
		}
	}
	return nil
}

// add adds a member; the first entry about a user counts.
func add(t *gateway.Team, m gateway.Member) {
	if memberIn(t, m.UserID) == nil {
		t.Members = append(t.Members, m)
	}
}

// memberIn returns the user's place in a team, nil if it has none.
func memberIn(t *gateway.Team, user string) *gateway.Member {
	i := slices.IndexFunc(t.Members, func(m gateway.Member) bool { return m.UserID == user && user != "" })
	if i < 0 {
		return nil
	}
	return &t.Members[i]
}

// ensureUser returns the user that m names, made if it does not exist.
func (a *API) ensureUser(r *http.Request, p *gateway.Principal, m *member, now time.Time) (*gateway.User, error) {
	ctx := r.Context()
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
	e := a.entry(r, p, created, userTable, u.ID)
	e.After = snapshot(a.userRow(u))
	err = a.store.CreateUser(store.Audited(ctx, e), u)
	if _, raced := errors.AsType[store.ErrConflict](err); raced {
		if other, err := find(); err == nil {
			return other, nil
		}
	}
	return u, userConflict(err)
}

// enter notes a team with its user; false if the user has no row, as the master
// key's has not.
func (a *API) enter(ctx context.Context, user, team string, now time.Time) (bool, error) {
	_, err := a.store.UpdateUser(ctx, user, func(u *gateway.User) error {
		if !slices.Contains(u.Teams, team) {
			u.Teams = append(u.Teams, team)
			u.UpdatedAt = now
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// membershipFields are what a member is given of its own.
type membershipFields struct {
	MaxBudget  Opt[usd]      `json:"max_budget_in_team"`
	Duration   Opt[string]   `json:"budget_duration"`
	Models     Opt[[]string] `json:"allowed_models"`
	TPM        Opt[count]    `json:"tpm_limit"`
	RPM        Opt[count]    `json:"rpm_limit"`
	Raise      Opt[usd]      `json:"temp_budget_increase"`
	RaiseUntil Opt[string]   `json:"temp_budget_expiry"`
}

func (f *membershipFields) limits() *limitFields {
	return &limitFields{
		MaxBudget: f.MaxBudget, BudgetDuration: f.Duration, TPM: f.TPM, RPM: f.RPM,
		finerFields: finerFields{Raise: f.Raise, RaiseUntil: f.RaiseUntil},
	}
}

func (f *membershipFields) check(now time.Time) error {
	if err := checkTexts("allowed_models", f.Models.Value); err != nil {
		return err
	}
	return f.limits().check(now)
}

func (f *membershipFields) apply(m *gateway.Member, now time.Time) {
	setList(&m.Models, f.Models)
	f.limits().apply(&m.Limits, now)
}

// memberRef says which member of which team.
type memberRef struct {
	TeamID Opt[string] `json:"team_id"`
	UserID Opt[string] `json:"user_id"`
	Email  Opt[string] `json:"user_email"`
	unknown
}

// memberOf returns the team that a body names, if the caller may change it, and
// the user in it.
func (a *API) memberOf(ctx context.Context, p *gateway.Principal, ref *memberRef) (t *gateway.Team, user string, err error) {
	switch {
	case ref.TeamID.Or("") == "":
		return nil, "", malformed("team_id", "team_id is missing: say which team")
	case ref.UserID.Or("") == "" && ref.Email.Or("") == "":
		return nil, "", invalid("user_id", "Either user_id or user_email needs to be passed in")
	}
	if t, err = a.teamFor(ctx, p, auth.Change, ref.TeamID.Value); err != nil {
		return nil, "", err
	}
	for _, m := range t.Members {
		if id := ref.UserID.Or(""); id != "" && m.UserID == id || id == "" && strings.EqualFold(m.Email, ref.Email.Value) {
			return t, m.UserID, nil
		}
	}
	if ref.UserID.Or("") == "" {
		u, err := a.store.UserByEmail(ctx, ref.Email.Value)
		switch {
		case err == nil && memberIn(t, u.ID) != nil:
			return t, u.ID, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, "", err
		}
	}
	return nil, "", invalid("user_id", "User not found in team. Team_id: %s, user_id: %s, user_email: %s", t.ID, ref.UserID.Value, ref.Email.Value)
}

// updateMemberBody is the body of POST /team/member_update.
type updateMemberBody struct {
	memberRef
	Role Opt[string] `json:"role"`
	membershipFields
}

type memberUpdated struct {
	TeamID     string     `json:"team_id"`
	UserID     string     `json:"user_id"`
	Email      *string    `json:"user_email"`
	Role       string     `json:"role"`
	MaxBudget  *usd       `json:"max_budget_in_team"`
	TPM        *int64     `json:"tpm_limit"`
	RPM        *int64     `json:"rpm_limit"`
	Duration   *string    `json:"budget_duration"`
	Models     *[]string  `json:"allowed_models"`
	Raise      *usd       `json:"temp_budget_increase"`
	RaiseUntil *time.Time `json:"temp_budget_expiry"`
}

func (a *API) updateMember(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b updateMemberBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	now := a.now()
	if err := b.check(now); err != nil {
		return nil, err
	}
	if role := b.Role.Or("user"); role != "user" && role != "admin" {
		return nil, malformed("role", "role: want user or admin, got '%s'", shorten([]byte(role)))
	}
	t, user, err := a.memberOf(r.Context(), p, &b.memberRef)
	if err != nil {
		return nil, err
	}
	t, err = a.editTeam(r, p, t.ID, nil, func(t *gateway.Team) error {
		m := memberIn(t, user)
		if m == nil {
			return invalid("user_id", "User not found in team. Team_id: %s, user_id: %s", t.ID, user)
		}
		if b.Role.Has() {
			m.Role = b.Role.Value
		}
		b.apply(m, now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	m := memberIn(t, user)
	out := &memberUpdated{
		TeamID: t.ID, UserID: user, Email: text(m.Email), Role: m.Role, MaxBudget: (*usd)(m.Limits.Budget),
		TPM: m.Limits.TPM, RPM: m.Limits.RPM, Duration: text(m.Limits.BudgetDuration), RaiseUntil: stamp(m.Limits.RaiseUntil),
	}
	if len(m.Models) > 0 {
		models := list(m.Models)
		out.Models = &models
	}
	if m.Limits.Raise != 0 {
		raise := usd(m.Limits.Raise)
		out.Raise = &raise
	}
	return out, nil
}

// deleteMember takes somebody out of a team, with the keys that the user has there.
func (a *API) deleteMember(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b memberRef
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	t, user, err := a.memberOf(ctx, p, &b)
	if err != nil {
		return nil, err
	}
	entries, changes, err := a.keysGone(r, p, store.KeyFilter{TeamID: t.ID, UserID: user})
	if err != nil {
		return nil, err
	}
	e := a.teamEntry(r, p, changed, t.ID)
	e.Before = snapshot(a.teamRow(t))
	t, err = a.store.RemoveMember(a.deleting(store.Audited(ctx, append(entries, e)...), r, p), t.ID, user, func(t *gateway.Team) error {
		if err := a.directory.MayTeam(p, auth.Change, t.ID, t); err != nil {
			return err
		}
		t.UpdatedAt, t.UpdatedBy = a.now(), actor(p)
		e.After = snapshot(a.teamRow(t))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "team_id", "Team id=%s does not exist in db", b.TeamID.Value)
	}
	changes = append(changes, Change{Entity: TeamEntity, ID: t.ID}, Change{Entity: UserEntity, ID: user})
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}

// resetMemberSpend sets what a member has spent in a team to less.
func (a *API) resetMemberSpend(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b resetBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if err := a.flush(r.Context()); err != nil {
		return nil, err
	}
	t, m, err := a.pathMember(r, p)
	if err != nil {
		return nil, err
	}
	now, l := a.now(), a.memberLimits(t, m)
	before := a.spent(&m.Spend, l, now, t.CreatedAt)
	to, err := b.resetTo(before, l.Budget)
	if err != nil {
		return nil, err
	}
	e := a.teamEntry(r, p, changed, t.ID)
	e.Before = snapshot(a.membership(t, m))
	s := m.Spend
	a.setSpend(&s, l, to, now, t.CreatedAt)
	m.Spend = s
	e.After = snapshot(a.membership(t, m))
	id := gateway.MemberID(t.ID, m.UserID)
	if err := a.store.SetTotal(store.Audited(r.Context(), e), store.Member, id, s, TeamEntity, t.ID); err != nil {
		return nil, err
	}
	if err := a.changed(r.Context(), Change{Entity: TeamEntity, ID: t.ID}, Change{Entity: MemberEntity, ID: id, Spend: true}); err != nil {
		return nil, err
	}
	_, reset := a.window(l.BudgetDuration, now, t.CreatedAt)
	return &memberReset{TeamID: t.ID, UserID: m.UserID, Spend: usd(to), Previous: usd(before), MaxBudget: (*usd)(l.Budget), BudgetResetAt: stamp(reset)}, nil
}

type memberReset struct {
	TeamID        string     `json:"team_id"`
	UserID        string     `json:"user_id"`
	Spend         usd        `json:"spend"`
	Previous      usd        `json:"previous_spend"`
	MaxBudget     *usd       `json:"max_budget"`
	BudgetResetAt *time.Time `json:"budget_reset_at"`
}

// pathMember returns the member that the path names.
func (a *API) pathMember(r *http.Request, p *gateway.Principal) (*gateway.Team, *gateway.Member, error) {
	t, err := a.teamFor(r.Context(), p, auth.Change, r.PathValue("team_id"))
	if err != nil {
		return nil, nil, err
	}
	user := r.PathValue("user_id")
	m := memberIn(t, user)
	if m == nil {
		return nil, nil, invalid("user_id", "User not found in team. Team_id: %s, user_id: %s", t.ID, user)
	}
	return t, m, nil
}

// resetMemberBudget takes what a member was given of its own: the team's budget
// for members holds again.
func (a *API) resetMemberBudget(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b struct{ unknown }
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	t, m, err := a.pathMember(r, p)
	if err != nil {
		return nil, err
	}
	user := m.UserID
	t, err = a.editTeam(r, p, t.ID, nil, func(t *gateway.Team) error {
		if m := memberIn(t, user); m != nil {
			m.Limits, m.BudgetID = gateway.Limits{}, ""
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m = memberIn(t, user); m == nil {
		return nil, invalid("user_id", "User not found in team. Team_id: %s, user_id: %s", t.ID, user)
	}
	out := a.membership(t, m)
	return &out, nil
}
