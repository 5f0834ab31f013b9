package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// JWTMappingEntity is a claim of bearer tokens that stands for a key.
const JWTMappingEntity = "jwt_mapping"

const jwtMappingTable = "LiteLLM_JWTKeyMapping"

// mappingRow is such a claim as the management API shows it. The key it stands
// for is not shown, as for LiteLLM.
type mappingRow struct {
	ID          string     `json:"id"`
	Issuer      *string    `json:"jwt_issuer"`
	Claim       string     `json:"jwt_claim_name"`
	Value       string     `json:"jwt_claim_value"`
	Description *string    `json:"description"`
	Active      bool       `json:"is_active"`
	CreatedAt   *time.Time `json:"created_at"`
	CreatedBy   *string    `json:"created_by"`
	UpdatedAt   *time.Time `json:"updated_at"`
	UpdatedBy   *string    `json:"updated_by"`
}

func newMappingRow(m *gateway.JWTMapping) *mappingRow {
	return &mappingRow{
		ID: m.ID, Issuer: text(m.Issuer), Claim: m.Claim, Value: m.Value, Description: text(m.Description), Active: m.Active,
		CreatedAt: stamp(m.CreatedAt), CreatedBy: text(m.CreatedBy), UpdatedAt: stamp(m.UpdatedAt), UpdatedBy: text(m.UpdatedBy),
	}
}

// mappingBody is the body of POST /jwt/key/mapping/new and /update.
type mappingBody struct {
	ID          Opt[string] `json:"id"`
	Issuer      Opt[string] `json:"jwt_issuer"`
	Claim       Opt[string] `json:"jwt_claim_name"`
	Value       Opt[string] `json:"jwt_claim_value"`
	Key         Opt[string] `json:"key"`
	Description Opt[string] `json:"description"`
	Active      Opt[bool]   `json:"is_active"`
	unknown
}

// apply sets what was sent.
func (b *mappingBody) apply(m *gateway.JWTMapping) error {
	for _, f := range []struct {
		name   string
		sent   Opt[string]
		to     *string
		needed bool
	}{
		{"jwt_issuer", b.Issuer, &m.Issuer, false},
		{"jwt_claim_name", b.Claim, &m.Claim, true},
		{"jwt_claim_value", b.Value, &m.Value, true},
		{"description", b.Description, &m.Description, false},
		{"key", b.Key, &m.KeyHash, true},
	} {
		if f.sent.Sent {
			if err := checkText(f.name, f.sent.Or("")); err != nil {
				return err
			}
			*f.to = f.sent.Or("")
			if f.name == "key" {
				*f.to = keyHash(f.sent.Or(""))
			}
		}
		if *f.to == "" && f.needed {
			return malformed(f.name, "%s is missing: which claim, which value of it, and which key it stands for must be said", f.name)
		}
	}
	if b.Active.Has() {
		m.Active = b.Active.Value
	}
	return nil
}

func (a *API) newMapping(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b mappingBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	m := &gateway.JWTMapping{ID: orderedID(), Active: true, CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if err := b.apply(m); err != nil {
		return nil, err
	}
	if err := a.keyExists(ctx, m.KeyHash); err != nil {
		return nil, err
	}
	e := a.entry(r, p, created, jwtMappingTable, m.ID)
	e.KeyHash, e.After = m.KeyHash, snapshot(newMappingRow(m))
	if err := a.store.CreateJWTMapping(store.Audited(ctx, e), m); err != nil {
		return nil, mappingConflict(err)
	}
	return newMappingRow(m), a.changed(ctx, Change{Entity: JWTMappingEntity, ID: m.ID})
}

func (a *API) updateMapping(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b mappingBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now, id := r.Context(), a.now(), b.ID.Or("")
	if id == "" {
		return nil, malformed("id", "id is missing: which mapping is to be changed")
	}
	if key := b.Key.Or(""); key != "" {
		if err := a.keyExists(ctx, keyHash(key)); err != nil {
			return nil, err
		}
	}
	e := a.entry(r, p, changed, jwtMappingTable, id)
	m, err := a.store.UpdateJWTMapping(store.Audited(ctx, e), id, func(m *gateway.JWTMapping) error {
		e.Before = snapshot(newMappingRow(m))
		if err := b.apply(m); err != nil {
			return err
		}
		m.UpdatedAt, m.UpdatedBy = now, actor(p)
		e.KeyHash, e.After = m.KeyHash, snapshot(newMappingRow(m))
		return nil
	})
	if err != nil {
		return nil, mappingConflict(notFound(err, "id", "Mapping not found"))
	}
	return newMappingRow(m), a.changed(ctx, Change{Entity: JWTMappingEntity, ID: id})
}

// mappingStatus is the answer of POST /jwt/key/mapping/delete.
type mappingStatus struct {
	Status string `json:"status"`
}

func (a *API) deleteMapping(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b mappingBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, id := r.Context(), b.ID.Or("")
	m, err := a.store.JWTMapping(ctx, id)
	if err != nil {
		return nil, notFound(err, "id", "Mapping not found")
	}
	e := a.entry(r, p, removed, jwtMappingTable, id)
	e.KeyHash, e.Before = m.KeyHash, snapshot(newMappingRow(m))
	if _, err := a.store.DeleteJWTMappings(store.Audited(ctx, e), []string{id}); err != nil {
		return nil, err
	}
	return &mappingStatus{"success"}, a.changed(ctx, Change{Entity: JWTMappingEntity, ID: id, Deleted: true})
}

// mappingList is one page of mappings.
type mappingList struct {
	Mappings    []*mappingRow `json:"mappings"`
	TotalCount  int           `json:"total_count"`
	CurrentPage int           `json:"current_page"`
	TotalPages  int           `json:"total_pages"`
}

func (a *API) listMappings(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("size", 50, 1, 100)
	if q.err != nil {
		return nil, q.err
	}
	found, total, err := a.store.ListJWTMappings(r.Context(), store.JWTMappingFilter{}, store.Page{Offset: (page - 1) * size, Limit: size, Desc: true})
	if err != nil {
		return nil, err
	}
	out := &mappingList{Mappings: []*mappingRow{}, TotalCount: total, CurrentPage: page, TotalPages: (total + size - 1) / size}
	for _, m := range found {
		out.Mappings = append(out.Mappings, newMappingRow(m))
	}
	return out, nil
}

func (a *API) mappingInfo(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("id")
	if q.err != nil {
		return nil, q.err
	}
	m, err := a.store.JWTMapping(r.Context(), id)
	if err != nil {
		return nil, notFound(err, "id", "Mapping not found")
	}
	return newMappingRow(m), nil
}

// keyExists refuses the hash of a key that is not there.
func (a *API) keyExists(ctx context.Context, hash string) error {
	_, err := a.store.Key(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return invalid("key", "Key not found in database: a claim can stand only for a key that there is")
	}
	return err
}

// mappingConflict turns a taken claim into a 409.
func mappingConflict(err error) error {
	if _, taken := errors.AsType[store.ErrConflict](err); !taken {
		return err
	}
	e := invalid("jwt_claim_value", "This value of the claim stands for a key already. Change or delete that mapping.")
	e.Status = http.StatusConflict
	return e
}
