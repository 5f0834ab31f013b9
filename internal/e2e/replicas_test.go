package e2e_test

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/limit"
	"penstock/internal/mock"
	"penstock/internal/redis/redistest"
	"penstock/internal/store/storetest"
)

// shares are the two ways in which replicas share limits.
var shares = []struct {
	name string
	env  func(t *testing.T) []string
}{
	{"redis", func(t *testing.T) []string {
		url := redistest.URL(t)
		return []string{"DATABASE_URL=" + storetest.EmptyPostgresURL(t), "REDIS_URL=" + url, "REDIS_NAMESPACE=" + rand.Text()}
	}},
	{"postgres alone", func(t *testing.T) []string { return []string{"DATABASE_URL=" + storetest.EmptyPostgresURL(t)} }},
}

// fleet is three gateways that share a store, in front of one provider.
type fleet struct {
	t    *testing.T
	mock *mock.Server
	hs   []*house
}

func openFleet(t *testing.T, config string, environ ...string) *fleet {
	t.Helper()
	m, url := provider(t)
	f := &fleet{t: t, mock: m}
	for range 3 {
		f.hs = append(f.hs, openOn(t, m, url, config, append([]string{env()}, environ...)...))
	}
	return f
}

// key makes a key, and waits until every replica knows it.
func (f *fleet) key(members string) string {
	f.t.Helper()
	key := f.hs[0].key(members)
	for _, h := range f.hs {
		h.eventually("every replica knows the key", func() bool { return h.do("GET", "/v1/models", key, "").status == 200 })
	}
	return key
}

// outcome is what became of many calls.
type outcome struct {
	mu      sync.Mutex
	status  map[int]int
	example map[int]*answer
	longest time.Duration
	begun   []time.Time // of the calls that were answered
}

// before counts the calls that had begun at t and were answered.
func (o *outcome) before(t time.Time) (n int) {
	for _, b := range o.begun {
		if b.Before(t) {
			n++
		}
	}
	return n
}

func (o *outcome) count(status int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status[status]
}

// storm sends n calls at once, by turns to each replica in hs.
func (f *fleet) storm(hs []*house, n int, key, members string) *outcome {
	f.t.Helper()
	o := &outcome{status: map[int]int{}, example: map[int]*answer{}}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			start := time.Now()
			a, err := hs[i%len(hs)].try("POST", "/v1/chat/completions", key, chat(members))
			if err != nil {
				a = &answer{body: err.Error()}
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			o.longest = max(o.longest, time.Since(start))
			o.status[a.status]++
			o.example[a.status] = a
			if a.status == 200 {
				o.begun = append(o.begun, start)
			}
		})
	}
	wg.Wait()
	return o
}

// metric reads a metric without labels.
func (h *house) metric(name string) float64 {
	h.t.Helper()
	a := h.do("GET", "/metrics", master, "")
	for line := range strings.Lines(a.body) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return n
		}
	}
	h.t.Fatalf("no metric %s: %s", name, a)
	return 0
}

// paced answers after a fifth of a second, with five tokens, which is half a cent.
const paced = "mock-tokens=5,latency=200"

// What a thousand calls at once get of a limit that three replicas share is
// exactly the limit: nothing more, and nothing less.
func TestThreeReplicasShareLimitsExactly(t *testing.T) {
	t.Parallel()
	for _, share := range shares {
		t.Run(share.name, func(t *testing.T) {
			t.Parallel()
			f := openFleet(t, oneModel(paced), share.env(t)...)
			const calls = 1000
			t.Run("budget", func(t *testing.T) {
				// Money is counted twice for the half second from its booking by one
				// replica until that has told the others: a call may be refused then,
				// and is told to try again in a second.
				key := f.key(`"max_budget":0.5`)
				o := f.storm(f.hs, calls, key, `"model":"m","max_tokens":5`)
				ok := o.count(200)
				if ok > 100 || ok < 50 || ok+o.count(422) != calls {
					t.Errorf("%d of 100 calls that the budget pays for: %v %v", ok, o.status, o.example)
				}
				f.hs[0].eventually("the rest of the budget can be had", func() bool {
					ok += f.storm(f.hs, 6, key, `"model":"m","max_tokens":5`).count(200)
					return ok >= 100
				})
				if more := f.storm(f.hs, 30, key, `"model":"m","max_tokens":5`).count(200); ok+more != 100 {
					t.Errorf("%d calls in all, want exactly 100", ok+more)
				}
				f.hs[1].eventually("the books say what was spent", func() bool { return f.hs[1].spend(key) == "0.5" })
			})
			t.Run("requests a minute", func(t *testing.T) {
				key := f.key(`"rpm_limit":300`)
				o := f.storm(f.hs, calls, key, `"model":"m","max_tokens":5`)
				if ok := o.count(200); ok != 300 || ok+o.count(429) != calls {
					t.Errorf("%d of 300 calls: %v %v", ok, o.status, o.example)
				}
			})
			t.Run("calls at once", func(t *testing.T) {
				key := f.key(`"max_parallel_requests":20`)
				f.mock.Reset()
				o := f.storm(f.hs, calls, key, `"model":"m","max_tokens":5`)
				if ok := o.count(200); ok < 20 || ok+o.count(429) != calls {
					t.Errorf("%d calls: %v %v", ok, o.status, o.example)
				}
				if n := together(f.mock.Calls()); n > 20 {
					t.Errorf("%d calls were with the provider at once, want at most 20", n)
				}
			})
		})
	}
}

// together returns how many calls ran at the same time at the most.
func together(calls []mock.Call) int {
	type edge struct {
		at time.Time
		n  int
	}
	var edges []edge
	for _, c := range calls {
		edges = append(edges, edge{c.Start, 1}, edge{c.End, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.n - b.n
	})
	now, most := 0, 0
	for _, e := range edges {
		now += e.n
		most = max(most, now)
	}
	return most
}

// A replica that is killed keeps neither slots nor money: its slots come back
// by themselves, and what it held of a budget when it starts again on its data.
func TestAKilledReplicaKeepsNothing(t *testing.T) {
	t.Parallel()
	for _, share := range shares {
		t.Run(share.name, func(t *testing.T) {
			t.Parallel()
			f := openFleet(t, `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: stalls, litellm_params: {model: "openai/mock-chunks=5,stall=1", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0}}
`, share.env(t)...)
			dies, others := f.hs[0], f.hs[1:]
			slots, money := f.key(`"max_parallel_requests":4`), f.key(`"max_budget":0.1`)
			for range 4 {
				res, err := dies.send(t.Context(), "POST", "/v1/chat/completions", slots, chat(`"model":"stalls","stream":true`))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if _, err := res.Body.Read(make([]byte, 1)); err != nil || res.StatusCode != 200 {
					t.Fatalf("the stream does not begin: %d %v", res.StatusCode, err)
				}
			}
			for _, h := range others {
				refusal(t, h.ask(slots, `"model":"stalls"`), "Limit type: max_parallel_requests")
			}
			if o := f.storm(f.hs[:1], 5, money, `"model":"m","max_tokens":5`); o.count(200) != 5 {
				t.Fatalf("%v", o.status)
			}
			dies.kill()
			killed := time.Now()
			if err := dies.wait(); err == nil {
				t.Error("killed, and ended well")
			}
			dies.eventually("its slots come back", func() bool {
				return f.storm(others, 4, slots, `"model":"m","max_tokens":5`).count(200) == 4
			})
			if took := time.Since(killed); took > limit.LeaseTTL+3*time.Second {
				t.Errorf("its slots came back after %v, want at most %v", took, limit.LeaseTTL)
			}

			dies.url = ""
			dies.start()
			ok := 0
			dies.eventually("the rest of the budget can be had", func() bool {
				ok += f.storm(f.hs, 30, money, `"model":"m","max_tokens":5`).count(200)
				return ok >= 15
			})
			if more := f.storm(f.hs, 30, money, `"model":"m","max_tokens":5`).count(200); ok+more != 15 {
				t.Errorf("%d calls of the 15 that were left of the budget", ok+more)
			}
			dies.eventually("the books say what was spent", func() bool { return dies.spend(money) == "0.1" })
		})
	}
}
