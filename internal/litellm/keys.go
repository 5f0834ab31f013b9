package litellm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/secret"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

type keyRow struct {
	ceilings
	authorship
	Token            string              `json:"token"`
	Name             string              `json:"key_name"`
	Alias            string              `json:"key_alias"`
	Expires          moment              `json:"expires"`
	Models           []string            `json:"models"`
	Aliases          jsontext.Value      `json:"aliases"`
	Config           jsontext.Value      `json:"config"`
	RouterSettings   jsontext.Value      `json:"router_settings"`
	UserID           string              `json:"user_id"`
	TeamID           string              `json:"team_id"`
	AgentID          string              `json:"agent_id"`
	ProjectID        string              `json:"project_id"`
	OrganizationID   string              `json:"organization_id"`
	BudgetID         string              `json:"budget_id"`
	Permissions      jsontext.Value      `json:"permissions"`
	Metadata         jsontext.Value      `json:"metadata"`
	Blocked          bool                `json:"blocked"`
	CacheControls    []string            `json:"allowed_cache_controls"`
	AllowedRoutes    []string            `json:"allowed_routes"`
	Type             string              `json:"key_type"`
	Policies         []string            `json:"policies"`
	AccessGroups     []string            `json:"access_group_ids"`
	BudgetFallbacks  map[string][]string `json:"budget_fallbacks"`
	LastActive       moment              `json:"last_active"`
	RotationCount    int64               `json:"rotation_count"`
	AutoRotate       bool                `json:"auto_rotate"`
	RotationInterval string              `json:"rotation_interval"`
	LastRotation     moment              `json:"last_rotation_at"`
	NextRotation     moment              `json:"key_rotation_at"`
	Permission       jsontext.Value      `json:"object_permission"`
}

func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// uiTeam is the team of keys that stand for a login at LiteLLM's pages.
const uiTeam = "litellm-dashboard"

func (im *importer) importKeys(ctx context.Context) error {
	return load(ctx, im, keysTable, "token", im.permissions(keysTable), im.key)
}

func (im *importer) key(row *keyRow, m *remarks) (string, any, []byte) {
	switch {
	case row.TeamID == uiTeam:
		m.skip = "it is a login at LiteLLM's pages"
		return row.Token, nil, nil
	case !isHash(row.Token):
		m.skip = "its token is no SHA-256 hash, so no client can have the key"
		return cmp.Or(row.Alias, row.Name, "a key"), nil, nil // it may be a key in clear
	}
	k := &gateway.Key{
		Hash: row.Token, Name: row.Name, Alias: row.Alias, UserID: row.UserID, TeamID: row.TeamID, OrganizationID: row.OrganizationID, ProjectID: row.ProjectID,
		BudgetID: row.BudgetID, Models: some(row.Models), AccessGroupIDs: some(row.AccessGroups), Limits: row.limits(m),
		Expires: row.Expires.time("expires", m), Blocked: row.Blocked, AllowedRoutes: some(row.AllowedRoutes), CacheControls: some(row.CacheControls), Type: row.Type,
		Permissions: object(row.Permissions), RouterSettings: object(row.RouterSettings), ObjectPermission: permission(row.Permission, m),
		LastActive: row.LastActive.time("last_active", m),
		Rotation: gateway.Rotation{
			Auto: row.AutoRotate, Interval: row.RotationInterval, Count: row.RotationCount,
			Last: row.LastRotation.time("last_rotation_at", m), Next: row.NextRotation.time("key_rotation_at", m),
		},
	}
	if row.Expires != "" && k.Expires.IsZero() {
		// Better a key too few than one that lives for ever.
		m.skip = "its expires is no time"
		return row.Token, nil, nil
	}
	if raw := object(row.Aliases); raw != nil {
		if err := json.Unmarshal(raw, &k.Aliases); err != nil {
			k.Aliases = nil
			m.note("aliases cannot be read and are left out")
		}
	}
	if len(row.BudgetFallbacks) > 0 {
		k.BudgetFallbacks = row.BudgetFallbacks
	}
	l, rest := lift(row.Metadata, liftedNames[:11], m)
	logging, plain, rest := im.logging(rest, secret.Logging("key", row.Token), m)
	k.Metadata, k.Tags, k.EnforcedParams, k.EndUserBudgetID, k.ServiceAccountID = rest, some(l.Tags), some(l.EnforcedParams), l.EndUserBudget, l.ServiceAccount
	l.apply(&k.Limits, m)
	if first, ok := im.aliases[row.Alias]; ok && first != row.Token {
		k.Alias = row.Alias + "-" + row.Token[:8]
		m.note("another key has the same alias: the beginning of the hash was added to this one's")
	}
	if object(row.Config) != nil {
		m.note("config, a model list of the key's own, is not brought")
	}
	if row.AgentID != "" {
		m.note("agent_id is not brought: there are no agents here")
	}
	if len(row.Policies) > 0 {
		m.note("policies are not brought: there are none here")
	}
	if row.AutoRotate {
		// There it may have been switched off, as it is unless asked for.
		if k.Rotation.Next.Before(im.o.Now) {
			k.Rotation.Next = time.Time{}
			m.note("its rotation was overdue: it is replaced by itself once its rotation_interval is set again")
		}
	}
	row.set(m, &k.CreatedAt, &k.CreatedBy, &k.UpdatedAt, &k.UpdatedBy)
	im.budgeted(limit.KeyScope, row.Token, &k.Limits, row.BudgetID, k.CreatedAt)
	if logging == nil {
		return row.Token, k, nil
	}
	digest := withoutSeals{*k, plain}.digest()
	k.Logging = logging
	return row.Token, k, digest
}

type replacedRow struct {
	Token     string `json:"token"`
	Active    string `json:"active_token_id"`
	Until     moment `json:"revoke_at"`
	CreatedAt moment `json:"created_at"`
}

func (im *importer) importReplacedKeys(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_DeprecatedVerificationToken", "token", "", func(row *replacedRow, m *remarks) (string, any, []byte) {
		d := &gateway.DeprecatedKey{Hash: row.Token, Active: row.Active, Until: row.Until.time("revoke_at", m), CreatedAt: row.CreatedAt.time("created_at", m)}
		switch {
		case !isHash(row.Token) || !isHash(row.Active):
			m.skip = "its token is no SHA-256 hash, so no client can have the key"
		case !d.Until.After(im.o.Now):
			m.skip = "its time of grace is over"
		case im.gone[keysTable+":"+row.Active]:
			m.skip = "the key that replaced it is not here"
		}
		return row.Token, d, nil
	})
}

type mappingRow struct {
	authorship
	ID          string `json:"id"`
	Issuer      string `json:"jwt_issuer"`
	Claim       string `json:"jwt_claim_name"`
	Value       string `json:"jwt_claim_value"`
	Token       string `json:"token"`
	Description string `json:"description"`
	Active      bool   `json:"is_active"`
}

func (im *importer) importMappings(ctx context.Context) error {
	return load(ctx, im, "LiteLLM_JWTKeyMapping", "id", "", func(row *mappingRow, m *remarks) (string, any, []byte) {
		j := &gateway.JWTMapping{
			ID: row.ID, Issuer: row.Issuer, Claim: row.Claim, Value: row.Value, KeyHash: row.Token, Description: row.Description, Active: row.Active,
		}
		row.set(m, &j.CreatedAt, &j.CreatedBy, &j.UpdatedAt, &j.UpdatedBy)
		return row.ID, j, nil
	})
}
