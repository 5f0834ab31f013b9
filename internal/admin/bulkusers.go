package admin

import (
	"net/http"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// bulkUsersBody is the body of POST /user/bulk_update.
type bulkUsersBody struct {
	Users   Opt[userUpdates] `json:"users"`
	All     Opt[bool]        `json:"all_users"`
	Updates Opt[userUpdate]  `json:"user_updates"`
	unknown
}

type userUpdates []userFields

func (userUpdates) want() string { return "a list of objects with a user_id and the fields to change" }

type userUpdate struct{ userFields }

func (userUpdate) want() string { return "an object with the fields to change" }

type usersUpdated struct {
	Results []userResult `json:"results"`
	Total   int          `json:"total_requested"`
	Done    int          `json:"successful_updates"`
	Failed  int          `json:"failed_updates"`
}

type userResult struct {
	UserID  *string  `json:"user_id"`
	Email   *string  `json:"user_email"`
	Success bool     `json:"success"`
	Error   *string  `json:"error"`
	Updated *userRow `json:"updated_user"`
}

func (a *API) bulkUpdateUsers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b bulkUsersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	updates := b.Users.Or(nil)
	if b.All.Or(false) {
		if !b.Updates.Has() {
			return nil, malformed("user_updates", "user_updates is missing: say what to change of all users")
		}
		users, total, err := a.store.ListUsers(r.Context(), store.UserFilter{}, store.Page{Limit: maxBulk})
		if err != nil {
			return nil, err
		}
		if total > maxBulk {
			return nil, invalid("all_users", "all_users: %d users are too many for one call, at most %d are changed at once", total, maxBulk)
		}
		if err := a.directory.MayAdmin(p, auth.Change); err != nil {
			return nil, err
		}
		updates = nil
		for _, u := range users {
			f := b.Updates.Value.userFields
			f.UserID = Opt[string]{Sent: true, Value: u.ID}
			updates = append(updates, f)
		}
	}
	switch n := len(updates); {
	case n == 0:
		return nil, invalid("users", "users is missing: pass a list of objects with a user_id and the fields to change")
	case n > maxBulk:
		return nil, invalid("users", "%d users are too many for one call, at most %d are changed at once", n, maxBulk)
	}
	setUnknown(w.Header(), nested(b.Unknown, "users", updates))
	out := &usersUpdated{Total: len(updates), Results: []userResult{}}
	for i := range updates {
		f := &updates[i]
		res := userResult{UserID: text(f.UserID.Or("")), Email: text(f.Email.Or(""))}
		u, err := a.changeUser(r, p, f)
		if err != nil {
			e := gateway.AsError(err)
			if code, _ := status(e); code >= 500 {
				return nil, err
			}
			res.Error = &e.Message
			out.Failed++
		} else {
			row := a.userRow(u)
			res.UserID, res.Email, res.Success, res.Updated = text(u.ID), text(u.Email), true, &row
			out.Done++
		}
		out.Results = append(out.Results, res)
	}
	return out, nil
}
