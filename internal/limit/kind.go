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
	InputTokens
	OutputTokens
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
	Tokens Range
	Input  Range // input tokens
	Output Range // output tokens
	Money  Range // nano-USD
}

// Range is an amount that is not known before the call. The call is admitted if
// Least fits. Worst is the most it can come to if nothing caps it, Want what it
// will rarely exceed, and Typical what it comes to more often than not.
// Least <= Typical <= Want <= Worst.
type Range struct{ Least, Typical, Want, Worst int64 }

// Exactly is a Range without doubt.
func Exactly(n int64) Range { return Range{n, n, n, n} }

// Actual is what a call really used.
type Actual struct {
	Requests int64
	Tokens   int64
	Input    int64
	Output   int64
	Money    gateway.NanoUSD
}

// Kinds says how each kind counts. A new kind is a row here, and a line in
// rates or money (set.go) that says which stored ceiling it is.
var Kinds = [kinds]struct {
	Name   string // in error messages and headers: "Limit type: requests"
	Span   Span
	Before func(*Size) Range
	After  func(*Actual) int64
}{
	Requests:     {"requests", sliding, func(*Size) Range { return Exactly(1) }, func(a *Actual) int64 { return a.Requests }},
	Tokens:       {"tokens", sliding, func(s *Size) Range { return s.Tokens }, func(a *Actual) int64 { return a.Tokens }},
	InputTokens:  {"input_tokens", sliding, func(s *Size) Range { return s.Input }, func(a *Actual) int64 { return a.Input }},
	OutputTokens: {"output_tokens", sliding, func(s *Size) Range { return s.Output }, func(a *Actual) int64 { return a.Output }},
	Parallel:     {"max_parallel_requests", held, func(*Size) Range { return Exactly(1) }, func(*Actual) int64 { return 0 }},
	Money:        {"budget", budget, func(s *Size) Range { return s.Money }, func(a *Actual) int64 { return int64(a.Money) }},
}

// promise returns how much of the range a call gets where left is what nobody
// has taken or been promised, and false if not even the least fits. A call that
// gets less than its worst is capped to what it gets, so promises never add up
// to more than there is.
//
// What is plenty is given whole. What is scarce is shared: nobody knows how
// many calls come while this one runs, and one that is promised the most it
// could come to would starve them. So a call gets a sixteenth of what is left,
// but what such a call typically takes at least; and while nobody else holds
// anything, a third, as far as it will rarely exceed that.
func (r *Range) promise(left int64, alone bool) (int64, bool) {
	switch {
	case r.Worst == 0:
		return 0, true // what is free at any size needs no room
	case r.Least > left:
		return 0, false
	}
	n := max(r.Typical, left/16)
	if alone {
		n = max(n, min(r.Want, max(left/3, r.Want/16)))
	}
	return min(n, r.Worst, left), true
}
