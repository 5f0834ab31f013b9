package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// deletionRow is when an object was deleted, and by whom.
type deletionRow struct {
	At        *time.Time `json:"deleted_at"`
	By        *string    `json:"deleted_by"`
	ByKey     *string    `json:"deleted_by_api_key"`
	ChangedBy *string    `json:"litellm_changed_by"`
}

func newDeletionRow(d *gateway.Deletion) deletionRow {
	return deletionRow{stamp(d.At), text(d.By), text(d.ByKey), text(d.ChangedBy)}
}

// deleting returns the context of a change that deletes keys or teams, which are
// kept with who did it.
func (a *API) deleting(ctx context.Context, r *http.Request, p *gateway.Principal) context.Context {
	d := gateway.Deletion{At: a.now(), By: actor(p), ByKey: p.KeyHash()}
	if by := changedBy(r, p); by != d.By {
		d.ChangedBy = by
	}
	return store.Deleting(ctx, d)
}

// deletedKeyRow is a key as it was when it was deleted.
type deletedKeyRow struct {
	ID string `json:"id"` // of this record
	keyRow
	deletionRow
	User *userRow `json:"user,omitzero"` // for expand=user
}

func (a *API) deletedKeyRow(k *gateway.DeletedKey) deletedKeyRow {
	row := a.keyRow(&k.Key)
	// The counters know nothing of it, or only a key that has its value now.
	row.Spend, row.Status = usd(a.spent(&k.Spend, &k.Limits, k.At, k.CreatedAt)), "deleted"
	row.KeyRotationAt, row.BudgetResetAt = nil, nil
	return deletedKeyRow{ID: k.ID, keyRow: row, deletionRow: newDeletionRow(&k.Deletion)}
}

// seenKey is a key without its hash, and when it was deleted if it was.
type seenKey struct {
	keyRow
	*deletionRow
}

// seenKey returns what p sees of the key with the hash: as it is, with the key
// itself, or as it was when the last one that had it was deleted. The error says
// the same of a key that p may not see and of one that never was.
func (a *API) seenKey(ctx context.Context, p *gateway.Principal, hash string) (*seenKey, *gateway.Key, error) {
	k, err := a.store.Key(ctx, hash)
	seen := k
	var gone *gateway.DeletedKey
	if errors.Is(err, store.ErrNotFound) {
		if gone, err = a.store.DeletedKey(ctx, hash); err == nil {
			seen = &gone.Key
		}
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, err
	}
	if e := a.directory.MayKey(p, auth.SeeKey, seen); e != nil {
		return nil, nil, e
	}
	switch {
	case k != nil:
		out := &seenKey{keyRow: a.keyRow(k)}
		out.Token = ""
		return out, k, nil
	case gone != nil:
		row := a.deletedKeyRow(gone)
		row.Token = ""
		return &seenKey{row.keyRow, &row.deletionRow}, nil, nil
	}
	return nil, nil, notFound(err, "key", "Key not found in database")
}

// listDeletedKeys is the page of /key/list for keys that were deleted.
func (a *API) listDeletedKeys(r *http.Request, p *gateway.Principal, f *store.KeyFilter, order store.Page, out *keyList, full, users bool) (any, error) {
	keys, total, err := a.store.ListDeletedKeys(r.Context(), *f, order)
	if err != nil {
		return nil, err
	}
	out.TotalCount, out.TotalPages, out.Next = total, (total+order.Limit-1)/order.Limit, text(*order.Next)
	hashes, rows := []string{}, []deletedKeyRow{}
	for _, k := range keys {
		hashes = append(hashes, k.Hash)
		row := a.deletedKeyRow(k)
		if u := a.directory.User(k.UserID); users && u != nil {
			seen := a.seenUser(p, u)
			row.User = &seen
		}
		rows = append(rows, row)
	}
	out.Keys = hashes
	if full || users {
		out.Keys = rows
	}
	return out, nil
}

// deletedTeamRow is a team as it was when it was deleted.
type deletedTeamRow struct {
	ID string `json:"id"` // of this record
	countedTeam
	deletionRow
}

// deletedTeamPage is teamPage for teams that were deleted.
type deletedTeamPage struct {
	Teams      []deletedTeamRow `json:"teams"`
	Total      int              `json:"total"`
	Page       int              `json:"page"`
	PageSize   int              `json:"page_size"`
	TotalPages int              `json:"total_pages"`
}

func (a *API) pageDeletedTeams(ctx context.Context, f *store.TeamFilter, order store.Page, out *deletedTeamPage) (any, error) {
	teams, total, err := a.store.ListDeletedTeams(ctx, *f, order)
	if err != nil {
		return nil, err
	}
	out.Total, out.TotalPages = total, (total+order.Limit-1)/order.Limit
	for _, t := range teams {
		row := deletedTeamRow{ID: t.ID, countedTeam: countedTeam{a.teamRow(&t.Team), len(t.Members), 0}, deletionRow: newDeletionRow(&t.Deletion)}
		row.Spend, row.BudgetResetAt = usd(a.spent(&t.Spend, &t.Limits, t.At, t.CreatedAt)), nil
		out.Teams = append(out.Teams, row)
	}
	return out, nil
}
