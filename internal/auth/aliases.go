package auth

import (
	"slices"
	"sync"
)

// aliases finds rows by their alias, which more than one may have. The zero
// value is empty and ready.
type aliases struct {
	mu  sync.RWMutex
	ids map[string][]string // by alias; guarded by mu
	of  map[string]string   // alias by id; guarded by mu
}

// put has id known by the alias, "" for none, instead of the one it had.
func (a *aliases) put(id, alias string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if was, had := a.of[id]; had {
		if was == alias {
			return
		}
		delete(a.of, id)
		if a.ids[was] = slices.DeleteFunc(a.ids[was], func(s string) bool { return s == id }); len(a.ids[was]) == 0 {
			delete(a.ids, was)
		}
	}
	if alias == "" {
		return
	}
	if a.ids == nil {
		a.ids, a.of = map[string][]string{}, map[string]string{}
	}
	a.ids[alias], a.of[id] = append(a.ids[alias], id), alias
}

// id returns who has the alias, "" if nobody has or several have: what is told
// apart by an alias must have one of its own.
func (a *aliases) id(alias string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if ids := a.ids[alias]; alias != "" && len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// take has a know what o knows and nothing else. o is used up.
func (a *aliases) take(o *aliases) {
	o.mu.Lock()
	ids, of := o.ids, o.of
	o.mu.Unlock()
	a.mu.Lock()
	a.ids, a.of = ids, of
	a.mu.Unlock()
}
