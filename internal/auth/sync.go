package auth

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"penstock/internal/gateway"
)

// syncEvery is how often it is tried to store what one token says, if that is not
// stored: a database that is away is not asked with every call.
const syncEvery = 10 * time.Second

// turn reports whether it is time to try again for this token, to one of those that
// ask at once.
func (t *Tokens) turn(v *verified) bool {
	now, last := t.o.Now().UnixNano(), v.synced.Load()
	return (last == 0 || now-last >= int64(syncEvery)) && v.synced.CompareAndSwap(last, now)
}

// sync stores the role and the teams that the token says, if they are not what is
// stored, and returns the user as it is then. If it cannot be stored the call goes on
// with the token's role: it is the provider who decides.
func (t *Tokens) sync(ctx context.Context, v *verified, user *gateway.User) *gateway.User {
	c, d := &v.by.Claims, t.o.Directory
	if user == nil || t.o.Sync == nil {
		return user
	}
	role := gateway.Role("")
	switch v.role {
	case gateway.ProxyAdmin, gateway.ProxyAdminViewer, gateway.InternalUser, gateway.InternalUserViewer:
		if c.Sync && v.role != user.Role {
			role = v.role
		}
	}
	var join, leave []string
	// A token without the claim does not say that the user is in no team: some
	// providers leave it out when there are many.
	if v.namesTeams {
		named := t.named(v)
		for _, id := range named {
			if !slices.Contains(user.Teams, id) && d.Team(id) != nil {
				join = append(join, id)
			}
		}
		for _, id := range user.Teams {
			if c.Sync && !slices.Contains(named, id) {
				leave = append(leave, id)
			}
		}
	}
	if role == "" && len(join)+len(leave) == 0 {
		return user
	}
	if t.turn(v) {
		err := t.o.Sync(ctx, user.ID, role, join, leave)
		if now := d.User(user.ID); err == nil && now != nil {
			return now
		}
		t.o.Log.Warn("what a token says of a user is not stored; tried again in a moment", "user", user.ID, "err", err)
	}
	if role == "" {
		return user
	}
	as := *user
	as.Role = role
	return &as
}

// register makes a key for a token that stands for none yet, of the token's user and
// team, and lets the claim stand for it from now on.
func (t *Tokens) register(r *http.Request, v *verified) (gateway.Principal, error) {
	p, err := t.person(r, v)
	if err != nil || t.o.NewKey == nil || p.Role == gateway.ProxyAdmin {
		return p, err
	}
	c, d := &v.by.Claims, t.o.Directory
	if t.turn(v) {
		now := t.o.Now().UTC().Truncate(time.Microsecond)
		// Nobody has the key itself: it is used by the claim only.
		k := &gateway.Key{
			Hash: Hash("sk-" + rand.Text()), Name: "sk-...", Type: "default", UserID: p.UserID(), TeamID: p.TeamID(), OrganizationID: p.OrganizationID(),
			CreatedAt: now, CreatedBy: p.UserID(), UpdatedAt: now, UpdatedBy: p.UserID(),
		}
		if p.Team != nil {
			k.OrganizationID = "" // it is the team's
		}
		m := &gateway.JWTMapping{
			ID: uuid.Must(uuid.NewV7()).String(), Issuer: v.issuer, Claim: c.KeyClaim, Value: v.key, KeyHash: k.Hash, Active: true,
			Description: "made for the first call of a token", CreatedAt: now, CreatedBy: k.CreatedBy, UpdatedAt: now, UpdatedBy: k.CreatedBy,
		}
		if err := t.o.NewKey(r.Context(), k, m); err != nil {
			return gateway.Principal{}, err
		}
	}
	if k := d.KeyOfClaim(v.issuer, c.KeyClaim, v.key); k != nil {
		return d.Principal(k), nil
	}
	return gateway.Principal{}, badToken("stands for no virtual key (%s), or for one that was switched off", c.KeyClaim)
}
