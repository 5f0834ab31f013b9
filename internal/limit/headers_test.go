package limit_test

import (
	"maps"
	"strconv"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

func headers(h *limit.Hold) map[string]string {
	got := map[string]string{}
	h.AppendHeaders(func(name string, n int64) { got[name] = strconv.FormatInt(n, 10) }, func(name, v string) { got[name] = v })
	return got
}

func TestHeaders(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	full := gateway.Principal{
		Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{
			RPM: n(10), TPM: n(1000), Parallel: n(4), Budget: new(gateway.NanoUSD(1000)),
			Models: map[string]gateway.ModelLimits{"openai/m": {RPM: n(3)}},
		}},
		Team: &gateway.Team{ID: "t", Limits: gateway.Limits{RPM: n(5), InputTPM: n(5000)}},
	}
	for _, tt := range []struct {
		name string
		p    gateway.Principal
		g    *limit.Global
		want map[string]string
	}{
		{"no limits, no headers", gateway.Principal{Key: &gateway.Key{Hash: "k"}}, nil, map[string]string{}},
		{"every limit by its scope, the tightest by OpenAI's names", full, nil, map[string]string{
			"X-Ratelimit-Api_key-Limit-Requests": "10", "X-Ratelimit-Api_key-Remaining-Requests": "8",
			"X-Ratelimit-Api_key-Limit-Tokens": "1000", "X-Ratelimit-Api_key-Remaining-Tokens": "985",
			"X-Ratelimit-Api_key-Limit-Max_parallel_requests": "4", "X-Ratelimit-Api_key-Remaining-Max_parallel_requests": "3",
			"X-Ratelimit-Model_per_key-Limit-Requests": "3", "X-Ratelimit-Model_per_key-Remaining-Requests": "1",
			"X-Litellm-Key-Remaining-Requests-Openai-M": "1",
			"X-Ratelimit-Team-Limit-Requests":           "5", "X-Ratelimit-Team-Remaining-Requests": "3",
			"X-Ratelimit-Team-Limit-Input_tokens": "5000", "X-Ratelimit-Team-Remaining-Input_tokens": "4985",
			"X-Ratelimit-Limit-Requests": "3", "X-Ratelimit-Remaining-Requests": "1", "X-Ratelimit-Reset-Requests": "51s",
			"X-Ratelimit-Limit-Tokens": "1000", "X-Ratelimit-Remaining-Tokens": "985", "X-Ratelimit-Reset-Tokens": "51s",
		}},
		{"the whole gateway", gateway.Principal{Master: true}, &limit.Global{Limits: gateway.Limits{RPM: n(2)}}, map[string]string{
			"X-Ratelimit-Global-Limit-Requests": "2", "X-Ratelimit-Global-Remaining-Requests": "0",
			"X-Ratelimit-Limit-Requests": "2", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "51s",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := limittest.Epoch
			l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return now })
			h := &limit.Hold{}
			for _, tokens := range []int64{10, 5} {
				h.Reset()
				if err := l.Reserve(t.Context(), h, &tt.p, tt.g, "openai/m", limittest.Exactly(tokens, 1)); err != nil {
					t.Fatal(err)
				}
				if tokens == 10 {
					now = now.Add(10 * time.Second)
					l.Settle(h, &limit.Actual{Requests: 1, Tokens: 10, Input: 10})
				}
			}
			if got := headers(h); !maps.Equal(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
		})
	}
}

func TestHeadersOfARefusal(t *testing.T) {
	now := limittest.Epoch
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return now })
	two := int64(2)
	p := gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{RPM: &two}}}
	var err error
	for range 3 {
		err = l.Reserve(t.Context(), &limit.Hold{}, &p, nil, "m", limittest.Exactly(1, 1))
		now = now.Add(10 * time.Second)
	}
	want := map[string]string{
		"rate_limit_type": "requests", "reset_at": "2026-03-18 10:21:31 UTC",
		"X-Ratelimit-Api_key-Limit-Requests": "2", "X-Ratelimit-Api_key-Remaining-Requests": "0",
		"X-Ratelimit-Limit-Requests": "2", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "41s",
	}
	e := gateway.AsError(err)
	if e == nil || !maps.Equal(e.Headers, want) || e.RetryAfter != 41*time.Second {
		t.Errorf("got  %+v\nwant %v, retry after 41s", e, want)
	}
}
