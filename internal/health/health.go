package health

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"penstock/internal/gateway"
)

// Result is how one check of a deployment ended.
type Result struct {
	Deployment string // ID
	Group      string // the model name it serves
	Provider   string
	Model      string // the vendor's name of the model that was asked
	OK         bool
	// Unknown, if not "", says why nothing is known: there was no check.
	Unknown string
	Kind    gateway.Kind // of the failure; meaningless if OK
	Status  int          // the vendor's HTTP status of the failure, 0 if there was none
	Error   string       // what went wrong, for people; no secrets
	At      time.Time    // when the check began
	Took    time.Duration
	CallID  string // the check's own call: its spend and its record go by that
	By      string // who asked: Background, or a key's alias
	// Left is what the vendor says is left of its limits, by its header's name.
	Left map[string]string
}

// Background is who asks in Result.By when nobody did.
const Background = "background"

// Transient reports whether the failure is one that passes by itself and says
// little about the next call.
func (r *Result) Transient() bool {
	return !r.OK && (r.Kind == gateway.UpstreamLimited || r.Kind == gateway.UpstreamTimeout)
}

// Board is the last result of every deployment. It is safe for concurrent use.
type Board struct {
	mu   sync.RWMutex
	last map[string]Result // by deployment; guarded by mu
}

// NewBoard returns an empty board.
func NewBoard() *Board { return &Board{last: map[string]Result{}} }

// Put keeps r if it is newer than what is known, and reports whether it says
// something else than the result before it.
func (b *Board) Put(r Result) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, had := b.last[r.Deployment]
	if had && old.At.After(r.At) {
		return false
	}
	b.last[r.Deployment] = r
	return !had || old.OK != r.OK || old.Unknown != r.Unknown || old.Kind != r.Kind && !r.OK
}

// Get returns the last result of the deployment.
func (b *Board) Get(id string) (Result, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r, ok := b.last[id]
	return r, ok
}

// All returns the last results, ordered by group and deployment.
func (b *Board) All() []Result {
	b.mu.RLock()
	out := make([]Result, 0, len(b.last))
	for _, r := range b.last {
		out = append(out, r)
	}
	b.mu.RUnlock()
	slices.SortFunc(out, func(x, y Result) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Deployment, y.Deployment))
	})
	return out
}

// Retain forgets every deployment that keep does not want.
func (b *Board) Retain(keep func(id string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.last {
		if !keep(id) {
			delete(b.last, id)
		}
	}
}
