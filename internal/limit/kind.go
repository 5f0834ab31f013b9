package limit

import (
	"time"

	"penstock/internal/gateway"
)

// Kind is what a limit counts.
type Kind uint8

// The kinds of limits, in the order in which a refusal is reported.
const (
	Requests Kind = iota
	Tokens
	Parallel
	Money
	kinds
)

// Span is how long what was taken stays taken.
type Span uint8

const (
	// sliding counts what was taken in the last 60 seconds.
	sliding Span = iota
	// held counts what is taken until the call has ended.
	held
	// budget counts what was taken since the budget window began.
	budget
)

// Sliding is the width of the window of rates.
const Sliding = 60 * time.Second

// Size is what a call asks for, in the units of every kind.
type Size struct {
	Tokens int64
	Money  Range
}

// Range is an amount that is not known before the call: it is admitted if Least
// fits, Want is reserved if there is room, and Worst is the most it can come
// to if nothing caps it.
type Range struct{ Least, Want, Worst int64 }

// exactly is a Range without doubt.
func exactly(n int64) Range { return Range{n, n, n} }

// Actual is what a call really used.
type Actual struct {
	Requests int64
	Tokens   int64
	Money    gateway.NanoUSD
}

// Kinds says how each kind counts. A new kind is a row here.
var Kinds = [kinds]struct {
	Name   string // in error messages and headers: "Limit type: requests"
	Span   Span
	Before func(*Size) Range
	After  func(*Actual) int64
}{
	Requests: {"requests", sliding, func(*Size) Range { return exactly(1) }, func(a *Actual) int64 { return a.Requests }},
	Tokens:   {"tokens", sliding, func(s *Size) Range { return exactly(s.Tokens) }, func(a *Actual) int64 { return a.Tokens }},
	Parallel: {"max_parallel_requests", held, func(*Size) Range { return exactly(1) }, func(*Actual) int64 { return 0 }},
	Money:    {"budget", budget, func(s *Size) Range { return s.Money }, func(a *Actual) int64 { return int64(a.Money) }},
}
