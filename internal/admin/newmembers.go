package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// oneOrMore is a member or a list of them.
type oneOrMore struct{ members }

func (oneOrMore) want() string {
	return "{role, user_id, user_email} or a list of such objects"
}

// addMembersBody is the body of POST /team/member_add.
type addMembersBody struct {
	TeamID Opt[string]    `json:"team_id"`
	Member Opt[oneOrMore] `json:"member"`
	membershipFields
	unknown
}

// teamWithChanges is a team and who has been put into it.
type teamWithChanges struct {
	teamRow
	Users       []userRow    `json:"updated_users"`
	Memberships []membership `json:"updated_team_memberships"`
}

func (a *API) addMembers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b addMembersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	list := b.Member.Value.members
	setUnknown(w.Header(), nested(b.Unknown, "member", list))
	switch {
	case b.TeamID.Or("") == "":
		return nil, malformed("team_id", "team_id is missing: say which team to put somebody into")
	case len(list) == 0:
		return nil, malformed("member", "member is missing: pass %s", oneOrMore{}.want())
	}
	if err := checkMembers("member", list); err != nil {
		return nil, err
	}
	if err := b.check(a.now()); err != nil {
		return nil, err
	}
	by := p
	if a.joinsItself(p, &b) {
		by = &gateway.Principal{Master: true, Role: gateway.ProxyAdmin, User: p.User, Key: p.Key} // the configuration lets it
	}
	t, err := a.teamFor(r.Context(), by, auth.Change, b.TeamID.Value)
	if err != nil {
		return nil, err
	}
	t, users, err := a.join(r, by, t, list, &b.membershipFields)
	if err != nil {
		return nil, err
	}
	out := &teamWithChanges{teamRow: a.teamRow(t), Users: []userRow{}, Memberships: []membership{}}
	for _, u := range users {
		row := a.seenUser(p, u)
		if len(row.Teams) == 0 {
			row.Teams = []string{t.ID}
		}
		out.Users = append(out.Users, row)
		out.Memberships = append(out.Memberships, a.membership(t, memberIn(t, u.ID)))
	}
	return out, nil
}

// join puts people into a team, all or none of them.
func (a *API) join(r *http.Request, p *gateway.Principal, t *gateway.Team, list []member, f *membershipFields) (*gateway.Team, []*gateway.User, error) {
	ctx, now := r.Context(), a.now()
	// Before users are made for a team that they cannot be put into.
	for _, m := range list {
		for i := range t.Members {
			if have := &t.Members[i]; m.UserID != "" && have.UserID == m.UserID || m.UserID == "" && strings.EqualFold(have.Email, m.Email) {
				return nil, nil, alreadyIn(t, &m)
			}
		}
	}
	users := make([]*gateway.User, len(list))
	for i := range list {
		var err error
		if users[i], err = a.ensureUser(r, p, &list[i], now); err != nil {
			return nil, nil, err
		}
	}
	ids, team := make([]string, len(users)), t.ID
	for i, u := range users {
		ids[i] = u.ID
	}
	t, err := a.editTeamBy(r, p, changed, team, nil, func(ctx context.Context, change func(*gateway.Team) error) (*gateway.Team, error) {
		return a.store.AddMembers(ctx, team, ids, now, change)
	}, func(t *gateway.Team) error {
		for i, u := range users {
			if memberIn(t, u.ID) != nil {
				return alreadyIn(t, &list[i])
			}
			m := gateway.Member{UserID: u.ID, Email: u.Email, Role: list[i].Role, Models: slices.Clone(t.MemberModels)}
			f.apply(&m, now)
			t.Members = append(t.Members, m)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var changes []Change
	for i, u := range users {
		changes = append(changes, Change{Entity: UserEntity, ID: u.ID})
		if users[i], err = a.store.User(ctx, u.ID); err != nil {
			return nil, nil, err
		}
	}
	return t, users, a.changed(ctx, changes...)
}

func alreadyIn(t *gateway.Team, m *member) error {
	const most = 20
	var have []string
	for _, x := range t.Members[:min(len(t.Members), most)] {
		have = append(have, x.UserID)
	}
	e := invalid("user_id", "User already in team. Member: user_id=%s, user_email=%s. Existing members=%v", m.UserID, m.Email, have)
	e.Type = "team_member_already_in_team"
	return e
}

// bulkMembersBody is the body of POST /team/bulk_member_add.
type bulkMembersBody struct {
	TeamID   Opt[string]  `json:"team_id"`
	Members  Opt[members] `json:"members"`
	AllUsers Opt[bool]    `json:"all_users"`
	membershipFields
	unknown
}

type membersAdded struct {
	TeamID  string         `json:"team_id"`
	Results []memberResult `json:"results"`
	Total   int            `json:"total_requested"`
	Added   int            `json:"successful_additions"`
	Failed  int            `json:"failed_additions"`
	Team    *teamRow       `json:"updated_team"`
}

type memberResult struct {
	UserID  *string   `json:"user_id"`
	Email   *string   `json:"user_email"`
	Success bool      `json:"success"`
	Error   *string   `json:"error"`
	Users   []userRow `json:"updated_users"`
}

func (a *API) addManyMembers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b bulkMembersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	list := b.Members.Or(nil)
	setUnknown(w.Header(), nested(b.Unknown, "members", list))
	if b.TeamID.Or("") == "" {
		return nil, malformed("team_id", "team_id is missing: say which team to put people into")
	}
	if err := b.check(a.now()); err != nil {
		return nil, err
	}
	ctx := r.Context()
	t, err := a.teamFor(ctx, p, auth.Change, b.TeamID.Value)
	if err != nil {
		return nil, err
	}
	if b.AllUsers.Or(false) {
		if !isAdmin(p) {
			return nil, &gateway.Error{Kind: gateway.Forbidden, Param: "all_users", Message: "Only proxy admins can add all users"}
		}
		users, total, err := a.store.ListUsers(ctx, store.UserFilter{}, store.Page{Limit: maxMembers})
		if err != nil {
			return nil, err
		}
		if total > maxMembers {
			return nil, invalid("all_users", "all_users: %d users are too many, at most %d can be added at once", total, maxMembers)
		}
		list = nil
		for _, u := range users {
			list = append(list, member{UserID: u.ID})
		}
	}
	if len(list) == 0 {
		return nil, malformed("members", "members is missing: pass a list of {role, user_id, user_email}, or all_users")
	}
	if len(list) > maxMembers {
		return nil, invalid("members", "members: %d members are too many, at most %d can be added at once", len(list), maxMembers)
	}
	out := &membersAdded{TeamID: t.ID, Total: len(list), Results: []memberResult{}}
	for i := range list {
		m := list[i : i+1]
		res := memberResult{UserID: text(m[0].UserID), Email: text(m[0].Email), Users: []userRow{}}
		err := checkMembers("members", m)
		var users []*gateway.User
		var after *gateway.Team
		if err == nil {
			after, users, err = a.join(r, p, t, m, &b.membershipFields)
		}
		if err != nil {
			e := gateway.AsError(err)
			if code, _ := status(e); code >= 500 {
				return nil, err
			}
			res.Error = &e.Message
			out.Failed++
		} else {
			t = after
			res.Success = true
			for _, u := range users {
				res.UserID, res.Email = text(u.ID), text(u.Email)
				res.Users = append(res.Users, a.seenUser(p, u))
			}
			out.Added++
		}
		out.Results = append(out.Results, res)
	}
	row := a.teamRow(t)
	out.Team = &row
	return out, nil
}

// UnmarshalJSONFrom reads one member or a list of them.
func (o *oneOrMore) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		return json.UnmarshalDecode(d, &o.members)
	}
	var m member
	if err := json.UnmarshalDecode(d, &m); err != nil {
		return err
	}
	o.members = members{m}
	return nil
}
