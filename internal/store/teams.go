package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var teams = &entity[gateway.Team]{
	owned: func(v *gateway.Team) gateway.NanoUSD { return v.Spend.Total },
	kind:  "team", table: "teams", idField: "id",
	id:     func(t *gateway.Team) string { return t.ID },
	fields: teamFields, tallied: true, spendScopes: []string{"org_id"}, words: wordTable{"teams", "n"},
	fill: fillMembers, archive: "deleted_teams",
	sort: map[string]order[gateway.Team]{
		"created_at": byTime("created_at", func(t *gateway.Team) time.Time { return t.CreatedAt }),
		"updated_at": byTime("updated_at", func(t *gateway.Team) time.Time { return t.UpdatedAt }),
		"spend":      bySpend(func(t *gateway.Team) *gateway.Spend { return &t.Spend }),
		"max_budget": byBudget(func(t *gateway.Team) *gateway.Limits { return &t.Limits }),
		"alias":      byText("alias", func(t *gateway.Team) string { return t.Alias }),
		"team_alias": byText("alias", func(t *gateway.Team) string { return t.Alias }),
		"team_id":    byText("id", func(t *gateway.Team) string { return t.ID }),
	},
}

func teamFields(t *gateway.Team) []field {
	return slices.Concat(
		[]field{
			id("id", "team_id", &t.ID), text("alias", "team_alias", &t.Alias), id("org_id", "organization_id", &t.OrganizationID),
			list("models", "models", &t.Models), mapping("model_aliases", "model_aliases", &t.ModelAliases),
			members(&t.Members), id("member_budget_id", "team_member_budget_id", &t.MemberBudgetID),
		},
		limitFields(&t.Limits), spendFields(&t.Spend),
		[]field{
			flag("blocked", &t.Blocked), object("metadata", "metadata", &t.Metadata),
			packed("details",
				func() (teamDetails, error) { return packTeam(t) },
				func(d *teamDetails) { d.unpack(t) }),
			logging(&t.Logging),
		},
		authorship(&t.CreatedAt, &t.CreatedBy, &t.UpdatedAt, &t.UpdatedBy))
}

// teamDetails is the stored form of what few teams have.
type teamDetails struct {
	AccessGroups      []string `json:"access_group_ids,omitempty"`
	MemberModels      []string `json:"default_team_member_models,omitempty"`
	MemberPermissions []string `json:"team_member_permissions,omitempty"`
	Tags              []string `json:"tags,omitempty"`
	AllowedIPs        []string `json:"allowed_ips,omitempty"`
	EnforcedParams    []string `json:"enforced_params,omitempty"`
	RouterSettings    string   `json:"router_settings,omitzero"`
	ObjectPermission  string   `json:"object_permission,omitzero"`
}

func packTeam(t *gateway.Team) (teamDetails, error) {
	d := teamDetails{
		t.AccessGroupIDs, t.MemberModels, t.MemberPermissions, t.Tags, t.AllowedIPs, t.EnforcedParams, string(t.RouterSettings), string(t.ObjectPermission),
	}
	return d, checkObjects(named{"router_settings", string(t.RouterSettings)}, named{"object_permission", string(t.ObjectPermission)})
}

func (d *teamDetails) unpack(t *gateway.Team) {
	t.AccessGroupIDs, t.MemberModels, t.MemberPermissions, t.Tags = d.AccessGroups, d.MemberModels, d.MemberPermissions, d.Tags
	t.AllowedIPs, t.EnforcedParams = d.AllowedIPs, d.EnforcedParams
	t.RouterSettings, t.ObjectPermission = decodeObject(d.RouterSettings), decodeObject(d.ObjectPermission)
}

// CreateTeam writes a new team. A taken id is an ErrConflict; text that no
// database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateTeam(ctx context.Context, t *gateway.Team) error {
	return teams.create(ctx, db, t)
}

// Team returns the team with the id, or ErrNotFound.
func (db *DB) Team(ctx context.Context, id string) (*gateway.Team, error) {
	return teams.byID(ctx, db.r, id)
}

// UpdateTeam is to teams what UpdateKey is to keys, but for the spend of
// members, which an update reads and does not write.
func (db *DB) UpdateTeam(ctx context.Context, id string, change func(*gateway.Team) error) (*gateway.Team, error) {
	return teams.update(ctx, db, id, change)
}

// DeleteTeams deletes teams, their keys and their projects, and takes their
// members out of them. It returns the ids that were there, sorted.
func (db *DB) DeleteTeams(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) (err error) {
		gone, err = db.dropTeams(ctx, tx, f, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

func (db *DB) dropTeams(ctx context.Context, tx *sql.Tx, f *feed, ids []string) ([]string, error) {
	// Rows are locked in one order everywhere: keys, users, teams. So the
	// members are read without a lock; one who joins in between keeps the
	// name of a team that is gone, which gives nobody anything.
	if _, err := keys.remove(ctx, db, tx, f, "team_id", ids); err != nil {
		return nil, err
	}
	var people []string
	for _, id := range possible(ids) {
		t, err := teams.byID(ctx, tx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, m := range t.Members {
			people = append(people, m.UserID)
		}
	}
	err := db.editUsers(ctx, tx, f, people, func(u *gateway.User) {
		u.Teams = slices.DeleteFunc(u.Teams, func(t string) bool { return slices.Contains(ids, t) })
	})
	if err != nil {
		return nil, err
	}
	gone, err := teams.remove(ctx, db, tx, f, "id", ids)
	if err != nil {
		return nil, err
	}
	_, err = projects.remove(ctx, db, tx, f, "team_id", ids)
	return gone, err
}

// TeamFilter selects teams; what is empty selects nothing away.
type TeamFilter struct {
	IDs            []string // of these; nil: of all
	Alias          string
	OrganizationID string
	// AliasContains and Search match a part, in any case of ASCII letters;
	// Search looks at id and alias.
	AliasContains string
	Search        string
	// Of wants only teams that are among these.
	Of *TeamOwners
}

// TeamOwners are the teams that somebody may see.
type TeamOwners struct {
	IDs             []string
	OrganizationIDs []string // all of their teams
}

func (o *TeamOwners) only(w *where) {
	w.in("id", o.IDs)
	if len(o.OrganizationIDs) > 0 {
		w.in("org_id", o.OrganizationIDs)
	}
}

// ListTeams returns one page of the teams that f selects, and how many f
// selects in all, counted as keys are. Orders: created_at, updated_at, spend,
// max_budget, team_id, team_alias. The teams of a user are those in User.Teams.
func (db *DB) ListTeams(ctx context.Context, f TeamFilter, p Page) ([]*gateway.Team, int, error) {
	w := f.where()
	teams.finds(&w, db.d, f.AliasContains, nil, "alias")
	teams.finds(&w, db.d, f.Search, nil, "id", "alias")
	return teams.list(ctx, db, w, p)
}

// where wants what f selects.
func (f *TeamFilter) where() where {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("alias", f.Alias)
	w.is("org_id", f.OrganizationID)
	w.contains(f.AliasContains, "alias")
	w.contains(f.Search, "id", "alias")
	if f.Of != nil {
		w.either(f.Of.only)
	}
	return w
}

// AllTeams calls yield with every team, in no order. An error of yield ends it
// and is returned.
func (db *DB) AllTeams(ctx context.Context, yield func(*gateway.Team) error) error {
	return teams.each(ctx, db.r, teams.selectSQL(), nil, yield)
}

// AddMembers is UpdateTeam for a change that puts users into the team, which is
// noted with them too. Users that do not exist are left out.
func (db *DB) AddMembers(ctx context.Context, teamID string, userIDs []string, now time.Time, change func(*gateway.Team) error) (*gateway.Team, error) {
	if !storable(teamID) {
		return nil, fmt.Errorf("team with team_id %q: %w", shown(teamID), ErrNotFound)
	}
	var out *gateway.Team
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams.
		err := db.editUsers(ctx, tx, f, userIDs, func(u *gateway.User) {
			if !slices.Contains(u.Teams, teamID) {
				u.Teams, u.UpdatedAt = append(u.Teams, teamID), now
			}
		})
		if err != nil {
			return err
		}
		t, err := teams.locked(ctx, db, tx, teamID)
		if err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		out = t
		return teams.put(ctx, db, tx, f, t)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveMember takes a user out of a team and deletes the keys that the user has
// there. change may change the rest of the team, which it is given without the
// member. Errors are those of UpdateTeam.
func (db *DB) RemoveMember(ctx context.Context, teamID, userID string, change func(*gateway.Team) error) (*gateway.Team, error) {
	if !storable(teamID) || !storable(userID) {
		return nil, fmt.Errorf("team with team_id %q: %w", shown(teamID), ErrNotFound)
	}
	var out *gateway.Team
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams.
		var w where
		w.is("team_id", teamID)
		w.is("user_id", userID)
		gone, err := keys.take(ctx, db, tx, w)
		if err != nil {
			return fmt.Errorf("delete the keys of a member: %w", err)
		}
		f.note(keys.kind, gone...)
		err = db.editUsers(ctx, tx, f, []string{userID}, func(u *gateway.User) {
			u.Teams = slices.DeleteFunc(u.Teams, func(t string) bool { return t == teamID })
		})
		if err != nil {
			return err
		}
		t, err := teams.locked(ctx, db, tx, teamID)
		if err != nil {
			return err
		}
		t.Members = slices.DeleteFunc(t.Members, func(m gateway.Member) bool { return m.UserID == userID })
		if err := change(t); err != nil {
			return err
		}
		out = t
		return teams.put(ctx, db, tx, f, t)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
