package router_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

func ofTeam(id, public string) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.TeamID, d.TeamModel = id, public }
}

func upstream(provider, model string) func(*gateway.Deployment) {
	return func(d *gateway.Deployment) { d.Provider, d.Upstream = provider, model }
}

func TestWhatANameStandsFor(t *testing.T) {
	s := router.Settings{
		Aliases: map[string]router.Alias{"nick": {Group: "gpt"}, "secret": {Group: "gpt", Hidden: true}, "gpt": {Group: "other"}},
		Qualify: func(model string) string {
			if strings.HasPrefix(model, "claude") {
				return "anthropic/" + model
			}
			return ""
		},
		ForModel: func(d *gateway.Deployment, model string) (*gateway.Deployment, bool) {
			provider, up, ok := strings.Cut(model, "/")
			one := *d
			one.Provider, one.Upstream = provider, up
			return &one, ok
		},
	}
	b := newBench(t, s,
		d("g1", group("gpt"), upstream("openai", "gpt-4o")), d("g2", group("gpt"), upstream("azure", "x")), d("o", group("other")),
		d("w-openai", group("openai/*"), upstream("openai", "*")),
		d("w-mini", group("openai/*-mini"), upstream("openai", "small-*")),
		d("w-two", group("bedrock/*/claude-*"), upstream("bedrock", "anthropic.*.claude-*")),
		d("w-anthropic", group("anthropic/*"), upstream("anthropic", "*")),
		d("w-long", group("*-of-a-long-name"), upstream("openai", "*")),
		d("w-fixed", group("fixed/*"), upstream("openai", "one")),
		d("t1", group("model_name_t1_x"), ofTeam("t1", "gpt")), d("t2", group("model_name_t2_x"), ofTeam("t2", "private")),
		d("t3", group("model_name_t3_x"), ofTeam("t3", "private")), d("t4", group("shared"), ofTeam("t1", "")), d("t5", group("shared")),
		d("t6", group("model_name_t1_y"), ofTeam("t1", "mine/*"), upstream("openai", "*")),
		d("t7", group("model_name_t2_y"), ofTeam("t2", "only-two")),
		d("blocked", group("gone"), func(d *gateway.Deployment) { d.Blocked = true }),
	)
	team := func(id string) gateway.Principal { return gateway.Principal{Key: &gateway.Key{TeamID: id}} }
	master := gateway.Principal{Master: true}
	for _, tt := range []struct {
		name        string
		model       string
		who         gateway.Principal
		ids         []string // of which one is asked; nil: the model is not known
		model2, how string
	}{
		{"a group", "gpt", gateway.Principal{}, []string{"g1", "g2"}, "", "group"},
		{"an alias", "nick", gateway.Principal{}, []string{"g1", "g2"}, "", "group"},
		{"a hidden alias", "secret", gateway.Principal{}, []string{"g1", "g2"}, "", "group"},
		{"a deployment's id", "g2", gateway.Principal{}, []string{"g2"}, "x", "id"},
		{"provider and model of a deployment", "azure/x", gateway.Principal{}, []string{"g2"}, "x", "upstream"},
		{"a wildcard", "openai/gpt-9", gateway.Principal{}, []string{"w-openai"}, "gpt-9", "wildcard"},
		{"the more specific wildcard", "openai/gpt-9-mini", gateway.Principal{}, []string{"w-mini"}, "small-gpt-9", "wildcard"},
		{"the longer pattern, wherever its star is", "openai/x-of-a-long-name", gateway.Principal{}, []string{"w-long"}, "", "wildcard"},
		{"stars are filled in order", "bedrock/eu/claude-3", gateway.Principal{}, []string{"w-two"}, "anthropic.eu.claude-3", "wildcard"},
		{"a wildcard by the provider of the model", "claude-x", gateway.Principal{}, []string{"w-anthropic"}, "claude-x", "wildcard"},
		{"a wildcard of one model", "fixed/whatever", gateway.Principal{}, []string{"w-fixed"}, "one", "wildcard"},
		{"a wildcard is not called by its pattern", "openai/*", gateway.Principal{}, []string{"w-openai"}, "*", "wildcard"},
		{"nobody's", "nothing", gateway.Principal{}, nil, "", ""},
		{"the team's own of the same name", "gpt", team("t1"), []string{"t1"}, "", "team"},
		{"others have the public ones", "gpt", team("t2"), []string{"g1", "g2"}, "", "group"},
		{"a team's private model", "private", team("t2"), []string{"t2"}, "", "team"},
		{"by its inner name too", "model_name_t2_x", team("t2"), []string{"t2"}, "", "team"},
		{"not for others", "private", team("t1"), nil, "", ""},
		{"not for nobody", "private", gateway.Principal{}, nil, "", ""},
		{"not by its id either", "t2", team("t1"), nil, "", ""},
		{"its own team may use the id", "t2", team("t2"), []string{"t2"}, "", "id"},
		{"a shared group without the team's", "shared", team("t9"), []string{"t5"}, "", "group"},
		{"and with it only that", "shared", team("t1"), []string{"t4"}, "", "team"},
		{"a team's wildcard", "mine/gpt-5", team("t1"), []string{"t6"}, "gpt-5", "team"},
		{"an administrator may use a team's model", "only-two", master, []string{"t7"}, "", "team"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(tt.model)
			c.Principal = tt.who
			got, targets := map[string]bool{}, map[string]bool{}
			for range 20 {
				asked, out, err := b.do(c)
				if tt.ids == nil {
					e := gateway.AsError(err)
					if err == nil || e.Kind != gateway.Invalid || !strings.Contains(e.Message, "/chat/completions: Invalid model name passed in model="+tt.model+". Call `/v1/models`") {
						t.Fatalf("got %v asked %v, want an unknown model", err, asked)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got[asked[0]], targets[out.Target.Model] = true, true
				if out.Why.Naming.String() != tt.how {
					t.Errorf("understood by %s, want %s", out.Why.Naming, tt.how)
				}
			}
			for _, id := range tt.ids {
				if !got[id] {
					t.Errorf("asked %v, want %v", got, tt.ids)
				}
			}
			if len(got) != len(tt.ids) || tt.model2 != "" && !targets[tt.model2] {
				t.Errorf("asked %v for %v, want %v for %q", got, targets, tt.ids, tt.model2)
			}
		})
	}
	t.Run("a name of several teams is ambiguous to an administrator", func(t *testing.T) {
		c := call("private")
		c.Principal = master
		if _, _, err := b.do(c); err == nil || !strings.Contains(gateway.AsError(err).Message, "t2, t3") {
			t.Errorf("got %v, want an error that names both teams", err)
		}
	})
	t.Run("names that can be seen", func(t *testing.T) {
		p := team("t1")
		want := []string{"gpt", "shared", "mine/*", "other", "openai/*", "openai/*-mini", "bedrock/*/claude-*", "anthropic/*", "*-of-a-long-name", "fixed/*", "nick"}
		if got := b.tab.Names(&p); !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		for _, n := range b.tab.Names(nil) {
			if n == "gone" || n == "private" || n == "secret" {
				t.Errorf("%q is shown to everybody", n)
			}
		}
	})
	t.Run("a blocked group says so", func(t *testing.T) {
		if _, _, err := b.do(call("gone")); gateway.AsError(err).Kind != gateway.Forbidden {
			t.Errorf("got %v", err)
		}
		_, out, err := b.do(call("blocked"))
		if e := gateway.AsError(err); e.Status != 503 || !strings.Contains(e.Message, "paused") || len(out.Why.Removals) != 1 {
			t.Errorf("by its id: %v, %v", e, out.Why.Removals)
		}
	})
}

func TestTheCatchAllServesWhatItsProviderIsKnownOf(t *testing.T) {
	s := router.Settings{ForModel: func(d *gateway.Deployment, model string) (*gateway.Deployment, bool) {
		provider, up, ok := strings.Cut(model, "/")
		one := *d
		one.Provider, one.Upstream = provider, up
		return &one, ok
	}}
	b := newBench(t, s, gateway.Deployment{ID: "all", Group: "*", Upstream: "*"})
	for range 2 { // the second from memory
		if _, out, err := b.do(call("groq/llama")); err != nil || out.Target.Provider != "groq" || out.Target.Model != "llama" {
			t.Errorf("got %+v, %v", out.Target, err)
		}
	}
	if _, _, err := b.do(call("llama")); err == nil {
		t.Error("a model of no known provider was served")
	}
}

func TestAnUnknownModelNamesItsNeighbours(t *testing.T) {
	b := newBench(t, router.Settings{Aliases: map[string]router.Alias{"gpt-4o-fast": {Group: "m"}, "gpt-4o-ghost": {Group: "m", Hidden: true}}},
		d("a", group("gpt-4o")), d("b", group("gpt-4o-mini")), d("c", group("claude")), d("t", group("gpt-4p"), ofTeam("t", "")))
	for _, tt := range []struct{ model, want string }{
		{"gpt-4oo", "Did you mean 'gpt-4o'?"},
		{"gpt-4o-mimi", "'gpt-4o-mini'"},
		{"GPT-4O", "'gpt-4o'"},
		{"gpt-4o-fest", "'gpt-4o-fast'"},
	} {
		_, _, err := b.do(call(tt.model))
		if msg := gateway.AsError(err).Message; !strings.Contains(msg, tt.want) || strings.Contains(msg, "ghost") || strings.Contains(msg, "4p") {
			t.Errorf("%s: %s\nwant %s", tt.model, msg, tt.want)
		}
	}
	if _, _, err := b.do(call(strings.Repeat("x", 100_000))); len(gateway.AsError(err).Message) > 500 {
		t.Error("a long name is repeated in full")
	}
}

func TestAMillionNamesUnderAWildcardAreNotKept(t *testing.T) {
	b := newBench(t, router.Settings{}, d("w", group("x/*"), upstream("openai", "*")))
	for i := range 20_000 {
		name := "x/" + strings.Repeat("y", i%50) + string(rune('a'+i%26)) + strings.Repeat("z", i/1000)
		if _, _, err := b.do(call(name)); err != nil {
			t.Fatal(err)
		}
	}
}
