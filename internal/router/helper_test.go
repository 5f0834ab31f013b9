package router_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// seeded returns a source of chance that is the same in every run.
func seeded() func() uint64 {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Uint64()
	}
}

// d is a deployment of the group m.
func d(id string, change ...func(*gateway.Deployment)) gateway.Deployment {
	x := gateway.Deployment{ID: id, Group: "m", Provider: "openai", Upstream: id}
	for _, f := range change {
		f(&x)
	}
	return x
}

func group(name string) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.Group = name }
}

func weight(w float64) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.Weight = w }
}

func order(n int) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.Order = n }
}

// bench is a table with a clock that tests move.
type bench struct {
	t   testing.TB
	tab *router.Table
	now time.Time
	// answers are what deployments say, by ID; nil is a good answer.
	answers map[string]func() error
	seen    router.Seen
	takes   time.Duration // how long a deployment takes
	slept   []time.Duration
}

func newBench(t testing.TB, s router.Settings, ds ...gateway.Deployment) *bench {
	if s.Random == nil {
		s.Random = seeded()
	}
	return &bench{t: t, tab: router.New(ds, s, nil), now: time.Unix(1_700_000_000, 0), answers: map[string]func() error{}}
}

func (b *bench) clock() router.Clock {
	return router.Clock{
		Now: func() time.Time { return b.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			b.slept = append(b.slept, d)
			b.now = b.now.Add(d)
			return ctx.Err()
		},
	}
}

func call(group string) *gateway.Call {
	return &gateway.Call{Op: gateway.Chat, Dialect: gateway.OpenAI, Model: group, Group: group}
}

// do carries a call, and returns the IDs that were asked.
func (b *bench) do(c *gateway.Call) (asked []string, out *router.Outcome, err error) {
	out = &router.Outcome{}
	r, err := b.tab.Route(c)
	if err != nil {
		return nil, out, err
	}
	err = r.Do(context.Background(), b.clock(), out, func(_ context.Context, t router.Target) (router.Seen, error) {
		asked = append(asked, t.ID)
		b.now = b.now.Add(b.takes)
		seen := b.seen
		if c.Stream {
			seen.First = b.now
		}
		if f := b.answers[t.ID]; f != nil {
			if err := f(); err != nil {
				return router.Seen{}, err
			}
		}
		return seen, nil
	})
	return asked, out, err
}

// fails makes the deployments fail with the kind and status until told otherwise.
func (b *bench) fails(k gateway.Kind, status int, ids ...string) {
	for _, id := range ids {
		b.answers[id] = func() error { return &gateway.Error{Kind: k, Status: status, Message: fmt.Sprintf("%s fails", id)} }
	}
}

// counts carries n calls, and returns how often each deployment was asked.
func (b *bench) counts(n int, c *gateway.Call) map[string]int {
	got := map[string]int{}
	for range n {
		asked, _, _ := b.do(c)
		for _, id := range asked {
			got[id]++
		}
	}
	return got
}

// chiSquare is how far the counts are from the shares, which add up to 1.
func chiSquare(got map[string]int, shares map[string]float64) float64 {
	n, x := 0, 0.0
	for _, c := range got {
		n += c
	}
	for id, share := range shares {
		want := share * float64(n)
		x += (float64(got[id]) - want) * (float64(got[id]) - want) / want
	}
	return x
}
