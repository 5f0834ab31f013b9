package spend

import (
	"context"
	"time"

	"penstock/internal/gateway"
)

// Row is one call in the books. It is immutable once journaled.
type Row struct {
	// CallID names the call: the id in x-litellm-call-id and the row's
	// identity. Booking two rows with one CallID books the first, so the
	// gateway makes it: a client that chose it could have calls for nothing.
	CallID     string
	ResponseID string // the vendor's id of the answer, "" if none

	KeyHash   string // "" for the master key
	UserID    string
	TeamID    string
	OrgID     string
	ProjectID string
	EndUser   string
	Tags      []string
	// Through are the access groups whose budgets the call counts in, by name.
	Through   []string
	Operation gateway.Operation
	Route     string
	Group     string // model name the client asked for
	Model     string // the vendor's model that answered
	Provider  string
	// Deployment is the id of the deployment that answered, "" if none did.
	Deployment string
	Session    string
	ClientIP   string
	Agent      string // the client's program, as its User-Agent names it; "" if that is not counted

	Failed      bool
	Kind        gateway.Kind // of the failure
	Error       string       // short text of the failure, at most 500 bytes
	Interrupted bool         // the answer was not seen to its end
	Stream      bool
	Finish      string
	Retries     int
	Fallbacks   int

	Usage gateway.Usage
	Cost  gateway.NanoUSD
	// Adjusted is what was added to Cost since the call was booked (penstock
	// ledger reprice). Rows that are read have it; it is never journaled.
	Adjusted gateway.NanoUSD
	// Priced says that a price was known; Price is its version.
	Priced bool
	Price  string
	// Rate names the terms that Cost was computed by, "" if none: a hash of
	// RateTerms, which is their text. The ledger keeps the text once, so that
	// every cost can be computed again from its row.
	Rate      string
	RateTerms string

	// Why is why the call went as it did, as package explain writes it; nil while
	// it runs. It is valid until the row is journaled.
	Why []byte

	Start     time.Time
	FirstByte time.Time // zero if the client never got a byte
	End       time.Time

	// The starts of the budget windows that Cost belongs to, computed when the
	// call was admitted. Zero for a lifetime budget. Booking compares them with
	// the window a total stands for, so that late rows never leak into a new
	// window and a new window starts from nothing without any reset job.
	KeyWindow    time.Time
	UserWindow   time.Time
	TeamWindow   time.Time
	GlobalWindow time.Time

	// Lane is where the journal has the call's records, counted from 1; 0 if it
	// has none yet. The journal sets it, and nothing stores it.
	Lane uint8

	// Windows are all budget windows that Cost counts in, also those named
	// above: of every scope, of further budgets of one scope, and of budgets for
	// one model. Budgets for a lifetime are not among them.
	Windows []Window
}

// Window is the window of one budget, by which its spend is summed.
type Window struct {
	// Scope and ID name what the budget stands on: ("key", hash), ("team_member",
	// "team:user"), or for a budget of one model ("model_per_key", "hash:model").
	Scope string
	ID    string
	// Duration is the budget's, in the one form that limit.Window.String gives
	// it: a budget whose duration is changed gets other windows.
	Duration string
	Start    time.Time
}

// Store books rows. *store.DB implements it.
type Store interface {
	// Book writes rows and adds their cost to the totals of everyone they are
	// charged to, in one transaction. A row whose CallID is already in the
	// books is skipped together with its cost, so that booking again is
	// harmless. It returns how many rows were new.
	Book(ctx context.Context, rows []Row) (int, error)
}
