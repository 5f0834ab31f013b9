package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/provider"
	"penstock/internal/provider/openai"
	"penstock/internal/relay"
	"penstock/internal/router"
	"penstock/internal/spend"
	"penstock/internal/token"
	"penstock/internal/wire"
)

// books is a journal that keeps what it is told, and can be full.
type books struct {
	began, ended []spend.Row
	full, broken bool
}

func (b *books) Begin(r *spend.Row) error {
	if b.full {
		return spend.ErrFull
	}
	b.began = append(b.began, *r)
	return nil
}
func (b *books) Progress(*spend.Row) error { return nil }
func (b *books) End(r *spend.Row) error {
	if b.broken {
		return errors.New("disk gone")
	}
	b.ended = append(b.ended, *r)
	return nil
}

// silent is a logging destination that wants nothing.
type silent struct{}

func (silent) Emit(*gateway.Record)                 {}
func (silent) Wants(*gateway.Principal) bool        { return false }
func (silent) WantsContent(*gateway.Principal) bool { return false }

// client takes an answer. It hangs up after so many writes, if leaves is not 0.
type client struct {
	head   *relay.Head
	body   strings.Builder
	leaves int
	writes int
	leave  context.CancelFunc
	booked func() int // rows on the books when the last byte came
	atEnd  int
}

func (c *client) Failed(*relay.Head)  {}
func (c *client) Begin(h *relay.Head) { c.head = h }
func (c *client) Write(p []byte) (int, error) {
	if c.writes++; c.leaves > 0 && c.writes > c.leaves {
		c.leave()
		return 0, errors.New("gone")
	}
	c.atEnd = c.booked()
	return c.body.Write(p)
}
func (c *client) Flush() error { return nil }

const whole = `{"id":"r1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}`

func chunk(text string) string {
	return `data: {"id":"r1","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
}

const usage = `data: {"id":"r1","object":"chat.completion.chunk","model":"up","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}` + "\n\n"

// Whatever becomes of a call: it is on the books once, at what it used, and the
// limits hold exactly that and nothing in reserve.
func TestBooksAndLimitsAgreeWhateverBecomesOfACall(t *testing.T) {
	const in, out = 1000, 2000 // nano-dollars for a token
	long := strings.Repeat("word ", 200)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		stream bool
		leaves int
		setup  func(*books)
		// what is expected
		failed      gateway.Kind // meaningless if ok
		ok          bool
		interrupted bool
		prompt      int64 // -1: counted by us, more than nothing
		completion  int64
		refused     bool // never admitted: nothing on the books
		inMemory    bool // the journal could not take its end
	}{
		{
			name: "an answer with usage costs what the provider counted", ok: true, prompt: 100, completion: 20,
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, whole) },
		},
		{
			name: "an answer without usage is counted here", ok: true, prompt: -1, completion: -1,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, strings.Replace(whole, `,"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}`, "", 1))
			},
		},
		{
			name: "a stream costs what its usage says", stream: true, ok: true, prompt: 100, completion: 20,
			answer: events(chunk("a"), chunk("b"), usage, "data: [DONE]\n\n"),
		},
		{
			name: "a stream whose vendor forgets its end is whole all the same", stream: true, ok: true, prompt: 100, completion: 20,
			answer: events(chunk("a"), `data: {"id":"r1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n", usage),
		},
		{
			name: "a stream that is cut is charged for what came", stream: true, failed: gateway.UpstreamCut, interrupted: true, prompt: -1, completion: -1,
			answer: events(chunk(long), chunk(long)),
		},
		{
			name: "a client that leaves pays for what was streamed", stream: true, leaves: 1, failed: gateway.Canceled, interrupted: true, prompt: -1, completion: -1,
			answer: events(chunk(long), chunk(long), usage, "data: [DONE]\n\n"),
		},
		{
			name: "an answer that is cut before its end is charged for nothing", failed: gateway.UpstreamCut,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "5000")
				_, _ = io.WriteString(w, whole)
			},
		},
		{
			name: "a refusal costs nothing", failed: gateway.UpstreamRefused,
			answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":{"message":"no"}}`, 400) },
		},
		{
			name: "a provider's bug costs nothing", failed: gateway.UpstreamFailed,
			answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", 500) },
		},
		{
			name: "an error in a stream's first event costs nothing", stream: true, failed: gateway.UpstreamFailed,
			answer: events(`data: {"error":{"message":"overloaded","type":"server_error"}}` + "\n\n"),
		},
		{
			name: "a call that cannot be journaled is not made", refused: true, failed: gateway.Unavailable, setup: func(b *books) { b.full = true },
			answer: func(http.ResponseWriter, *http.Request) { panic("called") },
		},
		{
			name: "an answered call whose end cannot be journaled is kept in memory", ok: true, inMemory: true, prompt: 100, completion: 20, setup: func(b *books) { b.broken = true },
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, whole) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := httptest.NewServer(tt.answer)
			defer up.Close()
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			b := &books{}
			if tt.setup != nil {
				tt.setup(b)
			}
			var kept []spend.Row
			counters := limit.NewMemory(limit.Calendar{})
			book := price.Published()
			table := router.New([]gateway.Deployment{{
				ID: "d1", Group: "m", Provider: "openai", Upstream: "up", BaseURL: up.URL, APIKey: "k",
				Prices: map[string]string{"input_cost_per_token": "0.000001", "output_cost_per_token": "0.000002"},
			}}, router.Settings{}, nil)
			s := &relay.Snapshot{Table: table, Prices: relay.NewPrices(book, nil), Transport: transport, Exporter: silent{}}
			r := &relay.Relay{
				Limits: limit.New(counters, time.Now), Soft: func(limit.Reached) {}, Journal: b, Unbooked: func(row spend.Row) { kept = append(kept, row) },
				Providers: provider.Set{"openai": openai.New(openai.Vendor{Name: "openai"})}, Outputs: token.NewOutputs(nil),
				Snapshot: func() *relay.Snapshot { return s }, Metrics: relay.NewMetrics(nil), Log: slog.New(slog.DiscardHandler), Clock: router.RealClock(),
			}
			body := fmt.Appendf(nil, `{"model":"m","stream":%v,"max_tokens":50,"messages":[{"role":"user","content":"say hello"}]}`, tt.stream)
			var obj wire.Object
			if err := obj.Parse(body); err != nil {
				t.Fatal(err)
			}
			key := &gateway.Key{Hash: "h", Limits: gateway.Limits{
				Budget: new(gateway.NanoUSD(1_000_000)), RPM: new(int64(10)), TPM: new(int64(10_000)), Parallel: new(int64(1)),
			}}
			none := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := &gateway.Call{
				ID: "c1", Op: gateway.Chat, Dialect: gateway.OpenAI, Route: "/v1/chat/completions", Model: "m", Group: "m", Stream: tt.stream, Body: body,
				Principal: gateway.Principal{Key: key}, Ask: gateway.Ask{Input: 200, MaxOutput: 50, Choices: 1}, Retries: &none, Start: time.Now(),
			}
			to := &client{leaves: tt.leaves, leave: cancel, booked: func() int { return len(b.ended) + len(kept) }}
			err := r.Chat(ctx, c, &obj, to)

			if (err == nil) != tt.ok || err != nil && gateway.AsError(err).Kind != tt.failed {
				t.Errorf("the call ended with %v, want ok %v or %v", err, tt.ok, tt.failed)
			}
			if tt.ok && to.atEnd != 1 {
				t.Error("the client had the last byte before the call was on the books")
			}
			rows := b.ended
			if tt.inMemory {
				rows = kept
			}
			var cost int64
			switch {
			case tt.refused:
				if len(b.began)+len(b.ended)+len(kept) != 0 {
					t.Errorf("a call that was not made is on the books: %+v %+v", b.began, b.ended)
				}
			case len(rows) != 1 || len(b.ended)+len(kept) != 1:
				t.Fatalf("%d rows journaled and %d kept, want one in all", len(b.ended), len(kept))
			default:
				row := rows[0]
				if row.Failed == tt.ok || row.Interrupted != tt.interrupted || row.Failed && row.Kind != tt.failed {
					t.Errorf("booked as failed %v (%v), interrupted %v", row.Failed, row.Kind, row.Interrupted)
				}
				for _, n := range []struct {
					what      string
					got, want int64
				}{{"prompt", row.Usage.Prompt, tt.prompt}, {"completion", row.Usage.Completion, tt.completion}} {
					if n.want >= 0 && n.got != n.want || n.want < 0 && n.got <= 0 {
						t.Errorf("%s tokens: %d, want %d", n.what, n.got, n.want)
					}
				}
				if (tt.prompt < 0) != row.Usage.Estimated {
					t.Errorf("estimated: %v", row.Usage.Estimated)
				}
				if want := gateway.NanoUSD(row.Usage.Prompt*in + row.Usage.Completion*out); row.Cost != want {
					t.Errorf("cost %d, want %d", row.Cost, want)
				}
				cost = int64(row.Cost)
			}
			if got, _ := counters.Spent(limit.Scope{Kind: limit.KeyScope, ID: "h"}, limit.Window{}, time.Now()); got != cost {
				t.Errorf("the budget knows of %d nano-dollars, the books of %d", got, cost)
			}
			// All that was reserved is free again: a call that needs the whole rest is admitted.
			var h limit.Hold
			rest := 1_000_000 - cost
			if err := r.Limits.Reserve(t.Context(), &h, &c.Principal, nil, "m", &limit.Size{Money: limit.Range{Least: rest, Want: rest, Worst: rest}}); err != nil {
				t.Errorf("something is still reserved: %v", err)
			}
		})
	}
}

// events answers with a stream, event by event.
func events(list ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range list {
			_, _ = io.WriteString(w, ev)
			_ = http.NewResponseController(w).Flush()
		}
	}
}
