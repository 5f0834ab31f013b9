package admin

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// blockedByItsAdmin reports whether one of the team's own admins has blocked it:
// then they may unblock it, too. By the audit log: of what nothing is known, they
// may not, for it may have been blocked against them.
func (a *API) blockedByItsAdmin(ctx context.Context, t *gateway.Team) bool {
	const most = 100
	entries, _, err := a.store.ListAudit(ctx, store.AuditFilter{Table: teamTable, ObjectID: t.ID}, store.Page{Sort: "updated_at", Desc: true, Limit: most})
	if err != nil {
		return false
	}
	for _, e := range entries {
		if isBlocked(e.Before) || !isBlocked(e.After) {
			continue
		}
		m := memberIn(t, e.Actor)
		u := a.directory.User(e.Actor)
		return m != nil && m.Role == "admin" && e.Actor != gateway.MasterUserID && (u == nil || u.Role != gateway.ProxyAdmin)
	}
	return false
}

// isBlocked reports whether a row of the audit log says that its team is blocked.
func isBlocked(row []byte) bool {
	var v struct {
		Blocked bool `json:"blocked"`
	}
	return len(row) > 0 && json.Unmarshal(row, &v) == nil && v.Blocked
}

// teamIDBody is the body of POST /team/block and its like.
type teamIDBody struct {
	ID Opt[string] `json:"team_id"`
	unknown
}

func (a *API) blockTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setTeamBlocked(w, r, p, true)
}

func (a *API) unblockTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setTeamBlocked(w, r, p, false)
}

func (a *API) setTeamBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, block bool) (any, error) {
	var b teamIDBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := b.ID.Or("")
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say which team")
	}
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	action := blocked
	if !block {
		action = unblocked
	}
	t, err := a.editTeamAs(r, p, action, id, nil, func(t *gateway.Team) error { t.Blocked = block; return nil })
	if err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}
