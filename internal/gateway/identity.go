package gateway

import "time"

// Role is what a caller may do outside the model endpoints.
type Role string

// The roles there are; the names are LiteLLM's.
const (
	ProxyAdmin         Role = "proxy_admin"
	ProxyAdminViewer   Role = "proxy_admin_viewer"
	OrgAdmin           Role = "org_admin"
	InternalUser       Role = "internal_user"
	InternalUserViewer Role = "internal_user_viewer"
	Customer           Role = "customer"
)

// BudgetWindow is a ceiling on money in one window.
type BudgetWindow struct {
	Amount NanoUSD
	// Duration is the window ("30s", "5m", "2h", "1d", "7d", "30d", "1mo");
	// "" is the entity's lifetime.
	Duration string
}

// ModelLimits are the ceilings on one model within an entity.
type ModelLimits struct {
	RPM       *int64 // requests in any 60 s
	TPM       *int64 // tokens in any 60 s
	InputTPM  *int64 // input tokens in any 60 s
	OutputTPM *int64 // output tokens in any 60 s
	Parallel  *int64 // calls in flight
	Budget    *BudgetWindow
}

// Limits are the ceilings on one entity. A nil pointer is no ceiling; zero is
// a ceiling of nothing.
type Limits struct {
	RPM       *int64   // requests in any 60 s
	TPM       *int64   // tokens in any 60 s
	InputTPM  *int64   // input tokens in any 60 s
	OutputTPM *int64   // output tokens in any 60 s
	Parallel  *int64   // calls in flight
	Budget    *NanoUSD // money in the current budget window
	// BudgetDuration is the window of Budget, as in BudgetWindow.
	BudgetDuration string
	// SoftBudget is told about when it is passed, once a window; it refuses nothing.
	SoftBudget *NanoUSD
	// Budgets are further budgets that hold at the same time (budget_limits).
	Budgets []BudgetWindow
	// Models are ceilings by model name, which may hold *.
	Models map[string]ModelLimits
	// Shadow has limits counted and reported without refusing anything (enforce: false).
	Shadow bool
	// Raise is added to Budget until RaiseUntil (temp_budget_increase).
	Raise      NanoUSD
	RaiseUntil time.Time
}

// Spend is what an entity has spent, as the store has booked it.
type Spend struct {
	// Window is the money spent since WindowStart. It is stale once a later
	// budget window has begun: readers compare WindowStart with the window
	// that is current for them.
	Window      NanoUSD
	WindowStart time.Time // zero for a lifetime budget
	Total       NanoUSD   // money spent ever
}

// Key is a virtual key. The key itself is never kept, only its hash.
type Key struct {
	Hash           string // lower-case hex SHA-256 of the key: its id everywhere
	Name           string // "sk-...abcd", for people
	Alias          string
	UserID         string
	TeamID         string
	OrganizationID string
	ProjectID      string
	BudgetID       string   // shared budget whose ceilings hold where the key has none
	Models         []string // empty: every model
	Aliases        map[string]string
	Limits         Limits
	Spend          Spend
	Expires        time.Time // zero: never
	Blocked        bool
	AllowedRoutes  []string
	Type           string // key_type: default, llm_api, management, read_only
	Tags           []string
	Metadata       []byte // JSON object
	Permissions    []byte // JSON object
	CreatedAt      time.Time
	CreatedBy      string
	UpdatedAt      time.Time
	UpdatedBy      string
	LastActive     time.Time // zero: never used
}

// User is an internal user.
type User struct {
	ID        string
	Alias     string
	Email     string
	Role      Role
	Models    []string
	Teams     []string
	Limits    Limits
	Spend     Spend
	Metadata  []byte // JSON object
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Member is a user in a team.
type Member struct {
	UserID string
	Email  string
	Role   string // "admin" or "user"
	// BudgetID is the shared budget of this membership, "" if none.
	BudgetID string
	Limits   Limits
	Spend    Spend
}

// Organization is a group of teams that shares limits.
type Organization struct {
	ID        string
	Alias     string
	BudgetID  string
	Models    []string
	Members   []Member // Role is an organization's: org_admin, internal_user, …
	Limits    Limits
	Spend     Spend
	Metadata  []byte // JSON object
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// Project is a piece of work within a team, with limits of its own.
type Project struct {
	ID          string
	Alias       string
	Description string
	TeamID      string
	BudgetID    string
	Models      []string
	Limits      Limits
	Spend       Spend
	Blocked     bool
	Metadata    []byte // JSON object
	CreatedAt   time.Time
	CreatedBy   string
	UpdatedAt   time.Time
	UpdatedBy   string
}

// EndUser is a customer of the client: named in a request, never a caller.
type EndUser struct {
	ID           string
	Alias        string
	Region       string // allowed_model_region: "eu", "us" or ""
	DefaultModel string
	BudgetID     string
	Models       []string
	Limits       Limits
	Spend        Spend
	Blocked      bool
}

// Tag is a label on calls, with limits of its own.
type Tag struct {
	Name        string
	Description string
	Models      []string // IDs of deployments
	BudgetID    string
	Limits      Limits
	Spend       Spend
	CreatedAt   time.Time
	CreatedBy   string
	UpdatedAt   time.Time
}

// Budget is a set of ceilings that keys, members, organizations, projects, end
// users and tags refer to. Each of them has the whole of it for itself.
type Budget struct {
	ID            string
	Limits        Limits
	AllowedModels []string
	CreatedAt     time.Time
	CreatedBy     string
	UpdatedAt     time.Time
	UpdatedBy     string
}

// Team is a group of users and keys that shares limits.
type Team struct {
	ID             string
	Alias          string
	OrganizationID string
	Models         []string
	ModelAliases   map[string]string
	Members        []Member
	Limits         Limits
	Spend          Spend
	Blocked        bool
	Metadata       []byte // JSON object
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Principal is who a call is charged to.
type Principal struct {
	Role Role
	// Master says that the master key was used: no key, no limits but the global ones.
	Master bool
	Key    *Key  // nil for the master key
	User   *User // nil if the key has none, or none is stored
	Team   *Team // nil if the key has none
	// Member is the user's place in the team, nil if it has none.
	Member       *Member
	Organization *Organization // nil if none is stored
	Project      *Project      // nil if the key has none
	// EndUser and Tags are those of the call that are stored; they are known
	// once its body is.
	EndUser *EndUser
	Tags    []*Tag
}

// KeyHash returns the hash of the virtual key, or "" for the master key.
func (p *Principal) KeyHash() string {
	if p.Key == nil {
		return ""
	}
	return p.Key.Hash
}

// KeyAlias returns the alias of the virtual key, "" if it has none.
func (p *Principal) KeyAlias() string {
	if p.Key == nil {
		return ""
	}
	return p.Key.Alias
}

// MasterUserID is the user that master-key calls and their keys belong to.
const MasterUserID = "default_user_id"

// UserID returns the user the call belongs to, "" if none.
func (p *Principal) UserID() string {
	switch {
	case p.User != nil:
		return p.User.ID
	case p.Key != nil:
		return p.Key.UserID
	case p.Master:
		return MasterUserID
	}
	return ""
}

// TeamID returns the team the call belongs to, "" if none.
func (p *Principal) TeamID() string {
	if p.Key == nil {
		return ""
	}
	return p.Key.TeamID
}

// OrganizationID returns the organization the call belongs to, "" if none.
func (p *Principal) OrganizationID() string {
	if p.Team != nil && p.Team.OrganizationID != "" {
		return p.Team.OrganizationID
	}
	if p.Key != nil {
		return p.Key.OrganizationID
	}
	return ""
}
