package store

import (
	"database/sql"

	"penstock/internal/gateway"
)

// The columns that keys, users and teams share, in this order.
var limitColumns = []string{
	"rpm", "tpm", "parallel", "budget", "budget_duration", "soft_budget",
	"spend_window", "window_start", "spend_total",
}

func limitArgs(l *gateway.Limits, s *gateway.Spend) []any {
	return []any{
		nullable(l.RPM), nullable(l.TPM), nullable(l.Parallel), nullable(l.Budget), l.BudgetDuration, nullable(l.SoftBudget),
		int64(s.Window), micros(s.WindowStart), int64(s.Total),
	}
}

// limitScan receives limitColumns.
type limitScan struct {
	rpm, tpm, parallel, budget, soft sql.Null[int64]
	windowStart                      int64
}

func (c *limitScan) dest(l *gateway.Limits, s *gateway.Spend) []any {
	return []any{
		&c.rpm, &c.tpm, &c.parallel, &c.budget, &l.BudgetDuration, &c.soft,
		&s.Window, &c.windowStart, &s.Total,
	}
}

func (c *limitScan) store(l *gateway.Limits, s *gateway.Spend) {
	l.RPM = optional[int64](c.rpm)
	l.TPM = optional[int64](c.tpm)
	l.Parallel = optional[int64](c.parallel)
	l.Budget = optional[gateway.NanoUSD](c.budget)
	l.SoftBudget = optional[gateway.NanoUSD](c.soft)
	s.WindowStart = instant(c.windowStart)
}

// Orders that all three lists have. Without a budget there is no ceiling, so
// such rows stand above all others; the engines disagree about where a NULL goes.
var commonSort = map[string]string{
	"created_at": "created_at",
	"updated_at": "updated_at",
	"spend":      "spend_total",
	"max_budget": "COALESCE(budget, 9223372036854775807)",
	"alias":      "alias",
}
