package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// Store keeps what the API manages. *store.DB implements it, with its errors.
type Store interface {
	CreateKey(context.Context, *gateway.Key) error
	Key(ctx context.Context, hash string) (*gateway.Key, error)
	KeyByAlias(ctx context.Context, alias string) (*gateway.Key, error)
	UpdateKey(ctx context.Context, hash string, change func(*gateway.Key) error) (*gateway.Key, error)
	RotateKey(ctx context.Context, oldHash, newHash string, now, grace time.Time, change func(*gateway.Key) error) (*gateway.Key, error)
	RotateDueKey(ctx context.Context, oldHash, newHash, sealed string, now, grace time.Time, change func(*gateway.Key) error) (*gateway.Key, error)
	RotatedKey(ctx context.Context, hash string) (*store.RotatedKey, error)
	DeprecatedKey(ctx context.Context, hash string) (*gateway.DeprecatedKey, error)
	KeysToRotate(ctx context.Context, t time.Time, limit int) (hashes []string, err error)
	ReplacedBy(ctx context.Context, hash string) (old []string, err error)
	DeleteKeys(ctx context.Context, hashes []string) (deleted []string, err error)
	ListKeys(context.Context, store.KeyFilter, store.Page) (keys []*gateway.Key, total int, err error)
	DeletedKey(ctx context.Context, hash string) (*gateway.DeletedKey, error)
	ListDeletedKeys(context.Context, store.KeyFilter, store.Page) (keys []*gateway.DeletedKey, total int, err error)

	CountKeys(ctx context.Context, of store.KeysOf, ids []string) (map[string]int, error)

	CreateUser(context.Context, *gateway.User) error
	User(ctx context.Context, id string) (*gateway.User, error)
	UserByEmail(ctx context.Context, email string) (*gateway.User, error)
	UpdateUser(ctx context.Context, id string, change func(*gateway.User) error) (*gateway.User, error)
	DeleteUsers(ctx context.Context, ids []string) (deleted []string, err error)
	ListUsers(context.Context, store.UserFilter, store.Page) (users []*gateway.User, total int, err error)

	CreateInvitation(context.Context, *gateway.Invitation) error
	Invitation(ctx context.Context, id string) (*gateway.Invitation, error)
	UpdateInvitation(ctx context.Context, id string, change func(*gateway.Invitation) error) (*gateway.Invitation, error)
	DeleteInvitations(ctx context.Context, ids []string) (deleted []string, err error)
	PasswordHash(ctx context.Context, userID string) (string, error)
	SetPassword(ctx context.Context, userID, was, hash string, now time.Time) error

	CreateTeam(context.Context, *gateway.Team) error
	Team(ctx context.Context, id string) (*gateway.Team, error)
	UpdateTeam(ctx context.Context, id string, change func(*gateway.Team) error) (*gateway.Team, error)
	AddMembers(ctx context.Context, teamID string, userIDs []string, now time.Time, change func(*gateway.Team) error) (*gateway.Team, error)
	RemoveMember(ctx context.Context, teamID, userID string, change func(*gateway.Team) error) (*gateway.Team, error)
	DeleteTeams(ctx context.Context, ids []string) (deleted []string, err error)
	ListTeams(context.Context, store.TeamFilter, store.Page) (teams []*gateway.Team, total int, err error)
	ListDeletedTeams(context.Context, store.TeamFilter, store.Page) (teams []*gateway.DeletedTeam, total int, err error)

	CreateProject(context.Context, *gateway.Project) error
	Project(ctx context.Context, id string) (*gateway.Project, error)
	UpdateProject(ctx context.Context, id string, change func(*gateway.Project) error) (*gateway.Project, error)
	DeleteProjects(ctx context.Context, ids []string) (deleted []string, err error)
	ListProjects(context.Context, store.ProjectFilter, store.Page) (projects []*gateway.Project, total int, err error)

	Catalog

	CreateJWTMapping(context.Context, *gateway.JWTMapping) error
	JWTMapping(ctx context.Context, id string) (*gateway.JWTMapping, error)
	UpdateJWTMapping(ctx context.Context, id string, change func(*gateway.JWTMapping) error) (*gateway.JWTMapping, error)
	DeleteJWTMappings(ctx context.Context, ids []string) (deleted []string, err error)
	ListJWTMappings(context.Context, store.JWTMappingFilter, store.Page) (mappings []*gateway.JWTMapping, total int, err error)

	OwnerWindows(ctx context.Context, scope, id string, models []string, yield func(w spend.Window, spent gateway.NanoUSD) error) error
	SetTotal(ctx context.Context, scope, id string, s gateway.Spend, kind, changed string) error
	Calls(context.Context, store.CallFilter) ([]spend.Row, error)
	PageCalls(context.Context, store.CallFilter, store.CallOrder) (*store.CallPage, error)
	SpendByDay(context.Context, store.DayFilter) ([]store.DaySpend, error)
	SpendBy(ctx context.Context, g store.Grouping, f store.DayFilter, limit int) ([]store.Sum, error)
	Facts(context.Context, store.FactFilter, []store.Facet, store.FactOrder) ([]store.Fact, error)
	CountFacts(ctx context.Context, f store.FactFilter, of store.Facet) (int, error)
	TagUses(ctx context.Context, f store.TagUseFilter, byDay bool) ([]store.TagUse, error)
	AgentUsers(ctx context.Context, f store.TagUseFilter, limit, offset int) (list []store.UserUse, total int, err error)
	SlowCalls(ctx context.Context, f store.TimingFilter, over time.Duration) (list []store.SlowCalls, since time.Time, err error)
	FirstBytes(ctx context.Context, f store.TimingFilter, each bool) (list []store.FirstByte, since time.Time, err error)
	Total(ctx context.Context, scope, id string) (gateway.Spend, error)
}

var _ Store = (*store.DB)(nil)

// notFound turns the store's "no such row" into a 404 for the client. What is
// for the client already stays.
func notFound(err error, field, format string, args ...any) error {
	if _, told := errors.AsType[*gateway.Error](err); told || !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return &gateway.Error{Kind: gateway.NotFound, Param: field, Message: fmt.Sprintf(format, args...), Err: err}
}

// permitted returns what the store has found, v or err, unless may is an error: what
// the rules say, also about what is not there, so that whoever may not know of an
// object hears the same whether there is one. Others hear missing.
func permitted[T any](v *T, err, may, missing error) (*T, error) {
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, err
	case may != nil:
		return nil, may
	case v == nil:
		return nil, missing
	}
	return v, nil
}

// keyConflict turns a taken key or alias into a 400, as LiteLLM does.
func keyConflict(err error) error {
	c, ok := errors.AsType[store.ErrConflict](err)
	switch {
	case !ok:
		return err
	case c.Field == "alias":
		return invalid("key_alias", "Key with alias '%s' already exists. Unique key aliases across all keys are required.", c.Value)
	}
	return invalid("key", "A key with this value already exists. Use a different key.")
}

// userConflict turns a taken id or email into a 409.
func userConflict(err error) error {
	c, ok := errors.AsType[store.ErrConflict](err)
	if !ok {
		return err
	}
	field := "user_id"
	what := "id"
	if c.Field == "email" {
		field, what = "user_email", "email"
	}
	e := invalid(field, "User with %s %s already exists", what, c.Value)
	e.Status = http.StatusConflict
	return e
}

// teamConflict turns a taken id into a 400, as LiteLLM does.
func teamConflict(err error) error {
	c, ok := errors.AsType[store.ErrConflict](err)
	if !ok {
		return err
	}
	return invalid("team_id", "Team id = %s already exists. Please use a different team id.", c.Value)
}

// team returns a team that a request names, or a 404.
func (a *API) team(ctx context.Context, id string) (*gateway.Team, error) {
	t, err := a.store.Team(ctx, id)
	if err != nil {
		return nil, notFound(err, "team_id", "Team doesn't exist in db. Team=%s. Create team via `/team/new` call.", id)
	}
	return t, nil
}
