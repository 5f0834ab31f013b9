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

// Limits are the ceilings on one entity. A nil pointer is no ceiling; zero is
// a ceiling of nothing.
type Limits struct {
	RPM      *int64   // requests in any 60 s
	TPM      *int64   // tokens in any 60 s
	Parallel *int64   // calls in flight
	Budget   *NanoUSD // money in the current budget window
	// BudgetDuration is the budget window ("30s", "5m", "2h", "1d", "7d",
	// "30d", "1mo"); "" is the entity's lifetime.
	BudgetDuration string
	SoftBudget     *NanoUSD
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
