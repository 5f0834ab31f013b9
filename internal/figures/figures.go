package figures

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/router"
)

// Board is where replicas leave word for each other. Packages redis and store
// have one.
type Board interface {
	// Now is the time by the board's clock, which all replicas go by.
	Now(ctx context.Context) (time.Time, error)
	// Exchange leaves the replica's word in place of its last, and returns the
	// last word of every replica, by its name. What nobody renews for long may go.
	Exchange(ctx context.Context, replica, word string, keep time.Duration) (map[string]string, error)
	// Forget removes the words of these replicas.
	Forget(ctx context.Context, replicas []string) error
}

// Shared tells other replicas what this one knows of its deployments, and hears
// what they know.
type Shared struct {
	board   Board
	replica string
	heard   map[string]heard // by replica
}

// heard is when a replica was heard of last, by our own clock.
type heard struct {
	at   int64 // when it spoke, by the board's clock in microseconds
	when time.Time
}

const (
	// maxFigures bounds the deployments that a replica tells of at a time: those
	// that cool down first, then those that are used most.
	maxFigures = 2000
	// silentAfter is how long the figures of a replica count that says nothing.
	silentAfter = 10 * time.Second
	// forgottenAfter is how long a replica may be silent before the others
	// remove what it has said.
	forgottenAfter = 5 * time.Minute
)

// Share returns what shares figures over the board under the name of this
// replica. It is for one goroutine.
func Share(b Board, replica string) *Shared {
	return &Shared{board: b, replica: replica, heard: map[string]heard{}}
}

// told is what a replica says: the server's time in microseconds at which it
// spoke, and its figures.
type told struct {
	At      int64    `json:"at"`
	Figures []figure `json:"f"`
}

// figure is one deployment's. Cool is by the server's clock, in microseconds,
// so that a cooldown which goes from one to another and back stays what it was.
type figure struct {
	ID       string `json:"i"`
	Cool     int64  `json:"c,omitzero"`
	InFlight int64  `json:"n,omitzero"`
	Requests int64  `json:"r,omitzero"`
	Tokens   int64  `json:"t,omitzero"`
	Latency  int64  `json:"l,omitzero"` // microseconds
	First    int64  `json:"b,omitzero"` // microseconds
}

// Exchange tells the others own and returns what they together know of each
// deployment. Times are those of the clock that now is of.
func (f *Shared) Exchange(ctx context.Context, own []router.Figures, now time.Time) ([]router.Figures, error) {
	sent := time.Now()
	there, err := f.board.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the common time: %w", err)
	}
	// How far the board's clock is ahead of ours, half a round trip ago.
	offset := there.Sub(now.Add(time.Since(sent) / 2))
	say, err := json.Marshal(tell(own, now, offset))
	if err != nil {
		return nil, fmt.Errorf("write figures: %w", err)
	}
	all, err := f.board.Exchange(ctx, f.replica, string(say), forgottenAfter)
	if err != nil {
		return nil, fmt.Errorf("share figures: %w", err)
	}
	var others []told
	var forgotten []string
	for replica, text := range all {
		if replica == f.replica {
			continue
		}
		var t told
		if json.Unmarshal([]byte(text), &t) != nil {
			continue // a newer version's
		}
		h := f.heard[replica]
		if h.at != t.At {
			h = heard{t.At, now}
			f.heard[replica] = h
		}
		switch age := now.Sub(h.when); {
		case age > forgottenAfter:
			forgotten = append(forgotten, replica)
			delete(f.heard, replica)
		case age <= silentAfter:
			others = append(others, t)
		}
	}
	for replica := range f.heard {
		if _, there := all[replica]; !there {
			delete(f.heard, replica)
		}
	}
	if len(forgotten) > 0 {
		if err := f.board.Forget(ctx, forgotten); err != nil {
			return nil, fmt.Errorf("forget replicas: %w", err)
		}
	}
	return together(others, offset), nil
}

// tell returns what to say of own.
func tell(own []router.Figures, now time.Time, offset time.Duration) told {
	t := told{At: now.Add(offset).UnixMicro()}
	for i := range own {
		f := &own[i]
		v := figure{
			ID: f.ID, InFlight: f.InFlight, Requests: f.Requests, Tokens: f.Tokens, Latency: f.Latency.Microseconds(), First: f.FirstByte.Microseconds(),
		}
		if !f.CoolUntil.IsZero() {
			v.Cool = f.CoolUntil.Add(offset).UnixMicro()
		}
		if v.Cool != 0 || v.InFlight != 0 || v.Requests != 0 || v.Tokens != 0 {
			t.Figures = append(t.Figures, v)
		}
	}
	slices.SortFunc(t.Figures, func(a, b figure) int {
		return cmp.Or(cmp.Compare(b.Cool, a.Cool), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ID, b.ID))
	})
	t.Figures = t.Figures[:min(len(t.Figures), maxFigures)]
	return t
}

// together adds up what others say of each deployment.
func together(others []told, offset time.Duration) []router.Figures {
	type sum struct {
		router.Figures
		latencies, firsts int64 // of how many replicas
	}
	by := map[string]*sum{}
	var ids []string
	for _, t := range others {
		for _, v := range t.Figures {
			s := by[v.ID]
			if s == nil {
				s = &sum{Figures: router.Figures{ID: v.ID}}
				by[v.ID] = s
				ids = append(ids, v.ID)
			}
			if v.Cool != 0 {
				if until := time.UnixMicro(v.Cool).Add(-offset); until.After(s.CoolUntil) {
					s.CoolUntil = until
				}
			}
			s.InFlight += v.InFlight
			s.Requests += v.Requests
			s.Tokens += v.Tokens
			if v.Latency > 0 {
				s.Latency += time.Duration(v.Latency) * time.Microsecond
				s.latencies++
			}
			if v.First > 0 {
				s.FirstByte += time.Duration(v.First) * time.Microsecond
				s.firsts++
			}
		}
	}
	slices.Sort(ids)
	out := make([]router.Figures, 0, len(ids))
	for _, id := range ids {
		s := by[id]
		s.Latency /= time.Duration(max(s.latencies, 1))
		s.FirstByte /= time.Duration(max(s.firsts, 1))
		out = append(out, s.Figures)
	}
	return out
}
