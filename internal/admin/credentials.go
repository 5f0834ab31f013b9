package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// credentialBody is the body of POST /credentials and PATCH /credentials/{name}.
type credentialBody struct {
	Name    Opt[string]   `json:"credential_name"`
	Values  Opt[object]   `json:"credential_values"`
	ModelID Opt[string]   `json:"model_id"` // whose values to take
	Info    Opt[object]   `json:"credential_info"`
	Delete  Opt[[]string] `json:"credential_values_to_delete"`
	unknown
}

// credentialRow is a credential as the management API shows it: never with a value.
type credentialRow struct {
	Name   string         `json:"credential_name"`
	Values jsontext.Value `json:"credential_values"`
	Info   jsontext.Value `json:"credential_info"`
}

func newCredentialRow(c *gateway.Credential) *credentialRow {
	info, err := maskSecrets(obj(c.Info))
	if err != nil {
		info = obj(nil)
	}
	return &credentialRow{c.Name, hideStrings(obj(c.Values)), info}
}

// sealing refuses to take or show what cannot be sealed and opened.
func (a *API) sealing() error {
	if a.o.Secrets == nil {
		return &gateway.Error{Kind: gateway.Unavailable, Message: "this gateway has no key that seals secrets"}
	}
	return nil
}

type credentialDone struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// sealCredential seals the values of a credential.
func (a *API) sealCredential(c *gateway.Credential) error {
	sealed, err := a.o.Secrets.SealStrings(c.Values, secret.Credential(c.Name))
	c.Values = sealed
	return err
}

// credentialParams are the parameters of a model that say how its provider is
// reached.
var credentialParams = [...]string{"api_key", "api_base", "base_url", "api_version", "custom_llm_provider", "organization", "region_name"}

// valuesOfModel returns the values that a stored model is called with.
func (a *API) valuesOfModel(ctx context.Context, id string) ([]byte, error) {
	if err := a.sealing(); err != nil {
		return nil, err
	}
	m, err := a.store.StoredModel(ctx, id)
	if err != nil {
		if a.configured(id) {
			return nil, invalid("model_id", "model %s is in the configuration: only what models in the database are called with can be shown or copied", id)
		}
		return nil, notFound(err, "model_id", "Model %s not found on proxy.", id)
	}
	params, err := a.o.Secrets.OpenStrings(m.Params, secret.Model(id))
	if err != nil {
		return nil, invalid("model_id", "the parameters of model %s cannot be opened with the key of this gateway", id)
	}
	return joinObject(slices.DeleteFunc(splitObject(params), func(m jsonMember) bool {
		return !slices.Contains(credentialParams[:], m.name) && !strings.HasPrefix(m.name, "aws_") && !strings.HasPrefix(m.name, "vertex_") && !strings.HasPrefix(m.name, "azure_")
	})), nil
}

func (a *API) newCredential(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if err := a.sealing(); err != nil {
		return nil, err
	}
	var b credentialBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	name, ctx, now := b.Name.Or(""), r.Context(), a.now()
	if name == "" {
		return nil, malformed("credential_name", "credential_name is missing: the name by which models refer to it")
	}
	if err := checkText("credential_name", name); err != nil {
		return nil, err
	}
	c := &gateway.Credential{
		Name: name, Values: merge(nil, b.Values.Value), Info: b.Info.Or(nil),
		CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p),
	}
	if id := b.ModelID.Or(""); id != "" {
		values, err := a.valuesOfModel(ctx, id)
		if err != nil {
			return nil, err
		}
		c.Values = merge(values, b.Values.Value)
	}
	if len(splitObject(c.Values)) == 0 {
		return nil, malformed("credential_values", "credential_values is missing: pass an object like {\"api_key\": …}, or the model_id of a model to take them from")
	}
	if err := a.sealCredential(c); err != nil {
		return nil, err
	}
	e := a.entry(r, p, created, credentialTable, name)
	e.After = snapshot(newCredentialRow(c))
	if err := a.store.CreateCredential(store.Audited(ctx, e), c); err != nil {
		// LiteLLM's Terraform provider takes over what exists if it reads of the constraint.
		dup := invalid("credential_name", "Credential %s already exists (Unique constraint failed on credential_name). Change it with PATCH /credentials/{name}.", name)
		dup.Status = http.StatusConflict
		return nil, taken(err, dup)
	}
	return &credentialDone{true, "Credential created successfully"}, a.changed(ctx, Change{Entity: CredentialEntity, ID: name})
}

type credentialList struct {
	Success     bool             `json:"success"`
	Credentials []*credentialRow `json:"credentials"`
}

func (a *API) listCredentials(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	f, page := store.CredentialFilter{Search: q.text("search")}, q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	credentials, total, err := a.store.ListCredentials(r.Context(), f, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(credentials), total)
	out := &credentialList{Success: true, Credentials: []*credentialRow{}}
	for _, c := range credentials {
		out.Credentials = append(out.Credentials, newCredentialRow(c))
	}
	return out, nil
}

func noCredential(err error, name string) error {
	return notFound(err, "credential_name", "Credential not found. Got credential name: %s", name)
}

func (a *API) credentialByName(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	name := r.PathValue("name")
	c, err := a.store.Credential(r.Context(), name)
	if err != nil {
		return nil, noCredential(err, name)
	}
	return newCredentialRow(c), nil
}

func (a *API) credentialByModel(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	id := r.PathValue("model_id")
	values, err := a.valuesOfModel(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return &credentialRow{"model-" + id, hideStrings(values), obj(nil)}, nil
}

// updateCredential changes the values that are sent and takes out those to be
// deleted. A change that models cannot be served with is refused.
func (a *API) updateCredential(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	if err := a.sealing(); err != nil {
		return nil, err
	}
	var b credentialBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, name := r.Context(), r.PathValue("name")
	if other := b.Name.Or(name); other != name {
		return nil, invalid("credential_name", "credential_name: a credential keeps its name, models refer to it: make a new one")
	}
	was, err := a.store.Credential(ctx, name)
	if err != nil {
		return nil, noCredential(err, name)
	}
	open, err := a.o.Secrets.OpenStrings(was.Values, secret.Credential(name))
	if err != nil {
		return nil, invalid("credential_name", "credential %s cannot be opened with the key of this gateway: delete it and make it anew", name)
	}
	next := *was
	next.Values = merge(open, b.Values.Value)
	for _, field := range b.Delete.Value {
		next.Values = setMember(next.Values, field, nil)
	}
	if b.Info.Sent {
		next.Info = merge(was.Info, b.Info.Value)
	}
	err = a.keepsServing(ctx, "credential_values", func(s *config.Stored) {
		for i := range s.Credentials {
			if s.Credentials[i].Name == name {
				s.Credentials[i] = next
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if err := a.sealCredential(&next); err != nil {
		return nil, err
	}
	e := a.entry(r, p, changed, credentialTable, name)
	_, err = a.store.UpdateCredential(store.Audited(ctx, e), name, func(c *gateway.Credential) error {
		if string(c.Values) != string(was.Values) {
			return &gateway.Error{Kind: gateway.Unavailable, Message: "somebody else has changed the credential meanwhile: look at it and try again"}
		}
		e.Before = snapshot(newCredentialRow(c))
		next.UpdatedAt, next.UpdatedBy = a.now(), actor(p)
		*c = next
		e.After = snapshot(newCredentialRow(c))
		return nil
	})
	if err != nil {
		return nil, noCredential(err, name)
	}
	return &credentialDone{true, "Credential updated successfully"}, a.changed(ctx, Change{Entity: CredentialEntity, ID: name})
}

// keepsServing refuses an edit after which a model could no longer be served.
func (a *API) keepsServing(ctx context.Context, field string, edit func(*config.Stored)) error {
	before, err := a.o.Try(ctx, func(*config.Stored) {})
	if err != nil {
		return &gateway.Error{Kind: gateway.Unavailable, Message: "the configuration cannot be read, so no credential can be changed: see the log, or penstock check", Err: err}
	}
	after, err := a.o.Try(ctx, edit)
	if err != nil { // a model of the configuration needs it
		return invalid(field, "%s: a model in the configuration uses this credential and could not be called any more", field)
	}
	if gone := missing(before, after); len(gone) > 0 {
		return invalid(field, "%s: models use this credential and could not be called any more: %s", field, strings.Join(gone, ", "))
	}
	return nil
}

// deleteCredential deletes a credential that no model uses.
func (a *API) deleteCredential(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	ctx, name := r.Context(), r.PathValue("name")
	c, err := a.store.Credential(ctx, name)
	if err != nil {
		return nil, noCredential(err, name)
	}
	err = a.keepsServing(ctx, "credential_name", func(s *config.Stored) {
		s.Credentials = slices.DeleteFunc(s.Credentials, func(c gateway.Credential) bool { return c.Name == name })
	})
	if err != nil {
		return nil, err
	}
	e := a.entry(r, p, removed, credentialTable, name)
	e.Before = snapshot(newCredentialRow(c))
	if _, err := a.store.DeleteCredentials(store.Audited(ctx, e), []string{name}); err != nil {
		return nil, err
	}
	return &credentialDone{true, "Credential deleted successfully"}, a.changed(ctx, Change{Entity: CredentialEntity, ID: name, Deleted: true})
}
