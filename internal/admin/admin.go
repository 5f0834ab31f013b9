package admin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/export"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/secret"
)

// The kinds of entities that the management API writes.
const (
	KeyEntity    = "key"
	UserEntity   = "user"
	TeamEntity   = "team"
	GlobalEntity = "global" // read only; its id is ""

	MemberEntity       = "team_member" // its id is gateway.MemberID
	OrganizationEntity = "organization"
	OrgMemberEntity    = "organization_member" // its id is gateway.MemberID
	ProjectEntity      = "project"
	BudgetEntity       = "budget"
	EndUserEntity      = "end_user"
	TagEntity          = "tag"
	AccessGroupEntity  = "access_group"
	GroupBudgetEntity  = "access_group_budget" // its id is the group's name
	ModelEntity        = "model"
	CredentialEntity   = "credential"
	ProviderEntity     = "provider" // read only
)

// Change is something the API has written.
type Change struct {
	Entity  string // KeyEntity, UserEntity, TeamEntity
	ID      string // key hash, user id, team id
	Deleted bool
	// Spend says that what the entity has spent was set, so that counters in
	// memory must be read again from the store.
	Spend bool
}

// Options are what an API is built from. Store is needed; everything else may
// be left zero.
type Options struct {
	Store Store
	// Directory says what callers may do; without one they have no teams and
	// no organizations.
	Directory *auth.Directory
	// Changed is called after each write and before its answer: when it
	// returns, the change must hold for calls that start then. A blocked key
	// is dead when /key/block answers.
	Changed func(context.Context, ...Change) error
	// Flush books the calls that have ended, so that a report has them all.
	Flush func(context.Context) error
	// LiveSpend returns what an entity has spent in its current budget window
	// by the counters that admit calls, and false if they know of nothing that the
	// store may not have. They are ahead of the store with calls of this process,
	// and may be behind it with those of others.
	LiveSpend func(entity, id string) (gateway.NanoUSD, bool)
	// Settings returns what the configuration says now: a reload may change it.
	Settings func() *Settings
	// Book is the price table; without one it is the built-in one.
	Book *price.Book
	// Models returns what /model/info shows.
	Models func() []Model
	// Ill returns the names of models of which no deployment is well.
	Ill func() map[string]bool
	// Allowed reports whether the caller may use a model.
	Allowed func(p *gateway.Principal, model string) bool
	// Try says what would be served if what the database adds to the
	// configuration were edited. The values it edits are not sealed.
	Try func(ctx context.Context, edit func(*config.Stored)) (Trial, error)
	// StoreModels says whether models are kept in the database
	// (general_settings.store_model_in_db).
	StoreModels func() bool
	// NewMaster has another master key hold from now on, here and on every
	// replica. The error says why it cannot be changed here, if it cannot.
	NewMaster func(ctx context.Context, key gateway.Secret) error
	// Secrets seals what stored models and credentials must not show.
	Secrets *secret.Box
	// CheckLog refuses a logging destination of a key or a team that cannot be. Its
	// error is for whoever sets it.
	CheckLog func(name string, vars map[string]string) error
	// LogsOf returns the logging that holds for a caller's calls, nil if it is that of
	// everybody.
	LogsOf func(*gateway.Principal) (*gateway.Logging, gateway.LogOwner)
	// TestLog sends a record to a logging destination of a key or a team.
	TestLog func(context.Context, gateway.LogOwner, *gateway.LogTarget) error
	Now     func() time.Time // time.Now
	Log     *slog.Logger     // none
}

// Settings is what the configuration says to the management API.
type Settings struct {
	// Calendar says when budget windows begin.
	Calendar limit.Calendar
	// Budget is the ceiling on everything, nil for none.
	Budget *gateway.NanoUSD
	// Providers are the budgets of providers, by their names.
	Providers map[string]gateway.Limits
	// Rules are the defaults and the upper bounds of new keys.
	Rules config.KeyRules
	// NoRotation says that no key is replaced by itself; Grace is how long a key
	// that is replaced goes on working if the request does not say, 0 for not.
	NoRotation bool
	Grace      time.Duration
	// Users and Teams are the defaults of new ones.
	Users config.UserRules
	Teams config.TeamRules
	// ListHealthy has /model/info show only models that a deployment can serve.
	ListHealthy bool
	// Passwords are what new ones must be like.
	Passwords config.PasswordRules
}

func (o Options) withDefaults() Options {
	if o.Directory == nil {
		o.Directory = auth.NewDirectory()
	}
	if o.Changed == nil {
		o.Changed = func(context.Context, ...Change) error { return nil }
	}
	if o.Flush == nil {
		o.Flush = func(context.Context) error { return nil }
	}
	if o.LiveSpend == nil {
		o.LiveSpend = func(string, string) (gateway.NanoUSD, bool) { return 0, false }
	}
	if o.Book == nil {
		o.Book = price.Published()
	}
	if o.Models == nil {
		o.Models = func() []Model { return nil }
	}
	if o.Ill == nil {
		o.Ill = func() map[string]bool { return nil }
	}
	if o.Allowed == nil {
		o.Allowed = func(p *gateway.Principal, _ string) bool { return isAdmin(p) }
	}
	if o.Try == nil {
		o.Try = func(context.Context, func(*config.Stored)) (Trial, error) { return Trial{}, nil }
	}
	if o.CheckLog == nil {
		o.CheckLog = func(name string, vars map[string]string) error {
			_, err := export.ParseVars(name, vars)
			return err
		}
	}
	if o.LogsOf == nil {
		o.LogsOf = func(p *gateway.Principal) (*gateway.Logging, gateway.LogOwner) { return p.Logging() }
	}
	if o.TestLog == nil {
		o.TestLog = func(context.Context, gateway.LogOwner, *gateway.LogTarget) error { return nil }
	}
	if o.StoreModels == nil {
		o.StoreModels = func() bool { return false }
	}
	if o.NewMaster == nil {
		o.NewMaster = func(context.Context, gateway.Secret) error {
			return invalid("new_master_key", "The master key cannot be changed here")
		}
	}
	if o.Settings == nil {
		none := &Settings{}
		o.Settings = func() *Settings { return none }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// API is the management API. It keeps nothing between calls.
type API struct {
	// hashing holds one for each password that is being hashed: each takes 19 MiB.
	hashing   chan struct{}
	o         Options
	store     Store
	directory *auth.Directory
	costMap   func() (jsontext.Value, error) // written when it is first asked for
}

// New returns the API over o.Store.
func New(o Options) *API {
	o = o.withDefaults()
	return &API{hashing: make(chan struct{}, 2), o: o, store: o.Store, directory: o.Directory, costMap: sync.OnceValues(func() (jsontext.Value, error) { return costMap(o.Book) })}
}

// now is the present as the store keeps it: what a write answers must be what
// a later read shows.
func (a *API) now() time.Time { return a.o.Now().UTC().Truncate(time.Microsecond) }

// changed tells the process what was written.
func (a *API) changed(ctx context.Context, changes ...Change) error {
	// The write is done: it must be told even if the client has left.
	if err := a.o.Changed(context.WithoutCancel(ctx), changes...); err != nil {
		return &gateway.Error{
			Kind:    gateway.Unavailable,
			Message: "the change is stored, but this process could not apply it yet: it will try again by itself",
			Err:     err,
		}
	}
	return nil
}

// flush books what has ended.
func (a *API) flush(ctx context.Context) error {
	if err := a.o.Flush(ctx); err != nil {
		return &gateway.Error{Kind: gateway.Unavailable, Message: "the ledger could not be brought up to date, try again", Err: err}
	}
	return nil
}
