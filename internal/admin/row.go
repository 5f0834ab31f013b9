package admin

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// none is a field that LiteLLM has and we do not: always null. Clients read
// these fields without asking whether they are there.
type none = *struct{}

// empty is such a field that is an object: always {}.
type empty struct {
	_ struct{} `json:"-"`
}

// MarshalJSONTo writes {}.
func (empty) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteValue(jsontext.Value("{}"))
}

// keyRow is a key as the management API shows it.
type keyRow struct {
	limitsRow
	Token              string              `json:"token,omitzero"` // not in /key/info
	KeyName            *string             `json:"key_name"`
	KeyAlias           *string             `json:"key_alias"`
	SoftBudgetCooldown bool                `json:"soft_budget_cooldown"`
	Spend              usd                 `json:"spend"`
	TotalSpend         usd                 `json:"total_spend"`
	Expires            *time.Time          `json:"expires"`
	Models             []string            `json:"models"`
	Aliases            map[string]string   `json:"aliases"`
	Config             empty               `json:"config"`
	UserID             *string             `json:"user_id"`
	TeamID             *string             `json:"team_id"`
	AgentID            none                `json:"agent_id"`
	ProjectID          *string             `json:"project_id"`
	OrganizationID     *string             `json:"organization_id"`
	Permissions        jsontext.Value      `json:"permissions"`
	Metadata           jsontext.Value      `json:"metadata"`
	Tags               []string            `json:"tags"`
	Blocked            bool                `json:"blocked"`
	CacheControls      []string            `json:"allowed_cache_controls"`
	AllowedRoutes      []string            `json:"allowed_routes"`
	AllowedIPs         []string            `json:"allowed_ips"`
	EnforcedParams     []string            `json:"enforced_params"`
	AccessGroupIDs     []string            `json:"access_group_ids"`
	BudgetFallbacks    map[string][]string `json:"budget_fallbacks"`
	KeyType            string              `json:"key_type"`
	ModelSpend         empty               `json:"model_spend"`
	BudgetID           *string             `json:"budget_id"`
	RouterSettings     jsontext.Value      `json:"router_settings"`
	CreatedAt          *time.Time          `json:"created_at"`
	CreatedBy          *string             `json:"created_by"`
	UpdatedAt          *time.Time          `json:"updated_at"`
	UpdatedBy          *string             `json:"updated_by"`
	LastActive         *time.Time          `json:"last_active"`
	RotationCount      int64               `json:"rotation_count"`
	AutoRotate         bool                `json:"auto_rotate"`
	RotationInterval   *string             `json:"rotation_interval"`
	LastRotationAt     *time.Time          `json:"last_rotation_at"`
	KeyRotationAt      *time.Time          `json:"key_rotation_at"`
	Status             string              `json:"status"`
	BudgetTable        *sharedBudget       `json:"litellm_budget_table"`
	ObjectPermission   jsontext.Value      `json:"object_permission"`
}

func (a *API) keyRow(k *gateway.Key) keyRow {
	now := a.now()
	return keyRow{
		limitsRow: a.limitsRow(&k.Limits, now, k.CreatedAt),
		Token:     k.Hash, KeyName: text(k.Name), KeyAlias: text(k.Alias),
		Spend:      usd(a.live(KeyEntity, k.Hash, &k.Spend, &k.Limits, now, k.CreatedAt)),
		TotalSpend: usd(k.Spend.Total),
		Expires:    stamp(k.Expires), Models: list(k.Models), Aliases: k.Aliases,
		UserID: text(k.UserID), TeamID: text(k.TeamID), OrganizationID: text(k.OrganizationID), ProjectID: text(k.ProjectID),
		Permissions: obj(k.Permissions), Tags: list(k.Tags), Blocked: k.Blocked,
		Metadata: a.withLogging(metadataRow(k.Metadata, &k.Limits, shownMeta{
			Tags: k.Tags, EnforcedParams: k.EnforcedParams, EndUserBudgetID: k.EndUserBudgetID, ServiceAccount: k.ServiceAccountID,
		}), k.Logging, keyPlace(k.Hash)),
		CacheControls: list(k.CacheControls), AllowedRoutes: list(k.AllowedRoutes), AllowedIPs: list(k.AllowedIPs), EnforcedParams: list(k.EnforcedParams),
		AccessGroupIDs: list(k.AccessGroupIDs), BudgetFallbacks: k.BudgetFallbacks, KeyType: keyType(k),
		BudgetID: text(k.BudgetID), BudgetTable: a.sharedBudget(k.BudgetID), RouterSettings: obj(k.RouterSettings),
		CreatedAt: stamp(k.CreatedAt), CreatedBy: text(k.CreatedBy),
		UpdatedAt: stamp(k.UpdatedAt), UpdatedBy: text(k.UpdatedBy), LastActive: stamp(k.LastActive),
		RotationCount: k.Rotation.Count, AutoRotate: k.Rotation.Auto, RotationInterval: text(k.Rotation.Interval),
		LastRotationAt: stamp(k.Rotation.Last), KeyRotationAt: stamp(k.Rotation.Next),
		Status: keyStatus(k, now), ObjectPermission: objOrNull(k.ObjectPermission),
	}
}

// sharedBudget is a budget that several objects refer to, as rows of them show it.
type sharedBudget struct {
	BudgetID      string   `json:"budget_id"`
	AllowedModels []string `json:"allowed_models"`
	limitsRow
}

// sharedBudget returns the budget with the id, nil if there is none.
func (a *API) sharedBudget(id string) *sharedBudget {
	b := a.directory.Budget(id)
	if b == nil {
		return nil
	}
	return &sharedBudget{b.ID, list(b.AllowedModels), a.limitsRow(&b.Limits, a.now(), b.CreatedAt)}
}

// objOrNull is null for an object that was never set.
func objOrNull(b []byte) jsontext.Value {
	if len(b) == 0 {
		return jsontext.Value("null")
	}
	return jsontext.Value(b)
}

func keyType(k *gateway.Key) string {
	if k.Type == "" {
		return "default"
	}
	return k.Type
}

func keyStatus(k *gateway.Key, now time.Time) string {
	switch {
	case k.Blocked:
		return "revoked"
	case !k.Expires.IsZero() && k.Expires.Before(now):
		return "expired"
	}
	return "active"
}

// userRow is a user as the management API shows it.
type userRow struct {
	limitsRow
	UserID        string         `json:"user_id"`
	UserAlias     *string        `json:"user_alias"`
	UserEmail     *string        `json:"user_email"`
	UserRole      *string        `json:"user_role"`
	TeamID        none           `json:"team_id"`
	Teams         []string       `json:"teams"`
	Organization  *string        `json:"organization_id"`
	Organizations []string       `json:"organizations"`
	Models        []string       `json:"models"`
	Spend         usd            `json:"spend"`
	TotalSpend    usd            `json:"total_spend"`
	Metadata      jsontext.Value `json:"metadata"`
	CacheControls []string       `json:"allowed_cache_controls"`
	Blocked       bool           `json:"blocked"`
	ModelSpend    empty          `json:"model_spend"`
	SSOUserID     *string        `json:"sso_user_id"`
	ObjPermission jsontext.Value `json:"object_permission"`
	CreatedAt     *time.Time     `json:"created_at"`
	UpdatedAt     *time.Time     `json:"updated_at"`
}

func (a *API) userRow(u *gateway.User) userRow {
	now := a.now()
	return userRow{
		limitsRow: a.limitsRow(&u.Limits, now, u.CreatedAt),
		UserID:    u.ID, UserAlias: text(u.Alias), UserEmail: text(u.Email), UserRole: text(string(u.Role)),
		Teams: list(u.Teams), Organization: text(u.OrganizationID), Organizations: list(u.Organizations), Models: list(u.Models),
		Spend:      usd(a.live(UserEntity, u.ID, &u.Spend, &u.Limits, now, u.CreatedAt)),
		TotalSpend: usd(u.Spend.Total),
		Metadata:   metadataRow(u.Metadata, &u.Limits, shownMeta{}), CacheControls: list(u.CacheControls), Blocked: u.Blocked,
		SSOUserID: text(u.SSOID), ObjPermission: objOrNull(u.ObjectPermission),
		CreatedAt: stamp(u.CreatedAt), UpdatedAt: stamp(u.UpdatedAt),
	}
}

// memberRow is a member of a team.
type memberRow struct {
	UserID    *string `json:"user_id"`
	UserEmail *string `json:"user_email"`
	Role      string  `json:"role"`
}

// teamRow is a team as the management API shows it.
type teamRow struct {
	limitsRow
	TeamID            string            `json:"team_id"`
	TeamAlias         *string           `json:"team_alias"`
	OrganizationID    *string           `json:"organization_id"`
	Admins            []string          `json:"admins"`
	Members           []string          `json:"members"`
	MembersWithRoles  []memberRow       `json:"members_with_roles"`
	MemberPermissions []string          `json:"team_member_permissions"`
	MemberModels      []string          `json:"default_team_member_models"`
	Metadata          jsontext.Value    `json:"metadata"`
	Tags              []string          `json:"tags"`
	Models            []string          `json:"models"`
	ModelAliases      map[string]string `json:"model_aliases"`
	AccessGroupIDs    []string          `json:"access_group_ids"`
	AllowedIPs        []string          `json:"allowed_ips"`
	EnforcedParams    []string          `json:"enforced_params"`
	Blocked           bool              `json:"blocked"`
	Spend             usd               `json:"spend"`
	TotalSpend        usd               `json:"total_spend"`
	RouterSettings    jsontext.Value    `json:"router_settings"`
	ModelID           none              `json:"model_id"`
	ModelTable        *modelTableRow    `json:"litellm_model_table"`
	ObjPermission     jsontext.Value    `json:"object_permission"`
	CreatedAt         *time.Time        `json:"created_at"`
	CreatedBy         *string           `json:"created_by"`
	UpdatedAt         *time.Time        `json:"updated_at"`
	UpdatedBy         *string           `json:"updated_by"`
}

// modelTableRow is where LiteLLM's clients look for the aliases of a team.
type modelTableRow struct {
	ModelAliases map[string]string `json:"model_aliases"`
}

func (a *API) teamRow(t *gateway.Team) teamRow {
	now := a.now()
	members := make([]memberRow, len(t.Members))
	for i, m := range t.Members {
		members[i] = memberRow{text(m.UserID), text(m.Email), m.Role}
	}
	row := teamRow{
		limitsRow: a.limitsRow(&t.Limits, now, t.CreatedAt),
		TeamID:    t.ID, TeamAlias: text(t.Alias), OrganizationID: text(t.OrganizationID),
		Admins: []string{}, Members: []string{}, MembersWithRoles: members, MemberPermissions: list(t.MemberPermissions), MemberModels: list(t.MemberModels),
		Metadata: a.teamMetadata(t), Tags: list(t.Tags), AccessGroupIDs: list(t.AccessGroupIDs), AllowedIPs: list(t.AllowedIPs),
		EnforcedParams: list(t.EnforcedParams), Models: list(t.Models), ModelAliases: t.ModelAliases, Blocked: t.Blocked,
		Spend:      usd(a.live(TeamEntity, t.ID, &t.Spend, &t.Limits, now, t.CreatedAt)),
		TotalSpend: usd(t.Spend.Total), RouterSettings: obj(t.RouterSettings), ObjPermission: objOrNull(t.ObjectPermission),
		CreatedAt: stamp(t.CreatedAt), CreatedBy: text(t.CreatedBy), UpdatedAt: stamp(t.UpdatedAt), UpdatedBy: text(t.UpdatedBy),
	}
	if len(t.ModelAliases) > 0 {
		row.ModelTable = &modelTableRow{t.ModelAliases}
	}
	return row
}

func (a *API) teamMetadata(t *gateway.Team) jsontext.Value {
	m := metadataRow(t.Metadata, &t.Limits, shownMeta{Tags: t.Tags, EnforcedParams: t.EnforcedParams})
	return a.withLogging(setMember(m, memberBudgetField, quote(t.MemberBudgetID)), t.Logging, teamPlace(t.ID))
}

// text is null for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// stamp is RFC 3339 in UTC, and null for the zero time and for times that RFC
// 3339 cannot write.
func stamp(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() > 9999 {
		return nil
	}
	return &t
}

// obj is {} for an object that was never set.
func obj(b []byte) jsontext.Value {
	if len(b) == 0 {
		return jsontext.Value("{}")
	}
	return jsontext.Value(b)
}

// list is a copy, [] for nil.
func list(s []string) []string { return append([]string{}, s...) }
