package auth

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// said is what a token says, read once by what its issuer's claims mean.
type said struct {
	issuer, key, user, email, organization, orgAlias, endUser string
	teams, teamAliases, scopes, userRoles                     []string
	role                                                      gateway.Role // what its role means here, "" if nothing
	namesTeams                                                bool         // it has a claim about teams, which may say that there are none
}

// read returns what the claims say.
func read(v *claimsOf, c *config.Claims) said {
	s := said{
		issuer: v.text("iss"), key: v.text(c.KeyClaim), user: v.text(c.UserID), email: v.text(c.UserEmail), organization: v.text(c.OrgID), orgAlias: v.text(c.OrgAlias), endUser: v.text(c.EndUserID),
		teams: v.list(c.TeamIDs), teamAliases: v.whole(c.TeamAlias), scopes: append(v.list("scope"), v.list("scp")...), userRoles: v.list(c.UserRoles),
	}
	theirs := v.list(c.Roles)
	for _, m := range c.RoleMap {
		if slices.ContainsFunc(theirs, func(role string) bool { return glob(m.Theirs, role) }) {
			s.role = gateway.Role(m.Ours)
			break
		}
	}
	s.namesTeams = v.value(c.TeamIDs) != nil || v.value(c.TeamID) != nil || v.value(c.TeamAlias) != nil
	if team := v.text(c.TeamID); team != "" {
		s.teams = append([]string{team}, s.teams...)
	}
	if object := v.text(c.ObjectID); object != "" {
		if s.role == gateway.TeamRole {
			s.teams = []string{object}
		} else {
			s.user = object
		}
	}
	if len(s.teams) == 0 && len(s.teamAliases) == 0 && c.DefaultTeam != "" {
		s.teams = []string{c.DefaultTeam}
	}
	if string(v.value("email_verified")) == "false" { // anybody may have typed it
		s.email = ""
	}
	return s
}

// principal returns who a verified token is from, as the directory knows it
// now. The error is a *gateway.Error.
func (t *Tokens) principal(r *http.Request, v *verified) (gateway.Principal, error) {
	c, d := &v.by.Claims, t.o.Directory
	var none gateway.Principal

	if c.KeyClaim != "" {
		if k := d.KeyOfClaim(v.issuer, c.KeyClaim, v.key); k != nil && v.key != "" {
			return d.Principal(k), nil
		}
		if c.NeedKey {
			return none, badToken("stands for no virtual key (%s)", c.KeyClaim)
		}
		if c.MakeKey && v.key != "" {
			return t.register(r, v)
		}
	}
	return t.person(r, v)
}

// person is principal for a token that stands for no key.
func (t *Tokens) person(r *http.Request, v *verified) (gateway.Principal, error) {
	c, d := &v.by.Claims, t.o.Directory
	var none gateway.Principal

	p := gateway.Principal{Token: &gateway.Token{EndUserID: v.endUser, NeedTeam: c.NeedTeam}}
	role := v.role
	if role == gateway.ProxyAdmin || c.AdminScope != "" && slices.Contains(v.scopes, c.AdminScope) {
		if len(c.AdminRoutes) > 0 && !listed(c.AdminRoutes, r.URL.Path) {
			return none, forbidden("Admin not allowed to access this route. Route=%s, Allowed Routes=%v", clip(r.URL.Path), c.AdminRoutes)
		}
		p.Role, p.User = gateway.ProxyAdmin, d.User(v.user)
		if c.Sync {
			user, err := t.user(r.Context(), v.user, v.email, role, c)
			if err != nil {
				return none, err
			}
			p.User = t.sync(r.Context(), v, user)
		}
		return p, nil
	}

	if role == "" && c.NeedRole {
		return none, forbidden("The token has no role that is known here, and one is needed (enforce_rbac)")
	}
	if c.UserRoles != "" && !slices.ContainsFunc(v.userRoles, func(s string) bool { return slices.Contains(c.UserAllowedRoles, s) }) {
		return none, forbidden("The token has none of the roles that may come in (user_allowed_roles)")
	}
	if role != "" {
		if err := permit(&p, r, c.RolePermissions, []string{string(role)}, false); err != nil {
			return none, err
		}
	}
	if c.NeedScope {
		if err := permit(&p, r, c.Scopes, v.scopes, true); err != nil {
			return none, err
		}
	}

	user, err := t.user(r.Context(), v.user, v.email, role, c)
	if err != nil {
		return none, err
	}
	p.User = user
	teams := t.named(v)
	if len(teams) == 0 && len(v.teamAliases) > 0 && user == nil {
		return none, unauthenticated("Authentication Error, Team doesn't exist in db. Team alias=" + clip(v.teamAliases[0]) + ". Create team via `/team/new` call.")
	}
	if err := t.teams(r, &p, teams, c); err != nil {
		return none, err
	}
	if (c.Sync || c.Join) && user != nil {
		user = t.sync(r.Context(), v, user)
		p.User = user
		if p.Team != nil {
			p.Team = cmp.Or(d.Team(p.Team.ID), p.Team) // with the user in it
		}
	}
	organization := v.organization
	if o := d.OrganizationByAlias(v.orgAlias); organization == "" && o != nil {
		organization = o.ID
	}
	d.belong(&p, organization)

	switch {
	case role == gateway.ProxyAdminViewer || role == gateway.TeamRole || role == gateway.Customer:
		p.Role = role
	case user != nil && user.Role != "":
		p.Role = user.Role
	case role != "":
		p.Role = role
	case user != nil:
		p.Role = gateway.InternalUser
	case p.Team != nil:
		p.Role = gateway.TeamRole
	case p.Token.EndUserID != "":
		p.Role = gateway.Customer
	default:
		return none, forbidden("The token names no user and no team of this gateway")
	}
	if p.Role == gateway.TeamRole && len(c.TeamRoutes) > 0 && !listed(c.TeamRoutes, r.URL.Path) {
		return none, forbidden("Team not allowed to access this route. Route=%s, Allowed Routes=%v", clip(r.URL.Path), c.TeamRoutes)
	}
	return p, nil
}

// permit binds p to what its names (roles, scopes) allow together. Names that
// are not in the list allow everything, or nothing if one is needed.
func permit(p *gateway.Principal, r *http.Request, permissions []config.Permission, names []string, needed bool) error {
	known, route, everyModel := false, false, false
	var models []string
	for _, x := range permissions {
		if !slices.Contains(names, x.Name) {
			continue
		}
		known = true
		route = route || len(x.Routes) == 0 || listed(x.Routes, r.URL.Path)
		everyModel = everyModel || len(x.Models) == 0
		models = append(models, x.Models...)
	}
	switch {
	case !known && !needed:
		return nil
	case !known:
		return forbidden("The token has none of the scopes that may come in (enforce_scope_based_access)")
	case !route:
		return forbidden("The token's role or scope may not call this route. Route=%s", clip(r.URL.Path))
	case everyModel:
	case len(p.Token.Models) == 0:
		p.Token.Models = models
	default: // both must allow
		p.Token.Models = slices.DeleteFunc(models, func(m string) bool { return !slices.Contains(p.Token.Models, m) })
		if len(p.Token.Models) == 0 {
			p.Token.Models = []string{"no-default-models"}
		}
	}
	return nil
}

// user returns the user of a token, nil if it names none. One who is not known
// is made if that is wanted.
func (t *Tokens) user(ctx context.Context, id, email string, role gateway.Role, c *config.Claims) (*gateway.User, error) {
	d := t.o.Directory
	if id == "" && email == "" {
		return nil, nil
	}
	u := d.User(id)
	if u == nil && id != "" {
		u = d.UserBySSO(id)
	}
	if u == nil && email != "" {
		u = d.UserByEmail(email)
	}
	if u != nil {
		return u, nil
	}
	if id == "" {
		id = email
	}
	_, domain, _ := strings.Cut(email, "@")
	if !c.UserUpsert || t.o.NewUser == nil || c.EmailDomain != "" && !strings.EqualFold(domain, c.EmailDomain) {
		return nil, unauthenticated("Authentication Error, User doesn't exist in db. 'user_id'=" + clip(id) + ". Create user via `/user/new` call.")
	}
	n := &gateway.User{ID: id, Email: email, SSOID: id, Role: gateway.InternalUser, CreatedAt: t.o.Now(), UpdatedAt: t.o.Now()}
	if role == gateway.InternalUserViewer {
		n.Role = role
	}
	if err := t.o.NewUser(ctx, n); err != nil && d.User(id) == nil { // another call may have made it meanwhile
		return nil, fmt.Errorf("make user %s of a token: %w", id, err)
	}
	return d.User(id), nil
}

// named returns the ids of the teams that a token names, by their ids and by aliases.
func (t *Tokens) named(v *verified) []string {
	ids := v.teams
	for _, alias := range v.teamAliases {
		if team := t.o.Directory.TeamByAlias(alias); team != nil && !slices.Contains(ids, team.ID) {
			ids = append(slices.Clip(ids), team.ID)
		}
	}
	return ids
}

// teams sets the team of p: the one that the client asks for by header, by its id or
// its alias, else the first of its token's that there is. The others stand by, for
// their models.
func (t *Tokens) teams(r *http.Request, p *gateway.Principal, ids []string, c *config.Claims) error {
	d := t.o.Directory
	named := len(ids) > 0
	if !named && c.OwnTeams && p.User != nil {
		ids = p.User.Teams
	}
	if named && c.OnlyTeam && !c.TeamUpsert && p.User != nil && len(p.User.Teams) == 1 && !slices.ContainsFunc(ids, func(id string) bool { return d.Team(id) != nil }) {
		ids = p.User.Teams
	}
	if wanted := r.Header.Get("X-Litellm-Team-Id"); wanted != "" && len(ids) > 0 {
		if team := d.TeamByAlias(wanted); team != nil && !slices.Contains(ids, wanted) {
			wanted = team.ID
		}
		if !slices.Contains(ids, wanted) {
			return forbidden("The token is not for team %s (x-litellm-team-id)", clip(r.Header.Get("X-Litellm-Team-Id")))
		}
		ids = []string{wanted}
	}
	var found []*gateway.Team
	for _, id := range ids {
		team := d.Team(id)
		if team == nil && c.TeamUpsert && t.o.NewTeam != nil {
			if err := t.o.NewTeam(r.Context(), &gateway.Team{ID: id, Alias: id, CreatedAt: t.o.Now(), UpdatedAt: t.o.Now()}); err != nil && d.Team(id) == nil {
				return fmt.Errorf("make team %s of a token: %w", id, err)
			}
			team = d.Team(id)
		}
		if team != nil && (!team.Blocked || len(ids) == 1) {
			found = append(found, team)
		}
	}
	switch {
	case len(found) > 0:
		p.Team = found[0]
		if len(found) > 1 {
			p.Token.Teams = found
		}
	case len(ids) > 0 && p.User == nil:
		return unauthenticated("Authentication Error, Team doesn't exist in db. Team=" + clip(ids[0]) + ". Create team via `/team/new` call.")
	}
	return nil
}

// belong completes p by what its team and user are in.
func (d *Directory) belong(p *gateway.Principal, organization string) {
	p.Member, p.OrganizationMember = nil, nil
	if p.Team != nil {
		if p.Team.OrganizationID != "" {
			organization = p.Team.OrganizationID
		}
		if p.User != nil {
			p.Member = member(p.Team.Members, p.User.ID)
		}
	}
	p.Organization = d.Organization(organization)
	if p.Organization != nil && p.User != nil {
		p.OrganizationMember = member(p.Organization.Members, p.User.ID)
	}
}

// ChooseTeam has a call of the model charged to the first team of p's token that
// may use it. It does nothing for keys.
func (d *Directory) ChooseTeam(p *gateway.Principal, model string, g Groups) error {
	if p.Token == nil {
		return nil
	}
	for _, team := range p.Token.Teams {
		try := *p
		try.Team = team
		d.belong(&try, try.OrganizationID())
		if d.Allowed(&try, model, g) == nil {
			*p = try
			return nil
		}
	}
	if p.Token.NeedTeam && p.Team == nil {
		return forbidden("No team of the token may use model '%s', and one is needed (enforce_team_based_model_access)", clip(model))
	}
	return nil
}

// Usable reports whether p may use the model, as one of its token's teams if it
// has several.
func (d *Directory) Usable(p *gateway.Principal, model string, g Groups) bool {
	if p.Token == nil {
		return d.Allowed(p, model, g) == nil
	}
	as := *p
	return d.ChooseTeam(&as, model, g) == nil && d.Allowed(&as, model, g) == nil
}

// claimsOf are the claims of a token.
type claimsOf struct {
	*wire.Object
	also *wire.Object // looked at for what is not in Object; nil for nothing
}

// value returns a claim as JSON, nil if there is none. A name with dots leads
// into objects, unless a claim has just that name; a dot behind a backslash is part
// of a name.
func (v *claimsOf) value(name string) []byte {
	if name == "" {
		return nil
	}
	if found := claimIn(v.Object, name); found != nil || v.also == nil {
		return found
	}
	return claimIn(v.also, name)
}

func claimIn(o *wire.Object, name string) []byte {
	const dot = "\x00" // stands for one that is part of a name
	name = strings.ReplaceAll(name, `\.`, dot)
	for {
		if whole := strings.ReplaceAll(name, dot, "."); o.Has(whole) {
			return o.Get(whole)
		}
		first, rest, nested := strings.Cut(name, ".")
		first = strings.ReplaceAll(first, dot, ".")
		if !nested || !o.Has(first) {
			return nil
		}
		inner := new(wire.Object)
		if inner.Parse(o.Get(first)) != nil {
			return nil
		}
		o, name = inner, rest
	}
}

// text returns a claim that is text or a number, "" if it is neither.
func (v *claimsOf) text(name string) string {
	raw := v.value(name)
	if s, ok := wire.Unquote(raw); ok {
		return s
	}
	if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		return string(raw)
	}
	return ""
}

// list returns a claim that is a list of texts, or one text with blanks between
// its parts, as scopes are.
func (v *claimsOf) list(name string) []string {
	raw := v.value(name)
	if s, ok := wire.Unquote(raw); ok {
		return strings.Fields(s)
	}
	return names(raw, func(el []byte) string { s, _ := wire.Unquote(el); return s })
}

// whole returns a claim that is a list of texts, or one text as it is: aliases
// may have blanks in them.
func (v *claimsOf) whole(name string) []string {
	if s := v.text(name); s != "" {
		return []string{s}
	}
	return v.list(name)
}
