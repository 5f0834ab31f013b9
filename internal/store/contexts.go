package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// callContext is what many calls have in common: who called what, and how it
// went. It stands once in table contexts; a call has its id.
type callContext struct {
	key, user, team, org, project                    string
	operation                                        gateway.Operation
	route, group, model, provider, deployment        string
	tier, finish                                     string
	kind                                             gateway.Kind
	failed, interrupted, streamed, estimated, priced bool
	price, rate                                      string
	groups                                           string // access groups it counts in, as encodeList writes them
	agent                                            string
}

var contextColumns = []string{
	"key_hash", "user_id", "team_id", "org_id", "project_id", "operation", "route", "model_group", "model", "provider", "deployment_id",
	"tier", "finish", "kind", "failed", "interrupted", "streamed", "estimated", "priced", "price", "rate",
	"access_groups", "agent",
}

func contextOf(r *spend.Row) callContext {
	return callContext{
		key: r.KeyHash, user: r.UserID, team: r.TeamID, org: r.OrgID, project: r.ProjectID, operation: r.Operation, route: r.Route,
		group: r.Group, model: r.Model, provider: r.Provider, deployment: r.Deployment, tier: r.Usage.Tier, finish: r.Finish,
		kind: r.Kind, failed: r.Failed, interrupted: r.Interrupted, streamed: r.Stream, estimated: r.Usage.Estimated,
		priced: r.Priced, price: r.Price, rate: r.Rate, groups: groupList(r.Through),
		agent: r.Agent,
	}
}

// groupList is the stored form of names of access groups, "" for none.
func groupList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	text, err := encodeList("access_groups", fittedIDs(names))
	if err != nil {
		return "" // only broken UTF-8 cannot be written, and that was mended
	}
	return text
}

// fittedIDs are ids in a form that the database can keep.
func fittedIDs(ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fitID(id)
	}
	return out
}

// fitted returns c with every text in a form that the database can keep.
func (c callContext) fitted() callContext {
	for _, id := range []*string{&c.key, &c.user, &c.team, &c.org, &c.project, &c.model, &c.group, &c.provider} {
		*id = fitID(*id)
	}
	for _, text := range []*string{&c.route, &c.deployment, &c.tier, &c.finish, &c.price, &c.rate, &c.agent} {
		*text = fitText(*text, maxText)
	}
	c.operation = gateway.Operation(fitText(string(c.operation), maxText))
	return c
}

// id is the context's number in the database. It is made from what it says, so
// that no booker has to ask for it and two bookers make the same.
func (c *callContext) id() int64 {
	var b []byte
	for _, s := range [...]string{
		c.key, c.user, c.team, c.org, c.project, string(c.operation), c.route, c.group, c.model, c.provider, c.deployment,
		c.tier, c.finish, c.price, c.rate,
	} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, int64(c.kind))
	for _, f := range [...]bool{c.failed, c.interrupted, c.streamed, c.estimated, c.priced} {
		b = strconv.AppendBool(b, f)
	}
	b = append(b, c.groups...) // nothing for most, as before there were any
	if c.agent != "" {
		b = append(append(b, 0xff), c.agent...) // no text of groups has such a byte
	}
	sum := sha256.Sum256(b)
	// The small numbers are those of contexts that a migration made.
	return int64(binary.BigEndian.Uint64(sum[:])>>1 | 1<<62)
}

func (c *callContext) args(id int64) []any {
	return []any{
		id, c.key, c.user, c.team, c.org, c.project, string(c.operation), c.route, c.group, c.model, c.provider, c.deployment,
		c.tier, c.finish, int64(c.kind), c.failed, c.interrupted, c.streamed, c.estimated, c.priced, c.price, c.rate,
		c.groups, c.agent,
	}
}

// knownContext is a context that has its number.
type knownContext struct {
	callContext // fitted
	id          int64
	terms       string   // of its rate, "" if it has none
	through     []string // access groups it counts in
}

// maxContexts bounds the contexts kept in memory, at about 600 bytes each.
const maxContexts = 1 << 14

// contexts remembers those that the database has.
type contexts struct {
	mu    sync.Mutex
	known map[callContext]*knownContext // as rows say it, not fitted
}

// of returns r's context, and whether the database is known to have it.
func (c *contexts) of(r *spend.Row) (*knownContext, bool) {
	key := contextOf(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[key]; k != nil {
		return k, true
	}
	k := &knownContext{callContext: key.fitted(), terms: fit(r.RateTerms), through: fittedIDs(r.Through)}
	k.id = k.callContext.id()
	return k, false
}

// add says that the database has these.
func (c *contexts) add(list map[callContext]*knownContext) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known)+len(list) > maxContexts {
		c.known = make(map[callContext]*knownContext)
	}
	maps.Copy(c.known, list)
}

// forget has everything looked at again. A database that failed may be another
// one when it is back: a replica that did not have everything yet.
func (c *contexts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
}

// addContexts writes contexts and the rates that they name.
func (db *DB) addContexts(ctx context.Context, t *txn, list map[callContext]*knownContext) error {
	if len(list) == 0 {
		return nil
	}
	byID := make(map[int64]*knownContext, len(list))
	terms := make(map[string]string)
	for _, k := range list {
		byID[k.id] = k
		if k.rate != "" && k.terms != "" {
			terms[k.rate] = k.terms
		}
	}
	rates := make([][]any, 0, len(terms))
	for _, id := range sortedKeys(terms) {
		rates = append(rates, []any{id, terms[id]})
	}
	if err := db.each(ctx, t, `INSERT INTO rates (id, terms)`, ` ON CONFLICT (id) DO NOTHING`, make([]string, 2), rates); err != nil {
		return err
	}
	args := make([][]any, 0, len(byID))
	for _, id := range sortedKeys(byID) {
		args = append(args, byID[id].args(id))
	}
	return db.each(ctx, t, contextsHead, ` ON CONFLICT (id) DO NOTHING`, make([]string, len(contextColumns)+1), args)
}

var contextsHead = "INSERT INTO contexts (id, " + strings.Join(contextColumns, ", ") + ")"

func sortedKeys[K int64 | string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
