package limit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Shared owns the amounts that several replicas share, and leases slices of
// them to each. Implementations are in packages redis and store; the contract
// is limittest.RunShared.
//
// Of every meter it keeps what is used up (the base of a budget, the seconds of
// a rate) and what each replica holds. The two together never exceed the
// amount, but by what replicas report as used already.
type Shared interface {
	// Apply plays each ask in one atomic step of its meter and returns what came
	// of it, in the order of asks. On an error, nobody knows which asks were
	// played: they may be sent again as they are.
	Apply(ctx context.Context, replica string, asks []Ask) ([]Grant, error)
	// Beat says that the replica is alive.
	Beat(ctx context.Context, replica string) (Pulse, error)
	// Leave says that the replica stops. What it holds must have been given back.
	Leave(ctx context.Context, replica string) error
	// Recall asks every replica to give back what it does not use of the meter.
	Recall(ctx context.Context, m Meter) error
	// Recalls calls f for every such wish, until ctx ends or the connection breaks.
	Recalls(ctx context.Context, f func(Meter)) error
}

// The times of leases.
const (
	// LeaseTTL is how long a replica that is not heard of keeps what it holds:
	// its calls in flight are over then, and what it held of a rate is counted
	// as used.
	LeaseTTL = 6 * time.Second
	// Withheld is how long what such a replica holds of a budget stays withheld.
	// Its journal says what of it was spent, when it starts again on its data.
	Withheld = time.Hour
	// BaseSettles is how much newer a lower base must be to be believed: readers
	// of the ledger do not report in the order in which they read.
	BaseSettles = 5 * time.Second
	// TightFor is how long after a shortage nobody is leased more than he needs.
	TightFor = 2 * time.Second
	// Slices is how many slices per replica what is left is cut into.
	Slices = 4
)

// Slides reports whether what was taken comes back second by second.
func (s Span) Slides() bool { return s == sliding }

// Booked reports whether the ledger knows what was taken.
func (s Span) Booked() bool { return s == budget }

// Grace returns how long after its TTL a lease is still counted.
func (s Span) Grace() time.Duration {
	switch s {
	case sliding:
		return Sliding + time.Second // it may have been used in its last second
	case budget:
		return Withheld
	default:
		return 0
	}
}

// Meter names one shared amount: what is limited, how, and for budgets in which
// window.
type Meter struct {
	Scope  Scope
	Kind   Kind
	Model  string
	Window Window
	Start  int64 // Unix second of the budget window's start; 0 for a lifetime and for rates
}

// Span returns how long what was taken of the meter stays taken.
func (m *Meter) Span() Span { return Kinds[m.Kind].Span }

// String returns the meter as a key of the store. What is in braces is the
// scope: a Redis Cluster keeps what belongs to one scope on one node.
func (m Meter) String() string {
	return "{" + Scopes[m.Scope.Kind].Name + ":" + url.QueryEscape(m.Scope.Of) + ":" + url.QueryEscape(m.Scope.ID) + "}:" +
		Kinds[m.Kind].Name + ":" + url.QueryEscape(m.Model) + ":" + m.Window.String() + ":" + strconv.FormatInt(m.Start, 10)
}

// ParseMeter reads what String wrote.
func ParseMeter(text string) (Meter, error) {
	bad := func() (Meter, error) { return Meter{}, fmt.Errorf("%q names no shared limit", text) }
	p := strings.Split(text, ":")
	if len(p) != 7 || !strings.HasPrefix(p[0], "{") || !strings.HasSuffix(p[2], "}") {
		return bad()
	}
	scope := slices.IndexFunc(Scopes[:], func(s struct{ Name, Model, Books, Budget, Window, ModelBudget string }) bool {
		return s.Name == p[0][1:]
	})
	kind := -1
	for k := range Kinds {
		if Kinds[k].Name == p[3] {
			kind = k
		}
	}
	of, err1 := url.QueryUnescape(p[1])
	id, err2 := url.QueryUnescape(strings.TrimSuffix(p[2], "}"))
	model, err3 := url.QueryUnescape(p[4])
	w, err4 := ParseWindow(p[5])
	start, err5 := strconv.ParseInt(p[6], 10, 64)
	if scope < 0 || kind < 0 || errors.Join(err1, err2, err3, err4, err5) != nil {
		return bad()
	}
	return Meter{Scope: Scope{ScopeKind(scope), id, of}, Kind: Kind(kind), Model: model, Window: w, Start: start}, nil
}

// Ask is what a replica says about one meter: what it has used of it, what it
// holds, and what more it would like to hold.
//
// All amounts are absolute but Used and Add, and a number guards those: an ask
// that is sent twice is played once.
type Ask struct {
	Meter  Meter
	Amount int64
	// Epoch is when the replica's process started, Seq counts its asks of this
	// meter. An ask that is not newer than the last one played changes nothing.
	Epoch, Seq int64
	// Fresh says that the replica believes not to be known there, and that Used
	// is all it has used.
	Fresh bool

	Keep  int64 // held from now on, whether it fits or not: it is in use
	Need  int64 // on top, as much as fits: calls are waiting for it
	Wish  int64 // further, if Need fits: calls would be capped without it
	Spare int64 // further, if there is plenty: for calls to come
	Idle  int64 // how much of Keep nobody here has a use for
	// Scrap is how much of Keep waits for more: if with what is needed and fits
	// it does not come to Least, which is what the smallest call needs, it is of
	// no use here and given back. What is more than a multiple of it counts as
	// not in use.
	Scrap, Least int64

	Used []Second // of rates: used since the last ask, by second

	// Of budgets. Base is what the ledger has booked in the window, read at
	// BaseAt (Unix microseconds; 0 if it was not read). Add is booked on top, for
	// replicas whose ledger is their own.
	Base, BaseAt int64
	Add          int64

	Replicas int64 // how many share the amount, at least 1
	Until    int64 // Unix second after which nobody asks for the meter; 0 if not known
}

// Second is what was used in one second, or less than nothing if a call used
// less than it had reserved in it.
type Second struct{ At, N int64 }

// Grant is what came of an Ask.
type Grant struct {
	Status Status
	Held   int64 // by the replica, from now on
	Taken  int64 // by everybody: used and held
	Base   int64 // of budgets: booked
	// Idle is held by others and not in use when they last said. Money of who is
	// not heard of any more counts as such: if he has started again he gives it
	// back, once he is asked.
	Idle  int64
	Short bool     // less than Keep + Need is held
	Tight bool     // somebody was short of it lately
	Rate  []Second // of rates, if Short: what was used, by second
}

// Status says whether an ask was played.
type Status uint8

const (
	// Played means that the ask counts.
	Played Status = iota
	// Lost means that the store does not know the replica, which must ask afresh.
	Lost
	// NeedBase means that the store does not know what is booked, which must be read.
	NeedBase
	// Superseded means that another process runs under this replica's name.
	Superseded
)

// Pulse is what a replica hears when it beats.
type Pulse struct {
	Now      time.Time // by the store's clock, which all replicas go by
	Replicas int64     // alive, with this one
	Known    bool      // it has beaten before, and not long ago
}

// Account names a budget's window in the ledger.
type Account struct {
	Set    Scope
	Model  string // of a budget for one model
	Scope  string // what the ledger calls Set, with Model
	ID     string
	Window string    // Window.String
	Start  time.Time // zero for a lifetime
	// Further says that it is one of several budgets of its scope.
	Further bool
}

// Unkept is what Ledger.Spent returns for a budget that it keeps no sum of.
const Unkept = -1

// Ledger is where spend is booked.
type Ledger interface {
	// Flush returns when all that was settled before the call is booked.
	Flush(ctx context.Context) error
	// Spent returns what is booked in each window, in the order of accounts, and
	// Unkept where no such sum is kept.
	Spent(ctx context.Context, accounts []Account) ([]int64, error)
	// Common reports whether all replicas book in the same ledger.
	Common() bool
}
