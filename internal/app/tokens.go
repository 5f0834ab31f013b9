package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// newTokens returns the tokens of identity providers, nil if they are not taken.
func (a *App) newTokens(s *config.Server) *auth.Tokens {
	if !s.JWT.Enabled && !s.JWT.Opaque.Enabled {
		return nil
	}
	return auth.NewTokens(auth.TokenOptions{
		JWT: s.JWT, Directory: a.directory, Client: &http.Client{Transport: a.transport}, Now: time.Now, Log: a.log,
		NewUser: func(ctx context.Context, u *gateway.User) error {
			return a.made(ctx, admin.UserEntity, u.ID, a.store.CreateUser(ctx, u))
		},
		NewTeam: func(ctx context.Context, t *gateway.Team) error {
			return a.made(ctx, admin.TeamEntity, t.ID, a.store.CreateTeam(ctx, t))
		},
	})
}

// made has the directory know what was made, by this call or another replica's.
func (a *App) made(ctx context.Context, kind, id string, err error) error {
	if _, taken := errors.AsType[store.ErrConflict](err); err != nil && !taken {
		return err
	}
	return a.refresh(ctx, kind, id, false, true)
}
