package gateway

import (
	"strings"
	"time"
)

// Role is what a caller may do outside the model endpoints.
type Role string

// The roles there are; the names are LiteLLM's.
const (
	ProxyAdmin         Role = "proxy_admin"
	ProxyAdminViewer   Role = "proxy_admin_viewer"
	OrgAdmin           Role = "org_admin"
	InternalUser       Role = "internal_user"
	InternalUserViewer Role = "internal_user_viewer"
	TeamRole           Role = "team"     // a token that stands for a team and no user
	Customer           Role = "customer" // an end user with a token of its own
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
	TPD       *int64   // tokens in a calendar day (tpd_limit)
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
	// TagRPM are requests in any 60 s by tag of the call (tag_rpm_limit).
	TagRPM map[string]int64
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
	// ServiceAccountID says that a program owns the key and no user; it cannot
	// change once it is set.
	ServiceAccountID string
	BudgetID         string // shared budget whose ceilings hold where the key has none
	// EndUserBudgetID is the budget of end users that have none of their own.
	EndUserBudgetID string
	Models          []string // empty: every model
	Aliases         map[string]string
	// AccessGroupIDs are stored access groups whose models the key may use too.
	AccessGroupIDs []string
	// BudgetFallbacks are models to take instead of one whose budget is used up.
	BudgetFallbacks map[string][]string
	Limits          Limits
	Spend           Spend
	Expires         time.Time // zero: never
	Blocked         bool
	AllowedRoutes   []string
	AllowedIPs      []string // addresses and CIDR ranges; empty: every address
	// EnforcedParams must stand in every request: "user", "metadata.tags".
	EnforcedParams []string
	// CacheControls are what the client may ask of the cache ("no-cache"); empty: everything.
	CacheControls    []string
	Type             string // key_type: default, llm_api, management, read_only
	Tags             []string
	Metadata         []byte // JSON object
	Permissions      []byte // JSON object
	RouterSettings   []byte // JSON object
	ObjectPermission []byte // JSON object
	// Logging is where its calls are logged to, nil if only the configuration says it.
	Logging    *Logging
	Rotation   Rotation
	CreatedAt  time.Time
	CreatedBy  string
	UpdatedAt  time.Time
	UpdatedBy  string
	LastActive time.Time // zero: never used
}

// Rotation is how a key is replaced by a new one, and how often it has been.
type Rotation struct {
	Auto     bool
	Interval string    // "30d", as in BudgetWindow; "" if the key is never rotated by itself
	Next     time.Time // when it is due; zero: never
	Last     time.Time // zero: never
	Count    int64
}

// DeprecatedKey is a key that was replaced and works for a while longer.
type DeprecatedKey struct {
	Hash      string // of the old key
	Active    string // hash of the key that calls run as
	Until     time.Time
	CreatedAt time.Time
}

// Deletion is when something was deleted, and by whom.
type Deletion struct {
	At        time.Time
	By        string // user id, "" if not known
	ByKey     string // hash of the key it was done with, "" for the master key
	ChangedBy string // whom the caller said it acts for, "" if it did not
}

// DeletedKey is a key as it was when it was deleted.
type DeletedKey struct {
	ID string // of this record: a key may be made and deleted again
	Key
	Deletion
}

// DeletedTeam is a team as it was when it was deleted.
type DeletedTeam struct {
	ID string // of this record
	Team
	Deletion
}

// User is an internal user.
type User struct {
	ID             string
	Alias          string
	Email          string
	SSOID          string // the subject at the identity provider, "" if none
	OrganizationID string
	Role           Role
	Models         []string
	Teams          []string
	Organizations  []string // those it is a member of
	Limits         Limits
	Spend          Spend
	Blocked        bool // also one that SCIM has set inactive
	CacheControls  []string
	Metadata       []byte // JSON object
	// ObjectPermission is a JSON object.
	ObjectPermission []byte
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Invitation asks a user to come in.
type Invitation struct {
	ID         string
	UserID     string
	Accepted   bool
	AcceptedAt time.Time // zero: not yet
	Expires    time.Time
	CreatedAt  time.Time
	CreatedBy  string
	UpdatedAt  time.Time
	UpdatedBy  string
}

// Member is a user in a team or in an organization.
type Member struct {
	UserID string
	Email  string
	Role   string // "admin" or "user" in a team
	// Models are those that the member may use of the team's; empty: all of them.
	Models []string
	// BudgetID is the shared budget of this membership, "" if none.
	BudgetID string
	Limits   Limits
	Spend    Spend
}

// MemberID is the one id of a user's place in a team, or in an organization,
// wherever a single text has to name it. Different places have different ids, whatever is in them.
func MemberID(teamID, userID string) string {
	return memberEscape.Replace(teamID) + ":" + memberEscape.Replace(userID)
}

// SplitMemberID is the inverse of MemberID; false if id is none.
func SplitMemberID(id string) (teamID, userID string, ok bool) {
	teamID, userID, ok = strings.Cut(id, ":")
	return memberUnescape.Replace(teamID), memberUnescape.Replace(userID), ok
}

var (
	memberEscape   = strings.NewReplacer("%", "%25", ":", "%3A")
	memberUnescape = strings.NewReplacer("%25", "%", "%3A", ":")
)

// Organization is a group of teams that shares limits.
type Organization struct {
	ID       string
	Alias    string
	BudgetID string
	Models   []string
	Members  []Member // Role is an organization's: org_admin, internal_user, …
	Limits   Limits
	Spend    Spend
	Metadata []byte // JSON object
	// ObjectPermission is a JSON object.
	ObjectPermission []byte
	CreatedAt        time.Time
	CreatedBy        string
	UpdatedAt        time.Time
	UpdatedBy        string
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
	Tags        []string
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
	CreatedAt    time.Time
	UpdatedAt    time.Time
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

// AccessGroup is a named set of models that keys and teams are given together.
type AccessGroup struct {
	ID          string
	Name        string
	Description string
	Models      []string // names, which may hold *
	// Teams and Keys (by hash) are those that have the group, which say so
	// themselves (AccessGroupIDs); empty where nobody has asked for them.
	Teams     []string
	Keys      []string
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// GroupBudget is what may be spent through an access group, stored or of
// deployments, by everybody together who may use its models by its name.
type GroupBudget struct {
	Name      string // of the group
	BudgetID  string // shared budget whose ceilings hold where it has none
	Limits    Limits
	Spend     Spend
	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// Team is a group of users and keys that shares limits.
type Team struct {
	ID             string
	Alias          string
	OrganizationID string
	Models         []string
	ModelAliases   map[string]string
	AccessGroupIDs []string // as of a key
	Members        []Member
	// MemberBudgetID is the shared budget of members that have none of their own.
	MemberBudgetID    string
	MemberModels      []string // what new members get (default_team_member_models)
	MemberPermissions []string // management routes that members may call ("/key/generate")
	Limits            Limits
	Spend             Spend
	Blocked           bool
	Tags              []string
	AllowedIPs        []string // as of a key
	EnforcedParams    []string // as of a key
	Metadata          []byte   // JSON object
	RouterSettings    []byte   // JSON object
	ObjectPermission  []byte   // JSON object
	Logging           *Logging // as of a key
	CreatedAt         time.Time
	CreatedBy         string
	UpdatedAt         time.Time
	UpdatedBy         string
}

// StoredModel is a deployment that is kept in the database instead of the
// configuration.
type StoredModel struct {
	ID      string // model_info.id
	Name    string // model_name: what clients ask for
	Params  []byte // litellm_params, a JSON object whose secrets are sealed
	Info    []byte // model_info, a JSON object
	TeamID  string // "" if it is everybody's
	Blocked bool

	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// Credential is a named set of provider secrets that deployments refer to
// (litellm_credential_name).
type Credential struct {
	Name        string
	DisplayName string
	Values      []byte // credential_values, a JSON object whose strings are sealed
	Info        []byte // credential_info, a JSON object

	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// JWTMapping has a claim of a token stand for a virtual key.
type JWTMapping struct {
	ID          string
	Issuer      string // "": any
	Claim       string
	Value       string
	KeyHash     string
	Description string
	Active      bool

	CreatedAt time.Time
	CreatedBy string
	UpdatedAt time.Time
	UpdatedBy string
}

// AuditEntry is one change of one object: who, what, before and after.
type AuditEntry struct {
	ID         string
	At         time.Time
	Actor      string // user id of who did it
	ActorKey   string // hash of the key it was done with, "" for the master key
	Action     string // created, updated, deleted, blocked, unblocked, rotated
	Table      string // LiteLLM's name of the table: "LiteLLM_TeamTable", …
	ObjectID   string
	TeamID     string // team of the object, "" if it has none
	KeyHash    string // key that the object is or belongs to
	Before     []byte // JSON object, secrets masked; nil if there was none
	After      []byte // JSON object, secrets masked; nil if there is none
	ClientIP   string
	RequestURL string
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
	// OrganizationMember is the user's place in the organization, nil if it has none.
	OrganizationMember *Member
	Project            *Project // nil if the key has none
	// ReplacedUntil is when the key that was sent ends, because Key has replaced
	// it; zero if it was not replaced.
	ReplacedUntil time.Time
	// EndUser and Tags are those of the call that are stored; they are known
	// once its body is.
	EndUser *EndUser
	Tags    []*Tag
	// Through are the budgets of the access groups by which it may use the model,
	// by name; they are known once it was let in.
	Through []*GroupBudget
	// Token is what the caller's bearer token says, nil if it used a key.
	Token *Token
}

// Token is what an identity provider says of a caller.
type Token struct {
	Models    []string // that its role or scope may use; empty: all
	EndUserID string   // whom the call is for, "" if it does not say
	// Teams are those that the call may be charged to instead of the principal's,
	// in the token's order: the first that may use the model.
	Teams []*Team
	// NeedTeam says that a call of a model needs a team.
	NeedTeam bool
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
	switch {
	case p.Key != nil:
		return p.Key.TeamID
	case p.Team != nil: // of a token
		return p.Team.ID
	}
	return ""
}

// OrganizationID returns the organization the call belongs to, "" if none.
func (p *Principal) OrganizationID() string {
	if p.Team != nil && p.Team.OrganizationID != "" {
		return p.Team.OrganizationID
	}
	switch {
	case p.Key != nil:
		return p.Key.OrganizationID
	case p.Organization != nil: // of a token
		return p.Organization.ID
	}
	return ""
}
