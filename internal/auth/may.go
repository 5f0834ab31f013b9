package auth

import (
	"fmt"
	"slices"

	"penstock/internal/gateway"
)

// What a caller may do to an object is asked here, by handlers that have found
// it: MayKey, MayTeam and so on return nil if it may, and otherwise the answer
// for the client. Two rules keep strangers from learning what there is:
//
//   - Ask before saying that something is not there. A nil object is one that
//     does not exist: only who may see every object is told so.
//   - A refusal says the same about what is another's and what is not there.
//
// A role in an organization or a team holds there whatever the user's own role
// is, as for LiteLLM, but for proxy_admin_viewer, which never changes anything.
//
// A change that moves an object (a key to another team) is asked about twice,
// with the object as it is and as it will be.

// Act is something to be done to an object that is not a key.
type Act uint8

// The acts there are.
const (
	See    Act = iota // read it, and what it has spent
	Create            // make it as it is given
	Change            // change it, block it, manage its members
	Remove            // delete it for good
)

// KeyAct is something to be done to a key: the route by which LiteLLM names it
// in a team's team_member_permissions.
type KeyAct string

// The acts on keys there are.
const (
	SeeKey         KeyAct = "/key/info"
	CheckKey       KeyAct = "/key/health"
	GenerateKey    KeyAct = "/key/generate"
	ServiceAccount KeyAct = "/key/service-account/generate"
	UpdateKey      KeyAct = "/key/update"
	BulkUpdateKeys KeyAct = "/key/bulk_update"
	TeamKeysUpdate KeyAct = "/team/key/bulk_update"
	DeleteKey      KeyAct = "/key/delete"
	RegenerateKey  KeyAct = "/key/regenerate"
	RotateKey      KeyAct = "/key/{key_id}/regenerate"
	ResetKeySpend  KeyAct = "/key/{key_id}/reset_spend"
	BlockKey       KeyAct = "/key/block"
	UnblockKey     KeyAct = "/key/unblock"
	ListKeys       KeyAct = "/key/list"
	KeyAliases     KeyAct = "/key/aliases"
	GroupsOfKey    KeyAct = "/key/access_group_assignment"
)

// MemberPermissions are the texts that may stand in team_member_permissions.
func MemberPermissions() []string {
	return []string{
		string(GenerateKey), string(UpdateKey), string(DeleteKey), string(RegenerateKey), string(ServiceAccount), string(RotateKey), string(BlockKey),
		string(UnblockKey), string(BulkUpdateKeys), string(TeamKeysUpdate), string(ResetKeySpend), string(GroupsOfKey), "/auto_router/manage",
		string(SeeKey), string(CheckKey), string(ListKeys), string(KeyAliases), "/team/daily/activity", "/team/daily/activity/aggregated",
		"/spend/logs", "/spend/logs/v2",
	}
}

// MayKey decides about a key. What is generated is given as it will be.
func (d *Directory) MayKey(p *gateway.Principal, do KeyAct, k *gateway.Key) error {
	sees := do == SeeKey || do == CheckKey || do == ListKeys || do == KeyAliases
	switch {
	case p.Master || p.Role == gateway.ProxyAdmin || p.Role == gateway.ProxyAdminViewer && sees:
		return nil
	case k == nil, p.Role == gateway.ProxyAdminViewer:
		return notYourKey(p, do)
	case sees && p.Key != nil && p.Key.Hash != "" && p.Key.Hash == k.Hash:
		return nil
	}
	me := person(p)
	if me == "" {
		return notYourKey(p, do)
	}
	team := d.Team(k.TeamID)
	switch {
	case d.organizesKey(me, k, team):
		return nil
	case p.Role == gateway.InternalUserViewer && !sees:
		return notYourKey(p, do)
	case do == GenerateKey && k.UserID != "" && k.UserID != me:
		return forbidden("User can only create keys for themselves. Got user_id=%s, Your ID=%s", k.UserID, me)
	case k.TeamID == "" && k.UserID == me:
		return nil
	case k.TeamID == "":
		return notYourKey(p, do)
	}
	var m *gateway.Member
	if team != nil {
		m = memberOf(team, me)
	}
	switch {
	case m != nil && (m.Role == "admin" || sees || slices.Contains(team.MemberPermissions, string(do))):
		return nil
	case m != nil:
		return memberError("Team member does not have permissions for endpoint: %s. You only have access to the following endpoints: %v for team %s. To create keys for this team, please ask your proxy admin to enable the endpoint for your team.",
			do, team.MemberPermissions, k.TeamID)
	case do == GenerateKey || do == ServiceAccount: // the caller has named the team, and learns nothing about it
		return memberError("User %s does not belong to team %s. Team-scoped key management endpoints can only be used for keys in your own team.", me, k.TeamID)
	}
	return notYourKey(p, do)
}

// organizesKey reports whether the user administers the organization of a key.
func (d *Directory) organizesKey(me string, k *gateway.Key, team *gateway.Team) bool {
	return d.orgAdmin(me, k.OrganizationID) || team != nil && d.orgAdmin(me, team.OrganizationID)
}

func notYourKey(p *gateway.Principal, do KeyAct) *gateway.Error {
	if do == SeeKey {
		e := forbidden("You are not allowed to access this key's info. Your role=%s", RoleName(p))
		e.Param = "key"
		return e
	}
	e := forbidden("You are not allowed to call %s for this key: there is no such key of yours or of a team that lets you. Your role=%s", do, RoleName(p))
	e.Param = "key"
	return e
}

func memberError(format string, args ...any) *gateway.Error {
	return &gateway.Error{Kind: gateway.Unauthenticated, Type: "team_member_permission_error", Message: fmt.Sprintf(format, args...)}
}

// MayTeam decides about a team. id is what the caller called it.
func (d *Directory) MayTeam(p *gateway.Principal, do Act, id string, t *gateway.Team) error {
	me := person(p)
	switch {
	case everything(p, do):
		return nil
	case t == nil:
	case do == See && t.ID != "" && p.TeamID() == t.ID:
		return nil
	case p.Role == gateway.ProxyAdminViewer:
	case d.orgAdmin(me, t.OrganizationID):
		return nil
	case do == See || do == Change:
		if m := memberOf(t, me); m != nil && (m.Role == "admin" || do == See) {
			return nil
		}
	}
	return forbidden("Call not allowed. User not proxy admin OR team admin. team_id=%s", id)
}

// MayReport decides about a report on a whole team, which is one of the routes
// that team_member_permissions may name: "/team/daily/activity", "/spend/logs".
// Who may not has its own rows still.
func (d *Directory) MayReport(p *gateway.Principal, route, id string, t *gateway.Team) error {
	if everything(p, See) || d.MayTeam(p, Change, id, t) == nil {
		return nil
	}
	if t != nil && memberOf(t, person(p)) != nil && slices.Contains(t.MemberPermissions, route) {
		return nil
	}
	return forbidden("Call not allowed. User not proxy admin OR team admin, and %s is not among the team's team_member_permissions. team_id=%s", route, id)
}

// MayUser decides about a user. id is what the caller called it. Nobody but a
// proxy admin may give a role or raise limits of its own: that is for the
// handler to see to, by MayAdmin.
func (d *Directory) MayUser(p *gateway.Principal, do Act, id string, u *gateway.User) error {
	me := person(p)
	switch {
	case everything(p, do):
		return nil
	case u == nil:
	case do == See && me != "" && me == u.ID:
		return nil
	case u.Role == gateway.ProxyAdmin || u.Role == gateway.ProxyAdminViewer: // above any organization
	case do == See || p.Role != gateway.ProxyAdminViewer:
		if d.orgAdmin(me, u.OrganizationID) || slices.ContainsFunc(u.Organizations, func(o string) bool { return d.orgAdmin(me, o) }) {
			return nil
		}
	}
	if do == See {
		return forbidden("key not allowed to access this user's info. user_id=%s, key's user_id=%s", id, me)
	}
	return forbidden("Call not allowed. User not proxy admin OR admin of the user's organization. user_id=%s", id)
}

// MayOrganization decides about an organization. id is what the caller called it.
func (d *Directory) MayOrganization(p *gateway.Principal, do Act, id string, o *gateway.Organization) error {
	if everything(p, do) {
		return nil
	}
	if do == Create {
		e := unauthenticated(fmt.Sprintf("Only proxy admins can create new organizations. You are %s", RoleName(p)))
		e.Param = "user_role"
		return e
	}
	me, role := person(p), ""
	if o != nil && me != "" {
		for i := range o.Members {
			if o.Members[i].UserID == me {
				role = o.Members[i].Role
			}
		}
	}
	switch {
	case id == "":
		return unauthenticated("Passed organization_id is None, please pass an organization_id in your request")
	case role == "":
		return unauthenticated(fmt.Sprintf("You do not have a role within the selected organization. Passed organization_id: %s. Ask its admin to add you.", id))
	case do == See, role == string(gateway.OrgAdmin) && p.Role != gateway.ProxyAdminViewer:
		return nil
	}
	return unauthenticated(fmt.Sprintf("You do not have the required role to do this in Organization %s. Your role is %s in Organization %s", id, role, id))
}

// MayProject decides about a project. id is what the caller called it.
func (d *Directory) MayProject(p *gateway.Principal, do Act, id string, j *gateway.Project) error {
	switch {
	case everything(p, do):
		return nil
	case j == nil:
	case do == See && p.Key != nil && p.Key.ProjectID == j.ID && j.ID != "":
		return nil
	default:
		if do != See {
			do = Change // of its team
		}
		if t := d.Team(j.TeamID); t != nil && d.MayTeam(p, do, j.TeamID, t) == nil {
			return nil
		}
	}
	return forbidden("Call not allowed. User not proxy admin OR admin of the project's team. project_id=%s", id)
}

// MayModel decides about a stored model, by the team it is for; a nil model
// does not exist. What its parameters hold is shown to nobody.
func (d *Directory) MayModel(p *gateway.Principal, do Act, m *gateway.StoredModel) error {
	if everything(p, do) {
		return nil
	}
	if m != nil {
		if t := d.Team(m.TeamID); t != nil {
			if do != See {
				do = Change // of its team
			}
			if d.MayTeam(p, do, m.TeamID, t) == nil {
				return nil
			}
		}
	}
	return forbidden("Call not allowed. Only proxy admins, and admins of the team a model is for, may do this. Your role=%s", RoleName(p))
}

// MayAdmin decides about what belongs to nobody: budgets, tags, customers,
// credentials, access groups, the audit log.
func (d *Directory) MayAdmin(p *gateway.Principal, do Act) error {
	if everything(p, do) {
		return nil
	}
	return forbidden("Admin-only endpoint. Not allowed to access this. Your role=%s", RoleName(p))
}

// everything reports whether p may do it to every object.
func everything(p *gateway.Principal, do Act) bool {
	return p.Master || p.Role == gateway.ProxyAdmin || p.Role == gateway.ProxyAdminViewer && do == See
}

// person returns the user that p acts for, "" if none. Keys that the master key
// made for nobody have its user, and are not each other's.
func person(p *gateway.Principal) string {
	if id := p.UserID(); id != gateway.MasterUserID && !outsider(p) {
		return id
	}
	return ""
}

// memberOf returns the user's place in a team as it is stored, nil if it has none.
func memberOf(t *gateway.Team, me string) *gateway.Member {
	i := slices.IndexFunc(t.Members, func(m gateway.Member) bool { return m.UserID == me && me != "" })
	if i < 0 {
		return nil
	}
	return &t.Members[i]
}

// orgAdmin reports whether the user administers the organization.
func (d *Directory) orgAdmin(me, organization string) bool {
	o := d.Organization(organization)
	return me != "" && o != nil && slices.ContainsFunc(o.Members, func(m gateway.Member) bool {
		return m.UserID == me && m.Role == string(gateway.OrgAdmin)
	})
}

// organizes reports whether p administers any organization.
func (d *Directory) organizes(p *gateway.Principal) bool {
	return !outsider(p) && len(d.View(p).Organizations) > 0
}

// View is whose rows a caller sees in a list.
type View struct {
	All    bool   // everybody's; the rest is empty then
	UserID string // its own, "" if it is no user
	Key    string // hash of its key, "" if it has none
	Team   string // of its key, "" if none: the team itself, not the rows in it
	// Teams are those it is a member of, Administers those whose every key it
	// sees too, Organizations those whose every team and key it sees.
	Teams, Administers, Organizations []string
}

// View returns whose rows p sees in a list.
func (d *Directory) View(p *gateway.Principal) View {
	if everything(p, See) {
		return View{All: true}
	}
	v := View{UserID: person(p), Key: p.KeyHash(), Team: p.TeamID()}
	if v.UserID == "" {
		return v
	}
	var teams, organizations []string
	if u := d.User(v.UserID); u != nil {
		teams, organizations = u.Teams, u.Organizations
		if u.OrganizationID != "" && !slices.Contains(organizations, u.OrganizationID) {
			organizations = append(slices.Clip(organizations), u.OrganizationID)
		}
	}
	if v.Team != "" && !slices.Contains(teams, v.Team) {
		teams = append(slices.Clip(teams), v.Team)
	}
	for _, id := range teams {
		if m := d.Member(id, v.UserID); m != nil {
			v.Teams = append(v.Teams, id)
			if m.Role == "admin" {
				v.Administers = append(v.Administers, id)
			}
		}
	}
	for _, id := range organizations {
		if d.orgAdmin(v.UserID, id) {
			v.Organizations = append(v.Organizations, id)
		}
	}
	return v
}
