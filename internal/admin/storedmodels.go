package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// Trial is what would be served after an edit.
type Trial struct {
	Served map[string]bool // by id of the deployment
	Said   []string        // about what would be left out, and why; no secrets
}

// hidden stands for a value that is shown to nobody. Sent back in an update it
// means that the value stays as it is.
const hidden = "****"

// shownParams are the texts in litellm_params that are no secrets. Others are
// hidden: any of them may be one.
var shownParams = [...]string{
	"model", "custom_llm_provider", "api_base", "base_url", "api_version", "litellm_credential_name", "region_name", "organization", "tags",
	"budget_duration", "aws_region_name", "vertex_project", "vertex_location",
}

// modelBody is the body of POST /model/new, /model/update and PATCH
// /model/{model_id}/update.
type modelBody struct {
	Name    Opt[string] `json:"model_name"`
	Params  Opt[object] `json:"litellm_params"`
	Info    Opt[object] `json:"model_info"`
	Blocked Opt[bool]   `json:"blocked"`
	// ID is where LiteLLM's own Python client says which model to change.
	ID Opt[string] `json:"id"`
	unknown
}

// modelInfoFields are those of model_info that mean something here.
type modelInfoFields struct {
	ID         Opt[string] `json:"id"`
	TeamID     Opt[string] `json:"team_id"`
	PublicName Opt[string] `json:"team_public_model_name"`
	unknown
}

// check refuses what no model can be, and reads its model_info.
func (b *modelBody) check() (*modelInfoFields, error) {
	var info modelInfoFields
	if b.Info.Has() {
		if err := decode(b.Info.Value, &info); err != nil {
			e := gateway.AsError(err)
			e.Message, e.Param = "model_info."+e.Message, "model_info."+e.Param
			return nil, e
		}
	}
	for _, t := range []struct{ name, value string }{
		{"model_name", b.Name.Value},
		{"model_info.id", info.ID.Value},
		{"model_info.team_id", info.TeamID.Value},
		{"model_info.team_public_model_name", info.PublicName.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return nil, err
		}
	}
	return &info, nil
}

// storedModelRow is a model in the database as the management API shows it.
type storedModelRow struct {
	ID        string         `json:"model_id"`
	Name      string         `json:"model_name"`
	Params    jsontext.Value `json:"litellm_params"`
	Info      jsontext.Value `json:"model_info"`
	Blocked   bool           `json:"blocked"`
	TeamID    *string        `json:"team_id"`
	CreatedAt *time.Time     `json:"created_at"`
	CreatedBy *string        `json:"created_by"`
	UpdatedAt *time.Time     `json:"updated_at"`
	UpdatedBy *string        `json:"updated_by"`
}

func (a *API) storedModelRow(m *gateway.StoredModel) *storedModelRow {
	params, err := a.o.Secrets.OpenStrings(m.Params, secret.Model(m.ID))
	if err != nil {
		params = nil // sealed with a key that is not here: there is nothing to show
	}
	info, err := maskSecrets(obj(m.Info))
	if err != nil {
		info = obj(nil)
	}
	return &storedModelRow{
		ID: m.ID, Name: m.Name, Params: shownOf(params), Info: info, Blocked: m.Blocked, TeamID: text(m.TeamID),
		CreatedAt: stamp(m.CreatedAt), CreatedBy: text(m.CreatedBy), UpdatedAt: stamp(m.UpdatedAt), UpdatedBy: text(m.UpdatedBy),
	}
}

// shownOf returns litellm_params without their secrets.
func shownOf(params []byte) jsontext.Value {
	members := splitObject(obj(params))
	for i, m := range members {
		var s string
		switch {
		case (m.name == "api_base" || m.name == "base_url") && readString(m.value, &s):
			if quoted, err := jsontext.AppendQuote(nil, publicURL(s)); err == nil {
				members[i].value = quoted
			}
		case !slices.Contains(shownParams[:], m.name):
			members[i].value = hideStrings(m.value)
		}
	}
	return joinObject(members)
}

// hideStrings hides every text in a value.
func hideStrings(raw jsontext.Value) jsontext.Value {
	return eachText(raw, func(string) string { return hidden })
}

// eachText replaces every text in a value that is not empty.
func eachText(raw jsontext.Value, by func(string) string) jsontext.Value {
	out, err := secret.Mask(raw, true, by)
	if err != nil {
		return jsontext.Value(`"` + hidden + `"`) // no JSON, which no decoder lets in
	}
	return out
}

// merge returns have with the members of sent in place of its own. null takes
// one out, and a hidden value says that it stays.
func merge(have, sent []byte) []byte {
	out := obj(have)
	for _, m := range splitObject(sent) {
		switch {
		case m.value.Kind() == 'n':
			out = setMember(out, m.name, nil)
		case bytes.Contains(m.value, []byte(hidden)):
		default:
			out = setMember(out, m.name, m.value)
		}
	}
	return out
}

// textOf returns a member that is a text, "" if it is none.
func textOf(raw []byte, name string) string {
	var s string
	for _, m := range splitObject(raw) {
		if m.name == name && readString(m.value, &s) {
			return s
		}
	}
	return ""
}

func (a *API) storesModels() error {
	if a.o.StoreModels() && a.o.Secrets != nil {
		return nil
	}
	return &gateway.Error{Kind: gateway.Internal, Type: "auth_error", Message: "Set 'STORE_MODEL_IN_DB='True'' in your env to enable this feature."}
}

// ownSecrets keeps callers who are no proxy admins to parameters that use nothing
// of the house: its variables, files and credentials would be sent wherever
// api_base points.
func ownSecrets(p *gateway.Principal, params []byte) error {
	if isAdmin(p) {
		return nil
	}
	refuse := func(why string) error {
		return &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Param: "litellm_params", Message: "litellm_params: " + why}
	}
	for _, m := range splitObject(params) {
		switch text := string(eachText(m.value, func(s string) string { return s })); { // without escapes
		case m.name == "litellm_credential_name":
			return refuse("only proxy admins can have a model use a credential of the gateway: pass an api_key of your own")
		case strings.Contains(text, "os.environ") || strings.Contains(text, "file:/"):
			return refuse(m.name + ": only proxy admins can refer to variables and files of the gateway: pass the value itself")
		}
	}
	if key := textOf(params, "api_key"); key == "" || strings.Contains(key, hidden) {
		return refuse("api_key is missing: what a team calls with its own models it pays itself")
	}
	return nil
}

// newModel keeps a model. When it answers, the model can be called.
func (a *API) newModel(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if err := a.storesModels(); err != nil {
		return nil, err
	}
	var b modelBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	info, err := b.check()
	if err != nil {
		return nil, err
	}
	switch {
	case b.Name.Or("") == "":
		return nil, malformed("model_name", "model_name is missing: the name that clients ask for")
	case textOf(b.Params.Value, "model") == "":
		return nil, malformed("litellm_params.model", "litellm_params.model is missing: write it provider/model, for example openai/gpt-4o")
	}
	ctx, now := r.Context(), a.now()
	m := &gateway.StoredModel{
		ID: info.ID.Or(""), Name: b.Name.Value, Params: merge(nil, b.Params.Value), TeamID: info.TeamID.Or(""), Blocked: b.Blocked.Or(false),
		CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p),
	}
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	m.Info = withInfo(b.Info.Value, m, info.PublicName.Or(""))
	if err := a.directory.MayModel(p, auth.Create, m); err != nil {
		return nil, err
	}
	if err := ownSecrets(p, m.Params); err != nil {
		return nil, err
	}
	_, err = a.store.StoredModel(ctx, m.ID)
	if err := free(err, store.ErrConflict{}); err != nil || a.configured(m.ID) {
		return nil, cmp.Or(taken(err, modelTaken(m.ID)), error(modelTaken(m.ID)))
	}
	if err := a.serves(ctx, m); err != nil {
		return nil, err
	}
	if err := a.giveTeamModel(r, p, m); err != nil {
		return nil, err
	}
	if err := a.seal(m); err != nil {
		return nil, err
	}
	e := a.modelEntry(r, p, created, m)
	row := a.storedModelRow(m)
	e.After = snapshot(row)
	if err := a.store.CreateStoredModel(store.Audited(ctx, e), m); err != nil {
		return nil, taken(err, modelTaken(m.ID))
	}
	return row, a.changed(ctx, Change{Entity: ModelEntity, ID: m.ID})
}

func modelTaken(id string) *gateway.Error {
	return invalid("model_info.id", "Model id = %s already exists. Please use a different id.", id)
}

// withInfo returns model_info with what is said of the model elsewhere.
func withInfo(info []byte, m *gateway.StoredModel, public string) []byte {
	set := func(raw []byte, name, value string) []byte {
		quoted, err := jsontext.AppendQuote(nil, value)
		if err != nil {
			return raw // broken UTF-8, which no decoder lets in
		}
		return setMember(raw, name, quoted)
	}
	out := set(merge(nil, info), "id", m.ID)
	if m.TeamID == "" {
		return setMember(setMember(out, "team_id", nil), "team_public_model_name", nil)
	}
	if public == "" {
		public = m.Name
	}
	return set(set(out, "team_id", m.TeamID), "team_public_model_name", public)
}

// giveTeamModel sees to it that a team may use the model made for it.
func (a *API) giveTeamModel(r *http.Request, p *gateway.Principal, m *gateway.StoredModel) error {
	if m.TeamID == "" {
		return nil
	}
	t, err := a.team(r.Context(), m.TeamID)
	if err != nil {
		return err
	}
	name := textOf(m.Info, "team_public_model_name")
	if len(t.Models) == 0 || listed(t.Models, name) {
		return nil
	}
	if !isAdmin(p) {
		// The name may be, or become, that of a model of the house that the team
		// was not given.
		return &gateway.Error{
			Kind: gateway.Forbidden, Type: "auth_error", Param: "model_name",
			Message: fmt.Sprintf("team %s may use %v only: ask a proxy admin to add %s with /team/model/add", t.ID, t.Models, name),
		}
	}
	_, err = a.editTeam(r, p, t.ID, nil, func(t *gateway.Team) error {
		if !listed(t.Models, name) {
			t.Models = append(slices.Clone(t.Models), name)
		}
		return nil
	})
	return err
}

// configured reports whether the configuration has a deployment with the id.
func (a *API) configured(id string) bool {
	return slices.ContainsFunc(a.o.Models(), func(m Model) bool { return m.Deployment.ID == id && !m.Deployment.Stored })
}

// serves refuses a model, its parameters not sealed, that could not be called.
func (a *API) serves(ctx context.Context, m *gateway.StoredModel) error {
	trial, err := a.o.Try(ctx, func(s *config.Stored) {
		s.Models = append(slices.DeleteFunc(s.Models, func(have gateway.StoredModel) bool { return have.ID == m.ID }), *m)
	})
	if err != nil {
		return &gateway.Error{Kind: gateway.Unavailable, Message: "the configuration cannot be read, so no model can be changed: see the log, or penstock check", Err: err}
	}
	if trial.Served == nil || trial.Served[m.ID] {
		return nil
	}
	why := "this gateway cannot serve it"
	for _, said := range trial.Said {
		if _, about, ok := strings.Cut(said, "("+m.ID+") in the database: "); ok {
			why = about
			break
		}
	}
	return invalid("litellm_params", "litellm_params: %s", why)
}

// seal seals the parameters of a model.
func (a *API) seal(m *gateway.StoredModel) error {
	sealed, err := a.o.Secrets.SealStrings(m.Params, secret.Model(m.ID))
	if err != nil {
		return fmt.Errorf("seal the parameters of model %s: %w", m.ID, err)
	}
	m.Params = sealed
	return nil
}

func (a *API) modelEntry(r *http.Request, p *gateway.Principal, action string, m *gateway.StoredModel) *gateway.AuditEntry {
	e := a.entry(r, p, action, modelTable, m.ID)
	e.TeamID = m.TeamID
	return e
}

// modelFor returns a stored model if the caller may do this to it.
func (a *API) modelFor(ctx context.Context, p *gateway.Principal, do auth.Act, id string) (*gateway.StoredModel, error) {
	m, err := a.store.StoredModel(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if e := a.directory.MayModel(p, do, m); e != nil {
		return nil, e
	}
	if m == nil && a.configured(id) {
		e := invalid("model_id", "Cannot edit config-based model. Store model in DB via /model/new first.")
		e.Type = "validation_error"
		return nil, e
	}
	if m == nil {
		return nil, notFound(err, "model_id", "Model %s not found on proxy.", id)
	}
	return m, nil
}

// updateModel changes what is sent. Whoever is no proxy admin replaces all
// parameters and brings a key of their own: else a key could be sent to another
// address, or its calls be given another price.
func (a *API) updateModel(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if err := a.storesModels(); err != nil {
		return nil, err
	}
	var b modelBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	info, err := b.check()
	if err != nil {
		return nil, err
	}
	id := r.PathValue("model_id")
	if id == "" {
		id = info.ID.Or(b.ID.Or(""))
	}
	if id == "" {
		return nil, malformed("model_info.id", "model_info.id is missing: say which model to change")
	}
	ctx := r.Context()
	m, err := a.modelFor(ctx, p, auth.Change, id)
	if err != nil {
		return nil, err
	}
	if !isAdmin(p) {
		if err := ownSecrets(p, b.Params.Value); err != nil {
			return nil, err
		}
	}
	next := *m
	if err := a.mergeModel(p, &next, &b, info); err != nil {
		return nil, err
	}
	if err := a.serves(ctx, &next); err != nil {
		return nil, err
	}
	if next.TeamID != m.TeamID || textOf(next.Info, "team_public_model_name") != textOf(m.Info, "team_public_model_name") {
		if err := a.giveTeamModel(r, p, &next); err != nil {
			return nil, err
		}
	}
	if err := a.seal(&next); err != nil {
		return nil, err
	}
	return a.editModel(r, p, id, changed, func(have *gateway.StoredModel) error {
		if !bytes.Equal(have.Params, m.Params) || !bytes.Equal(have.Info, m.Info) {
			return &gateway.Error{Kind: gateway.Unavailable, Message: "somebody else has changed the model meanwhile: look at it and try again"}
		}
		next.Blocked = have.Blocked
		if b.Blocked.Has() && isAdmin(p) {
			next.Blocked = b.Blocked.Value
		}
		*have = next
		return nil
	})
}

// mergeModel puts what was sent into m and leaves its parameters open.
func (a *API) mergeModel(p *gateway.Principal, m *gateway.StoredModel, b *modelBody, info *modelInfoFields) error {
	params := []byte(nil)
	if isAdmin(p) {
		open, err := a.o.Secrets.OpenStrings(m.Params, secret.Model(m.ID))
		if err != nil {
			return invalid("litellm_params", "the parameters of model %s cannot be opened with the key of this gateway: delete the model and make it anew", m.ID)
		}
		params = open
	}
	m.Params = merge(params, b.Params.Value)
	if name := b.Name.Or(""); name != "" {
		m.Name = name
	}
	if info.TeamID.Sent {
		m.TeamID = info.TeamID.Or("")
	}
	public := info.PublicName.Or("")
	if public == "" && !b.Name.Has() {
		public = textOf(m.Info, "team_public_model_name")
	}
	m.Info = withInfo(merge(m.Info, b.Info.Value), m, public)
	if textOf(m.Params, "model") == "" {
		return malformed("litellm_params.model", "litellm_params.model is missing: a model needs one")
	}
	return a.directory.MayModel(p, auth.Change, m)
}

// editModel changes a model and has it count.
func (a *API) editModel(r *http.Request, p *gateway.Principal, id, action string, edit func(*gateway.StoredModel) error) (*storedModelRow, error) {
	ctx := r.Context()
	e := a.entry(r, p, action, modelTable, id)
	m, err := a.store.UpdateStoredModel(store.Audited(ctx, e), id, func(m *gateway.StoredModel) error {
		e.Before = snapshot(a.storedModelRow(m))
		if err := edit(m); err != nil {
			return err
		}
		m.UpdatedAt, m.UpdatedBy = a.now(), actor(p)
		e.TeamID, e.After = m.TeamID, snapshot(a.storedModelRow(m))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "model_id", "Model %s not found on proxy.", id)
	}
	return a.storedModelRow(m), a.changed(ctx, Change{Entity: ModelEntity, ID: id})
}

// modelIDBody is the body of POST /model/delete, /model/block and /model/unblock.
type modelIDBody struct {
	ID      Opt[string] `json:"id"`
	ModelID Opt[string] `json:"model_id"`
	unknown
}

type messageRow struct {
	Message string `json:"message"`
}

func (a *API) deleteModel(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if err := a.storesModels(); err != nil {
		return nil, err
	}
	var b modelIDBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, id := r.Context(), b.ID.Or(b.ModelID.Or(""))
	if id == "" {
		return nil, malformed("id", "id is missing: say which model to delete")
	}
	m, err := a.store.StoredModel(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if e := a.directory.MayModel(p, auth.Remove, m); e != nil {
		return nil, e
	}
	if m == nil {
		return nil, invalid("id", "Model with id=%s not found in db", id)
	}
	e := a.modelEntry(r, p, removed, m)
	e.Before = snapshot(a.storedModelRow(m))
	if _, err := a.store.DeleteStoredModels(store.Audited(ctx, e), []string{id}); err != nil {
		return nil, err
	}
	return &messageRow{"Model: " + id + " deleted successfully"}, a.changed(ctx, Change{Entity: ModelEntity, ID: id, Deleted: true})
}

func (a *API) blockModel(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setModelBlocked(w, r, p, true)
}

func (a *API) unblockModel(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setModelBlocked(w, r, p, false)
}

func (a *API) setModelBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, block bool) (any, error) {
	if err := a.storesModels(); err != nil {
		return nil, err
	}
	var b modelIDBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if err := a.directory.MayAdmin(p, auth.Change); err != nil {
		return nil, err
	}
	id := b.ModelID.Or(b.ID.Or(""))
	if id == "" {
		return nil, malformed("model_id", "model_id is missing: say which model")
	}
	if _, err := a.modelFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	action := unblocked
	if block {
		action = blocked
	}
	return a.editModel(r, p, id, action, func(m *gateway.StoredModel) error {
		m.Blocked = block
		return nil
	})
}

// missing names the models that before serves and after does not.
func missing(before, after Trial) []string {
	var gone []string
	for _, id := range slices.Sorted(maps.Keys(before.Served)) {
		if !after.Served[id] {
			gone = append(gone, id)
		}
	}
	return gone
}
