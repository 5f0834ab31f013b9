package limit_test

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// played is what the model knows of a call: when it was admitted, who for, what
// it was promised and, once it is over, what it used. The model adds these up
// anew for every question, which the counters must never have to.
type played struct {
	at      time.Time
	p       *gateway.Principal
	model   string
	size    limit.Size
	hold    *limit.Hold
	promise int64
	used    limit.Actual
	over    bool // settled, released, or lost with its process
	lost    bool // its process died: rates and slots forget it
}

// world is the counters and the model beside them, under virtual time.
type world struct {
	calendar limit.Calendar
	now      time.Time
	memory   *limit.Memory
	limiter  *limit.Limiter
	global   *limit.Global

	keys  []*gateway.Key
	team  *gateway.Team
	tags  []*gateway.Tag
	calls []*played
}

// moments are near what makes windows odd: clock changes, ends of months.
var moments = []string{
	"2026-03-28T22:59:30Z", "2026-03-29T00:59:50Z", "2026-10-24T23:30:00Z", "2026-10-25T00:59:55Z", "2028-02-28T23:59:58Z", "2026-12-31T22:59:59Z",
	"2026-11-01T05:30:00Z", "2026-04-04T14:59:00Z", "2026-01-31T12:00:00Z",
}

func newWorld(t *rapid.T) *world {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse(time.RFC3339, rapid.SampledFrom(moments).Draw(t, "now"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{calendar: limit.Calendar{Zone: zone, Reset: time.Duration(rapid.IntRange(0, 23).Draw(t, "reset")) * time.Hour}, now: now}
	created := now.Add(-time.Duration(rapid.IntRange(0, 100*24).Draw(t, "age")) * time.Hour)
	for i := range 2 {
		w.keys = append(w.keys, &gateway.Key{Hash: fmt.Sprint("k", i), CreatedAt: created, Limits: limits(t)})
	}
	w.team = &gateway.Team{ID: "t", CreatedAt: created, Limits: limits(t)}
	for i := range 2 {
		w.tags = append(w.tags, &gateway.Tag{Name: fmt.Sprint("g", i), CreatedAt: created, Limits: limits(t)})
	}
	w.start()
	return w
}

func (w *world) start() {
	w.memory = limit.NewMemory(w.calendar)
	w.limiter = limit.New(w.memory, func() time.Time { return w.now })
}

var durations = []string{"", "30s", "5m", "2h", "1d", "3d", "7d", "30d", "1mo", "2mo"}

func limits(t *rapid.T) gateway.Limits {
	some := func(name string, least, most int64) *int64 {
		if rapid.Bool().Draw(t, name+" is limited") {
			return new(rapid.Int64Range(least, most).Draw(t, name))
		}
		return nil
	}
	l := gateway.Limits{
		RPM: some("rpm", 1, 5), TPM: some("tpm", 60, 300), InputTPM: some("input", 60, 300), Parallel: some("parallel", 1, 5),
		BudgetDuration: rapid.SampledFrom(durations).Draw(t, "duration"),
	}
	if n := some("budget", 0, 900); n != nil {
		l.Budget = new(gateway.NanoUSD(*n))
	}
	if n := some("second", 60, 900); n != nil {
		l.Budgets = []gateway.BudgetWindow{{Amount: gateway.NanoUSD(*n), Duration: rapid.SampledFrom(durations[1:5]).Draw(t, "second duration")}}
	}
	if n := some("model", 60, 400); n != nil {
		l.Models = map[string]gateway.ModelLimits{"gpt-*": {RPM: some("model rpm", 1, 4), Budget: &gateway.BudgetWindow{Amount: gateway.NanoUSD(*n), Duration: rapid.SampledFrom(durations).Draw(t, "model duration")}}}
	}
	return l
}

// ceiling is one limit as the model sees it: an amount and the calls it counts.
type ceiling struct {
	kind   limit.Kind
	amount int64
	window limit.Window
	anchor time.Time
	counts func(*played) bool
}

// ceilings lists the limits of a call in plain words.
func (w *world) ceilings(p *gateway.Principal, model string) []ceiling {
	var out []ceiling
	of := func(l *gateway.Limits, anchor time.Time, charged func(*gateway.Principal) bool) {
		add := func(kind limit.Kind, amount *int64, duration string, only bool) {
			if amount == nil {
				return
			}
			win, err := limit.ParseWindow(duration)
			if err != nil {
				panic(err)
			}
			out = append(out, ceiling{kind, *amount, win, anchor, func(c *played) bool {
				return charged(c.p) && (!only || c.model == "gpt-4o")
			}})
		}
		money := func(n gateway.NanoUSD, duration string, only bool) {
			v := int64(n)
			add(limit.Money, &v, duration, only)
		}
		add(limit.Requests, l.RPM, "", false)
		add(limit.Tokens, l.TPM, "", false)
		add(limit.InputTokens, l.InputTPM, "", false)
		add(limit.Parallel, l.Parallel, "", false)
		if l.Budget != nil {
			money(*l.Budget, l.BudgetDuration, false)
		}
		for _, b := range l.Budgets {
			money(b.Amount, b.Duration, false)
		}
		if m, ok := l.Models["gpt-*"]; ok && model == "gpt-4o" {
			add(limit.Requests, m.RPM, "", true)
			money(m.Budget.Amount, m.Budget.Duration, true)
		}
	}
	key := p.Key.Hash
	of(&p.Key.Limits, p.Key.CreatedAt, func(o *gateway.Principal) bool { return o.Key.Hash == key })
	for _, g := range p.Tags {
		of(&g.Limits, g.CreatedAt, func(o *gateway.Principal) bool {
			return slices.ContainsFunc(o.Tags, func(x *gateway.Tag) bool { return x.Name == g.Name })
		})
	}
	if p.Team != nil {
		of(&p.Team.Limits, p.Team.CreatedAt, func(o *gateway.Principal) bool { return o.Team != nil })
	}
	if w.global != nil {
		of(&w.global.Limits, time.Time{}, func(*gateway.Principal) bool { return true })
	}
	return out
}

// taken adds up what is used and promised of the ceiling now.
func (w *world) taken(c *ceiling) int64 {
	start, end := c.window.Bounds(w.now, c.anchor, w.calendar)
	var sum int64
	for _, x := range w.calls {
		if !c.counts(x) {
			continue
		}
		switch c.kind {
		case limit.Money:
			if !end.IsZero() && (x.at.Before(start) || !x.at.Before(end)) {
				continue
			}
			if x.over {
				sum += int64(x.used.Money)
			} else {
				sum += x.promise
			}
		case limit.Parallel:
			if !x.over {
				sum++
			}
		default:
			// Exact to a second: what was taken leaves when its second is a minute old.
			if x.lost || x.at.Unix() <= w.now.Unix()-61 {
				continue
			}
			if a := limit.Kinds[c.kind].After(&x.used); x.over {
				sum += a
			} else {
				sum += limit.Kinds[c.kind].Before(&x.size).Want
			}
		}
	}
	return sum
}

func (w *world) principal(t *rapid.T) (*gateway.Principal, string) {
	p := &gateway.Principal{Key: rapid.SampledFrom(w.keys).Draw(t, "key")}
	if rapid.Bool().Draw(t, "team") {
		p.Team = w.team
	}
	switch rapid.IntRange(0, 3).Draw(t, "tags") {
	case 1:
		p.Tags = []*gateway.Tag{w.tags[1]}
	case 2:
		p.Tags = []*gateway.Tag{w.tags[1], w.tags[0]}
	}
	return p, rapid.SampledFrom([]string{"gpt-4o", "claude"}).Draw(t, "model")
}

// reserve asks the counters and the model whether a call may start.
func (w *world) reserve(t *rapid.T) {
	p, model := w.principal(t)
	in, out := rapid.Int64Range(0, 60).Draw(t, "input"), rapid.Int64Range(0, 60).Draw(t, "output")
	size := limit.Size{Tokens: limit.Exactly(in + out), Input: limit.Exactly(in), Output: limit.Exactly(out)}
	m := &size.Money
	m.Least = rapid.Int64Range(0, 40).Draw(t, "least")
	m.Typical = m.Least + rapid.Int64Range(0, 20).Draw(t, "typical")
	m.Want = m.Typical + rapid.Int64Range(0, 40).Draw(t, "want")
	m.Worst = m.Want + rapid.Int64Range(0, 300).Draw(t, "worst")

	admit, left := true, int64(math.MaxInt64)
	for _, c := range w.ceilings(p, model) {
		r := limit.Kinds[c.kind].Before(&size)
		free := c.amount - w.taken(&c)
		if r.Worst > 0 && r.Least > free {
			admit = false
		}
		if c.kind == limit.Money && r.Worst > 0 {
			left = min(left, free)
		}
	}
	h := &limit.Hold{}
	err := w.limiter.Reserve(t.Context(), h, p, w.global, model, &size)
	if (err == nil) != admit {
		t.Fatalf("at %v: the counters say %v, the model says admitted %v", w.now.In(w.calendar.Zone), err, admit)
	}
	if err != nil {
		if e := gateway.AsError(err); e.Kind != gateway.Exceeded && e.Kind != gateway.BudgetExceeded || e.RetryAfter < 0 {
			t.Fatalf("refusal: %+v", e)
		}
		return // and it has taken nothing, as every later question shows
	}
	if h.Money < m.Least || h.Money > m.Worst || h.Money > left || h.Capped != (h.Money < m.Worst) {
		t.Fatalf("promised %d (capped %v) of %+v, with %d left", h.Money, h.Capped, *m, left)
	}
	w.calls = append(w.calls, &played{at: w.now, p: p, model: model, size: size, hold: h, promise: h.Money})
}

func (w *world) running(t *rapid.T) *played {
	var open []*played
	for _, c := range w.calls {
		if !c.over {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		t.Skip("no call is running")
	}
	return rapid.SampledFrom(open).Draw(t, "call")
}

// settle ends a call: mostly within its promise, sometimes the provider used more.
func (w *world) settle(t *rapid.T) {
	c := w.running(t)
	c.used = limit.Actual{Requests: 1, Input: rapid.Int64Range(0, 80).Draw(t, "input"), Output: rapid.Int64Range(0, 80).Draw(t, "output")}
	c.used.Tokens = c.used.Input + c.used.Output
	c.used.Money = gateway.NanoUSD(rapid.Int64Range(0, c.promise).Draw(t, "money"))
	if rapid.IntRange(0, 9).Draw(t, "more") == 0 {
		c.used.Money += 50
	}
	w.limiter.Settle(c.hold, &c.used)
	w.limiter.Settle(c.hold, &limit.Actual{Requests: 9, Tokens: 999, Money: 999}) // once is all
	c.over = true
}

func (w *world) release(t *rapid.T) {
	c := w.running(t)
	w.limiter.Release(c.hold)
	c.over = true
}

func (w *world) pass(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, 17 * time.Second, 59 * time.Second, time.Minute, 61 * time.Second, 7 * time.Minute, time.Hour,
		25 * time.Hour, 8 * 24 * time.Hour, 31 * 24 * time.Hour,
	}).Draw(t, "pass"))
}

// crash loses the process. What runs is booked at something within its promise,
// and the next process starts from the books.
func (w *world) crash(t *rapid.T) {
	for _, c := range w.calls {
		if !c.over {
			c.over, c.used.Money = true, gateway.NanoUSD(rapid.Int64Range(0, c.promise).Draw(t, "booked"))
		}
		c.lost = true
	}
	w.start()
	type book struct{ scope, id, duration string }
	sums := map[book]gateway.Spend{}
	for _, c := range w.calls {
		for _, x := range c.hold.Charges {
			b := book{x.Scope, x.ID, x.Duration}
			s := sums[b]
			switch {
			case x.Start.After(s.WindowStart):
				s = gateway.Spend{Window: c.used.Money, WindowStart: x.Start}
			case x.Start.Equal(s.WindowStart):
				s.Window += c.used.Money
			}
			sums[b] = s
		}
	}
	for b, s := range sums {
		w.limiter.SetBooked(b.scope, b.id, b.duration, s)
	}
	total := func(charged func(*gateway.Principal) bool) gateway.Spend {
		var n gateway.NanoUSD
		for _, c := range w.calls {
			if charged(c.p) {
				n += c.used.Money
			}
		}
		return gateway.Spend{Window: n, Total: n}
	}
	for i, k := range w.keys {
		again := *k
		again.Spend = total(func(p *gateway.Principal) bool { return p.Key.Hash == k.Hash })
		w.keys[i] = &again
	}
	team := *w.team
	team.Spend = total(func(p *gateway.Principal) bool { return p.Team != nil })
	w.team = &team
	for i, g := range w.tags {
		again := *g
		again.Spend = total(func(p *gateway.Principal) bool {
			return slices.ContainsFunc(p.Tags, func(x *gateway.Tag) bool { return x.Name == g.Name })
		})
		w.tags[i] = &again
	}
}

func (w *world) sweep(*rapid.T) { w.memory.Sweep(w.now) }

// check compares what the counters say was spent with the sum of the calls.
func (w *world) check(t *rapid.T) {
	for _, k := range w.keys {
		win, err := limit.ParseWindow(k.Limits.BudgetDuration)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := w.memory.Spent(limit.Scope{Kind: limit.KeyScope, ID: k.Hash}, win, w.now)
		if !ok {
			continue // not seen since the start, or swept: then nothing counts
		}
		start, end := win.Bounds(w.now, k.CreatedAt, w.calendar)
		var want int64
		for _, c := range w.calls {
			if c.over && c.p.Key.Hash == k.Hash && (end.IsZero() || !c.at.Before(start) && c.at.Before(end)) {
				want += int64(c.used.Money)
			}
		}
		if got != want {
			t.Fatalf("%s has spent %d in %v from %v, its calls sum to %d", k.Hash, got, win, start, want)
		}
	}
}

// checks has rapid play n lives, unless the command line says how many.
func checks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

// Whatever happens in whatever order, the counters say what adding up all calls
// would say: who is admitted, what is promised, what is spent.
func TestCountersAgreeWithASimpleModel(t *testing.T) {
	checks(t, 600) // what is rare must be met in one run
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		if rapid.Bool().Draw(t, "global") {
			w.global = &limit.Global{Limits: gateway.Limits{RPM: new(int64(12)), Parallel: new(int64(6))}}
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": w.reserve, "reserve another": w.reserve, "reserve a third": w.reserve, "settle": w.settle, "release": w.release,
			"time passes": w.pass, "crash": w.crash, "sweep": w.sweep, "": w.check,
		})
	})
}
