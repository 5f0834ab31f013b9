package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// What a password must be like. Longer ones are no better, and cost as much to
// hash as somebody wants.
const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes
)

// passwordBody is the body of POST /user/password/change.
type passwordBody struct {
	Current Opt[string] `json:"current_password"`
	New     Opt[string] `json:"new_password"`
	UserID  Opt[string] `json:"user_id"`
	unknown
}

// passwordChanged is its answer.
type passwordChanged struct {
	UserID  string `json:"user_id"`
	Message string `json:"message"`
}

// checkPassword refuses a password that is not what the configuration asks for.
func (a *API) checkPassword(field, password string) error {
	rules := a.o.Settings().Passwords
	least := cmp.Or(rules.Min, minPassword)
	var wants []string
	for _, r := range []struct {
		unmet bool
		says  string
	}{
		{utf8.RuneCountInString(password) < least, fmt.Sprintf("be at least %d characters long", least)},
		{len(password) > maxPassword, fmt.Sprintf("be at most %d bytes long", maxPassword)},
		{rules.Upper && !strings.ContainsFunc(password, unicode.IsUpper), "include an uppercase letter"},
		{rules.Lower && !strings.ContainsFunc(password, unicode.IsLower), "include a lowercase letter"},
		{rules.Digit && !strings.ContainsFunc(password, unicode.IsDigit), "include a number"},
		{rules.Special && !strings.ContainsFunc(password, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }), "include a special character"},
	} {
		if r.unmet {
			wants = append(wants, r.says)
		}
	}
	if len(wants) > 0 {
		return invalid(field, "Password does not meet the required policy: must %s.", strings.Join(wants, ", "))
	}
	return nil
}

// changePassword sets the caller's own password, who must know the one before,
// or somebody else's for whoever manages them.
func (a *API) changePassword(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b passwordBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if err := a.checkPassword("new_password", b.New.Or("")); err != nil {
		return nil, err
	}
	ctx, id, was := r.Context(), b.UserID.Or(""), ""
	if id == "" || p.User != nil && id == p.User.ID && !isAdmin(p) {
		var err error
		if id, was, err = a.knowsPassword(ctx, p, &b); err != nil {
			return nil, err
		}
	} else {
		u, err := a.store.User(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := a.directory.MayUser(p, auth.Change, id, u); err != nil {
			return nil, err
		}
		if u == nil {
			return nil, notFound(err, "user_id", "User not found, passed user_id=%s", id)
		}
	}
	if err := a.setPassword(r, p, id, was, b.New.Value); err != nil {
		return nil, err
	}
	return &passwordChanged{id, "Password updated successfully."}, nil
}

// knowsPassword refuses who cannot say the caller's current password. It returns
// whose it is, and its hash.
func (a *API) knowsPassword(ctx context.Context, p *gateway.Principal, b *passwordBody) (id, hash string, err error) {
	if p.User == nil {
		return "", "", invalid("user_id", "No user is associated with this key, so there is no password to change. Administrators say whose password to set by user_id.")
	}
	id = p.User.ID
	hash, err = a.store.PasswordHash(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", "", invalid("current_password", "This account has no password set, so there is no password to change. An administrator sets the first one.")
	}
	if err != nil {
		return "", "", err
	}
	if len(b.Current.Or("")) > maxPassword {
		return "", "", invalid("current_password", "Current password is incorrect.")
	}
	var ok bool
	if err := a.hashed(ctx, func() { ok, err = secret.CheckPassword(b.Current.Or(""), hash) }); err != nil {
		return "", "", err
	}
	switch {
	case err != nil:
		return "", "", err
	case !ok:
		return "", "", invalid("current_password", "Current password is incorrect.")
	case b.Current.Value == b.New.Value:
		return "", "", invalid("new_password", "New password must be different from the current password.")
	}
	return id, hash, nil
}

// hashed runs f when there is room for the memory that it takes.
func (a *API) hashed(ctx context.Context, f func()) error {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		f()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passwordSet is what the audit log says of a new password.
type passwordSet struct {
	Fields []string `json:"fields_changed"`
}

// setPassword stores a password that was checked.
func (a *API) setPassword(r *http.Request, p *gateway.Principal, id, was, password string) error {
	var hash string
	if err := a.hashed(r.Context(), func() { hash = secret.HashPassword(password) }); err != nil {
		return err
	}
	e := a.entry(r, p, changed, userTable, id)
	e.After = snapshot(passwordSet{[]string{"password"}})
	err := a.store.SetPassword(store.Audited(r.Context(), e), id, was, hash, a.now())
	if _, moved := errors.AsType[store.ErrConflict](err); moved {
		return invalid("current_password", "The password was changed a moment ago. Try again with that one.")
	}
	return notFound(err, "user_id", "User not found, passed user_id=%s", id)
}

// setPasswordOf sets the password that /user/update names, once the caller was
// found to manage the user.
func (a *API) setPasswordOf(r *http.Request, p *gateway.Principal, f *userFields, id string) error {
	if !f.Password.Has() {
		return nil
	}
	return a.setPassword(r, p, id, "", f.Password.Value)
}

// invited is how long an invitation holds.
const invited = 7 * 24 * time.Hour

// invitationRow is an invitation as it is shown.
type invitationRow struct {
	ID         string     `json:"id"`
	UserID     string     `json:"user_id"`
	Accepted   bool       `json:"is_accepted"`
	AcceptedAt *time.Time `json:"accepted_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	CreatedAt  *time.Time `json:"created_at"`
	CreatedBy  *string    `json:"created_by"`
	UpdatedAt  *time.Time `json:"updated_at"`
	UpdatedBy  *string    `json:"updated_by"`
}

func newInvitationRow(v *gateway.Invitation) *invitationRow {
	return &invitationRow{
		v.ID, v.UserID, v.Accepted, stamp(v.AcceptedAt), stamp(v.Expires), stamp(v.CreatedAt), text(v.CreatedBy), stamp(v.UpdatedAt), text(v.UpdatedBy),
	}
}

// invitationBody is the body of POST /invitation/new.
type invitationBody struct {
	UserID Opt[string] `json:"user_id"`
	unknown
}

// invitationUpdate is the body of POST /invitation/update.
type invitationUpdate struct {
	ID       Opt[string] `json:"invitation_id"`
	Accepted Opt[bool]   `json:"is_accepted"`
	unknown
}

// invitationID is the body of POST /invitation/delete.
type invitationID struct {
	ID Opt[string] `json:"invitation_id"`
	unknown
}

// mayInvite decides who has to do with invitations of a user: who manages it, and
// if own is set itself.
func (a *API) mayInvite(ctx context.Context, p *gateway.Principal, userID string, own bool) error {
	if own && p.User != nil && p.User.ID == userID {
		return nil
	}
	u, err := a.store.User(ctx, userID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := a.directory.MayUser(p, auth.Change, userID, u); err != nil {
		return err
	}
	if u == nil {
		return invalid("user_id", "User id does not exist in 'LiteLLM_UserTable'. Fix this by creating user via `/user/new`.")
	}
	return nil
}

func (a *API) newInvitation(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b invitationBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now, id := r.Context(), a.now(), b.UserID.Or("")
	if id == "" {
		return nil, malformed("user_id", "user_id is missing: say who is invited")
	}
	if err := a.mayInvite(ctx, p, id, false); err != nil {
		return nil, err
	}
	v := &gateway.Invitation{ID: uuid.NewString(), UserID: id, Expires: now.Add(invited), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	e := a.entry(r, p, created, invitationTable, v.ID)
	e.After = snapshot(newInvitationRow(v))
	if err := a.store.CreateInvitation(store.Audited(ctx, e), v); err != nil {
		return nil, err
	}
	return newInvitationRow(v), nil
}

// invitation returns an invitation that the caller has to do with.
func (a *API) invitation(ctx context.Context, p *gateway.Principal, id string, own bool) (*gateway.Invitation, error) {
	if id == "" {
		return nil, malformed("invitation_id", "invitation_id is missing: say which invitation")
	}
	v, err := a.store.Invitation(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	// Strangers are not told which there are.
	stranger := a.directory.MayUser(p, auth.Change, "", nil)
	switch {
	case v != nil && a.mayInvite(ctx, p, v.UserID, own) == nil:
		return v, nil
	case stranger != nil:
		return nil, stranger
	}
	return nil, invalid("invitation_id", "Invitation id does not exist in the database.")
}

func (a *API) invitationInfo(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("invitation_id")
	if q.err != nil {
		return nil, q.err
	}
	v, err := a.invitation(r.Context(), p, id, true)
	if err != nil {
		return nil, err
	}
	return newInvitationRow(v), nil
}

func (a *API) updateInvitation(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b invitationUpdate
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now, id := r.Context(), a.now(), b.ID.Or("")
	if !b.Accepted.Has() {
		return nil, malformed("is_accepted", "is_accepted is missing: say true when the invitation was accepted")
	}
	if _, err := a.invitation(ctx, p, id, true); err != nil {
		return nil, err
	}
	e := a.entry(r, p, changed, invitationTable, id)
	v, err := a.store.UpdateInvitation(store.Audited(ctx, e), id, func(v *gateway.Invitation) error {
		e.Before = snapshot(newInvitationRow(v))
		switch {
		case b.Accepted.Value && !v.Accepted && !now.Before(v.Expires):
			return invalid("invitation_id", "The invitation expired at %s. Make a new one with /invitation/new.", v.Expires.UTC().Format(time.RFC3339))
		case b.Accepted.Value && !v.Accepted:
			v.AcceptedAt = now
		case !b.Accepted.Value:
			v.AcceptedAt = time.Time{}
		}
		v.Accepted, v.UpdatedAt, v.UpdatedBy = b.Accepted.Value, now, actor(p)
		e.After = snapshot(newInvitationRow(v))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "invitation_id", "Invitation id does not exist in the database.")
	}
	return newInvitationRow(v), nil
}

func (a *API) deleteInvitation(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b invitationID
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	v, err := a.invitation(ctx, p, b.ID.Or(""), false)
	if err != nil {
		return nil, err
	}
	e := a.entry(r, p, removed, invitationTable, v.ID)
	e.Before = snapshot(newInvitationRow(v))
	if _, err := a.store.DeleteInvitations(store.Audited(ctx, e), []string{v.ID}); err != nil {
		return nil, err
	}
	return newInvitationRow(v), nil
}

// metadataSchema says which metadata teams should have, for forms that ask for it.
type metadataSchema struct {
	Fields []metadataField `json:"fields"`
}

type metadataField struct {
	Key   string  `json:"key"`
	Label *string `json:"label"`
}

func (a *API) teamMetadataSchema(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	out := &metadataSchema{Fields: []metadataField{}}
	for _, f := range a.o.Settings().Teams.Metadata {
		out.Fields = append(out.Fields, metadataField{f.Key, text(f.Label)})
	}
	return out, nil
}
