package router_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

func tags(t ...string) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.Tags = t }
}

func TestTags(t *testing.T) {
	ds := []gateway.Deployment{
		d("free", tags("free", "eu")), d("paid", tags("paid", "eu", "big")), d("std", tags("default")), d("bare"),
		d("cli", tags("tool"), func(d *gateway.Deployment) { d.TagRegex = []string{`^User-Agent: claude-cli/`} }),
	}
	on := router.Settings{TagFiltering: true}
	all := router.Settings{TagFiltering: true, MatchAll: true}
	for _, tt := range []struct {
		name  string
		s     router.Settings
		tags  []string
		agent string
		want  string // IDs that may be asked, sorted; "" is the 401
	}{
		{"off: tags count for nothing", router.Settings{}, []string{"free"}, "", "bare cli free paid std"},
		{"one tag", on, []string{"free"}, "", "free"},
		{"any of the tags", on, []string{"free", "paid"}, "", "free paid"},
		{"all of the tags", all, []string{"paid", "eu"}, "", "paid"},
		{"all of the tags, and nobody has them: default", all, []string{"paid", "free"}, "", "std"},
		{"an unknown tag: default", on, []string{"what"}, "", "std"},
		{"no tags: default", on, nil, "", "std"},
		{"must not have", on, []string{"!paid", "eu"}, "", "free"},
		{"must have", on, []string{"&big", "eu"}, "", "paid"},
		{"only a tag that counts", router.Settings{TagFiltering: true, TagPrefix: "p"}, []string{"free", "paid"}, "", "paid"},
		{"by the client's program", on, nil, "claude-cli/1.0", "cli"},
		{"another program: default", on, nil, "curl/8", "std"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.s, ds...)
			c := call("m")
			c.Tags, c.UserAgent = tt.tags, tt.agent
			if got := ids(b.counts(100, c)); got != tt.want {
				t.Errorf("asked %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("without a default, tags that nobody has are refused", func(t *testing.T) {
		b := newBench(t, on, d("free", tags("free")))
		c := call("m")
		c.Tags = []string{"paid"}
		_, _, err := b.do(c)
		if e := gateway.AsError(err); e.Kind != gateway.Unauthenticated || !strings.Contains(e.Message, `Not allowed to access model due to tags configuration. Passed model=m and tags=["paid"]`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("also while somebody else rests", func(t *testing.T) {
		b := newBench(t, router.Settings{TagFiltering: true, Cooldown: time.Minute}, d("free", tags("free")), d("other", tags("other")))
		b.fails(gateway.UpstreamAuth, 401, "free")
		b.do(call("free"))
		c := call("m")
		c.Tags = []string{"paid"}
		if _, _, err := b.do(c); gateway.AsError(err).Kind != gateway.Unauthenticated {
			t.Errorf("got %v", err)
		}
		c.Tags = []string{"free"}
		if _, _, err := b.do(c); gateway.AsError(err).Type != "all_deployments_in_cooldown" {
			t.Errorf("the one with the tag rests: got %v", err)
		}
	})
	t.Run("without a default, a call without tags may go anywhere", func(t *testing.T) {
		b := newBench(t, on, d("free", tags("free")), d("bare"))
		if got := ids(b.counts(50, call("m"))); got != "bare free" {
			t.Errorf("asked %q", got)
		}
	})
	t.Run("a deployment can ask for it alone", func(t *testing.T) {
		yes := true
		b := newBench(t, router.Settings{}, d("free", tags("free"), func(d *gateway.Deployment) { d.TagFiltering = &yes }), d("paid", tags("paid")))
		c := call("m")
		c.Tags = []string{"free"}
		if got := ids(b.counts(50, c)); got != "free" {
			t.Errorf("asked %q", got)
		}
	})
}

// ids returns the keys in order.
func ids(got map[string]int) string {
	var s []string
	for id := range got {
		s = append(s, id)
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

func TestRegions(t *testing.T) {
	in := func(r string) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.Region = r } }
	b := newBench(t, router.Settings{}, d("frankfurt", in("eu-central-1")), d("belgium", in("europe-west1")), d("azure", in("westeurope")), d("london", in("europe-west2")),
		d("virginia", in("us-east-1")), d("washington", in("eastus")), d("unknown"))
	for _, tt := range []struct{ region, want string }{
		{"eu", "azure belgium frankfurt"},
		{"EU", "azure belgium frankfurt"},
		{"us", "virginia washington"},
		{"eu-central-1", "frankfurt"},
		{"", "azure belgium frankfurt london unknown virginia washington"},
	} {
		c := call("m")
		c.Region = tt.region
		if got := ids(b.counts(200, c)); got != tt.want {
			t.Errorf("%q: asked %q, want %q", tt.region, got, tt.want)
		}
	}
	c := call("m")
	c.Region = "ap"
	if _, _, err := b.do(c); gateway.AsError(err).Kind != gateway.Forbidden {
		t.Errorf("a region nobody is in: %v", err)
	}
}

func TestContextWindow(t *testing.T) {
	window := func(n int64) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.MaxInput = n } }
	s := router.Settings{PreCallChecks: true, ContextWindow: map[string][]string{"m": {"long"}}}
	ds := []gateway.Deployment{d("small", window(1000)), d("medium", window(8000)), d("open", group("n")), d("long", group("long"), window(1<<20))}
	b := newBench(t, s, ds...)
	for _, tt := range []struct {
		tokens int64
		want   string
	}{{10, "medium small"}, {1001, "medium"}, {8000, "medium"}, {8001, "long"}} {
		c := call("m")
		c.Ask.Likely = tt.tokens
		if got := ids(b.counts(50, c)); got != tt.want {
			t.Errorf("%d tokens: asked %q, want %q", tt.tokens, got, tt.want)
		}
	}
	c := call("m")
	c.Ask.Likely, c.DisableFallbacks = 9000, true
	_, out, err := b.do(c)
	if e := gateway.AsError(err); e.Kind != gateway.ContextWindow || !strings.Contains(e.Message, "9000") || !strings.Contains(e.Message, "8000") {
		t.Errorf("got %v", err)
	}
	if len(out.Why.Removals) != 2 || out.Why.Removals[0].String() != "small: context window: 9000 of 1000" {
		t.Errorf("removals %v", out.Why.Removals)
	}
	b = newBench(t, router.Settings{}, ds...)
	if got := ids(b.counts(50, c)); got != "medium small" {
		t.Errorf("without pre-call checks: asked %q", got)
	}
}

func TestCapabilities(t *testing.T) {
	says := func(can, said gateway.Capability) func(*gateway.Deployment) {
		return func(d *gateway.Deployment) { d.Abilities, d.Said = can, said }
	}
	b := newBench(t, router.Settings{Facts: func(d *gateway.Deployment, _ string) router.Facts {
		if d.ID == "book" {
			return router.Facts{Can: gateway.Tools, Known: gateway.Tools | gateway.Vision}
		}
		if d.ID == "blind" { // what its own settings say counts
			return router.Facts{Can: gateway.Vision, Known: gateway.Vision}
		}
		return router.Facts{}
	}}, d("sees", says(gateway.Vision|gateway.Tools, gateway.Vision|gateway.Tools)), d("blind", says(0, gateway.Vision|gateway.Tools)), d("unknown"), d("book"),
		d("b1", group("blind"), says(0, gateway.Vision)), d("b2", group("blind"), says(0, gateway.Vision)),
		d("h1", group("half"), says(0, gateway.Vision)), d("h2", group("half")))
	for _, tt := range []struct{ name, model, body, want string }{
		{"text goes anywhere", "m", `{"messages":[{"content":"hi"}]}`, "blind book sees unknown"},
		{"an image goes where it can be seen, or may be", "m", `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"x"}}]}]}`, "sees unknown"},
		{"an image of Anthropic's", "m", `{"messages":[{"content":[{"type":"image","source":{}}]}]}`, "sees unknown"},
		{"tools", "m", `{"tools":[],"messages":[]}`, "book sees unknown"},
		{"a text about images is no image", "m", `{"messages":[{"content":"send {\"type\": \"image_url\"}"}]}`, "blind book sees unknown"},
		{"who is not known to be blind may see", "half", `{"messages":[{"content":[{"type":"image_url"}]}]}`, "h2"},
		{"where nobody can, the provider may say so", "blind", `{"messages":[{"content":[{"type":"image_url"}]}]}`, "b1 b2"},
	} {
		c := call(tt.model)
		c.Body = []byte(tt.body)
		if got := ids(b.counts(100, c)); got != tt.want {
			t.Errorf("%s: asked %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAccessGroups(t *testing.T) {
	in := func(g ...string) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.AccessGroups = g } }
	b := newBench(t, router.Settings{}, d("beta", in("beta")), d("prod", in("prod", "all")), d("none"))
	for _, tt := range []struct {
		through []string
		want    string
	}{{nil, "beta none prod"}, {[]string{"beta"}, "beta"}, {[]string{"all", "beta"}, "beta prod"}} {
		c := call("m")
		c.AccessGroups = tt.through
		if got := ids(b.counts(100, c)); got != tt.want {
			t.Errorf("through %v: asked %q, want %q", tt.through, got, tt.want)
		}
	}
	if got := b.tab.AccessGroups("m"); !slices.Equal(got, []string{"beta", "prod", "all"}) {
		t.Errorf("access groups are %v", got)
	}
}

func TestModelsOfTags(t *testing.T) {
	b := newBench(t, router.Settings{}, d("a"), d("b"), d("c"))
	for _, tt := range []struct {
		name string
		tags []*gateway.Tag
		want string // "": refused
	}{
		{"a tag without models", []*gateway.Tag{{Name: "x"}}, "a b c"},
		{"ids of deployments", []*gateway.Tag{{Name: "x", Models: []string{"b", "z"}}}, "b"},
		{"the name of the group", []*gateway.Tag{{Name: "x", Models: []string{"m"}}}, "a b c"},
		{"every tag must allow", []*gateway.Tag{{Name: "x", Models: []string{"a", "b"}}, {Name: "y", Models: []string{"b", "c"}}}, "b"},
		{"other models", []*gateway.Tag{{Name: "y"}, {Name: "x", Models: []string{"other"}}}, ""},
	} {
		c := call("m")
		c.Principal.Tags = tt.tags
		if tt.want != "" {
			if got := ids(b.counts(100, c)); got != tt.want {
				t.Errorf("%s: asked %q, want %q", tt.name, got, tt.want)
			}
			continue
		}
		_, _, err := b.do(c)
		if e := gateway.AsError(err); e == nil || e.Kind != gateway.Forbidden || e.Type != "tag_model_access_denied" || e.Message != "Tag 'x' may not use model=m: none of its deployments is among the tag's models." {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestMaxParallel(t *testing.T) {
	b := newBench(t, router.Settings{}, d("a", func(d *gateway.Deployment) { d.MaxParallel = 2 }), d("b", func(d *gateway.Deployment) { d.MaxParallel = 1 }))
	b.inFlight("a", 2, func() {
		if got := ids(b.counts(20, call("m"))); got != "b" {
			t.Errorf("asked %q while a is full", got)
		}
		b.inFlight("b", 1, func() {
			_, out, err := b.do(call("m"))
			if e := gateway.AsError(err); e.Kind != gateway.Unavailable || e.RetryAfter != time.Second || !strings.Contains(e.Message, "max_parallel_requests") {
				t.Errorf("all full: %v", err)
			}
			if got := fmt.Sprint(out.Why.Removals); got != "[a: max_parallel_requests: 2 of 2 b: max_parallel_requests: 1 of 1]" {
				t.Errorf("removals %s", got)
			}
		})
	})
	if got := ids(b.counts(50, call("m"))); got != "a b" {
		t.Errorf("asked %q when the slots were free again", got)
	}
}

type roomless map[string]gateway.Filter

func (r roomless) Room(d *gateway.Deployment) gateway.Filter { return r[d.ID] }

// asking counts how often limits are asked.
type asking struct {
	n    int
	full map[string]gateway.Filter
}

func (a *asking) Room(d *gateway.Deployment) gateway.Filter {
	a.n++
	return a.full[d.ID]
}

func TestLimitsElsewhereAreAskedOfTheChosenOne(t *testing.T) {
	for _, n := range []int{40, 200} {
		var ds []gateway.Deployment
		for i := range n {
			ds = append(ds, d(fmt.Sprint(i)))
		}
		room := &asking{full: map[string]gateway.Filter{}}
		b := newBench(t, router.Settings{Room: room}, ds...)
		b.do(call("m"))
		if room.n != 1 {
			t.Errorf("%d deployments: asked %d times for one call", n, room.n)
		}
		for i := range n {
			if i != 7 {
				room.full[fmt.Sprint(i)] = gateway.FilterBudget
			}
		}
		for range 20 {
			if asked, _, err := b.do(call("m")); err != nil || asked[0] != "7" {
				t.Fatalf("%d deployments: asked %v, %v; want the one with money left", n, asked, err)
			}
		}
	}
}

func TestLimitsKeptElsewhere(t *testing.T) {
	spent := roomless{"a": gateway.FilterBudget}
	b := newBench(t, router.Settings{Room: spent}, d("a"), d("b"))
	if got := ids(b.counts(20, call("m"))); got != "b" {
		t.Errorf("asked %q, want b: a has spent its budget", got)
	}
	spent["b"] = gateway.FilterBudget
	if _, _, err := b.do(call("m")); !strings.Contains(gateway.AsError(err).Message, "No deployments available - crossed budget") {
		t.Errorf("got %v", err)
	}
	if _, _, err := b.do(call("a")); err == nil {
		t.Error("by its id, a deployment went over its budget")
	}
}

func TestHealthChecksAreHeeded(t *testing.T) {
	b := newBench(t, router.Settings{}, d("a"), d("b", order(1)))
	b.tab.SetHealth("b", b.now.Add(time.Minute))
	asked, out, err := b.do(call("m"))
	if err != nil || asked[0] != "a" || len(out.Why.Removals) != 1 || out.Why.Removals[0].Filter != gateway.FilterHealth {
		t.Errorf("asked %v, %v, %v; want a, because b is ill", asked, err, out.Why.Removals)
	}
	b.tab.SetHealth("a", b.now.Add(time.Minute))
	if asked, _, err := b.do(call("m")); err != nil || asked[0] != "b" {
		t.Errorf("asked %v, %v; want b all the same: nobody is well", asked, err)
	}
	b.tab.SetHealth("b", time.Time{})
	if asked, _, _ := b.do(call("m")); asked[0] != "b" {
		t.Errorf("asked %v, want b, which is well again", asked)
	}
	b.tab.SetHealth("what", b.now)
}

func TestFiltersOfAPickAreWrittenDown(t *testing.T) {
	b := newBench(t, router.Settings{TagFiltering: true, Cooldown: 5 * time.Second}, d("blocked", func(d *gateway.Deployment) { d.Blocked = true }), d("cool"), d("tagged", tags("x")), d("ok", tags("default")))
	b.fails(gateway.UpstreamAuth, 401, "cool")
	b.do(call("cool"))
	route := must(b.tab.Route(call("m")))
	p := route.Plan(b.now).Picks[0]
	_, out, err := b.do(call("m"))
	if err != nil {
		t.Fatal(err)
	}
	w := out.Why
	if got := fmt.Sprint(w.Removals); got != "[blocked: blocked cool: cooldown for another 5s tagged: tags]" {
		t.Errorf("removals %s", got)
	}
	want := gateway.Pick{Group: "m", Candidates: 4, Looked: 4, Removed: 3, From: 0, To: 3, Strategy: "simple-shuffle", Deployment: "ok"}
	if w.Picks[0] != want {
		t.Errorf("pick %+v\nwant %+v", w.Picks[0], want)
	}
	if p != want {
		t.Errorf("the plan said %+v\nwant %+v", p, want)
	}
	kept := w.Clone()
	out.Reset()
	if len(kept.Removals) != 3 || kept.Picks[0].Deployment != "ok" {
		t.Error("a clone does not outlive its call")
	}
}
