package e2e_test

import (
	"bufio"
	"context"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"penstock/internal/mock"
)

func TestABudgetForTenCallsAnswersTenOfAHundred(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5,latency=20"), env())
	key := h.key(`"max_budget":0.05`) // ten answers of five tokens
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			switch a := h.ask(key, `"model":"m","max_tokens":5`); {
			case a.whole():
				answered.Add(1)
			case a.status == 422 && strings.Contains(a.body, `"type":"budget_exceeded"`):
				refused.Add(1)
			default:
				t.Errorf("neither answered nor refused: %s", a)
			}
		})
	}
	wg.Wait()
	if answered.Load() != 10 || refused.Load() != 90 {
		t.Errorf("%d answered and %d refused, want 10 and 90", answered.Load(), refused.Load())
	}
	if got := h.mock.Stats().Received; got != 10 {
		t.Errorf("the provider was asked %d times, want 10", got)
	}
	if rows, spend := h.rows(key), h.spend(key); len(rows) != 10 || spend != "0.05" {
		t.Errorf("%d rows and a spend of %s, want 10 and 0.05", len(rows), spend)
	}
}

// nanos reads an amount of dollars; every amount here has at most nine places.
func nanos(t *testing.T, usd string) int64 {
	t.Helper()
	f, err := strconv.ParseFloat(usd, 64)
	if err != nil {
		t.Fatalf("spend %q: %v", usd, err)
	}
	return int64(math.Round(f * 1e9))
}

// check compares the books of a key with the calls that its clients have whole
// answers to, and returns how many rows are interrupted.
func (h *house) check(key string, answered []string, cost string) int {
	h.t.Helper()
	rows := h.rows(key)
	booked := make(map[string]row, len(rows))
	var sum int64
	interrupted := 0
	for _, r := range rows {
		if _, twice := booked[r.CallID]; twice {
			h.t.Errorf("call %s is on the books twice", r.CallID)
		}
		booked[r.CallID] = r
		sum += nanos(h.t, r.Spend.String())
		if r.Metadata.Interrupted {
			interrupted++
		}
	}
	for _, id := range answered {
		if r, ok := booked[id]; !ok || r.Spend.String() != cost || r.Metadata.Interrupted {
			h.t.Errorf("call %s was answered; on the books: %v, for %s (interrupted: %v), want %s", id, ok, r.Spend, r.Metadata.Interrupted, cost)
		}
	}
	if got := nanos(h.t, h.spend(key)); got != sum {
		h.t.Errorf("the key has spent %d billionths, its %d rows sum to %d", got, len(rows), sum)
	}
	return interrupted
}

func TestKill9LosesAndDoublesNoCall(t *testing.T) {
	t.Parallel()
	// Input has a price too, so that interrupted calls cost something: the sum
	// would not notice a lost row that cost nothing.
	h := open(t, `
model_list:
  - {model_name: fast, litellm_params: {model: "openai/mock-tokens=6,chunks=6,latency=20,gap=2", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.0001, output_cost_per_token: 0.001}}
  - {model_name: slow, litellm_params: {model: "openai/mock-tokens=6,chunks=6,latency=1500,gap=500", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.0001, output_cost_per_token: 0.001}}
`, env())
	key := h.key("")
	var mu sync.Mutex
	var answered []string
	var wg sync.WaitGroup
	for n := range 500 {
		wg.Go(func() {
			members := `"model":"fast"`
			if n%4 >= 2 {
				members = `"model":"slow"`
			}
			if n%2 == 0 {
				members += `,"stream":true`
			}
			a, err := h.try("POST", "/v1/chat/completions", key, chat(members))
			if err != nil {
				return // it is dead
			}
			if !a.whole() {
				// A stream can also end cleanly in the client's eyes when the
				// process dies; but no call may be refused.
				if a.status != 200 {
					t.Errorf("call %d: %s", n, a)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if answered = append(answered, a.header.Get("X-Litellm-Call-Id")); len(answered) == 150 {
				h.kill()
			}
		})
	}
	wg.Wait()
	if len(answered) < 150 || len(answered) == 500 {
		t.Fatalf("%d of 500 calls were answered: it was not killed in the middle of them", len(answered))
	}
	if err := h.wait(); err == nil {
		t.Error("killed, it exits with 0")
	}
	h.start()
	interrupted := h.check(key, answered, "0.0066") // six tokens of each kind
	if interrupted == 0 {
		t.Error("no row is interrupted, though calls were running")
	}
	rows := len(h.rows(key))
	if rows > 500 {
		t.Errorf("%d rows for 500 calls", rows)
	}
	t.Logf("%d answered, %d on the books, %d of them interrupted", len(answered), rows, interrupted)
	if out := h.run("ledger", "verify", "--chain"); !strings.Contains(out, "the books are right") {
		t.Errorf("the books: %s", out)
	}

	// A second start reads nothing a second time.
	h.restart()
	h.check(key, answered, "0.0066")
	if again := len(h.rows(key)); again != rows {
		t.Errorf("%d rows after another start, want %d as before", again, rows)
	}
}

func TestTermLetsStreamsEnd(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=40,chunks=40,gap=50"), env())
	key := h.key("")
	const streams = 20
	begun := make(chan struct{}, streams)
	var open atomic.Int64
	var mu sync.Mutex
	var answered []string
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			res, err := h.send(t.Context(), "POST", "/v1/chat/completions", key, chat(`"model":"m","stream":true`))
			if err != nil {
				t.Error(err)
				begun <- struct{}{}
				return
			}
			defer res.Body.Close()
			lines := bufio.NewScanner(res.Body)
			first := lines.Scan()
			open.Add(1)
			begun <- struct{}{}
			last := ""
			for first && lines.Scan() {
				if lines.Text() != "" {
					last = lines.Text()
				}
			}
			open.Add(-1)
			if lines.Err() != nil || last != "data: [DONE]" {
				t.Errorf("a stream was dropped: %v, its last line is %q", lines.Err(), last)
			}
			mu.Lock()
			defer mu.Unlock()
			answered = append(answered, res.Header.Get("X-Litellm-Call-Id"))
		})
	}
	for range streams {
		<-begun
	}
	h.signal(syscall.SIGTERM)
	h.eventually("new connections are refused", func() bool {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(h.url, "http://"), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	if open.Load() == 0 {
		t.Error("new connections are refused only after all streams have ended")
	}
	wg.Wait()
	if err := h.wait(); err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
	h.start()
	if n := h.check(key, answered, "0.04"); n != 0 {
		t.Errorf("%d rows are interrupted, want none", n)
	}
	if n := len(h.rows(key)); n != streams {
		t.Errorf("%d rows, want %d", n, streams)
	}
}

func TestAClientThatLeavesPaysForWhatItGot(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=400,chunks=400,gap=20"), env())
	key := h.key("")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	res, err := h.send(ctx, "POST", "/v1/chat/completions", key, chat(`"model":"m","stream":true`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for n := 0; n < 20 && lines.Scan(); n++ {
	}
	leave()
	within, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := h.mock.Wait(within, func(s mock.Stats) bool { return s.Cancelled == 1 }); err != nil {
		t.Fatalf("the provider was not told within a second: %v; it has seen %+v", err, h.mock.Stats())
	}
	h.eventually("the call is on the books", func() bool { return len(h.rows(key)) > 0 })
	rows := h.rows(key)
	cost := nanos(t, rows[0].Spend.String())
	if len(rows) != 1 || !rows[0].Metadata.Interrupted || cost <= 0 || cost >= 400_000_000 {
		t.Errorf("on the books: %+v, want one interrupted row for more than 0 and less than 0.4", rows)
	}
	if got := nanos(t, h.spend(key)); got != cost {
		t.Errorf("the key has spent %d billionths, its row says %d", got, cost)
	}
}
