package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"penstock/internal/gateway"
)

func teamSort() map[string]string {
	m := maps.Clone(commonSort)
	m["team_id"], m["team_alias"] = "id", "alias"
	return m
}

var teams = &entity[gateway.Team]{
	kind: "team", table: "teams", idField: "id",
	columns: slices.Concat(
		[]string{"id", "alias", "org_id", "models", "model_aliases", "members"},
		limitColumns,
		[]string{"blocked", "metadata", "created_at", "updated_at"}),
	id:   func(t *gateway.Team) string { return t.ID },
	args: teamArgs,
	scan: scanTeam,
	sort: teamSort(),
}

// member is the stored form of a gateway.Member.
type member struct {
	UserID string `json:"user_id"`
	Email  string `json:"email,omitzero"`
	Role   string `json:"role"`
}

func teamArgs(t *gateway.Team) ([]any, error) {
	if err := checkIDs(named{"team_id", t.ID}, named{"organization_id", t.OrganizationID}); err != nil {
		return nil, err
	}
	if err := checkTexts(named{"team_alias", t.Alias}, named{"budget_duration", t.Limits.BudgetDuration}); err != nil {
		return nil, err
	}
	models, err := encodeList("models", t.Models)
	if err != nil {
		return nil, err
	}
	aliases, err := encodeMap("model_aliases", t.ModelAliases)
	if err != nil {
		return nil, err
	}
	list := make([]member, len(t.Members))
	for i, m := range t.Members {
		list[i] = member{UserID: m.UserID, Email: m.Email, Role: m.Role}
	}
	members, err := encodeList("members_with_roles", list)
	if err != nil {
		return nil, err
	}
	metadata, err := encodeObject("metadata", t.Metadata)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]any{t.ID, t.Alias, t.OrganizationID, models, aliases, members},
		limitArgs(&t.Limits, &t.Spend),
		[]any{t.Blocked, metadata, micros(t.CreatedAt), micros(t.UpdatedAt)}), nil
}

func scanTeam(r row) (*gateway.Team, error) {
	var t gateway.Team
	var l limitScan
	var models, aliases, members, metadata string
	var created, updated int64
	err := r.Scan(slices.Concat(
		[]any{&t.ID, &t.Alias, &t.OrganizationID, &models, &aliases, &members},
		l.dest(&t.Limits, &t.Spend),
		[]any{&t.Blocked, &metadata, &created, &updated})...)
	if err != nil {
		return nil, err
	}
	if err := decode("models", models, &t.Models); err != nil {
		return nil, err
	}
	if err := decode("model_aliases", aliases, &t.ModelAliases); err != nil {
		return nil, err
	}
	var list []member
	if err := decode("members", members, &list); err != nil {
		return nil, err
	}
	for _, m := range list {
		t.Members = append(t.Members, gateway.Member{UserID: m.UserID, Email: m.Email, Role: m.Role})
	}
	l.store(&t.Limits, &t.Spend)
	t.Metadata = decodeObject(metadata)
	t.CreatedAt, t.UpdatedAt = instant(created), instant(updated)
	return &t, nil
}

// CreateTeam writes a new team. A taken id is an ErrConflict; text that no
// database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateTeam(ctx context.Context, t *gateway.Team) error {
	return teams.create(ctx, db, t)
}

// Team returns the team with the id, or ErrNotFound.
func (db *DB) Team(ctx context.Context, id string) (*gateway.Team, error) {
	return teams.byID(ctx, db.r, id, "")
}

// UpdateTeam is to teams what UpdateKey is to keys.
func (db *DB) UpdateTeam(ctx context.Context, id string, change func(*gateway.Team) error) (*gateway.Team, error) {
	return teams.update(ctx, db, id, change)
}

// DeleteTeams deletes teams and their keys, and takes their members out of
// them. It returns the ids that were there, sorted.
func (db *DB) DeleteTeams(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams. So the
		// members are read without a lock; one who joins in between keeps the
		// name of a team that is gone, which gives nobody anything.
		if _, err := keys.remove(ctx, tx, f, "team_id", ids); err != nil {
			return err
		}
		var members []string
		for _, id := range possible(ids) {
			t, err := teams.byID(ctx, tx, id, "")
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			for _, m := range t.Members {
				members = append(members, m.UserID)
			}
		}
		for _, id := range possible(members) {
			u, err := users.byID(ctx, tx, id, db.d.forUpdate)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			u.Teams = slices.DeleteFunc(u.Teams, func(t string) bool { return slices.Contains(ids, t) })
			if err := users.put(ctx, db, tx, f, u); err != nil {
				return err
			}
		}
		var err error
		gone, err = teams.remove(ctx, tx, f, "id", ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// TeamFilter selects teams; what is empty selects nothing away.
type TeamFilter struct {
	IDs            []string // of these; nil: of all
	Alias          string
	OrganizationID string
	Search         string // part of id or alias, in any case of ASCII letters
}

// ListTeams returns one page of the teams that f selects, and how many f
// selects in all. Orders: created_at, updated_at, spend, max_budget, team_id,
// team_alias. The teams of a user are those in User.Teams.
func (db *DB) ListTeams(ctx context.Context, f TeamFilter, p Page) ([]*gateway.Team, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("alias", f.Alias)
	w.is("org_id", f.OrganizationID)
	w.contains(f.Search, "id", "alias")
	return teams.list(ctx, db, w, p)
}

// AllTeams calls yield with every team, in no order. An error of yield ends it
// and is returned.
func (db *DB) AllTeams(ctx context.Context, yield func(*gateway.Team) error) error {
	return teams.each(ctx, db.r, teams.selectSQL(), nil, yield)
}
