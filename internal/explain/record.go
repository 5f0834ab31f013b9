package explain

import (
	"time"

	"penstock/internal/gateway"
)

// Record is why a call went as it did. Together with the call's row in the
// ledger, which says who called, what it used and what it cost, it is the whole
// story.
type Record struct {
	Limits   []Limit
	Reserved gateway.NanoUSD // what budgets held for the call
	Capped   int64           // max_tokens that the budget made necessary, 0 if it did not
	// Why is how the call found its way. Deployments with long ids are named by
	// the beginning of their id, with "…" behind it.
	Why gateway.Why
	// Attempts have no Reason and no absolute Start here: Start is counted from
	// the zero time.
	Attempts []gateway.Attempt
	// Lost is how many of the things above there was no room to write down.
	Lost int
}

// Limit is one limit that the call passed.
type Limit struct {
	Scope string // "api_key", "team", …
	Kind  string // "requests", "budget", …
	Model string // which models count for it, "" for all
	// Amount and Left are in the unit of the kind; of budgets, nano-USD. Left is
	// what was left when the call had been let in.
	Amount, Left int64
}

// Started returns when the attempt began, counted from the start of its call.
func Started(a *gateway.Attempt) time.Duration { return a.Start.Sub(time.Time{}) }
