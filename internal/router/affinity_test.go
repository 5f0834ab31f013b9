package router_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

func cached(t *testing.T, s router.Settings, n int) *bench {
	var ds []gateway.Deployment
	for i := range n {
		ds = append(ds, d(fmt.Sprint("d", i)))
	}
	s.Facts = func(*gateway.Deployment, string) router.Facts { return router.Facts{Caches: true} }
	return newBench(t, s, ds...)
}

func prompt(seed byte, size int) []byte {
	b := bytes.Repeat([]byte{'a'}, size)
	for i := 0; i < size; i += 100 {
		copy(b[i:], fmt.Sprint(seed, i))
	}
	return b
}

func withPrompt(p []byte) *gateway.Call {
	c := call("m")
	c.Prompt[2] = p
	return c
}

func TestAConversationStaysWhereItIsCached(t *testing.T) {
	for _, n := range []int{4, 100} {
		b := cached(t, router.Settings{}, n)
		p := prompt(1, 5000)
		first, out, _ := b.do(withPrompt(p))
		if out.Why.Picks[0].Sticky {
			t.Error("the first call is sticky")
		}
		for range 15 { // each turn adds to the prompt
			p = append(p, prompt(2, 3000)...)
			b.now = b.now.Add(10 * time.Second)
			asked, out, _ := b.do(withPrompt(p))
			if asked[0] != first[0] || !out.Why.Picks[0].Sticky {
				t.Fatalf("%d deployments: a prompt of %d bytes went to %v, not to %v", n, len(p), asked, first)
			}
		}
		b.now = b.now.Add(10 * time.Minute)
		_, out, _ = b.do(withPrompt(p))
		if out.Why.Picks[0].Sticky {
			t.Error("the provider has forgotten it, and the router has not")
		}
	}
}

func TestWhatDoesNotStick(t *testing.T) {
	spread := func(b *bench, c func(i int) *gateway.Call) int {
		got := map[string]int{}
		for i := range 40 {
			asked, _, _ := b.do(c(i))
			got[asked[0]]++
		}
		return len(got)
	}
	same := func(p []byte) func(int) *gateway.Call { return func(int) *gateway.Call { return withPrompt(p) } }
	for _, tt := range []struct {
		name string
		b    *bench
		c    func(int) *gateway.Call
	}{
		{"a short prompt", cached(t, router.Settings{}, 4), same(prompt(1, 3000))},
		{"different prompts", cached(t, router.Settings{}, 4), func(i int) *gateway.Call { return withPrompt(prompt(byte(i), 9000)) }},
		{"where the provider caches nothing", newBench(t, router.Settings{}, d("a"), d("b"), d("c"), d("e")), same(prompt(1, 9000))},
		{"when it is off", cached(t, router.Settings{Affinity: router.Affinity{Off: true}}, 4), same(prompt(1, 9000))},
		{"when the cheapest is asked for", cached(t, router.Settings{Strategy: router.CostBased}, 4), same(prompt(1, 9000))},
	} {
		if n := spread(tt.b, tt.c); n != 4 {
			t.Errorf("%s: %d of 4 deployments were asked", tt.name, n)
		}
	}
}

func TestSessionsAndKeysStay(t *testing.T) {
	plain := func(a router.Affinity) *bench {
		return newBench(t, router.Settings{Affinity: a}, d("a"), d("b"), d("c"), d("e"))
	}
	session := func() *gateway.Call {
		c := call("m")
		c.Session = "s1"
		return c
	}
	key := func() *gateway.Call {
		c := call("m")
		c.Principal.Key = &gateway.Key{Hash: "k1"}
		return c
	}
	for _, tt := range []struct {
		name string
		b    *bench
		c    func() *gateway.Call
		want bool
	}{
		{"a session, where prompts are cached", cached(t, router.Settings{}, 4), session, true},
		{"not elsewhere", plain(router.Affinity{}), session, false},
		{"unless asked for", plain(router.Affinity{Session: true}), session, true},
		{"a key, if asked for", plain(router.Affinity{Key: true}), key, true},
		{"not otherwise", cached(t, router.Settings{}, 4), key, false},
	} {
		got := map[string]int{}
		for range 12 {
			asked, _, _ := tt.b.do(tt.c())
			got[asked[0]]++
		}
		if (len(got) == 1) != tt.want {
			t.Errorf("%s: went to %v", tt.name, got)
		}
	}
	t.Run("the session of another key is another", func(t *testing.T) {
		b := plain(router.Affinity{Session: true})
		got := map[string]int{}
		for i := range 30 {
			c := session()
			c.Principal.Key = &gateway.Key{Hash: fmt.Sprint(i)}
			asked, _, _ := b.do(c)
			got[asked[0]]++
		}
		if len(got) < 3 {
			t.Errorf("thirty keys went to %v", got)
		}
	})
	t.Run("a session goes along when its deployment fails", func(t *testing.T) {
		b := plain(router.Affinity{Session: true})
		first, _, _ := b.do(session())
		b.tab.SetHealth(first[0], b.now.Add(time.Hour))
		second, _, _ := b.do(session())
		b.tab.SetHealth(first[0], time.Time{})
		if third, _, _ := b.do(session()); second[0] == first[0] || third[0] != second[0] {
			t.Errorf("went to %v, %v, %v", first, second, third)
		}
	})
}

func TestOneHotPromptUnbalancesNothing(t *testing.T) {
	for _, n := range []int{4, 100} {
		b := cached(t, router.Settings{}, n)
		c := withPrompt(prompt(1, 9000))
		const calls = 4000
		got := map[string]int{}
		for range calls { // in less than a minute
			asked, _, _ := b.do(c)
			got[asked[0]]++
			b.now = b.now.Add(5 * time.Millisecond)
		}
		fair := float64(calls) / float64(n)
		for id, k := range got {
			if float64(k) > 1.25*fair*1.2+32 {
				t.Errorf("%d deployments: %s got %d of %d calls, its share is %.0f", n, id, k, calls, fair)
			}
		}
	}
	t.Run("by weight", func(t *testing.T) {
		b := newBench(t, router.Settings{Facts: func(*gateway.Deployment, string) router.Facts { return router.Facts{Caches: true} }},
			d("small", weight(1)), d("large", weight(9)))
		b.tab.SetHealth("large", b.now.Add(time.Minute))
		c := withPrompt(prompt(1, 9000))
		b.do(c) // small has it
		b.tab.SetHealth("large", time.Time{})
		got := b.counts(1000, c)
		if got["small"] > 200 {
			t.Errorf("%v, small has a tenth of the weight", got)
		}
	})
	t.Run("by calls in flight", func(t *testing.T) {
		b := cached(t, router.Settings{}, 4)
		c := withPrompt(prompt(1, 9000))
		first, _, _ := b.do(c)
		b.inFlight(first[0], 6, func() {
			if _, out, _ := b.do(c); out.Why.Picks[0].Sticky {
				t.Error("a seventh call at once for the sake of the cache, while others have none")
			}
		})
		if _, out, _ := b.do(c); !out.Why.Picks[0].Sticky {
			t.Error("the prompt was forgotten meanwhile")
		}
	})
}
