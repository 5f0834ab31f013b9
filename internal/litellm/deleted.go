package litellm

import (
	"cmp"
	"context"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// deletion is what LiteLLM adds to rows of what was deleted.
type deletion struct {
	Archive   string  `json:"id"`
	At        moment  `json:"deleted_at"`
	By        string  `json:"deleted_by"`
	ByKey     string  `json:"deleted_by_api_key"`
	ChangedBy string  `json:"litellm_changed_by"`
	Spend     dollars `json:"spend"`
	Total     dollars `json:"total_spend"`
}

func (d *deletion) of(m *remarks) gateway.Deletion {
	out := gateway.Deletion{At: d.At.time("deleted_at", m), By: d.By, ByKey: d.ByKey, ChangedBy: d.ChangedBy}
	if out.At.IsZero() && m.skip == "" {
		m.skip = "its deleted_at is no time"
	}
	return out
}

func (d *deletion) spent(m *remarks) gateway.Spend {
	window := max(d.Spend.spent("spend", m), 0)
	return gateway.Spend{Window: window, Total: max(d.Total.spent("total_spend", m), window)}
}

type deletedKeyRow struct {
	keyRow
	deletion
}

type deletedTeamRow struct {
	teamRow
	deletion
}

// importDeleted brings keys and teams as they were when they were deleted: they
// can be looked at, and are no part of anything.
func (im *importer) importDeleted(ctx context.Context) error {
	// Nobody else has their aliases, and their budgets are not filled.
	aliases, budgets := im.aliases, im.modelBudgets
	im.aliases = nil
	defer func() { im.aliases, im.modelBudgets = aliases, budgets }()
	err := load(ctx, im, deletedKeys, "id", "", func(row *deletedKeyRow, m *remarks) (string, any, []byte) {
		_, built, _ := im.key(&row.keyRow, m)
		k, ok := built.(*gateway.Key)
		if !ok {
			return row.Archive, nil, nil
		}
		k.Spend, k.Logging = row.spent(m), nil
		d := &gateway.DeletedKey{ID: row.Archive, Key: *k, Deletion: row.of(m)}
		digest, err := json.Marshal(row, json.Deterministic(true))
		if err != nil {
			m.skip = cmp.Or(m.skip, "it is no JSON")
		}
		return row.Archive, d, digest
	})
	if err != nil {
		return err
	}
	return load(ctx, im, deletedTeams, "id", "", func(row *deletedTeamRow, m *remarks) (string, any, []byte) {
		_, built, _ := im.team(&row.teamRow, m)
		t, ok := built.(*gateway.Team)
		if !ok {
			return row.Archive, nil, nil
		}
		t.Spend, t.Logging = row.spent(m), nil
		d := &gateway.DeletedTeam{ID: row.Archive, Team: *t, Deletion: row.of(m)}
		digest, err := json.Marshal(row, json.Deterministic(true))
		if err != nil {
			m.skip = cmp.Or(m.skip, "it is no JSON")
		}
		return row.Archive, d, digest
	})
}
