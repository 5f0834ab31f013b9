package admin

import (
	"context"

	"github.com/go-json-experiment/json"

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
