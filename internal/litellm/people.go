package litellm

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/secret"
)

// authorship are the columns that most tables end with.
type authorship struct {
	CreatedAt moment `json:"created_at"`
	CreatedBy string `json:"created_by"`
	UpdatedAt moment `json:"updated_at"`
	UpdatedBy string `json:"updated_by"`
}

func (a *authorship) set(m *remarks, created *time.Time, createdBy *string, updated *time.Time, updatedBy *string) {
	*created, *updated = a.CreatedAt.time("created_at", m), a.UpdatedAt.time("updated_at", m)
	if createdBy != nil {
		*createdBy = a.CreatedBy
	}
	if updatedBy != nil {
		*updatedBy = a.UpdatedBy
	}
}

// budgetWindow is what of a shared budget tells when it begins anew.
type budgetWindow struct {
	duration string
	reset    time.Time
	models   map[string]gateway.ModelLimits
}

type budgetRow struct {
	ceilings
	authorship
	ID            string   `json:"budget_id"`
	AllowedModels []string `json:"allowed_models"`
	Raise         dollars  `json:"temp_budget_increase"`
	RaiseUntil    moment   `json:"temp_budget_expiry"`
}

func (im *importer) importBudgets(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_BudgetTable", "budget_id", "", func(row *budgetRow, m *remarks) (string, any, []byte) {
		b := &gateway.Budget{ID: row.ID, Limits: row.limits(m), AllowedModels: some(row.AllowedModels)}
		l := lifted{Raise: row.Raise, RaiseUntil: row.RaiseUntil}
		l.raise(&b.Limits, m)
		row.set(m, &b.CreatedAt, &b.CreatedBy, &b.UpdatedAt, &b.UpdatedBy)
		im.budgets[row.ID] = budgetWindow{b.Limits.BudgetDuration, row.ResetAt.time("budget_reset_at", m), b.Limits.Models}
		return row.ID, b, nil
	})
}

// some is a list, nil if it is empty.
func some(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// membership is a user's place in a team.
type membership struct {
	UserID   string  `json:"user_id"`
	TeamID   string  `json:"team_id"`
	Spend    dollars `json:"spend"`
	Total    dollars `json:"total_spend"`
	BudgetID string  `json:"budget_id"`
}

type orgMembership struct {
	UserID   string `json:"user_id"`
	OrgID    string `json:"organization_id"`
	Role     string `json:"user_role"`
	BudgetID string `json:"budget_id"`
}

const (
	placesTable = "LiteLLM_TeamMembership"
	orgsTable   = "LiteLLM_OrganizationMembership"
)

// readPlaces reads who is where: they become part of teams and organizations.
func (im *importer) readPlaces(ctx context.Context) error {
	err := read(ctx, im, placesTable, "team_id, user_id", "", func(_ []byte, p *membership, err error) error {
		im.r.table(placesTable).Read++
		if err != nil {
			im.skipPlace(placesTable, "the row cannot be read: "+unreadable(err), "")
			return nil
		}
		im.places[p.TeamID] = append(im.places[p.TeamID], *p)
		return nil
	})
	if err != nil {
		return err
	}
	return read(ctx, im, orgsTable, "organization_id, user_id", "", func(_ []byte, p *orgMembership, err error) error {
		t := im.r.table(orgsTable)
		t.Read++
		if err != nil {
			im.skipPlace(orgsTable, "the row cannot be read: "+unreadable(err), "")
			return nil
		}
		t.count(short(p.UserID), &remarks{}, 0)
		im.orgMembers[p.OrgID] = append(im.orgMembers[p.OrgID], *p)
		im.orgsOf[p.UserID] = append(im.orgsOf[p.UserID], p.OrgID)
		return nil
	})
}

func (im *importer) skipPlace(table, why, id string) {
	im.r.table(table).count(short(id), &remarks{skip: why}, 0)
}

// readTwins finds what several rows have that here only one can.
func (im *importer) readTwins(ctx context.Context) error {
	twins := func(table, column, id string) (map[string]string, error) {
		out := map[string]string{}
		if !im.has(table, column) {
			return out, nil
		}
		rows, err := im.tx.QueryContext(ctx, "SELECT "+column+", min("+id+") FROM "+quoted(table)+" WHERE "+column+" <> '' GROUP BY 1 HAVING count(*) > 1") //nolint:gosec // G202: names of tables and columns, ours and quoted
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
		return out, each(rows, func(r *sql.Rows) error {
			var value, first string
			err := r.Scan(&value, &first)
			out[value] = first
			return err
		})
	}
	var err error
	if im.aliases, err = twins(keysTable, "key_alias", "token"); err != nil {
		return err
	}
	if im.has("LiteLLM_UserTable", "user_email") {
		// In any case of letters.
		im.emails = map[string]string{}
		rows, qerr := im.tx.QueryContext(ctx, `SELECT lower(user_email), min(user_id) FROM "LiteLLM_UserTable" WHERE user_email <> '' GROUP BY 1 HAVING count(*) > 1`)
		if qerr != nil {
			return fmt.Errorf("read LiteLLM_UserTable: %w", qerr)
		}
		err = each(rows, func(r *sql.Rows) error {
			var value, first string
			err := r.Scan(&value, &first)
			im.emails[value] = first
			return err
		})
	}
	return err
}

// permissions selects an object's rights on tools and stores as a further member
// of its row.
func (im *importer) permissions(table string) string {
	im.done[permissionsTable] = true
	if !im.has(table, "object_permission_id") || im.tables[permissionsTable] == nil {
		return ""
	}
	return ` || jsonb_build_object('object_permission', (SELECT jsonb_strip_nulls(to_jsonb(o)) FROM "LiteLLM_ObjectPermissionTable" o WHERE o.object_permission_id = t.object_permission_id))`
}

// permission is what such a member holds.
func permission(v jsontext.Value, m *remarks) []byte {
	var asked []member
	for _, f := range members(v) {
		if f.name != "object_permission_id" && asks(f.value) {
			asked = append(asked, f)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	m.note("object_permission is kept, and nothing acts on it")
	return joined(asked)
}

type organizationRow struct {
	authorship
	ID         string         `json:"organization_id"`
	Alias      string         `json:"organization_alias"`
	BudgetID   string         `json:"budget_id"`
	Metadata   jsontext.Value `json:"metadata"`
	Models     []string       `json:"models"`
	Permission jsontext.Value `json:"object_permission"`
}

const organizationsTable = "LiteLLM_OrganizationTable"

func (im *importer) importOrganizations(ctx context.Context) error {
	return load(ctx, im, organizationsTable, "organization_id", im.permissions(organizationsTable), func(row *organizationRow, m *remarks) (string, any, []byte) {
		o := &gateway.Organization{ID: row.ID, Alias: row.Alias, BudgetID: row.BudgetID, Models: some(row.Models), ObjectPermission: permission(row.Permission, m)}
		l, rest := lift(row.Metadata, liftedNames[:7], m)
		o.Metadata = rest
		l.apply(&o.Limits, m)
		for _, p := range im.orgMembers[row.ID] {
			o.Members = append(o.Members, gateway.Member{UserID: p.UserID, Role: p.Role, BudgetID: p.BudgetID})
		}
		row.set(m, &o.CreatedAt, &o.CreatedBy, &o.UpdatedAt, &o.UpdatedBy)
		return row.ID, o, nil
	})
}

type teamRow struct {
	ceilings
	authorship
	ID                string            `json:"team_id"`
	Alias             string            `json:"team_alias"`
	OrganizationID    string            `json:"organization_id"`
	Admins            []string          `json:"admins"`
	Members           []string          `json:"members"`
	Roles             jsontext.Value    `json:"members_with_roles"`
	Metadata          jsontext.Value    `json:"metadata"`
	Models            []string          `json:"models"`
	Blocked           bool              `json:"blocked"`
	RouterSettings    jsontext.Value    `json:"router_settings"`
	MemberPermissions []string          `json:"team_member_permissions"`
	AccessGroups      []string          `json:"access_group_ids"`
	Policies          []string          `json:"policies"`
	MemberModels      []string          `json:"default_team_member_models"`
	ModelAliases      map[string]string `json:"model_aliases"`
	Permission        jsontext.Value    `json:"object_permission"`
}

const teamsTable = "LiteLLM_TeamTable"

func (im *importer) importTeams(ctx context.Context) error {
	var more strings.Builder
	more.WriteString(im.permissions(teamsTable))
	im.done[aliasesTable] = true
	for _, column := range []string{"aliases", "model_aliases"} {
		if im.has(teamsTable, "model_id") && im.has("LiteLLM_ModelTable", column) {
			more.WriteString(` || jsonb_build_object('model_aliases', (SELECT CASE WHEN jsonb_typeof(a."` + column + `") = 'object' THEN a."` + column + `" END FROM "LiteLLM_ModelTable" a WHERE a.id = t.model_id))`)
			break
		}
	}
	err := load(ctx, im, teamsTable, "team_id", more.String(), im.team)
	for _, team := range sortedKeys(im.places) {
		// What is left belongs to no team.
		im.gone[teamsTable+":"+team] = true
		for _, p := range im.places[team] {
			im.skipPlace(placesTable, "its team is not here", p.UserID)
		}
	}
	clear(im.places)
	return err
}

func (im *importer) team(row *teamRow, m *remarks) (string, any, []byte) {
	t := &gateway.Team{
		ID: row.ID, Alias: row.Alias, OrganizationID: row.OrganizationID, Models: some(row.Models), Blocked: row.Blocked,
		RouterSettings: object(row.RouterSettings), MemberPermissions: some(row.MemberPermissions), AccessGroupIDs: some(row.AccessGroups),
		MemberModels: some(row.MemberModels), ObjectPermission: permission(row.Permission, m), Limits: row.limits(m),
	}
	if len(row.ModelAliases) > 0 {
		t.ModelAliases = row.ModelAliases
	}
	l, rest := lift(row.Metadata, slices.DeleteFunc(slices.Clone(liftedNames), func(n string) bool { return n == "end_user_budget_id" || n == "service_account_id" }), m)
	logging, plain, rest := im.logging(rest, secret.Logging("team", row.ID), m)
	t.Metadata, t.Tags, t.EnforcedParams, t.MemberBudgetID = rest, some(l.Tags), some(l.EnforcedParams), l.MemberBudget
	l.apply(&t.Limits, m)
	if len(row.Policies) > 0 {
		m.note("policies are not brought: there are none here")
	}
	t.Members = im.teamMembers(row, m)
	row.set(m, &t.CreatedAt, &t.CreatedBy, &t.UpdatedAt, &t.UpdatedBy)
	im.born[row.ID] = t.CreatedAt
	im.budgeted(limit.TeamScope, row.ID, &t.Limits, "", t.CreatedAt)
	if logging == nil {
		return row.ID, t, nil
	}
	digest := withoutSeals{*t, plain}.digest()
	t.Logging = logging
	return row.ID, t, digest
}

// teamMembers are those of members_with_roles, with the budgets of their places.
// Very old teams have their members in two lists.
func (im *importer) teamMembers(row *teamRow, m *remarks) []gateway.Member {
	var roles []struct {
		Role   string `json:"role"`
		UserID string `json:"user_id"`
		Email  string `json:"user_email"`
	}
	if row.Roles.Kind() == '[' {
		if err := json.Unmarshal(row.Roles, &roles); err != nil {
			m.note("members_with_roles cannot be read: the team has the members of its other lists")
			roles = nil
		}
	}
	var out []gateway.Member
	at := map[string]int{}
	add := func(id, email, role string) {
		if _, ok := at[id]; ok || id == "" {
			return
		}
		at[id] = len(out)
		out = append(out, gateway.Member{UserID: id, Email: email, Role: cmp.Or(role, "user")})
	}
	for _, r := range roles {
		if r.UserID == "" {
			m.note("a member without a user id is left out")
		}
		add(r.UserID, r.Email, r.Role)
	}
	if len(roles) == 0 {
		for _, id := range row.Admins {
			add(id, "", "admin")
		}
		for _, id := range row.Members {
			add(id, "", "user")
		}
	}
	t := im.r.table(placesTable)
	for _, p := range im.places[row.ID] {
		i, ok := at[p.UserID]
		if !ok {
			im.skipPlace(placesTable, "the user is not among its team's members", p.UserID)
			continue
		}
		out[i].BudgetID = p.BudgetID
		t.count(short(p.UserID), &remarks{}, 0)
	}
	delete(im.places, row.ID)
	return out
}

type userRow struct {
	ceilings
	ID             string         `json:"user_id"`
	Alias          string         `json:"user_alias"`
	SSOID          string         `json:"sso_user_id"`
	OrganizationID string         `json:"organization_id"`
	Password       string         `json:"password"`
	Teams          []string       `json:"teams"`
	Role           string         `json:"user_role"`
	Email          string         `json:"user_email"`
	Models         []string       `json:"models"`
	Metadata       jsontext.Value `json:"metadata"`
	CacheControls  []string       `json:"allowed_cache_controls"`
	Policies       []string       `json:"policies"`
	CreatedAt      moment         `json:"created_at"`
	UpdatedAt      moment         `json:"updated_at"`
	Permission     jsontext.Value `json:"object_permission"`
}

const (
	usersTable = "LiteLLM_UserTable"
	// allUsers is the row in which LiteLLM keeps what all calls cost.
	allUsers = "litellm-proxy-budget"
)

var roles = []gateway.Role{gateway.ProxyAdmin, gateway.ProxyAdminViewer, gateway.OrgAdmin, gateway.InternalUser, gateway.InternalUserViewer, gateway.TeamRole, gateway.Customer}

func (im *importer) importUsers(ctx context.Context) error {
	return load(ctx, im, usersTable, "user_id", im.permissions(usersTable), func(row *userRow, m *remarks) (string, any, []byte) {
		if row.ID == allUsers {
			m.skip = "it is no user: what it has spent is the gateway's total, and its budget stands in the configuration (litellm_settings.max_budget)"
			return row.ID, nil, nil
		}
		u := &gateway.User{
			ID: row.ID, Alias: row.Alias, Email: row.Email, SSOID: row.SSOID, OrganizationID: row.OrganizationID, Role: gateway.Role(row.Role),
			Models: some(row.Models), Teams: some(row.Teams), Organizations: some(im.orgsOf[row.ID]), CacheControls: some(row.CacheControls),
			ObjectPermission: permission(row.Permission, m), Limits: row.limits(m),
			CreatedAt: row.CreatedAt.time("created_at", m), UpdatedAt: row.UpdatedAt.time("updated_at", m),
		}
		l, rest := lift(row.Metadata, liftedNames[:7], m)
		u.Metadata = rest
		l.apply(&u.Limits, m)
		var scim struct {
			Active *bool `json:"scim_active"`
		}
		if rest != nil && json.Unmarshal(rest, &scim) == nil && scim.Active != nil {
			u.Blocked = !*scim.Active
		}
		if first, ok := im.emails[strings.ToLower(row.Email)]; ok && first != row.ID {
			m.note("another user has the same email: this one has none now")
			u.Email = ""
		}
		if row.Role != "" && !slices.Contains(roles, u.Role) {
			m.note("the role %s is none here: it may do nothing", row.Role)
		}
		if row.Password != "" {
			m.note("the password is not brought: it is kept in another way here, so an admin sets a new one (/user/password/change) or invites the user")
		}
		if len(row.Policies) > 0 {
			m.note("policies are not brought: there are none here")
		}
		im.budgeted(limit.UserScope, row.ID, &u.Limits, "", u.CreatedAt)
		return row.ID, u, nil
	})
}

type projectRow struct {
	authorship
	ID          string                    `json:"project_id"`
	Alias       string                    `json:"project_alias"`
	Description string                    `json:"description"`
	TeamID      string                    `json:"team_id"`
	BudgetID    string                    `json:"budget_id"`
	Metadata    jsontext.Value            `json:"metadata"`
	Models      []string                  `json:"models"`
	ModelRPM    map[string]jsontext.Value `json:"model_rpm_limit"`
	ModelTPM    map[string]jsontext.Value `json:"model_tpm_limit"`
	Blocked     bool                      `json:"blocked"`
	Permission  jsontext.Value            `json:"object_permission"`
}

const projectsTable = "LiteLLM_ProjectTable"

func (im *importer) importProjects(ctx context.Context) error {
	return load(ctx, im, projectsTable, "project_id", im.permissions(projectsTable), func(row *projectRow, m *remarks) (string, any, []byte) {
		p := &gateway.Project{
			ID: row.ID, Alias: row.Alias, Description: row.Description, TeamID: row.TeamID, BudgetID: row.BudgetID, Models: some(row.Models), Blocked: row.Blocked,
		}
		l, rest := lift(row.Metadata, liftedNames[:8], m)
		p.Metadata, p.Tags = rest, some(l.Tags)
		if len(row.ModelRPM) > 0 {
			l.ModelRPM = row.ModelRPM
		}
		if len(row.ModelTPM) > 0 {
			l.ModelTPM = row.ModelTPM
		}
		l.apply(&p.Limits, m)
		if permission(row.Permission, &remarks{}) != nil {
			m.note("object_permission of a project is not brought")
		}
		row.set(m, &p.CreatedAt, &p.CreatedBy, &p.UpdatedAt, &p.UpdatedBy)
		return row.ID, p, nil
	})
}

type endUserRow struct {
	ID           string         `json:"user_id"`
	Alias        string         `json:"alias"`
	Region       string         `json:"allowed_model_region"`
	DefaultModel string         `json:"default_model"`
	Models       []string       `json:"models"`
	BudgetID     string         `json:"budget_id"`
	Blocked      bool           `json:"blocked"`
	Permission   jsontext.Value `json:"object_permission"`
}

const endUsersTable = "LiteLLM_EndUserTable"

func (im *importer) importEndUsers(ctx context.Context) error {
	return load(ctx, im, endUsersTable, "user_id", im.permissions(endUsersTable), func(row *endUserRow, m *remarks) (string, any, []byte) {
		if permission(row.Permission, &remarks{}) != nil {
			m.note("object_permission of an end user is not brought")
		}
		im.budgeted(limit.EndUserScope, row.ID, &gateway.Limits{}, row.BudgetID, time.Time{})
		return row.ID, &gateway.EndUser{
			ID: row.ID, Alias: row.Alias, Region: row.Region, DefaultModel: row.DefaultModel, Models: some(row.Models), BudgetID: row.BudgetID, Blocked: row.Blocked,
		}, nil
	})
}

type tagRow struct {
	authorship
	Name        string   `json:"tag_name"`
	Description string   `json:"description"`
	Models      []string `json:"models"`
	BudgetID    string   `json:"budget_id"`
}

const tagsTable = "LiteLLM_TagTable"

func (im *importer) importTags(ctx context.Context) error {
	return load(ctx, im, tagsTable, "tag_name", "", func(row *tagRow, m *remarks) (string, any, []byte) {
		t := &gateway.Tag{Name: row.Name, Description: row.Description, Models: some(row.Models), BudgetID: row.BudgetID}
		row.set(m, &t.CreatedAt, &t.CreatedBy, &t.UpdatedAt, nil)
		return row.Name, t, nil
	})
}

type groupRow struct {
	authorship
	ID          string   `json:"access_group_id"`
	Name        string   `json:"access_group_name"`
	Description string   `json:"description"`
	Models      []string `json:"access_model_names"`
	MCPServers  []string `json:"access_mcp_server_ids"`
	Agents      []string `json:"access_agent_ids"`
	Teams       []string `json:"assigned_team_ids"`
	Keys        []string `json:"assigned_key_ids"`
}

func (im *importer) importGroups(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_AccessGroupTable", "access_group_id", "", func(row *groupRow, m *remarks) (string, any, []byte) {
		g := &gateway.AccessGroup{ID: row.ID, Name: row.Name, Description: row.Description, Models: some(row.Models), Teams: some(row.Teams), Keys: some(row.Keys)}
		if len(row.MCPServers)+len(row.Agents) > 0 {
			m.note("MCP servers and agents of a group are not brought: there are none here")
		}
		row.set(m, &g.CreatedAt, &g.CreatedBy, &g.UpdatedAt, &g.UpdatedBy)
		return row.ID, g, nil
	})
}

type groupBudgetRow struct {
	authorship
	Name     string `json:"access_group_name"`
	BudgetID string `json:"budget_id"`
}

const groupBudgetsTable = "LiteLLM_ModelAccessGroupBudgetTable"

func (im *importer) importGroupBudgets(ctx context.Context) error {
	return load(ctx, im, groupBudgetsTable, "access_group_name", "", func(row *groupBudgetRow, m *remarks) (string, any, []byte) {
		b := &gateway.GroupBudget{Name: row.Name, BudgetID: row.BudgetID}
		row.set(m, &b.CreatedAt, &b.CreatedBy, &b.UpdatedAt, &b.UpdatedBy)
		return row.Name, b, nil
	})
}
