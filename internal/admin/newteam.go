package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// teamBody is the body of POST /team/new.
type teamBody struct {
	teamFields
	Admins  Opt[[]string] `json:"admins"` // an older way to say who is in it
	Plain   Opt[[]string] `json:"members"`
	Members Opt[members]  `json:"members_with_roles"`
}

func (b teamBody) unknownFields() map[string]jsontext.Value {
	return nested(b.teamFields.unknownFields(), "members_with_roles", b.Members.Value)
}

func (b *teamBody) check(now time.Time) error {
	for role, ids := range map[string][]string{"admin": b.Admins.Value, "user": b.Plain.Value} {
		for _, id := range ids {
			b.Members.Value = append(b.Members.Value, member{Role: role, UserID: id})
		}
	}
	if err := checkMembers("members_with_roles", b.Members.Value); err != nil {
		return err
	}
	return b.teamFields.check(now)
}

func (a *API) newTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b teamBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	fillTeam(&b.teamFields, &a.o.Settings().Teams)
	if err := b.check(now); err != nil {
		return nil, err
	}
	t := &gateway.Team{ID: b.ID.Or(""), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if t.ID == "" {
		t.ID = uuid.NewString()
	}
	err := b.apply(t, now)
	if err == nil {
		t.Logging, err = a.setLogging(p, nil, &b.logs, teamPlace(t.ID), teamPlace(t.ID))
	}
	if err != nil {
		return nil, err
	}
	a.setSpend(&t.Spend, &t.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	t.Spend.Total = t.Spend.Window
	if err := a.directory.MayTeam(p, auth.Create, t.ID, t); err != nil {
		return nil, err
	}
	if err := a.withinOrganization(ctx, t); err != nil {
		return nil, err
	}
	// Before users are made for a team that cannot be.
	_, err = a.store.Team(ctx, t.ID)
	if err := free(err, store.ErrConflict{Field: "id", Value: t.ID}); err != nil {
		return nil, teamConflict(err)
	}
	for i := range b.Members.Value {
		m := &b.Members.Value[i]
		u, err := a.ensureUser(r, p, m, now)
		if err != nil {
			return nil, err
		}
		add(t, gateway.Member{UserID: u.ID, Email: u.Email, Role: m.Role, Models: slices.Clone(t.MemberModels)})
	}
	// Whoever makes a team leads it.
	add(t, gateway.Member{UserID: actor(p), Role: "admin"})
	b.referToBudget(t)
	e := a.teamEntry(r, p, created, t.ID)
	e.After = snapshot(a.teamRow(t))
	if err := a.store.CreateTeam(store.Audited(ctx, e), t); err != nil {
		return nil, teamConflict(err)
	}
	if err := a.memberBudget(r, p, &b.teamFields, t, now); err != nil {
		return nil, err
	}
	changes := []Change{{Entity: TeamEntity, ID: t.ID}}
	for _, m := range t.Members {
		known, err := a.enter(ctx, m.UserID, t.ID, now)
		if err != nil {
			return nil, err
		}
		if known {
			changes = append(changes, Change{Entity: UserEntity, ID: m.UserID})
		}
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	setUnused(w.Header(), b.unused()...)
	row := a.teamRow(t)
	return &row, nil
}

// fillTeam sets what was not sent to the configured defaults.
func fillTeam(f *teamFields, d *config.TeamRules) {
	fillLimits(&f.limitFields, &d.Limits)
	fillOpt(&f.OrganizationID, text(d.OrganizationID))
	if d.Models != nil && len(f.Models.Or(nil)) == 0 {
		f.Models = Opt[[]string]{Sent: true, Value: slices.Clone(d.Models)}
	}
	if d.MemberPermissions != nil && !f.MemberPermissions.Has() {
		f.MemberPermissions = Opt[[]string]{Sent: true, Value: slices.Clone(d.MemberPermissions)}
	}
}
