package admin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

func TestPasswordsOfUsers(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","password":"correct horse battery"}`).refused(400, "bad_request_error", "password", "/user/password/change")
		h.post("/user/new", `{"user_id":"ann","user_role":"internal_user"}`).ok()
		h.post("/user/new", `{"user_id":"bob","user_role":"internal_user"}`).ok()

		h.as("ann", gateway.InternalUser)
		h.post("/user/password/change", `{"current_password":"","new_password":"correct horse battery"}`).refused(400, "bad_request_error", "current_password", "no password set")
		h.asAdmin()
		h.post("/user/password/change", `{"user_id":"ann","new_password":"short"}`).refused(400, "bad_request_error", "new_password", "at least 12")
		h.post("/user/password/change", `{"user_id":"nobody","new_password":"correct horse battery"}`).refused(404, "not_found_error", "user_id", "nobody")
		h.post("/user/password/change", `{"new_password":"correct horse battery"}`).refused(400, "bad_request_error", "user_id", "user_id")
		answers := []*answer{h.post("/user/password/change", `{"user_id":"ann","new_password":"correct horse battery"}`).ok().has("user_id", `"ann"`)}

		h.as("ann", gateway.InternalUser)
		h.post("/user/password/change", `{"current_password":"wrong horse battery","new_password":"staple staple staple"}`).refused(400, "bad_request_error", "current_password", "incorrect")
		h.post("/user/password/change", `{"new_password":"staple staple staple"}`).refused(400, "bad_request_error", "current_password", "incorrect")
		h.post("/user/password/change", `{"current_password":"correct horse battery","new_password":"correct horse battery"}`).refused(400, "bad_request_error", "new_password", "different")
		h.post("/user/password/change", `{"user_id":"bob","new_password":"staple staple staple"}`).refused(403, "auth_error", "", "bob")
		answers = append(answers, h.post("/user/password/change", `{"current_password":"correct horse battery","new_password":"staple staple staple"}`).ok())
		h.post("/user/password/change", `{"user_id":"ann","current_password":"correct horse battery","new_password":"staple staple 3"}`).refused(400, "bad_request_error", "current_password", "incorrect")
		h.post("/user/password/change", `{"current_password":["staple staple staple"],"new_password":"x"}`).refused(422, "validation_error", "current_password", "a string")

		h.asAdmin()
		answers = append(answers, h.post("/user/update", `{"user_id":"ann","password":"staple staple four"}`).ok(), h.get("/user/info?user_id=ann").ok(), h.get("/user/list").ok())
		h.post("/user/update", `{"user_id":"ann","password":"short"}`).refused(400, "bad_request_error", "password", "at least 12")
		h.as("ann", gateway.InternalUser)
		h.post("/user/password/change", `{"current_password":"staple staple four","new_password":"staple staple five"}`).ok()

		hash, err := h.db.PasswordHash(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			for _, secret := range []string{"horse", "staple", "$argon2id", hash} {
				h.hidden(secret, a, "ann")
			}
		}
		h.audited("ann", "updated by ann", "updated by default_user_id", "updated by default_user_id", "updated by ann", "updated by default_user_id", "created by default_user_id")

		// Two who know it change it at once: one of them did not.
		if err := h.db.SetPassword(t.Context(), "ann", "another", "new", time.Now()); !errors.Is(err, store.ErrConflict{Field: "password", Value: "ann"}) {
			t.Errorf("set on top of another one: %v", err)
		}
		h.asAdmin().post("/user/delete", `{"user_ids":["ann"]}`).ok()
		if _, err := h.db.PasswordHash(t.Context(), "ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the password of a user who is gone: %v", err)
		}
	})
}

func TestPasswordsAreAsTheConfigurationWantsThem(t *testing.T) {
	set := &admin.Settings{Passwords: config.PasswordRules{Min: 8, Upper: true, Lower: true, Digit: true, Special: true}}
	h := openHouse(t, sqlite(t), func(o *admin.Options) { o.Settings = func() *admin.Settings { return set } })
	h.post("/user/new", `{"user_id":"ann"}`).ok()
	for password, want := range map[string]string{
		"Aa1-": "at least 8 characters", "aaaa1111----": "an uppercase letter", "AAAA1111----": "a lowercase letter", "AAAAaaaa----": "a number", "AAAAaaaa1111ö": "a special character",
		"": "at least 8 characters long, include an uppercase letter",
	} {
		h.post("/user/password/change", `{"user_id":"ann","new_password":"`+password+`"}`).refused(400, "bad_request_error", "new_password", want)
	}
	h.post("/user/password/change", `{"user_id":"ann","new_password":"Aa1-Aa1-"}`).ok()
}

func TestInvitations(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","send_invite_email":true}`).ok()
		h.post("/user/new", `{"user_id":"bob","user_role":"internal_user"}`).ok()
		h.post("/invitation/new", `{"user_id":"nobody"}`).refused(400, "bad_request_error", "user_id", "/user/new")
		h.post("/invitation/new", `{}`).refused(422, "validation_error", "user_id", "user_id")
		v := h.post("/invitation/new", `{"user_id":"ann"}`).ok().has("user_id", `"ann"`, "is_accepted", "false", "accepted_at", "null", "expires_at", `"2026-01-24T12:00:00Z"`, "created_by", `"default_user_id"`)
		id := v.text("id")
		h.audited(id, "created by default_user_id")

		h.as("bob", gateway.InternalUser)
		theirs, none := h.get("/invitation/info?invitation_id="+id), h.get("/invitation/info?invitation_id=x")
		if theirs.Status != 403 || theirs.Body != none.Body {
			t.Errorf("a stranger is told %s of one that there is, and %s of one that there is not", theirs.Body, none.Body)
		}
		for _, c := range [][2]string{{"/invitation/update", `{"invitation_id":"` + id + `","is_accepted":true}`}, {"/invitation/delete", `{"invitation_id":"` + id + `"}`}, {"/invitation/new", `{"user_id":"ann"}`}} {
			if a := h.post(c[0], c[1]); a.Status != 403 || strings.Contains(a.Body, id) {
				t.Errorf("%s of a stranger: %d %s", c[0], a.Status, a.Body)
			}
		}

		h.as("ann", gateway.InternalUser)
		h.get("/invitation/info?invitation_id="+id).ok().has("id", `"`+id+`"`)
		h.post("/invitation/update", `{"invitation_id":"`+id+`","is_accepted":true}`).ok().has("is_accepted", "true", "accepted_at", `"2026-01-17T12:00:00Z"`, "updated_by", `"ann"`)
		h.post("/invitation/delete", `{"invitation_id":"`+id+`"}`).refused(403, "auth_error", "", "not allowed")

		h.asAdmin()
		h.get("/invitation/info?invitation_id=x").refused(400, "bad_request_error", "invitation_id", "does not exist")
		h.post("/invitation/delete", `{"invitation_id":"`+id+`"}`).ok().has("id", `"`+id+`"`)
		h.post("/invitation/update", `{"invitation_id":"`+id+`","is_accepted":true}`).refused(400, "bad_request_error", "invitation_id", "does not exist")
		h.audited(id, "deleted by default_user_id", "updated by ann")

		late := &gateway.Invitation{ID: "late", UserID: "ann", Expires: noon.Add(-time.Second), CreatedAt: noon, UpdatedAt: noon}
		if err := h.db.CreateInvitation(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		h.post("/invitation/update", `{"invitation_id":"late","is_accepted":true}`).refused(400, "bad_request_error", "invitation_id", "expired")
		h.post("/user/delete", `{"user_ids":["ann"]}`).ok()
		if _, err := h.db.Invitation(t.Context(), "late"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the invitation of a user who is gone: %v", err)
		}
	})
}

func TestFormsAskForTheMetadataOfTeams(t *testing.T) {
	set := &admin.Settings{}
	h := openHouse(t, sqlite(t), func(o *admin.Options) { o.Settings = func() *admin.Settings { return set } })
	h.get("/team/metadata_schema").ok().has("fields", "[]")
	set.Teams.Metadata = []config.MetadataField{{Key: "cost_center", Label: "Cost center"}, {Key: "app"}}
	h.get("/team/metadata_schema").ok().has("fields", `[{"key":"cost_center","label":"Cost center"},{"key":"app","label":null}]`)
}

func TestNoMailIsSent(t *testing.T) {
	h := openHouse(t, sqlite(t))
	for _, route := range []string{"/user/new", "/key/generate"} {
		if got := h.post(route, `{"send_invite_email":true}`).ok().Header.Get(admin.UnusedHeader); got != "send_invite_email" {
			t.Errorf("%s: %s is %q", route, admin.UnusedHeader, got)
		}
	}
}
