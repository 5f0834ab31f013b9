package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// organizationWithPeople is an organization with its members and teams.
type organizationWithPeople struct {
	organizationRow
	Members []orgMemberRow `json:"members"`
	Teams   []teamRow      `json:"teams"`
}

// orgMemberRow is a user's place in an organization.
type orgMemberRow struct {
	UserID         string     `json:"user_id"`
	OrganizationID string     `json:"organization_id"`
	Role           *string    `json:"user_role"`
	Spend          usd        `json:"spend"` // in the organization
	BudgetID       *string    `json:"budget_id"`
	Email          *string    `json:"user_email"`
	User           *userRow   `json:"user"`
	BudgetTable    *budgetRow `json:"litellm_budget_table"`
	CreatedAt      *time.Time `json:"created_at"`
	UpdatedAt      *time.Time `json:"updated_at"`
}

func (a *API) orgMemberRow(o *gateway.Organization, m *gateway.Member) orgMemberRow {
	l := &m.Limits
	if lent := a.directory.OrganizationMember(o.ID, m.UserID); lent != nil {
		l = &lent.Limits
	}
	return orgMemberRow{
		Spend:  usd(a.live(OrgMemberEntity, gateway.MemberID(o.ID, m.UserID), &m.Spend, l, a.now(), o.CreatedAt)),
		UserID: m.UserID, OrganizationID: o.ID, Role: text(m.Role), BudgetID: text(m.BudgetID), Email: text(m.Email),
		BudgetTable: a.budgetTable(m.BudgetID, &m.Limits, o.CreatedAt), CreatedAt: stamp(o.CreatedAt), UpdatedAt: stamp(o.UpdatedAt),
	}
}

// organizationWithPeople is what the audit log keeps of an organization.
func (a *API) organizationWithPeople(o *gateway.Organization) *organizationWithPeople {
	out := &organizationWithPeople{organizationRow: a.organizationRow(o), Members: []orgMemberRow{}, Teams: []teamRow{}}
	for i := range o.Members {
		out.Members = append(out.Members, a.orgMemberRow(o, &o.Members[i]))
	}
	return out
}

// show returns an organization with what the caller may see of its people: its
// admins see all of them, its members themselves and their own teams.
func (a *API) showOrganization(p *gateway.Principal, o *gateway.Organization, teams []*gateway.Team) *organizationWithPeople {
	out := &organizationWithPeople{organizationRow: a.organizationRow(o), Members: []orgMemberRow{}, Teams: []teamRow{}}
	everybody := a.directory.MayOrganization(p, auth.Change, o.ID, o) == nil || a.directory.MayAdmin(p, auth.See) == nil
	for i := range o.Members {
		m := &o.Members[i]
		if !everybody && m.UserID != p.UserID() {
			continue
		}
		row := a.orgMemberRow(o, m)
		if u := a.directory.User(m.UserID); u != nil {
			user := a.userRow(u)
			row.User, row.Email = &user, text(u.Email)
		}
		out.Members = append(out.Members, row)
	}
	for _, t := range teams {
		if everybody || a.directory.MayTeam(p, auth.See, t.ID, t) == nil {
			out.Teams = append(out.Teams, a.teamRow(t))
		}
	}
	return out
}

func (a *API) organizationInfo(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("organization_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("organization_id", "organization_id is missing: say which organization to show with ?organization_id=")
	}
	ctx := r.Context()
	o, err := a.organizationFor(ctx, p, auth.See, "organization_id", id)
	if err != nil {
		return nil, err
	}
	teams, err := a.teamsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.showOrganization(p, o, teams), nil
}

// organizationsBody is the body of POST /organization/info.
type organizationsBody struct {
	IDs Opt[[]string] `json:"organizations"`
	unknown
}

// organizationInfos is how older clients ask for several organizations.
func (a *API) organizationInfos(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b organizationsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ids, err := idList("organizations", b.IDs.Value)
	if err != nil {
		return nil, err
	}
	rows := []organizationRow{}
	for _, id := range ids {
		o, err := a.organizationFor(r.Context(), p, auth.See, "organizations", id)
		if err != nil {
			return nil, err
		}
		rows = append(rows, a.organizationRow(o))
	}
	return rows, nil
}

// listOrganizations shows the organizations that the caller is in, admins all of
// them, up to a thousand unless pages are asked for.
func (a *API) listOrganizations(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id, alias, page := q.text("org_id"), q.text("org_alias"), q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	f := store.OrganizationFilter{}
	if v := a.directory.View(p); !v.All {
		f.IDs = []string{}
		if u := a.directory.User(v.UserID); u != nil {
			f.IDs = slices.Clone(u.Organizations)
		}
	}
	if id != "" {
		f.IDs = both(f.IDs, []string{id})
	}
	f.Search = alias // a part of the id will do as well
	ctx := r.Context()
	organizations, total, err := a.store.ListOrganizations(ctx, f, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(organizations), total)
	teams, err := a.teamsByOrganization(ctx, organizations)
	if err != nil {
		return nil, err
	}
	rows := []*organizationWithPeople{}
	for _, o := range organizations {
		if a.directory.MayOrganization(p, auth.See, o.ID, o) == nil {
			rows = append(rows, a.showOrganization(p, o, teams[o.ID]))
		}
	}
	return rows, nil
}

// teamsByOrganization returns the teams of several organizations.
func (a *API) teamsByOrganization(ctx context.Context, organizations []*gateway.Organization) (map[string][]*gateway.Team, error) {
	out := map[string][]*gateway.Team{}
	if len(organizations) == 0 {
		return out, nil
	}
	var f store.TeamFilter
	f.Of = &store.TeamOwners{}
	for _, o := range organizations {
		f.Of.OrganizationIDs = append(f.Of.OrganizationIDs, o.ID)
	}
	for n := 0; ; {
		teams, total, err := a.store.ListTeams(ctx, f, store.Page{Offset: n, Limit: maxTeams, Sort: "team_id"})
		if err != nil {
			return nil, err
		}
		for _, t := range teams {
			out[t.OrganizationID] = append(out[t.OrganizationID], t)
		}
		if n += len(teams); len(teams) == 0 || n >= total {
			return out, nil
		}
	}
}

// orgMembersBody is the body of POST /organization/member_add.
type orgMembersBody struct {
	ID        Opt[string]    `json:"organization_id"`
	Member    Opt[oneOrMore] `json:"member"`
	MaxBudget Opt[usd]       `json:"max_budget_in_organization"`
	unknown
}

func (b orgMembersBody) unknownFields() map[string]jsontext.Value {
	return nested(b.Unknown, "member", b.Member.Value.members)
}

type orgMembersAdded struct {
	ID          string         `json:"organization_id"`
	Users       []userRow      `json:"updated_users"`
	Memberships []orgMemberRow `json:"updated_organization_memberships"`
}

func checkOrgRole(field, role string) error {
	switch gateway.Role(role) {
	case gateway.OrgAdmin, gateway.InternalUser, gateway.InternalUserViewer:
		return nil
	}
	return malformed(field, "%s: want org_admin, internal_user or internal_user_viewer, got '%s'", field, shorten([]byte(role)))
}

func orgMemberIn(o *gateway.Organization, user string) *gateway.Member {
	i := slices.IndexFunc(o.Members, func(m gateway.Member) bool { return m.UserID == user && user != "" })
	if i < 0 {
		return nil
	}
	return &o.Members[i]
}

// addOrgMembers puts people into an organization, making users of them.
func (a *API) addOrgMembers(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b orgMembersBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	people, id := b.Member.Value.members, b.ID.Or("")
	switch {
	case id == "":
		return nil, malformed("organization_id", "organization_id is missing: say which organization to put somebody into")
	case len(people) == 0:
		return nil, malformed("member", "member is missing: pass %s", oneOrMore{}.want())
	case len(people) > maxMembers:
		return nil, invalid("member", "member: %d members are too many, at most %d can be added at once", len(people), maxMembers)
	}
	for i := range people {
		m := &people[i]
		if m.UserID == "" && m.Email == "" {
			return nil, malformed("member", "member: every member needs a user_id or a user_email")
		}
		if err := checkTexts("member", []string{m.UserID, m.Email}); err != nil {
			return nil, err
		}
		if err := checkOrgRole("member.role", m.Role); err != nil {
			return nil, err
		}
	}
	ctx := r.Context()
	o, err := a.organizationFor(ctx, p, auth.Change, "organization_id", id)
	if err != nil {
		return nil, err
	}
	users := make([]*gateway.User, len(people))
	for i := range people { // before any user is made
		if err := a.mayJoin(ctx, p, o, &people[i]); err != nil {
			return nil, err
		}
	}
	for i := range people {
		if users[i], err = a.ensureUser(r, p, &people[i], a.now()); err != nil {
			return nil, err
		}
	}
	o, err = a.editOrganization(r, p, id, func(o *gateway.Organization) error {
		for i, u := range users {
			if orgMemberIn(o, u.ID) != nil {
				return alreadyInOrganization(o, u)
			}
			m := gateway.Member{UserID: u.ID, Email: u.Email, Role: people[i].Role}
			setMoney(&m.Limits.Budget, b.MaxBudget)
			o.Members = append(o.Members, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &orgMembersAdded{ID: id, Users: []userRow{}, Memberships: []orgMemberRow{}}
	var changes []Change
	for i, u := range users {
		if users[i], err = a.editOrganizations(ctx, u.ID, func(have []string) []string {
			if slices.Contains(have, id) {
				return have
			}
			return append(have, id)
		}); err != nil {
			return nil, err
		}
		changes = append(changes, Change{Entity: UserEntity, ID: u.ID})
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	for _, u := range users {
		out.Users = append(out.Users, a.userRow(u))
		out.Memberships = append(out.Memberships, a.orgMemberRow(o, orgMemberIn(o, u.ID)))
	}
	return out, nil
}

func alreadyInOrganization(o *gateway.Organization, u *gateway.User) error {
	return invalid("member", "User %s is already in organization %s. Change the role with /organization/member_update.", u.ID, o.ID)
}

// mayJoin refuses people that the caller may not put into the organization: its
// admins may change every user in it, so they must not bring in whom they please.
func (a *API) mayJoin(ctx context.Context, p *gateway.Principal, o *gateway.Organization, m *member) error {
	var u *gateway.User
	var err error
	if m.UserID != "" {
		u, err = a.store.User(ctx, m.UserID)
	} else {
		u, err = a.store.UserByEmail(ctx, m.Email)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil // made by this call
	case err != nil:
		return err
	case orgMemberIn(o, u.ID) != nil:
		return alreadyInOrganization(o, u)
	case isAdmin(p) || a.directory.MayUser(p, auth.Change, u.ID, u) == nil:
		return nil
	}
	return &gateway.Error{
		Kind: gateway.Forbidden, Type: "auth_error", Param: "member",
		Message: "Only proxy admins can put users into an organization who are in none of yours. Ask one to add " + m.UserID + m.Email,
	}
}

// editOrganizations changes the organizations that a user is noted with.
func (a *API) editOrganizations(ctx context.Context, user string, edit func([]string) []string) (*gateway.User, error) {
	return a.store.UpdateUser(ctx, user, func(u *gateway.User) error {
		u.Organizations = edit(u.Organizations)
		u.UpdatedAt = a.now()
		return nil
	})
}

// orgMemberBody is the body of PATCH /organization/member_update and of DELETE
// /organization/member_delete.
type orgMemberBody struct {
	ID        Opt[string] `json:"organization_id"`
	UserID    Opt[string] `json:"user_id"`
	Email     Opt[string] `json:"user_email"`
	Role      Opt[string] `json:"role"`
	MaxBudget Opt[usd]    `json:"max_budget_in_organization"`
	unknown
}

// orgMember reads which member of which organization a request is about.
func (a *API) orgMember(w http.ResponseWriter, r *http.Request, p *gateway.Principal, b *orgMemberBody) (*gateway.Organization, string, error) {
	if err := read(w, r, b); err != nil {
		return nil, "", err
	}
	id, user, email := b.ID.Or(""), b.UserID.Or(""), b.Email.Or("")
	switch {
	case id == "":
		return nil, "", malformed("organization_id", "organization_id is missing: say which organization")
	case user == "" && email == "":
		return nil, "", malformed("user_id", "user_id is missing: say which member by user_id or user_email")
	}
	o, err := a.organizationFor(r.Context(), p, auth.Change, "organization_id", id)
	if err != nil {
		return nil, "", err
	}
	for i := range o.Members {
		m := &o.Members[i]
		same := m.UserID == user
		if user == "" {
			u := a.directory.User(m.UserID)
			same = strings.EqualFold(m.Email, email) || u != nil && strings.EqualFold(u.Email, email)
		}
		if same {
			return o, m.UserID, nil
		}
	}
	return nil, "", &gateway.Error{
		Kind: gateway.NotFound, Param: "user_id",
		Message: "Member not found in organization " + id + ", passed user_id=" + user + " user_email=" + email,
	}
}

func (a *API) updateOrgMember(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b orgMemberBody
	o, user, err := a.orgMember(w, r, p, &b)
	if err != nil {
		return nil, err
	}
	if b.Role.Sent {
		if err := checkOrgRole("role", b.Role.Or("")); err != nil {
			return nil, err
		}
	}
	o, err = a.editOrganization(r, p, o.ID, func(o *gateway.Organization) error {
		m := orgMemberIn(o, user)
		if m == nil {
			return store.ErrNotFound
		}
		setText(&m.Role, b.Role)
		setMoney(&m.Limits.Budget, b.MaxBudget)
		return nil
	})
	if err != nil {
		return nil, err
	}
	row := a.orgMemberRow(o, orgMemberIn(o, user))
	return &row, nil
}

func (a *API) deleteOrgMember(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b orgMemberBody
	o, user, err := a.orgMember(w, r, p, &b)
	if err != nil {
		return nil, err
	}
	row := a.orgMemberRow(o, orgMemberIn(o, user))
	id, ctx := o.ID, r.Context()
	if _, err := a.editOrganization(r, p, id, func(o *gateway.Organization) error {
		o.Members = slices.DeleteFunc(o.Members, func(m gateway.Member) bool { return m.UserID == user })
		return nil
	}); err != nil {
		return nil, err
	}
	_, err = a.editOrganizations(ctx, user, func(have []string) []string {
		return slices.DeleteFunc(slices.Clone(have), func(o string) bool { return o == id })
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &row, nil // the user is gone already
	case err != nil:
		return nil, err
	}
	return &row, a.changed(ctx, Change{Entity: UserEntity, ID: user})
}
