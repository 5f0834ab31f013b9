package store

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"penstock/internal/spend"
)

// A program that calls stands in the context of its calls, so that activity is
// told apart by it and the ledger proves that, without a sum of its own. Its name
// comes from the client: one that has another name with every call must not have a
// context for each.

// maxAgents is how many programs of a day are told apart. What comes after them is
// known by its name without the version, and after maxAgentNames as OtherAgents.
const (
	maxAgents     = 500
	maxAgentNames = 600
)

// OtherAgents stands for programs that are not told apart.
const OtherAgents = "other"

// agentDays bounds the days whose programs are remembered.
const agentDays = 8

// agents remembers the programs of the days that are booked.
type agents struct {
	mu   sync.Mutex
	days map[int64]map[string]bool
}

// of returns how a program is told apart on a day.
func (a *agents) of(day int64, agent string) string {
	if agent == "" {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.days[day]
	switch {
	case known[agent]:
		return agent
	case len(known) < maxAgents:
		a.add(day, agent)
		return agent
	}
	name, _, _ := strings.Cut(agent, "/")
	if name = strings.TrimSpace(name); name == "" || !known[name] && len(known) >= maxAgentNames {
		return OtherAgents
	}
	a.add(day, name)
	return name
}

// add is called with mu held.
func (a *agents) add(day int64, names ...string) {
	if a.days[day] == nil {
		if len(a.days) >= agentDays || a.days == nil {
			a.days = make(map[int64]map[string]bool)
		}
		a.days[day] = make(map[string]bool)
	}
	for _, name := range names {
		a.days[day][name] = true
	}
}

// knowAgents has the programs remembered that rows' days had before this process.
func (db *DB) knowAgents(ctx context.Context, t *txn, rows []spend.Row) error {
	for i := range rows {
		if rows[i].Agent == "" {
			continue
		}
		day := dayNumber(micros(rows[i].Start))
		db.agents.mu.Lock()
		known := db.agents.days[day] != nil
		db.agents.mu.Unlock()
		if known {
			continue
		}
		names, err := texts(ctx, t.tx, `SELECT DISTINCT c.agent FROM activity AS a CROSS JOIN contexts AS c WHERE c.id = a.context AND a.scope = '' AND a.id = '' AND a.day = $1 AND c.agent <> ''`, dayName(day))
		if err != nil {
			return fmt.Errorf("read the programs of %s: %w", dayName(day), err)
		}
		db.agents.mu.Lock()
		db.agents.add(day, names...)
		db.agents.mu.Unlock()
	}
	return nil
}
