package auth

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

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

// sumText is a sum as it is stored and shown.
type sumText [2 * sha256.Size]byte

// text is hex.EncodeToString without memory of its own, four bytes at a time.
func (s *Sum) text() (out sumText) {
	const each, nibble = 0x0101010101010101, 0x000f000f000f000f
	for i := 0; i < len(s); i += 4 {
		v := uint64(binary.LittleEndian.Uint32(s[i:]))
		v = (v | v<<16) & 0x0000ffff0000ffff
		v = (v | v<<8) & 0x00ff00ff00ff00ff
		v = v>>4&nibble | v&nibble<<8 // a digit in each byte
		letters := (v + 6*each) >> 4 & each
		binary.LittleEndian.PutUint64(out[2*i:], v+'0'*each+letters*('a'-10-'0'))
	}
	return out
}

// name is the text as a name in a table, which is not kept.
func (t *sumText) name() string { return unsafe.String(&t[0], len(t)) } //nolint:gosec // G103: the text does not change

// ParseSum reads a key's hash; false if it is none.
func ParseSum(hash string) (sum Sum, ok bool) {
	if len(hash) != 2*len(sum) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(hash))
	return sum, err == nil
}

// Directory knows every key, user, team and their like, in memory: a request is
// authenticated without asking the database. What it returns is immutable and
// has the limits that hold: where a row has none of a kind and refers to a
// shared budget, those of the budget.
type Directory struct {
	keys          *table[gateway.Key]
	users         *table[gateway.User]
	teams         *table[gateway.Team]
	organizations *table[gateway.Organization]
	projects      *table[gateway.Project]
	endUsers      *table[gateway.EndUser]
	tags          *table[gateway.Tag]
	budgets       *table[gateway.Budget]
	groups        *table[gateway.AccessGroup]
	groupBudgets  *table[gateway.GroupBudget]
	// visitors is what end users have spent who are not stored, and guests are
	// end users with a default budget.
	visitors *table[gateway.Spend]
	guests   *table[gateway.EndUser]

	words *dictionary // of all tables

	// generation counts changes of budgets: whatever had their limits is made
	// again when it is next asked for.
	generation atomic.Uint64
	guestBook  atomic.Uint64 // counts changes of what guests are made from
	budgeted   atomic.Int64  // access groups that have a budget

	mu         sync.RWMutex
	deprecated map[Sum]replaced  // guarded by mu, as are the others
	claims     map[claim]Sum     // of tokens
	claimOf    map[string]claim  // by id of the mapping
	emails     map[string]string // ids of users, by lower-case email
	subjects   map[string]string // ids of users, by subject at the identity provider
	groupNames map[string]string // ids of access groups

	teamAliases, organizationAliases aliases
}

// replaced is a key that another one stands for.
type replaced struct {
	by    Sum
	until time.Time
}

type claim struct{ issuer, name, value string }

// NewDirectory returns an empty directory.
func NewDirectory() *Directory { return newDirectory(newDictionary()) }

// Empty returns an empty directory whose rows d can take over with Replace.
func (d *Directory) Empty() *Directory { return newDirectory(d.words) }

func newDirectory(words *dictionary) *Directory {
	d := &Directory{
		words:      words,
		deprecated: map[Sum]replaced{}, claims: map[claim]Sum{}, claimOf: map[string]claim{},
		emails: map[string]string{}, subjects: map[string]string{}, groupNames: map[string]string{},
	}
	g := &d.generation
	d.budgets = newTable(g, words, func(string, *gateway.Budget) {})
	d.keys = newTable(g, words, func(hash string, k *gateway.Key) {
		k.Hash = hash
		d.lend(&k.Limits, k.BudgetID)
	})
	d.users = newTable(g, words, func(string, *gateway.User) {})
	d.teams = newTable(g, words, func(_ string, t *gateway.Team) {
		slices.SortStableFunc(t.Members, byUser)
		for i := range t.Members {
			d.readyMember(&t.Members[i], t.MemberBudgetID)
		}
	})
	d.organizations = newTable(g, words, func(_ string, o *gateway.Organization) {
		d.lend(&o.Limits, o.BudgetID)
		slices.SortStableFunc(o.Members, byUser)
		for i := range o.Members {
			d.readyMember(&o.Members[i], "")
		}
	})
	d.projects = newTable(g, words, func(_ string, p *gateway.Project) { d.lend(&p.Limits, p.BudgetID) })
	d.endUsers = newTable(g, words, func(_ string, e *gateway.EndUser) { d.lend(&e.Limits, e.BudgetID) })
	d.tags = newTable(g, words, func(_ string, t *gateway.Tag) { d.lend(&t.Limits, t.BudgetID) })
	d.visitors = newTable(g, words, func(string, *gateway.Spend) {})
	d.guests = newTable(&d.guestBook, words, func(string, *gateway.EndUser) {})
	d.groups = newTable(g, words, func(string, *gateway.AccessGroup) {})
	d.groupBudgets = newTable(g, words, func(_ string, b *gateway.GroupBudget) {
		d.lend(&b.Limits, b.BudgetID)
		if b.Limits.Budget != nil && *b.Limits.Budget == 0 {
			b.Limits.Budget = nil // no ceiling, as for LiteLLM
		}
	})
	return d
}

func byUser(a, b gateway.Member) int { return cmp.Compare(a.UserID, b.UserID) }

// Replace has d know what n knows and nothing else. n was made by d.Empty and
// is used up.
func (d *Directory) Replace(n *Directory) {
	if n.words != d.words {
		panic("auth: Replace by a directory that Empty has not made")
	}
	d.budgets.take(n.budgets)
	d.generation.Add(1)
	d.keys.take(n.keys)
	d.users.take(n.users)
	d.teams.take(n.teams)
	d.teamAliases.take(&n.teamAliases)
	d.organizations.take(n.organizations)
	d.organizationAliases.take(&n.organizationAliases)
	d.projects.take(n.projects)
	d.endUsers.take(n.endUsers)
	d.visitors.take(n.visitors)
	d.guestBook.Add(1)
	d.tags.take(n.tags)
	d.groups.take(n.groups)
	d.groupBudgets.take(n.groupBudgets)
	d.budgeted.Store(n.budgeted.Load())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deprecated, d.claims, d.claimOf = n.deprecated, n.claims, n.claimOf
	d.emails, d.subjects, d.groupNames = n.emails, n.subjects, n.groupNames
}

// PutKey adds the key or replaces what was known of it. A hash that is not one
// is ignored: no key can have it.
func (d *Directory) PutKey(k *gateway.Key) {
	if sum, ok := ParseSum(k.Hash); ok {
		bare := *k
		bare.Hash = ""     // it is the row's key
		text := sum.text() // in lower case
		d.keys.put(text.name(), &bare)
	}
}

// DeleteKey forgets the key with this hash.
func (d *Directory) DeleteKey(hash string) {
	if sum, ok := ParseSum(hash); ok {
		text := sum.text()
		d.keys.drop(text.name())
	}
}

// Key returns the key with this sum, nil if there is none.
func (d *Directory) Key(sum *Sum) *gateway.Key {
	text := sum.text()
	return d.keys.get(text.name())
}

// Keys returns how many keys there are.
func (d *Directory) Keys() int { return d.keys.len() }

// Accepted returns the key that calls with this sum run as: the key itself, or
// the one that replaced it while its grace lasts; nil if there is none. until is
// when the grace ends, zero for a key that was not replaced. now is asked only then.
func (d *Directory) Accepted(sum *Sum, now func() time.Time) (k *gateway.Key, until time.Time) {
	if k := d.Key(sum); k != nil {
		return k, time.Time{}
	}
	d.mu.RLock()
	r, ok := d.deprecated[*sum]
	d.mu.RUnlock()
	if !ok || !r.until.After(now()) {
		return nil, time.Time{}
	}
	return d.Key(&r.by), r.until
}

// PutDeprecatedKey has another key stand for a replaced one.
func (d *Directory) PutDeprecatedKey(k *gateway.DeprecatedKey) {
	old, ok := ParseSum(k.Hash)
	by, known := ParseSum(k.Active)
	if ok && known {
		d.mu.Lock()
		d.deprecated[old] = replaced{by, k.Until}
		d.mu.Unlock()
	}
}

// DeleteDeprecatedKey forgets a replaced key.
func (d *Directory) DeleteDeprecatedKey(hash string) {
	if sum, ok := ParseSum(hash); ok {
		d.mu.Lock()
		delete(d.deprecated, sum)
		d.mu.Unlock()
	}
}

// PutJWTMapping has a claim stand for a key.
func (d *Directory) PutJWTMapping(m *gateway.JWTMapping) {
	d.DeleteJWTMapping(m.ID)
	sum, ok := ParseSum(m.KeyHash)
	if !ok || !m.Active {
		return
	}
	c := claim{m.Issuer, m.Claim, m.Value}
	d.mu.Lock()
	d.claims[c], d.claimOf[m.ID] = sum, c
	d.mu.Unlock()
}

// DeleteJWTMapping forgets a mapping, by its id.
func (d *Directory) DeleteJWTMapping(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.claimOf[id]; ok {
		delete(d.claims, c)
		delete(d.claimOf, id)
	}
}

// KeyOfClaim returns the key that a claim of a token stands for, nil if there
// is none. A mapping of this issuer goes before one of any.
func (d *Directory) KeyOfClaim(issuer, name, value string) *gateway.Key {
	d.mu.RLock()
	sum, ok := d.claims[claim{issuer, name, value}]
	if !ok {
		sum, ok = d.claims[claim{"", name, value}]
	}
	d.mu.RUnlock()
	if !ok {
		return nil
	}
	return d.Key(&sum)
}

// PutUser adds the user or replaces what was known of it.
func (d *Directory) PutUser(u *gateway.User) {
	was := d.users.get(u.ID)
	d.users.put(u.ID, u)
	d.mu.Lock()
	defer d.mu.Unlock()
	if was != nil {
		forget(d.emails, strings.ToLower(was.Email), u.ID)
		forget(d.subjects, was.SSOID, u.ID)
	}
	if u.Email != "" {
		d.emails[strings.ToLower(u.Email)] = u.ID
	}
	if u.SSOID != "" {
		d.subjects[u.SSOID] = u.ID
	}
}

// DeleteUser forgets the user.
func (d *Directory) DeleteUser(id string) {
	was := d.users.get(id)
	d.users.drop(id)
	if was == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	forget(d.emails, strings.ToLower(was.Email), id)
	forget(d.subjects, was.SSOID, id)
}

// forget removes a name from an index if it still stands for id.
func forget(index map[string]string, name, id string) {
	if index[name] == id {
		delete(index, name)
	}
}

// User returns the user, nil if there is none.
func (d *Directory) User(id string) *gateway.User { return named(d.users, id) }

// UserByEmail returns the user with the email in any case, nil if there is none.
func (d *Directory) UserByEmail(email string) *gateway.User {
	return d.indexed(d.emails, strings.ToLower(email))
}

// UserBySSO returns the user with the subject at the identity provider, nil if
// there is none.
func (d *Directory) UserBySSO(subject string) *gateway.User { return d.indexed(d.subjects, subject) }

func (d *Directory) indexed(index map[string]string, name string) *gateway.User {
	d.mu.RLock()
	id, ok := index[name]
	d.mu.RUnlock()
	if !ok || name == "" {
		return nil
	}
	return d.users.get(id)
}

// named returns the row of a name, nil if there is none.
func named[T any](t *table[T], name string) *T {
	if name == "" {
		return nil
	}
	return t.get(name)
}

// PutTeam adds the team or replaces what was known of it.
func (d *Directory) PutTeam(t *gateway.Team) {
	d.teams.put(t.ID, t)
	d.teamAliases.put(t.ID, t.Alias)
}

// DeleteTeam forgets the team.
func (d *Directory) DeleteTeam(id string) {
	d.teams.drop(id)
	d.teamAliases.put(id, "")
}

// Team returns the team, nil if there is none.
func (d *Directory) Team(id string) *gateway.Team { return named(d.teams, id) }

// TeamByAlias returns the team with the alias, nil if none has it or several have.
func (d *Directory) TeamByAlias(alias string) *gateway.Team { return d.Team(d.teamAliases.id(alias)) }

// Member returns the user's place in the team, nil if it has none.
func (d *Directory) Member(teamID, userID string) *gateway.Member {
	if t := d.Team(teamID); t != nil {
		return member(t.Members, userID)
	}
	return nil
}

// OrganizationMember returns the user's place in the organization, nil if it has none.
func (d *Directory) OrganizationMember(organizationID, userID string) *gateway.Member {
	if o := d.Organization(organizationID); o != nil {
		return member(o.Members, userID)
	}
	return nil
}

// PutOrganization adds the organization or replaces what was known of it.
func (d *Directory) PutOrganization(o *gateway.Organization) {
	d.organizations.put(o.ID, o)
	d.organizationAliases.put(o.ID, o.Alias)
}

// DeleteOrganization forgets the organization.
func (d *Directory) DeleteOrganization(id string) {
	d.organizations.drop(id)
	d.organizationAliases.put(id, "")
}

// Organization returns the organization, nil if there is none.
func (d *Directory) Organization(id string) *gateway.Organization { return named(d.organizations, id) }

// OrganizationByAlias is to organizations what TeamByAlias is to teams.
func (d *Directory) OrganizationByAlias(alias string) *gateway.Organization {
	return d.Organization(d.organizationAliases.id(alias))
}

// PutProject adds the project or replaces what was known of it.
func (d *Directory) PutProject(p *gateway.Project) { d.projects.put(p.ID, p) }

// DeleteProject forgets the project.
func (d *Directory) DeleteProject(id string) { d.projects.drop(id) }

// Project returns the project, nil if there is none.
func (d *Directory) Project(id string) *gateway.Project { return named(d.projects, id) }

// PutTag adds the tag or replaces what was known of it.
func (d *Directory) PutTag(t *gateway.Tag) { d.tags.put(t.Name, t) }

// DeleteTag forgets the tag.
func (d *Directory) DeleteTag(name string) { d.tags.drop(name) }

// Tag returns the tag, nil if none of the name is stored.
func (d *Directory) Tag(name string) *gateway.Tag { return named(d.tags, name) }

// PutEndUser adds the end user or replaces what was known of it.
func (d *Directory) PutEndUser(e *gateway.EndUser) {
	d.endUsers.put(e.ID, e)
	d.guestBook.Add(1)
}

// DeleteEndUser forgets the end user.
func (d *Directory) DeleteEndUser(id string) {
	d.endUsers.drop(id)
	d.guestBook.Add(1)
}

// PutVisitor says what an end user has spent who may not be stored.
func (d *Directory) PutVisitor(id string, s *gateway.Spend) { d.visitors.put(id, s) }

// EndUser returns the end user. One that is not stored, or has neither a budget
// nor limits on money, has those of the budget with the given id; without such
// a budget one that is not stored is nil.
func (d *Directory) EndUser(id, budget string) *gateway.EndUser {
	e := named(d.endUsers, id)
	if budget == "" || id == "" || e != nil && (e.BudgetID != "" || e.Limits.Budget != nil) {
		return e
	}
	with := d.guests.made(budget+"\x00"+id, func() *gateway.EndUser {
		b := d.Budget(budget)
		if b == nil {
			return nil
		}
		with := gateway.EndUser{ID: id}
		switch spent := d.visitors.get(id); {
		case e != nil:
			with = *e
		case spent != nil:
			with.Spend = *spent
		}
		with.BudgetID = budget
		lend(&with.Limits, &b.Limits)
		return &with
	})
	if with == nil {
		return e
	}
	return with
}

// PutBudget adds the budget or replaces what was known of it.
func (d *Directory) PutBudget(b *gateway.Budget) {
	d.budgets.put(b.ID, b)
	d.generation.Add(1)
	d.guestBook.Add(1)
}

// DeleteBudget forgets the budget: who referred to it has no limits from it.
func (d *Directory) DeleteBudget(id string) {
	d.budgets.drop(id)
	d.generation.Add(1)
	d.guestBook.Add(1)
}

// Budget returns the budget, nil if there is none.
func (d *Directory) Budget(id string) *gateway.Budget { return named(d.budgets, id) }

// PutAccessGroup adds the group or replaces what was known of it.
func (d *Directory) PutAccessGroup(g *gateway.AccessGroup) {
	d.DeleteAccessGroup(g.ID)
	bare := *g
	bare.Keys, bare.Teams = nil, nil // they say themselves that they have it
	d.groups.put(g.ID, &bare)
	d.mu.Lock()
	d.groupNames[g.Name] = g.ID
	d.mu.Unlock()
}

// PutGroupBudget adds the budget of an access group or replaces what was known of it.
func (d *Directory) PutGroupBudget(b *gateway.GroupBudget) {
	d.groupBudgets.put(b.Name, b)
	d.budgeted.Store(int64(d.groupBudgets.len()))
}

// DeleteGroupBudget forgets the budget of the access group.
func (d *Directory) DeleteGroupBudget(group string) {
	d.groupBudgets.drop(group)
	d.budgeted.Store(int64(d.groupBudgets.len()))
}

// GroupBudget returns the budget of the access group, nil if it has none.
func (d *Directory) GroupBudget(group string) *gateway.GroupBudget {
	return named(d.groupBudgets, group)
}

// DeleteAccessGroup forgets the group.
func (d *Directory) DeleteAccessGroup(id string) {
	was := d.groups.get(id)
	d.groups.drop(id)
	if was != nil {
		d.mu.Lock()
		forget(d.groupNames, was.Name, id)
		d.mu.Unlock()
	}
}

// AccessGroup returns the group with the id or, if none has it, of the name;
// nil if there is none.
func (d *Directory) AccessGroup(id string) *gateway.AccessGroup {
	if g := named(d.groups, id); g != nil {
		return g
	}
	d.mu.RLock()
	byName, ok := d.groupNames[id]
	d.mu.RUnlock()
	if !ok {
		return nil
	}
	return d.groups.get(byName)
}
