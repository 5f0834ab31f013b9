package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// cost is a row of processor time.
type cost struct {
	id, name string
	traffic  traffic
	conns    int
	ramp     time.Duration
	units    int // what an answer's time is divided by: 1, or its chunks
	try      int // calls that the first estimate is made with
}

const chat = "/v1/chat/completions"

// costs are the rows. Streams are spread over conns so that chunks
// come one by one; a quick run has fewer.
func costs(quick bool) []cost {
	conns := 250
	if quick {
		conns = 100
	}
	return []cost{
		{"small", "small chat", traffic{path: chat, model: "mock", prompt: 200, least: 200}, 16, 0, 1, 1000},
		{"stream", "stream, per chunk", traffic{path: chat, model: "mock-tokens=50,chunks=50,gap=20", stream: true, prompt: 200, events: 52}, conns, time.Second / 2, 50, conns},
		{"embeddings", "17 KB embedding", traffic{path: "/v1/embeddings", model: "mock-large=17000", prompt: 200, least: 16000}, 16, 0, 1, 500},
		{"100kb", "100 KB prompt", traffic{path: chat, model: "mock", prompt: 100 << 10, least: 200}, 8, 0, 1, 300},
		{"1mb", "1 MB prompt", traffic{path: chat, model: "mock", prompt: 1 << 20, least: 200}, 4, 0, 1, 40},
	}
}

// spread is a figure of several rounds.
type spread []float64

func (v spread) low() float64  { return slices.Min(v) }
func (v spread) high() float64 { return slices.Max(v) }
func (v spread) median() float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// inTurn runs f for both in each round, and who comes first changes: what
// drifts on the machine meets both alike.
func inTurn(round int, a, b *server, f func(*server) error) error {
	if round%2 == 1 {
		a, b = b, a
	}
	if err := f(a); err != nil {
		return err
	}
	return f(b)
}

// measure returns the processor time of each unit of the row, in microseconds,
// and the ratio of the two. A round is as many calls as use about target of
// processor time, which differs between the two.
func (r *cost) measure(ctx context.Context, b *bench, penstock, proxy *server, rounds int, target time.Duration) (us [2]float64, ratio float64, per spread, err error) {
	type sum struct {
		calls int // of a round
		last  float64
		used  time.Duration
		n     int
	}
	sums := map[*server]*sum{penstock: {calls: r.try}, proxy: {calls: r.try}}
	load := func(s *server) error {
		v := sums[s]
		before, err := cpuTime(s.pid)
		if err != nil {
			return err
		}
		if err := s.closedLoop(ctx, &r.traffic, v.calls, r.conns, r.ramp, nil); err != nil {
			return err
		}
		if err := s.settled(ctx); err != nil {
			return err
		}
		after, err := cpuTime(s.pid)
		if err != nil {
			return err
		}
		v.last = float64(after-before) / float64(v.calls)
		v.used += after - before
		v.n += v.calls
		return nil
	}
	// The first round is a warm-up and tells how many calls a round needs.
	b.say("%s: how many calls make a round", r.name)
	if err := inTurn(0, penstock, proxy, load); err != nil {
		return us, 0, nil, err
	}
	for _, v := range sums {
		*v = sum{calls: max(r.try, int(math.Ceil(1.1*float64(target)/v.last)))}
	}
	for round := range rounds {
		if err := inTurn(round, penstock, proxy, load); err != nil {
			return us, 0, nil, err
		}
		x, y := sums[penstock], sums[proxy]
		per = append(per, x.last/y.last)
		b.say("%s: round %d of %d: penstock %d calls, %.1f us; proxy %d calls, %.1f us", r.name, round+1, rounds,
			x.calls, x.last/1e3/float64(r.units), y.calls, y.last/1e3/float64(r.units))
	}
	for i, s := range [...]*server{penstock, proxy} {
		us[i] = float64(sums[s].used) / 1e3 / float64(sums[s].n*r.units)
	}
	return us, us[0] / us[1], per, nil
}

// delay is a row of latencies at a constant rate.
type delay struct {
	name    string
	traffic traffic
}

func delays() []delay {
	return []delay{
		{"small chat", traffic{path: chat, model: "mock", prompt: 200, least: 200}},
		{"stream, first byte", traffic{path: chat, model: "mock-tokens=10,chunks=10,gap=20", stream: true, prompt: 200, events: 12}},
	}
}

// delayed is what one server did in each round, in microseconds.
type delayed struct {
	p50, p99 spread
}

// measure sends the calls at the rate to each server in turn, several times.
// Rounds are kept apart, so that one in which somebody else took the machine
// does not make the figure. late is the p99 of what the generator was behind.
func (d *delay) measure(ctx context.Context, b *bench, servers []*server, rate, rounds int, during time.Duration) (out []delayed, late spread, err error) {
	out = make([]delayed, len(servers))
	for round := range rounds {
		b.say("latency of %s: round %d of %d", d.name, round+1, rounds)
		for k := range servers {
			i := (k + round) % len(servers)
			took, l, err := servers[i].openLoop(ctx, &d.traffic, rate, during)
			if err != nil {
				return nil, nil, err
			}
			out[i].p50, out[i].p99 = append(out[i].p50, percentile(took, 50)), append(out[i].p99, percentile(took, 99))
			late = append(late, percentile(l, 99))
		}
	}
	return out, late, nil
}

// percentile returns the p-th percentile in microseconds, and sorts v.
func percentile(v []time.Duration, p int) float64 {
	slices.Sort(v)
	return float64(v[min(len(v)*p/100, len(v)-1)]) / 1e3
}

// memories is what 1,000 streams take in a fresh process, in bytes.
type memories struct {
	before, middle, peak spread
}

const streams = 1000

// memory starts both afresh and opens the streams on one after the other.
func (b *bench) memory(ctx context.Context, rounds int) (penstock, proxy memories, err error) {
	t := traffic{path: chat, model: "mock-tokens=30,chunks=30,gap=100", stream: true, prompt: 200, events: 32}
	for round := range rounds {
		b.say("%d streams at once: round %d of %d", streams, round+1, rounds)
		p, x, err := b.pair(ctx)
		if err != nil {
			return penstock, proxy, err
		}
		err = errors.Join(penstock.take(ctx, p, &t), proxy.take(ctx, x, &t))
		if err = errors.Join(err, p.stop(), x.stop()); err != nil {
			return penstock, proxy, err
		}
	}
	return penstock, proxy, nil
}

// take opens the streams on s. The middle is when the last of them has its
// first byte, which is before any of them has ended.
func (m *memories) take(ctx context.Context, s *server, t *traffic) error {
	before, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	var begun atomic.Int64
	var middle float64
	var merr error
	first := func() {
		if begun.Add(1) == streams {
			middle, merr = s.memory("VmRSS")
		}
	}
	if err := errors.Join(s.closedLoop(ctx, t, streams, streams, time.Second, first), merr); err != nil {
		return err
	}
	peak, err := s.memory("VmHWM")
	m.before, m.middle, m.peak = append(m.before, before), append(m.middle, middle), append(m.peak, peak)
	return err
}

// starts is how long after its exec a gateway answers, in milliseconds.
type starts struct {
	first, second, proxy spread
}

// starts starts Penstock with an empty data directory, again with what it made
// there, and the proxy.
func (b *bench) starts(ctx context.Context, rounds int) (starts, error) {
	var out starts
	for round := range rounds {
		b.say("start: round %d of %d", round+1, rounds)
		dir, err := os.MkdirTemp(b.tmp, "data")
		if err != nil {
			return out, err
		}
		for _, x := range [...]struct {
			to    *spread
			start func() (*server, error)
		}{
			{&out.first, func() (*server, error) { return b.startPenstock(ctx, dir) }},
			{&out.second, func() (*server, error) { return b.startPenstock(ctx, dir) }},
			{&out.proxy, func() (*server, error) { return b.startProxy(ctx) }},
		} {
			s, err := x.start()
			if err != nil {
				return out, err
			}
			*x.to = append(*x.to, float64(s.ready)/1e6)
			if err := s.stop(); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// mega formats bytes.
func mega(v float64) string { return fmt.Sprintf("%.0f MB", v/(1<<20)) }
