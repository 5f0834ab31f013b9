package admin_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// fake is a store in memory. It keeps copies, as a database does.
type fake struct {
	admin.Store // what tests do on a database
	mu          sync.Mutex
	keys        rows[gateway.Key]
	users       rows[gateway.User]
	teams       rows[gateway.Team]
	calls       []spend.Row
	fail        error // of every call, if not nil
}

func newFake() *fake {
	return &fake{keys: rows[gateway.Key]{}, users: rows[gateway.User]{}, teams: rows[gateway.Team]{}}
}

type rows[T any] map[string]*T

func (f *fake) lock() (unlock func(), err error) {
	f.mu.Lock()
	return f.mu.Unlock, f.fail
}

func find[T any](f *fake, r rows[T], match func(*T) bool) (*T, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	for _, v := range r {
		if match(v) {
			c := *v
			return &c, nil
		}
	}
	return nil, store.ErrNotFound
}

func create[T any](f *fake, r rows[T], id string, v *T, taken func(*T) *store.ErrConflict) error {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return err
	}
	if _, ok := r[id]; ok {
		return store.ErrConflict{Field: "id", Value: id}
	}
	for _, have := range r {
		if c := taken(have); c != nil {
			return *c
		}
	}
	c := *v
	r[id] = &c
	return nil
}

func update[T any](f *fake, r rows[T], id string, change func(*T) error, taken func(have, v *T) *store.ErrConflict) (*T, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	v, ok := r[id]
	if !ok {
		return nil, store.ErrNotFound
	}
	c := *v
	if err := change(&c); err != nil {
		return nil, err
	}
	for other, have := range r {
		if other == id {
			continue
		}
		if c := taken(have, &c); c != nil {
			return nil, *c
		}
	}
	r[id] = &c
	out := c
	return &out, nil
}

func sameAlias(have, k *gateway.Key) *store.ErrConflict {
	if k.Alias != "" && have.Alias == k.Alias {
		return &store.ErrConflict{Field: "alias", Value: k.Alias}
	}
	return nil
}

func sameEmail(have, u *gateway.User) *store.ErrConflict {
	if u.Email != "" && have.Email == u.Email {
		return &store.ErrConflict{Field: "email", Value: u.Email}
	}
	return nil
}

func (f *fake) CreateKey(_ context.Context, k *gateway.Key) error {
	return create(f, f.keys, k.Hash, k, func(have *gateway.Key) *store.ErrConflict { return sameAlias(have, k) })
}

// DeletedKey says that it keeps none.
func (f *fake) DeletedKey(context.Context, string) (*gateway.DeletedKey, error) {
	return find(f, rows[gateway.DeletedKey]{}, nil)
}

func (f *fake) Key(_ context.Context, hash string) (*gateway.Key, error) {
	return find(f, f.keys, func(k *gateway.Key) bool { return k.Hash == hash })
}

func (f *fake) KeyByAlias(_ context.Context, alias string) (*gateway.Key, error) {
	return find(f, f.keys, func(k *gateway.Key) bool { return k.Alias == alias })
}

func (f *fake) UpdateKey(_ context.Context, hash string, change func(*gateway.Key) error) (*gateway.Key, error) {
	return update(f, f.keys, hash, change, sameAlias)
}

func (f *fake) DeleteKeys(_ context.Context, hashes []string) ([]string, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, h := range hashes {
		if _, ok := f.keys[h]; ok {
			delete(f.keys, h)
			gone = append(gone, h)
		}
	}
	slices.Sort(gone)
	return gone, nil
}

func (f *fake) ListKeys(_ context.Context, want store.KeyFilter, p store.Page) ([]*gateway.Key, int, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, 0, err
	}
	is := func(want, have string) bool { return want == "" || want == have }
	var out []*gateway.Key
	for _, k := range f.keys {
		if is(want.Hash, k.Hash) && is(want.Alias, k.Alias) && is(want.UserID, k.UserID) && is(want.TeamID, k.TeamID) &&
			is(want.OrganizationID, k.OrganizationID) && strings.Contains(k.Alias, want.AliasContains) {
			out = append(out, k)
		}
	}
	order := map[string]func(a, b *gateway.Key) int{
		"created_at": func(a, b *gateway.Key) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"key_alias":  func(a, b *gateway.Key) int { return cmp.Compare(a.Alias, b.Alias) },
		"spend":      func(a, b *gateway.Key) int { return cmp.Compare(a.Spend.Window, b.Spend.Window) },
	}[p.Sort]
	slices.SortFunc(out, func(a, b *gateway.Key) int {
		n := cmp.Or(order(a, b), cmp.Compare(a.Hash, b.Hash))
		if p.Desc {
			return -n
		}
		return n
	})
	total := len(out)
	out = out[min(p.Offset, total):]
	return out[:min(p.Limit, len(out))], total, nil
}

func (f *fake) CreateUser(_ context.Context, u *gateway.User) error {
	return create(f, f.users, u.ID, u, func(have *gateway.User) *store.ErrConflict { return sameEmail(have, u) })
}

func (f *fake) User(_ context.Context, id string) (*gateway.User, error) {
	return find(f, f.users, func(u *gateway.User) bool { return u.ID == id })
}

func (f *fake) UserByEmail(_ context.Context, email string) (*gateway.User, error) {
	return find(f, f.users, func(u *gateway.User) bool { return u.Email == email })
}

func (f *fake) UpdateUser(_ context.Context, id string, change func(*gateway.User) error) (*gateway.User, error) {
	return update(f, f.users, id, change, sameEmail)
}

func (f *fake) CreateTeam(_ context.Context, t *gateway.Team) error {
	return create(f, f.teams, t.ID, t, func(*gateway.Team) *store.ErrConflict { return nil })
}

func (f *fake) Team(_ context.Context, id string) (*gateway.Team, error) {
	return find(f, f.teams, func(t *gateway.Team) bool { return t.ID == id })
}

func (f *fake) UpdateTeam(_ context.Context, id string, change func(*gateway.Team) error) (*gateway.Team, error) {
	return update(f, f.teams, id, change, func(_, _ *gateway.Team) *store.ErrConflict { return nil })
}

func (f *fake) ListTeams(context.Context, store.TeamFilter, store.Page) ([]*gateway.Team, int, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []*gateway.Team
	for _, t := range f.teams {
		out = append(out, t)
	}
	return out, len(out), err
}

func (f *fake) Calls(_ context.Context, want store.CallFilter) ([]spend.Row, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []spend.Row
	for _, r := range f.calls {
		if (want.RequestID == "" || want.RequestID == r.CallID || want.RequestID == r.ResponseID) &&
			(want.KeyHash == "" || want.KeyHash == r.KeyHash) && (want.UserID == "" || want.UserID == r.UserID) &&
			(want.From.IsZero() || !r.Start.Before(want.From)) && (want.To.IsZero() || r.Start.Before(want.To)) {
			out = append(out, r)
		}
	}
	return out, err
}

func (f *fake) SpendByDay(_ context.Context, want store.DayFilter) ([]store.DaySpend, error) {
	unlock, err := f.lock()
	defer unlock()
	var out []store.DaySpend
	for _, r := range f.calls {
		id := map[string]string{store.Key: r.KeyHash, store.User: r.UserID}[want.Scope]
		day := r.Start.Format("2006-01-02")
		if id == "" && want.Scope != store.Global {
			continue // nobody is charged
		}
		if (want.ID == "" || want.ID == id) && (want.From.IsZero() || day >= want.From.Format("2006-01-02")) &&
			(want.To.IsZero() || day <= want.To.Format("2006-01-02")) {
			out = append(out, store.DaySpend{Day: day, ID: id, Model: r.Model, Counters: store.Counters{Cost: r.Cost}})
		}
	}
	return out, err
}

func (f *fake) Total(context.Context, string, string) (gateway.Spend, error) {
	unlock, err := f.lock()
	defer unlock()
	var s gateway.Spend
	for _, r := range f.calls {
		s.Total += r.Cost
	}
	return s, err
}

func (f *fake) Organization(_ context.Context, id string) (*gateway.Organization, error) {
	unlock, err := f.lock()
	defer unlock()
	return &gateway.Organization{ID: id}, err // whatever is asked for
}
