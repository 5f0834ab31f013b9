package admin

import (
	"net/http"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// Access says whether a handler asks about the objects it touches. The zero
// Access lets nobody but admins in, whatever the route's rule in package auth.
type Access uint8

// The accesses there are.
const (
	AdminOnly Access = iota
	// Checked routes let in whom their rule lets in. Their handlers ask
	// a.directory.MayKey and its like before they show or change anything.
	Checked
)

// Route is one endpoint of the management API.
type Route struct {
	Method  string
	Pattern string // path, as in http.ServeMux
	Summary string
	Access  Access
	// Handler answers the call of an authenticated caller. It checks itself
	// whether the caller may do so.
	Handler func(http.ResponseWriter, *http.Request, gateway.Principal)
}

// handler is an endpoint without its door: what it returns is the answer.
type handler func(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error)

type route struct {
	Route
	do handler
}

// Routes returns the whole API.
func (a *API) Routes() []Route {
	routes := []route{
		{Route{Method: "POST", Pattern: "/key/generate", Summary: "Create a virtual key.", Access: Checked}, a.generateKey},
		{Route{Method: "POST", Pattern: "/key/service-account/generate", Summary: "Create a key that a program of a team has.", Access: Checked}, a.serviceAccountKey},
		{Route{Method: "GET", Pattern: "/key/info", Summary: "Show a key and what it has spent.", Access: Checked}, a.keyInfo},
		{Route{Method: "POST", Pattern: "/v2/key/info", Summary: "Show several keys.", Access: Checked}, a.keyInfos},
		{Route{Method: "POST", Pattern: "/key/update", Summary: "Change the fields of a key that are sent; null clears.", Access: Checked}, a.updateKey},
		{Route{Method: "POST", Pattern: "/key/bulk_update", Summary: "Change several keys.", Access: Checked}, a.bulkUpdateKeys},
		{Route{Method: "POST", Pattern: "/team/key/bulk_update", Summary: "Change several keys of a team alike.", Access: Checked}, a.bulkUpdateTeamKeys},
		{Route{Method: "POST", Pattern: "/key/regenerate", Summary: "Replace a key by a new one; the old one may work for a while longer.", Access: Checked}, a.regenerateKey},
		{Route{Method: "POST", Pattern: "/key/{key}/regenerate", Summary: "Replace a key by a new one; the old one may work for a while longer.", Access: Checked}, a.regenerateKey},
		{Route{Method: "POST", Pattern: "/key/successor", Summary: "Fetch the key that has replaced one whose rotation was due.", Access: Checked}, a.keySuccessor},
		{Route{Method: "POST", Pattern: "/key/{key}/reset_spend", Summary: "Set what a key has spent to less.", Access: Checked}, a.resetKeySpend},
		{Route{Method: "POST", Pattern: "/key/delete", Summary: "Delete keys by key, hash or alias.", Access: Checked}, a.deleteKeys},
		{Route{Method: "GET", Pattern: "/key/list", Summary: "List keys, page by page.", Access: Checked}, a.listKeys},
		{Route{Method: "GET", Pattern: "/key/aliases", Summary: "List the aliases of keys, page by page.", Access: Checked}, a.listKeyAliases},
		{Route{Method: "POST", Pattern: "/key/block", Summary: "Block a key.", Access: Checked}, a.blockKey},
		{Route{Method: "POST", Pattern: "/key/unblock", Summary: "Unblock a key.", Access: Checked}, a.unblockKey},
		{Route{Method: "POST", Pattern: "/key/health", Summary: "Check the key that asks.", Access: Checked}, a.keyHealth},
		{Route{Method: "POST", Pattern: "/user/new", Summary: "Create a user and, unless told otherwise, a key.", Access: Checked}, a.newUser},
		{Route{Method: "POST", Pattern: "/user/update", Summary: "Change the fields of a user that are sent; null clears.", Access: Checked}, a.updateUser},
		{Route{Method: "POST", Pattern: "/user/bulk_update", Summary: "Change several users.", Access: Checked}, a.bulkUpdateUsers},
		{Route{Method: "POST", Pattern: "/user/delete", Summary: "Delete users with their keys.", Access: Checked}, a.deleteUsers},
		{Route{Method: "GET", Pattern: "/user/info", Summary: "Show a user with keys and teams.", Access: Checked}, a.userInfo},
		{Route{Method: "GET", Pattern: "/v2/user/info", Summary: "Show a user.", Access: Checked}, a.userInfoV2},
		{Route{Method: "GET", Pattern: "/user/list", Summary: "List users, page by page.", Access: Checked}, a.listUsers},
		{Route{Method: "GET", Pattern: "/user/filter/ui", Summary: "Find users to choose from.", Access: Checked}, a.findUsers},
		{Route{Method: "GET", Pattern: "/user/available_roles", Summary: "Show the roles that users can have.", Access: Checked}, a.availableRoles},
		{Route{Method: "POST", Pattern: "/user/password/change", Summary: "Change one's own password, or set that of somebody one manages.", Access: Checked}, a.changePassword},
		{Route{Method: "POST", Pattern: "/invitation/new", Summary: "Invite a user.", Access: Checked}, a.newInvitation},
		{Route{Method: "GET", Pattern: "/invitation/info", Summary: "Show an invitation.", Access: Checked}, a.invitationInfo},
		{Route{Method: "POST", Pattern: "/invitation/update", Summary: "Say that an invitation was accepted.", Access: Checked}, a.updateInvitation},
		{Route{Method: "POST", Pattern: "/invitation/delete", Summary: "Take an invitation back.", Access: Checked}, a.deleteInvitation},
		{Route{Method: "POST", Pattern: "/team/new", Summary: "Create a team.", Access: Checked}, a.newTeam},
		{Route{Method: "POST", Pattern: "/team/update", Summary: "Change the fields of a team that are sent; null clears.", Access: Checked}, a.updateTeam},
		{Route{Method: "PATCH", Pattern: "/team/{team_id}", Summary: "Change the fields of a team that are sent; null clears.", Access: Checked}, a.updateTeam},
		{Route{Method: "POST", Pattern: "/team/delete", Summary: "Delete teams with their keys and projects.", Access: Checked}, a.deleteTeams},
		{Route{Method: "GET", Pattern: "/team/info", Summary: "Show a team with its keys and members.", Access: Checked}, a.teamInfo},
		{Route{Method: "GET", Pattern: "/team/list", Summary: "List teams with their keys and members.", Access: Checked}, a.listTeams},
		{Route{Method: "GET", Pattern: "/v2/team/list", Summary: "List teams, page by page.", Access: Checked}, a.pageTeams},
		{Route{Method: "GET", Pattern: "/team/filter/ui", Summary: "Find teams to choose from.", Access: Checked}, a.findTeams},
		{Route{Method: "GET", Pattern: "/team/metadata_schema", Summary: "Show which metadata teams should have.", Access: Checked}, a.teamMetadataSchema},
		{Route{Method: "GET", Pattern: "/team/available", Summary: "List teams that users may join by themselves.", Access: Checked}, a.availableTeams},
		{Route{Method: "POST", Pattern: "/team/block", Summary: "Block a team.", Access: Checked}, a.blockTeam},
		{Route{Method: "POST", Pattern: "/team/unblock", Summary: "Unblock a team.", Access: Checked}, a.unblockTeam},
		{Route{Method: "POST", Pattern: "/team/member_add", Summary: "Put people into a team, making users of them.", Access: Checked}, a.addMembers},
		{Route{Method: "POST", Pattern: "/team/bulk_member_add", Summary: "Put many people into a team, and say what became of each.", Access: Checked}, a.addManyMembers},
		{Route{Method: "POST", Pattern: "/team/member_update", Summary: "Change a member's role, budget and limits.", Access: Checked}, a.updateMember},
		{Route{Method: "POST", Pattern: "/team/member_delete", Summary: "Take a member out of a team, with the keys it has there.", Access: Checked}, a.deleteMember},
		{Route{Method: "POST", Pattern: "/team/{team_id}/member/{user_id}/reset_spend", Summary: "Set what a member has spent to less.", Access: Checked}, a.resetMemberSpend},
		{Route{Method: "POST", Pattern: "/team/{team_id}/member/{user_id}/reset_budget", Summary: "Take a member's own limits away.", Access: Checked}, a.resetMemberBudget},
		{Route{Method: "GET", Pattern: "/team/{team_id}/members/me", Summary: "Show the caller's place in a team.", Access: Checked}, a.myMembership},
		{Route{Method: "POST", Pattern: "/team/{team_id}/callback", Summary: "Log a team's calls to a destination of its own.", Access: Checked}, a.addCallback},
		{Route{Method: "GET", Pattern: "/team/{team_id}/callback", Summary: "Show where a team's calls are logged to.", Access: Checked}, a.showCallbacks},
		{Route{Method: "DELETE", Pattern: "/team/{team_id}/callback/{callback_name}", Summary: "Take a destination from a team.", Access: Checked}, a.deleteCallback},
		{Route{Method: "POST", Pattern: "/team/{team_id}/disable_logging", Summary: "Have no destination told of a team's calls.", Access: Checked}, a.disableLogging},
		{Route{Method: "GET", Pattern: "/team/permissions_list", Summary: "Show what members of a team may do with its keys.", Access: Checked}, a.listPermissions},
		{Route{Method: "POST", Pattern: "/team/permissions_update", Summary: "Set what members of a team may do with its keys.", Access: Checked}, a.updatePermissions},
		{Route{Method: "POST", Pattern: "/team/permissions_bulk_update", Summary: "Add to what members of teams may do.", Access: Checked}, a.addPermissions},
		{Route{Method: "POST", Pattern: "/team/model/add", Summary: "Add models to those a team may use.", Access: Checked}, a.addTeamModels},
		{Route{Method: "POST", Pattern: "/team/model/delete", Summary: "Take models from those a team may use.", Access: Checked}, a.deleteTeamModels},
		{Route{Method: "POST", Pattern: "/project/new", Summary: "Create a project of a team.", Access: Checked}, a.newProject},
		{Route{Method: "POST", Pattern: "/project/update", Summary: "Change the fields of a project that are sent; null clears.", Access: Checked}, a.updateProject},
		{Route{Method: "DELETE", Pattern: "/project/delete", Summary: "Delete projects that no key is in.", Access: Checked}, a.deleteProjects},
		{Route{Method: "GET", Pattern: "/project/info", Summary: "Show a project.", Access: Checked}, a.projectInfo},
		{Route{Method: "GET", Pattern: "/project/list", Summary: "List projects.", Access: Checked}, a.listProjects},
		{Route{Method: "GET", Pattern: "/spend/logs", Summary: "List calls, or sum them up by day.", Access: Checked}, a.spendLogs},
		{Route{Method: "GET", Pattern: "/spend/keys", Summary: "List keys, the dearest first.", Access: Checked}, a.spendKeys},
		{Route{Method: "GET", Pattern: "/global/spend", Summary: "Show what everybody has spent together.", Access: Checked}, a.globalSpend},
		{Route{Method: "GET", Pattern: "/model/info", Summary: "Show the deployments that the caller may use, and what they cost.", Access: Checked}, a.modelInfo},
		{Route{Method: "GET", Pattern: "/v1/model/info", Summary: "Show the deployments that the caller may use, and what they cost.", Access: Checked}, a.modelInfo},
		{Route{Method: "POST", Pattern: "/jwt/key/mapping/new", Summary: "Have a claim of bearer tokens stand for a key."}, a.newMapping},
		{Route{Method: "POST", Pattern: "/jwt/key/mapping/update", Summary: "Change the fields of such a claim that are sent."}, a.updateMapping},
		{Route{Method: "POST", Pattern: "/jwt/key/mapping/delete", Summary: "Have a claim stand for no key."}, a.deleteMapping},
		{Route{Method: "GET", Pattern: "/jwt/key/mapping/list", Summary: "List the claims that stand for keys, page by page."}, a.listMappings},
		{Route{Method: "GET", Pattern: "/jwt/key/mapping/info", Summary: "Show one of them."}, a.mappingInfo},
	}
	routes = append(routes, a.catalogRoutes()...)
	out := make([]Route, len(routes))
	for i, rt := range routes {
		out[i] = rt.Route
		out[i].Handler = a.serve(rt.Route, rt.do)
	}
	return out
}

// serve is the only way to a handler.
func (a *API) serve(rt Route, do handler) func(http.ResponseWriter, *http.Request, gateway.Principal) {
	return func(w http.ResponseWriter, r *http.Request, p gateway.Principal) {
		if e := a.allow(rt, &p); e != nil {
			a.writeError(w, r, e)
			return
		}
		v, err := do(w, r, &p)
		if err != nil {
			a.writeError(w, r, err)
			return
		}
		if d, ok := v.(*download); ok {
			a.send(w, r, d)
			return
		}
		if re, ok := v.(*replied); ok {
			a.reply(w, r, re)
			return
		}
		a.write(w, r, http.StatusOK, v)
	}
}

// replied is an answer with another status than 200; one without content has no body.
type replied struct {
	status int
	body   any
}

func (a *API) reply(w http.ResponseWriter, r *http.Request, re *replied) {
	if re.status == http.StatusNoContent {
		w.WriteHeader(re.status)
		return
	}
	a.write(w, r, re.status, re.body)
}

// allow decides whether p may make this call. It is the one place that does:
// who is not let in here is kept out.
func (a *API) allow(rt Route, p *gateway.Principal) *gateway.Error {
	door := auth.DoorOf(rt.Method, rt.Pattern)
	if rt.Access == Checked {
		return a.directory.Enter(p, door)
	}
	return a.directory.EnterAdmin(p, door)
}

// actor is whom a write is recorded for.
func actor(p *gateway.Principal) string {
	if id := p.UserID(); id != "" {
		return id
	}
	return gateway.MasterUserID
}

// masked shows the ends of an id, enough to recognize one's own.
func masked(id string) string {
	if len(id) <= 8 {
		return "****"
	}
	return id[:4] + "****" + id[len(id)-4:]
}
