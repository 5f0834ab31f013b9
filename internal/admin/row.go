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
	Token              string            `json:"token,omitzero"` // not in /key/info
	KeyName            *string           `json:"key_name"`
	KeyAlias           *string           `json:"key_alias"`
	SoftBudgetCooldown bool              `json:"soft_budget_cooldown"`
	Spend              usd               `json:"spend"`
	TotalSpend         usd               `json:"total_spend"`
	Expires            *time.Time        `json:"expires"`
	Models             []string          `json:"models"`
	Aliases            map[string]string `json:"aliases"`
	Config             empty             `json:"config"`
	UserID             *string           `json:"user_id"`
	TeamID             *string           `json:"team_id"`
	AgentID            none              `json:"agent_id"`
	ProjectID          none              `json:"project_id"`
	OrganizationID     *string           `json:"organization_id"`
	Permissions        jsontext.Value    `json:"permissions"`
	Parallel           *int64            `json:"max_parallel_requests"`
	Metadata           jsontext.Value    `json:"metadata"`
	Tags               []string          `json:"tags"`
	Blocked            bool              `json:"blocked"`
	TPM                *int64            `json:"tpm_limit"`
	RPM                *int64            `json:"rpm_limit"`
	MaxBudget          *usd              `json:"max_budget"`
	SoftBudget         *usd              `json:"soft_budget"`
	BudgetDuration     *string           `json:"budget_duration"`
	BudgetResetAt      *time.Time        `json:"budget_reset_at"`
	CacheControls      []string          `json:"allowed_cache_controls"`
	AllowedRoutes      []string          `json:"allowed_routes"`
	KeyType            string            `json:"key_type"`
	ModelSpend         empty             `json:"model_spend"`
	ModelMaxBudget     empty             `json:"model_max_budget"`
	BudgetID           none              `json:"budget_id"`
	CreatedAt          *time.Time        `json:"created_at"`
	CreatedBy          *string           `json:"created_by"`
	UpdatedAt          *time.Time        `json:"updated_at"`
	UpdatedBy          *string           `json:"updated_by"`
	LastActive         *time.Time        `json:"last_active"`
	RotationCount      int               `json:"rotation_count"`
	AutoRotate         bool              `json:"auto_rotate"`
	Status             string            `json:"status"`
	BudgetTable        none              `json:"litellm_budget_table"`
	ObjectPermission   none              `json:"object_permission"`
}

func (a *API) keyRow(k *gateway.Key) keyRow {
	now := a.now()
	_, reset := a.window(k.Limits.BudgetDuration, now, k.CreatedAt)
	return keyRow{
		Token: k.Hash, KeyName: text(k.Name), KeyAlias: text(k.Alias),
		Spend:      usd(a.live(KeyEntity, k.Hash, &k.Spend, &k.Limits, now, k.CreatedAt)),
		TotalSpend: usd(k.Spend.Total),
		Expires:    stamp(k.Expires), Models: list(k.Models), Aliases: k.Aliases,
		UserID: text(k.UserID), TeamID: text(k.TeamID), OrganizationID: text(k.OrganizationID),
		Permissions: obj(k.Permissions), Metadata: obj(k.Metadata), Tags: list(k.Tags), Blocked: k.Blocked,
		Parallel: k.Limits.Parallel, TPM: k.Limits.TPM, RPM: k.Limits.RPM,
		MaxBudget: (*usd)(k.Limits.Budget), SoftBudget: (*usd)(k.Limits.SoftBudget),
		BudgetDuration: text(k.Limits.BudgetDuration), BudgetResetAt: stamp(reset),
		CacheControls: []string{}, AllowedRoutes: list(k.AllowedRoutes), KeyType: keyType(k),
		CreatedAt: stamp(k.CreatedAt), CreatedBy: text(k.CreatedBy),
		UpdatedAt: stamp(k.UpdatedAt), UpdatedBy: text(k.UpdatedBy), LastActive: stamp(k.LastActive),
		Status: keyStatus(k, now),
	}
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
	UserID         string         `json:"user_id"`
	UserAlias      *string        `json:"user_alias"`
	UserEmail      *string        `json:"user_email"`
	UserRole       *string        `json:"user_role"`
	TeamID         none           `json:"team_id"`
	Teams          []string       `json:"teams"`
	Organization   none           `json:"organization_id"`
	Models         []string       `json:"models"`
	Spend          usd            `json:"spend"`
	TotalSpend     usd            `json:"total_spend"`
	MaxBudget      *usd           `json:"max_budget"`
	SoftBudget     *usd           `json:"soft_budget"`
	BudgetDuration *string        `json:"budget_duration"`
	BudgetResetAt  *time.Time     `json:"budget_reset_at"`
	TPM            *int64         `json:"tpm_limit"`
	RPM            *int64         `json:"rpm_limit"`
	Parallel       *int64         `json:"max_parallel_requests"`
	Metadata       jsontext.Value `json:"metadata"`
	CacheControls  []string       `json:"allowed_cache_controls"`
	ModelSpend     empty          `json:"model_spend"`
	ModelMaxBudget empty          `json:"model_max_budget"`
	SSOUserID      none           `json:"sso_user_id"`
	ObjPermission  none           `json:"object_permission"`
	CreatedAt      *time.Time     `json:"created_at"`
	UpdatedAt      *time.Time     `json:"updated_at"`
}

func (a *API) userRow(u *gateway.User) userRow {
	now := a.now()
	_, reset := a.window(u.Limits.BudgetDuration, now, u.CreatedAt)
	return userRow{
		UserID: u.ID, UserAlias: text(u.Alias), UserEmail: text(u.Email), UserRole: text(string(u.Role)),
		Teams: list(u.Teams), Models: list(u.Models),
		Spend:      usd(a.live(UserEntity, u.ID, &u.Spend, &u.Limits, now, u.CreatedAt)),
		TotalSpend: usd(u.Spend.Total),
		MaxBudget:  (*usd)(u.Limits.Budget), SoftBudget: (*usd)(u.Limits.SoftBudget),
		BudgetDuration: text(u.Limits.BudgetDuration), BudgetResetAt: stamp(reset),
		TPM: u.Limits.TPM, RPM: u.Limits.RPM, Parallel: u.Limits.Parallel,
		Metadata: obj(u.Metadata), CacheControls: []string{},
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
	TeamID            string            `json:"team_id"`
	TeamAlias         *string           `json:"team_alias"`
	OrganizationID    *string           `json:"organization_id"`
	Admins            []string          `json:"admins"`
	Members           []string          `json:"members"`
	MembersWithRoles  []memberRow       `json:"members_with_roles"`
	MemberPermissions []string          `json:"team_member_permissions"`
	Metadata          jsontext.Value    `json:"metadata"`
	TPM               *int64            `json:"tpm_limit"`
	RPM               *int64            `json:"rpm_limit"`
	MaxBudget         *usd              `json:"max_budget"`
	SoftBudget        *usd              `json:"soft_budget"`
	BudgetDuration    *string           `json:"budget_duration"`
	Models            []string          `json:"models"`
	ModelAliases      map[string]string `json:"model_aliases"`
	Blocked           bool              `json:"blocked"`
	Spend             usd               `json:"spend"`
	TotalSpend        usd               `json:"total_spend"`
	Parallel          *int64            `json:"max_parallel_requests"`
	BudgetResetAt     *time.Time        `json:"budget_reset_at"`
	ModelID           none              `json:"model_id"`
	ModelTable        none              `json:"litellm_model_table"`
	ObjPermission     none              `json:"object_permission"`
	CreatedAt         *time.Time        `json:"created_at"`
	UpdatedAt         *time.Time        `json:"updated_at"`
}

func (a *API) teamRow(t *gateway.Team) teamRow {
	now := a.now()
	_, reset := a.window(t.Limits.BudgetDuration, now, t.CreatedAt)
	members := make([]memberRow, len(t.Members))
	for i, m := range t.Members {
		members[i] = memberRow{text(m.UserID), text(m.Email), m.Role}
	}
	return teamRow{
		TeamID: t.ID, TeamAlias: text(t.Alias), OrganizationID: text(t.OrganizationID),
		Admins: []string{}, Members: []string{}, MembersWithRoles: members, MemberPermissions: []string{},
		Metadata: obj(t.Metadata), TPM: t.Limits.TPM, RPM: t.Limits.RPM, Parallel: t.Limits.Parallel,
		MaxBudget: (*usd)(t.Limits.Budget), SoftBudget: (*usd)(t.Limits.SoftBudget),
		BudgetDuration: text(t.Limits.BudgetDuration), BudgetResetAt: stamp(reset),
		Models: list(t.Models), ModelAliases: t.ModelAliases, Blocked: t.Blocked,
		Spend:      usd(a.live(TeamEntity, t.ID, &t.Spend, &t.Limits, now, t.CreatedAt)),
		TotalSpend: usd(t.Spend.Total),
		CreatedAt:  stamp(t.CreatedAt), UpdatedAt: stamp(t.UpdatedAt),
	}
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
