package app

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// setTokens takes the tokens of identity providers as the configuration says from
// now on. What was verified by an earlier one is verified again; keys that were
// fetched are kept.
func (a *App) setTokens(s *config.Server) {
	before := a.tokens.Load()
	if l := a.loaded.Load(); l != nil && reflect.DeepEqual(l.config.Server.JWT, s.JWT) {
		return
	}
	var t *auth.Tokens
	if s.JWT.Enabled || s.JWT.Opaque.Enabled {
		t = auth.NewTokens(auth.TokenOptions{
			JWT: s.JWT, Directory: a.directory, Client: &http.Client{Transport: a.transport}, Now: time.Now, Log: a.log, Before: before,
			NewUser: a.userOfToken, NewTeam: a.teamOfToken, Sync: a.syncUser, NewKey: a.keyOfToken,
		})
	}
	a.tokens.Store(t)
	select {
	case a.tokensSet <- struct{}{}:
	default: // it is told already
	}
}

// runTokens has the keys of tokens fetched in the background, until ctx ends.
func (a *App) runTokens(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-a.tokensSet: // they are looked at now
		default:
		}
		run, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if t := a.tokens.Load(); t != nil {
				t.Run(run)
			}
		}()
		select {
		case <-a.tokensSet:
		case <-ctx.Done():
		}
		stop()
		<-done
	}
}

// ofToken is an entry of the audit log about what a token has changed.
func ofToken(action, table, id, actor string, after any) *gateway.AuditEntry {
	raw, err := json.Marshal(after, json.Deterministic(true))
	if err != nil {
		raw = nil // only a bug of ours: every row is a type of this package
	}
	return &gateway.AuditEntry{
		ID: uuid.Must(uuid.NewV7()).String(), At: time.Now().UTC().Truncate(time.Microsecond), Actor: actor, Action: action, Table: table, ObjectID: id, After: raw,
	}
}

// tokenSays is what the audit log says that a token has changed.
type tokenSays struct {
	UserID string       `json:"user_id,omitzero"`
	Email  string       `json:"user_email,omitzero"`
	Role   gateway.Role `json:"user_role,omitzero"`
	Joined string       `json:"joined_team,omitzero"`
	Left   string       `json:"left_team,omitzero"`
	TeamID string       `json:"team_id,omitzero"`
	Token  string       `json:"token,omitzero"`
	Claim  string       `json:"jwt_claim_name,omitzero"`
}

// The tables of the audit log, as package admin has them.
const (
	auditUsers    = "LiteLLM_UserTable"
	auditTeams    = "LiteLLM_TeamTable"
	auditKeys     = "LiteLLM_VerificationToken"
	auditMappings = "LiteLLM_JWTKeyMapping"
)

func (a *App) userOfToken(ctx context.Context, u *gateway.User) error {
	e := ofToken("created", auditUsers, u.ID, u.ID, tokenSays{UserID: u.ID, Email: u.Email, Role: u.Role})
	return a.made(ctx, admin.UserEntity, u.ID, a.store.CreateUser(store.Audited(ctx, e), u))
}

func (a *App) teamOfToken(ctx context.Context, t *gateway.Team) error {
	e := ofToken("created", auditTeams, t.ID, "", tokenSays{TeamID: t.ID})
	e.TeamID = t.ID
	return a.made(ctx, admin.TeamEntity, t.ID, a.store.CreateTeam(store.Audited(ctx, e), t))
}

// made has the directory know what was made, by this call or another replica's.
func (a *App) made(ctx context.Context, kind, id string, err error) error {
	if _, taken := errors.AsType[store.ErrConflict](err); err != nil && !taken {
		return err
	}
	return a.refresh(ctx, kind, id, false, true)
}

// syncUser stores a user's role and teams as a token says them. A team that is gone
// meanwhile is left out.
func (a *App) syncUser(ctx context.Context, id string, role gateway.Role, join, leave []string) error {
	// The client may leave: what was begun is done.
	ctx = context.WithoutCancel(ctx)
	now := time.Now().UTC().Truncate(time.Microsecond)
	changed := []admin.Change{{Entity: admin.UserEntity, ID: id}}
	if role != "" {
		e := ofToken("updated", auditUsers, id, id, tokenSays{Role: role})
		_, err := a.store.UpdateUser(store.Audited(ctx, e), id, func(u *gateway.User) error {
			u.Role, u.UpdatedAt = role, now
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, team := range join {
		e := ofToken("updated", auditTeams, team, id, tokenSays{UserID: id, Joined: team})
		e.TeamID = team
		_, err := a.store.AddMembers(store.Audited(ctx, e), team, []string{id}, now, func(t *gateway.Team) error {
			if !slices.ContainsFunc(t.Members, func(m gateway.Member) bool { return m.UserID == id }) {
				m := gateway.Member{UserID: id, Role: "user", Models: slices.Clone(t.MemberModels)}
				if u := a.directory.User(id); u != nil {
					m.Email = u.Email
				}
				t.Members, t.UpdatedAt = append(t.Members, m), now
			}
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		changed = append(changed, admin.Change{Entity: admin.TeamEntity, ID: team})
	}
	for _, team := range leave {
		keys, _, err := a.store.ListKeys(ctx, store.KeyFilter{UserID: id, TeamID: team}, store.Page{Limit: 1000})
		if err != nil {
			return err
		}
		e := ofToken("updated", auditTeams, team, id, tokenSays{UserID: id, Left: team})
		e.TeamID = team
		entries := []*gateway.AuditEntry{e}
		for _, k := range keys {
			e := ofToken("deleted", auditKeys, k.Hash, id, tokenSays{UserID: id, TeamID: team})
			e.KeyHash, e.TeamID = k.Hash, team
			entries = append(entries, e)
			changed = append(changed, admin.Change{Entity: admin.KeyEntity, ID: k.Hash})
		}
		_, err = a.store.RemoveMember(store.Audited(ctx, entries...), team, id, func(t *gateway.Team) error { t.UpdatedAt = now; return nil })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		changed = append(changed, admin.Change{Entity: admin.TeamEntity, ID: team})
	}
	return a.changed(ctx, changed...)
}

// keyOfToken stores a key for a token, and that its claim stands for it from now on.
func (a *App) keyOfToken(ctx context.Context, k *gateway.Key, m *gateway.JWTMapping) error {
	ctx = context.WithoutCancel(ctx)
	made := ofToken("created", auditKeys, k.Hash, k.CreatedBy, tokenSays{UserID: k.UserID, TeamID: k.TeamID, Token: k.Hash})
	made.KeyHash, made.TeamID = k.Hash, k.TeamID
	if err := a.store.CreateKey(store.Audited(ctx, made), k); err != nil {
		return err
	}
	mapped := ofToken("created", auditMappings, m.ID, k.CreatedBy, tokenSays{Claim: m.Claim, Token: k.Hash})
	mapped.KeyHash = k.Hash
	err := a.store.CreateJWTMapping(store.Audited(ctx, mapped), m)
	if _, taken := errors.AsType[store.ErrConflict](err); err != nil {
		// Another replica was first, or an admin has switched the claim off: the key
		// that nobody could use goes again.
		gone := ofToken("deleted", auditKeys, k.Hash, k.CreatedBy, tokenSays{Token: k.Hash})
		gone.KeyHash = k.Hash
		_, derr := a.store.DeleteKeys(store.Audited(ctx, gone), []string{k.Hash})
		if !taken {
			return errors.Join(err, derr)
		}
		return derr
	}
	return a.changed(ctx, admin.Change{Entity: admin.KeyEntity, ID: k.Hash}, admin.Change{Entity: admin.JWTMappingEntity, ID: m.ID})
}
