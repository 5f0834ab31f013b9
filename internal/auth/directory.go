package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"penstock/internal/gateway"
)

// Sum is the SHA-256 of a key: what is stored and looked up instead of it.
type Sum [sha256.Size]byte

// Hash returns the form in which a key is stored and shown: lower-case hex of
// its SHA-256, which is LiteLLM's, so that its keys go on working.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// shards spreads the keys over as many maps, so that callers do not wait for
// one lock. A power of two.
const shards = 32

// Directory knows every key, user and team there is, in memory: a request is
// authenticated without asking the database. Entries are immutable; a change
// puts a new one in place.
type Directory struct {
	keys  [shards]keyShard
	users entities[gateway.User]
	teams entities[gateway.Team]
}

type keyShard struct {
	mu sync.RWMutex
	m  map[Sum]*gateway.Key
	_  [32]byte // neighbours in one cache line would slow each other down
}

type entities[T any] struct {
	mu sync.RWMutex
	m  map[string]*T
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	d := &Directory{users: entities[gateway.User]{m: map[string]*gateway.User{}}, teams: entities[gateway.Team]{m: map[string]*gateway.Team{}}}
	for i := range d.keys {
		d.keys[i].m = map[Sum]*gateway.Key{}
	}
	return d
}

// PutKey adds the key or replaces what was known of it. The key must not
// change afterwards. A hash that is not one is ignored: no key can have it.
func (d *Directory) PutKey(k *gateway.Key) {
	if sum, ok := ParseSum(k.Hash); ok {
		sh := &d.keys[sum[0]&(shards-1)]
		sh.mu.Lock()
		sh.m[sum] = k
		sh.mu.Unlock()
	}
}

// DeleteKey forgets the key with this hash.
func (d *Directory) DeleteKey(hash string) {
	if sum, ok := ParseSum(hash); ok {
		sh := &d.keys[sum[0]&(shards-1)]
		sh.mu.Lock()
		delete(sh.m, sum)
		sh.mu.Unlock()
	}
}

// Key returns the key with this sum, nil if there is none.
func (d *Directory) Key(sum *Sum) *gateway.Key {
	sh := &d.keys[sum[0]&(shards-1)]
	sh.mu.RLock()
	k := sh.m[*sum]
	sh.mu.RUnlock()
	return k
}

// Keys returns how many keys there are.
func (d *Directory) Keys() int {
	n := 0
	for i := range d.keys {
		d.keys[i].mu.RLock()
		n += len(d.keys[i].m)
		d.keys[i].mu.RUnlock()
	}
	return n
}

// PutUser adds the user or replaces what was known of it.
func (d *Directory) PutUser(u *gateway.User) { d.users.put(u.ID, u) }

// DeleteUser forgets the user.
func (d *Directory) DeleteUser(id string) { d.users.drop(id) }

// User returns the user, nil if there is none.
func (d *Directory) User(id string) *gateway.User { return d.users.get(id) }

// PutTeam adds the team or replaces what was known of it.
func (d *Directory) PutTeam(t *gateway.Team) { d.teams.put(t.ID, t) }

// DeleteTeam forgets the team.
func (d *Directory) DeleteTeam(id string) { d.teams.drop(id) }

// Team returns the team, nil if there is none.
func (d *Directory) Team(id string) *gateway.Team { return d.teams.get(id) }

func (e *entities[T]) put(id string, v *T) {
	e.mu.Lock()
	e.m[id] = v
	e.mu.Unlock()
}

func (e *entities[T]) drop(id string) {
	e.mu.Lock()
	delete(e.m, id)
	e.mu.Unlock()
}

func (e *entities[T]) get(id string) *T {
	if id == "" {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.m[id]
}

// ParseSum reads a key's hash; false if it is none.
func ParseSum(hash string) (sum Sum, ok bool) {
	if len(hash) != 2*len(sum) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(hash))
	return sum, err == nil
}
