package config

import (
	"fmt"
	"time"

	"penstock/internal/gateway"
)

// Config is everything the gateway is told from outside. It does not change
// after Load; a reload makes a new one.
type Config struct {
	// Models are the deployments in the order of the file.
	Models  []gateway.Deployment
	Router  Router
	Server  Server
	Logging Logging
	// ModelInfo is model_info as a JSON object by deployment id, for listings.
	ModelInfo map[string][]byte
	// Keys are the defaults and ceilings for new keys.
	Keys KeyRules
	// Users and Teams are what new ones get.
	Users UserRules
	Teams TeamRules
	// Passwords are what new ones must be like.
	Passwords PasswordRules

	// env is a function and not a map so that no way of printing a Config can
	// show what is in the environment.
	env  func(string) (string, bool)
	opts Options
}

// ForModel returns d as it serves model. Only the catch-all "*" needs it: its
// provider, key and address depend on the model a client has named, which has
// to be written provider/model or be known by name. ok is false if nothing
// tells the provider, or it has no adapter.
func (c *Config) ForModel(d *gateway.Deployment, model string) (served *gateway.Deployment, ok bool) {
	if d.Provider != "" {
		return d, true
	}
	provider, upstream, ok := c.opts.Provider(model, "", "")
	if !ok || !c.opts.adapter(provider) {
		return nil, false
	}
	one := *d
	one.Provider, one.Upstream = provider, upstream
	one.APIKey = gateway.Secret(firstSet(c.env, c.opts.EnvKey(provider)))
	one.BaseURL = firstSet(c.env, c.opts.EnvBase(provider))
	return &one, true
}

// Env looks name up in the file's environment_variables, then in the process
// environment. The process environment is never written to.
func (c *Config) Env(name string) (string, bool) {
	if c.env == nil {
		return "", false
	}
	return c.env(name)
}

// String says what is configured in one line. It stands in for the fields
// wherever a Config is formatted, because headers and settings hold secrets
// that are not of type gateway.Secret.
func (c Config) String() string {
	return fmt.Sprintf("config with %d deployments and %d logging destinations",
		len(c.Models), len(c.Logging.Destinations))
}

// GoString implements fmt.GoStringer, for %#v.
func (c Config) GoString() string { return c.String() }

// MarshalText implements encoding.TextMarshaler, for JSON logs.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Router is how calls are spread, repeated and sent elsewhere.
type Router struct {
	Strategy     string // "simple-shuffle" unless set
	StrategyArgs StrategyArgs
	// GroupStrategies are those of single model groups (routing_groups), and
	// GroupArgs their arguments, where they have some.
	GroupStrategies map[string]string
	GroupArgs       map[string]StrategyArgs
	// WeightedFailover asks the rest of a group when the retries are used up.
	WeightedFailover bool
	// Weights win over the deployments' own, by group and deployment id.
	Weights map[string]map[string]float64

	// TagFiltering sends calls to deployments with their tags: with one of
	// them if TagMatchAny, which is so unless set, or else with all. Only tags
	// that begin with TagPrefix count.
	TagFiltering bool
	TagMatchAny  bool
	TagPrefix    string

	// CacheAffinity keeps calls with a common prompt where the provider has it
	// cached; true unless set. SessionAffinity and KeyAffinity keep those of a
	// session and of a key together at every provider, for AffinityTTL.
	CacheAffinity, SessionAffinity, KeyAffinity bool
	AffinityTTL                                 time.Duration // 1 h unless set

	NumRetries    int           // 2 unless set
	Timeout       time.Duration // whole call; 10 minutes unless set
	StreamTimeout time.Duration // wait for the first and the next byte; 0: Timeout
	MaxStream     time.Duration // whole streamed answer; an hour unless set
	// Hedging asks slow streams of a second deployment, HedgeAfter so long
	// after the first; 0 is the time in which 95 of a hundred have begun.
	Hedging    Hedging
	HedgeAfter time.Duration
	RetryAfter time.Duration // shortest pause before a retry
	// RetryPolicy sets retries by class of failure, and GroupRetryPolicy for
	// one model group. They win over NumRetries.
	RetryPolicy      Policy
	GroupRetryPolicy map[string]Policy

	// Fallbacks are by model group. A nil map is "none configured", which for
	// the two special ones means that Fallbacks apply.
	Fallbacks              map[string][]string
	DefaultFallbacks       []string
	ContextWindowFallbacks map[string][]string
	ContentPolicyFallbacks map[string][]string
	MaxFallbacks           int // 5 unless set

	Aliases map[string]Alias

	// AllowedFails is how many failures within CooldownTime a deployment may
	// have; nil leaves it to the failure ratio.
	AllowedFails       *int
	AllowedFailsPolicy Policy
	CooldownTime       time.Duration // 5 s unless set
	DisableCooldowns   bool

	// DefaultMaxParallel caps calls in flight of deployments that do not say;
	// 0 is no cap.
	DefaultMaxParallel int64
	// PreCallChecks leaves out deployments whose context window is too small.
	PreCallChecks bool
	// EnforceRateLimits makes a deployment's rpm and tpm hard limits.
	EnforceRateLimits bool
	// EnforceFallbackAccess leaves out configured fallbacks that the caller may not use.
	EnforceFallbackAccess bool
	// DeploymentBudgets are money limits by deployment id, ProviderBudgets by
	// provider name. Only Budget and BudgetDuration are set in them.
	DeploymentBudgets map[string]gateway.Limits
	ProviderBudgets   map[string]gateway.Limits
}

// StrategyArgs are routing_strategy_args.
type StrategyArgs struct {
	TTL        time.Duration // how long a latency is believed; 1 h unless set
	Buffer     float64       // by what part others may be slower than the quickest
	Samples    int           // calls that the mean latency is of; 10 unless set
	Percentile float64       // of the times to the first byte, 0 to 1; 0: their mean
}

// Hedging says which model groups are hedged.
type Hedging struct {
	All    bool
	Groups []string
}

// Alias is another name for a model group.
type Alias struct {
	Model  string
	Hidden bool // not listed in /v1/models
}

// Rotation is how keys with auto_rotate are replaced.
type Rotation struct {
	Off   bool          // LITELLM_KEY_ROTATION_ENABLED=false
	Every time.Duration // between two looks for keys that are due; 15 s unless set
	// Grace is how long a replaced key goes on working. 0 is not set: then a key
	// that is due does for three days, and one that somebody replaces does not.
	Grace time.Duration
}

// GraceOr returns the grace of keys that are due.
func (r *Rotation) GraceOr() time.Duration {
	if r.Grace > 0 {
		return r.Grace
	}
	return 3 * 24 * time.Hour
}

// Server is the process: where it listens, what it is guarded by, where it
// keeps things.
type Server struct {
	Rotation Rotation

	Host string // "0.0.0.0" unless set
	Port int    // 4000 unless set

	MasterKey gateway.Secret // "" if unset
	// AllowWeakMasterKey lets the gateway start without a master key, or with
	// the one that is in everybody's tutorial.
	AllowWeakMasterKey bool
	SaltKey            gateway.Secret // LITELLM_SALT_KEY, else the master key
	DatabaseURL        gateway.Secret // "" keeps everything in DataDir
	RedisURL           gateway.Secret // redis:// or rediss://, "" if there is none
	RedisNodes         []string       // of a cluster, "host:port"; nil if there is only RedisURL
	RedisNamespace     string         // stands before every key
	// OnStoreFailure and LimitStoreTimeout are for limits that replicas share:
	// no call waits longer for them.
	OnStoreFailure    StoreFailure
	LimitStoreTimeout time.Duration // 50 ms unless set
	StoreModelInDB    bool
	DataDir           string // journal and embedded database; "" is the caller's choice
	JournalFsync      Fsync

	Access          Access
	JWT             JWT
	MaxRequestBytes int64 // 100 MB unless set
	// MaxRequestSet says that it was set: LiteLLM answers that with another status.
	MaxRequestSet          bool
	AllowClientCredentials bool // clients may send api_key and api_base
	KeyHeader              string
	RequireMetricsAuth     bool // true unless set
	BudgetExceededStatus   int  // 422 unless set
	// OpenWhenStoreDown serves calls although the database cannot be asked.
	OpenWhenStoreDown bool
	KeyCacheTTL       time.Duration // 60 s unless set

	Timezone        *time.Location // of budget windows; UTC unless set
	BudgetResetTime time.Duration  // after midnight in Timezone

	// Global are the limits of the whole gateway.
	Global gateway.Limits
	// DefaultKeyParallel caps calls in flight of keys that do not say; nil is no cap.
	DefaultKeyParallel *int64
	DefaultSoftBudget  *gateway.NanoUSD
	// TagBudgets are money limits of calls by their tags (tag_budget_config). Only
	// Budget and BudgetDuration are set in them.
	TagBudgets map[string]gateway.Limits
	// CountTokens says which tokens count against limits: "total", "input" or
	// "output" (token_rate_limit_type).
	CountTokens string
	// UserBudgetsInTeams has a user's budgets hold for keys of teams, too.
	UserBudgetsInTeams bool
	// Unpriced says what becomes of models without a price while somebody who
	// pays has a budget: "block", "allow", or "estimate" at the two prices below.
	Unpriced       string
	UnpricedInput  string // USD per token, decimal
	UnpricedOutput string

	RequestTimeout   time.Duration // 0 if not set
	DropParams       bool
	UserHeader       string // header that names the end user, "" if none
	EnforceUserParam bool
	// EndUserBudgetID is the shared budget of end users that have none of their
	// own (max_end_user_budget_id), "" if none.
	EndUserBudgetID    string
	ModelAliases       map[string]string // litellm_settings.model_alias_map
	BlockUnpriced      bool              // refuse models without a price
	AlwaysStreamUsage  *bool             // nil: when the client asks
	StorePrompts       bool
	DisableSpendLogs   bool
	SpendLogsRetention time.Duration // 0: for ever
	// RetentionInterval is how often old rows are looked for.
	RetentionInterval time.Duration
	// LedgerChain keeps a hash chain over what is booked.
	LedgerChain bool
	// ServeUnjournaled serves calls whose spend the journal cannot take, with
	// their spend in memory only; otherwise they are refused.
	ServeUnjournaled bool
	RejectClientTags bool
	SpendTagHeaders  []string
	ListHealthy      bool          // lists of models leave out those that no deployment serves for now
	NoAgents         bool          // do not count by which programs calls are made
	ForwardHeaders   bool          // client x-* headers go to the vendor
	DrainTimeout     time.Duration // 30 s unless set
	RateWindow       time.Duration // LITELLM_RATE_LIMIT_WINDOW_SIZE; 0 unless set
	Health           Health
	ConfigPoll       time.Duration // how often stored settings are read again; 30 s unless set
}

// Health is how deployments are checked. Zero values are left to the defaults.
type Health struct {
	Background      bool // without being asked
	Every           time.Duration
	Concurrency     int
	Details         bool // true unless set: /health says more than the model and the error
	Routing         bool // calls avoid deployments whose check failed
	Stale           time.Duration
	IgnoreTransient bool // rate limits and timeouts do not count for routing
}

// Fsync is when the journal is forced to disk.
type Fsync struct {
	// Every is the time between two fsyncs. It is 0 for Always and for never.
	Every  time.Duration
	Always bool
}

// String returns the policy as it is written in the file.
func (f Fsync) String() string {
	switch {
	case f.Always:
		return "always"
	case f.Every > 0:
		return f.Every.String()
	}
	return "off"
}

// KeyRules are what a new key gets, and what it may not exceed.
type KeyRules struct {
	// Default fills fields that the caller left out.
	Default KeyParams
	// Upper are ceilings; a nil or empty field is no ceiling.
	Upper KeyParams
	// Team and Personal say who may make keys of a team, and of nobody but a user.
	Team, Personal KeyMaking
	// NoCustom refuses keys that the caller has chosen.
	NoCustom bool
}

// KeyParams are the fields of a key that rules may be about.
type KeyParams struct {
	Limits   gateway.Limits
	Duration string // "30d", "" if not set
	Models   []string
	TeamID   string
	UserID   string
	Tags     []string
	Metadata []byte // JSON object, nil if not set
	// More are the other fields of a new key, as JSON.
	More []gateway.Param
}

// Logging is where finished calls are reported.
type Logging struct {
	Destinations []Destination
	// Teams are the destinations of teams that have none of their own in the
	// database, by team id (default_team_settings). Type is empty.
	Teams map[string][]Destination
	// Prometheus says that the prometheus callback is configured.
	Prometheus bool
	// RedactMessages keeps prompts and answers out of every destination.
	RedactMessages bool
	RedactKeyInfo  bool
	JSONLogs       bool
	// Level is "debug", "info", "warn" or "error".
	Level string
}

// Destination is one receiver of finished calls.
type Destination struct {
	Name      string // "langfuse", "generic_api", …, or the name in callback_settings
	Type      string // which kind of destination Name is; equal to Name for built-in ones
	OnSuccess bool
	OnFailure bool
	Settings  Settings
}

// Settings are a destination's options by name. Some are credentials, so only
// the names are ever printed.
type Settings map[string]string

// String lists the names.
func (s Settings) String() string { return fmt.Sprintf("%d settings [redacted]", len(s)) }

// GoString implements fmt.GoStringer, for %#v.
func (s Settings) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, which also keeps the values
// out of JSON logs.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
