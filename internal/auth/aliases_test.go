package auth_test

import (
	"strings"
	"testing"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// TestAliases: an alias is for whom has it to give, and no way round the list of
// anybody else.
func TestAliases(t *testing.T) {
	key := func(aliases map[string]string, models ...string) gateway.Principal {
		return gateway.Principal{Key: &gateway.Key{Models: models, Aliases: aliases}}
	}
	team := func(p gateway.Principal, aliases map[string]string, models ...string) gateway.Principal {
		p.Team = &gateway.Team{ID: "t", Models: models, ModelAliases: aliases}
		return p
	}
	cheap := map[string]string{"cheap": "dear"}
	for _, tt := range []struct {
		name  string
		p     gateway.Principal
		model string
		typ   string // "": allowed
	}{
		{"a key may rename what its own list has", key(cheap, "cheap"), "cheap", ""},
		{"a key may use what its alias stands for", key(cheap, "dear"), "cheap", ""},
		{"an alias of something else does not help", key(cheap, "other"), "cheap", "key_model_access_denied"},
		{"a key's alias is no way round its team's list", team(key(cheap), nil, "cheap"), "cheap", "team_model_access_denied"},
		{"the team has what the key's alias stands for", team(key(cheap), nil, "dear"), "cheap", ""},
		{"nor round a member's", func() gateway.Principal {
			p := team(key(cheap), nil, "cheap", "dear")
			p.Member = &gateway.Member{UserID: "u", Models: []string{"cheap"}}
			return p
		}(), "cheap", "team_model_access_denied"},
		{"nor round its user's", func() gateway.Principal {
			p := key(cheap)
			p.User = &gateway.User{ID: "u", Models: []string{"cheap"}}
			return p
		}(), "cheap", "user_model_access_denied"},
		{"nor round an organization's", func() gateway.Principal {
			p := key(cheap)
			p.Organization = &gateway.Organization{ID: "o", Models: []string{"cheap"}}
			return p
		}(), "cheap", "org_model_access_denied"},
		{"nor round a project's", func() gateway.Principal {
			p := key(cheap)
			p.Project = &gateway.Project{ID: "p", Models: []string{"cheap"}}
			return p
		}(), "cheap", "project_model_access_denied"},
		{"nor round a token's scope", func() gateway.Principal {
			p := key(cheap)
			p.Token = &gateway.Token{Models: []string{"cheap"}}
			return p
		}(), "cheap", "key_model_access_denied"},
		{"a team gives what its alias stands for", team(key(nil), cheap, "other"), "cheap", ""},
		{"but not beyond its organization", func() gateway.Principal {
			p := team(key(nil), cheap)
			p.Organization = &gateway.Organization{ID: "o", Models: []string{"cheap"}}
			return p
		}(), "cheap", "org_model_access_denied"},
		{"a key's alias of a team's alias is the key's", team(key(map[string]string{"dear": "dearest"}), cheap, "dear"), "cheap", "team_model_access_denied"},
		{"the team's alias goes before the key's", team(key(map[string]string{"cheap": "dearest"}), cheap, "other"), "cheap", ""},
		{"everybody's alias: the alias is listed", key(nil, "everybodys"), "everybodys", ""},
		{"everybody's alias: what it stands for is listed", key(nil, "gpt-4o"), "everybodys", ""},
		{"everybody's alias: neither is", key(nil, "other"), "everybodys", "key_model_access_denied"},
		{"everybody's alias: its access group is listed", key(nil, "prod"), "everybodys", ""},
		{"everybody's alias: for the team as well", team(key(nil), nil, "gpt-4o"), "everybodys", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := auth.NewDirectory()
			err := d.Allowed(&tt.p, tt.model, groups{})
			got := ""
			if err != nil {
				got = gateway.AsError(err).Type
			}
			if got != tt.typ {
				t.Errorf("got %q, want %q: %v", got, tt.typ, err)
			}
			if served := auth.Served(&tt.p, tt.model); err != nil && served != tt.model && !strings.Contains(err.Error(), "alias of '"+served+"'") {
				t.Errorf("the refusal does not say what %s stands for: %v", tt.model, err)
			}
		})
	}
}

// TestFallbacksAreNoAliases: where a client's call goes on to is called by the name
// that it gives, so that is what must be allowed.
func TestFallbacksAreNoAliases(t *testing.T) {
	d := auth.NewDirectory()
	q := &auth.Asked{Call: &gateway.Call{
		Model:     "cheap",
		Fallbacks: []string{"dear"},
		Principal: gateway.Principal{Key: &gateway.Key{Models: []string{"cheap"}, Aliases: map[string]string{"dear": "cheap"}}},
	}}
	if err := d.Check(q, &auth.Policy{}, groups{}); err == nil {
		t.Error("a key that may use cheap alone falls back on dear, which it has made an alias of cheap")
	}
}

// TestCallsAreChargedToGroups: a call counts in the budget of every access group
// that has its model and that a list names.
func TestCallsAreChargedToGroups(t *testing.T) {
	limit := gateway.NanoUSD(5)
	d := auth.NewDirectory()
	d.PutBudget(&gateway.Budget{ID: "b", Limits: gateway.Limits{Budget: &limit}})
	d.PutGroupBudget(&gateway.GroupBudget{Name: "prod", BudgetID: "b"})
	d.PutGroupBudget(&gateway.GroupBudget{Name: "stored", Limits: gateway.Limits{Budget: &limit}})
	d.PutGroupBudget(&gateway.GroupBudget{Name: "free", Limits: gateway.Limits{Budget: new(gateway.NanoUSD)}})
	d.PutAccessGroup(&gateway.AccessGroup{ID: "id-1", Name: "stored", Models: []string{"gpt-*"}})
	d.PutAccessGroup(&gateway.AccessGroup{ID: "id-2", Name: "free", Models: []string{"gpt-4o"}})
	d.PutAccessGroup(&gateway.AccessGroup{ID: "id-3", Name: "unbudgeted", Models: []string{"gpt-4o"}})
	for _, tt := range []struct {
		name  string
		p     gateway.Principal
		model string // "gpt-4o" unless set
		want  string
	}{
		{name: "a group named by the key", p: gateway.Principal{Key: &gateway.Key{Models: []string{"prod"}}}, want: "prod"},
		{name: "the model named by the key", p: gateway.Principal{Key: &gateway.Key{Models: []string{"gpt-4o"}}}},
		{name: "everything", p: gateway.Principal{Key: &gateway.Key{}}},
		{name: "a star", p: gateway.Principal{Key: &gateway.Key{Models: []string{"*"}}}},
		{name: "a group that does not have it", p: gateway.Principal{Key: &gateway.Key{Models: []string{"prod", "gpt-3"}}}, model: "gpt-3"},
		{name: "two groups", p: gateway.Principal{Key: &gateway.Key{Models: []string{"stored", "prod", "stored"}}}, want: "prod stored"},
		{name: "a stored group of the key", p: gateway.Principal{Key: &gateway.Key{Models: []string{"x"}, AccessGroupIDs: []string{"id-1"}}}, want: "stored"},
		{name: "a group without a budget", p: gateway.Principal{Key: &gateway.Key{AccessGroupIDs: []string{"id-3"}}}},
		{name: "a group named by the team", p: gateway.Principal{Key: &gateway.Key{}, Team: &gateway.Team{Models: []string{"prod"}}}, want: "prod"},
		{name: "a stored group of the team", p: gateway.Principal{Key: &gateway.Key{}, Team: &gateway.Team{AccessGroupIDs: []string{"id-1"}}}, want: "stored"},
		{name: "a group named by a member's scope", p: gateway.Principal{Key: &gateway.Key{}, Team: &gateway.Team{}, Member: &gateway.Member{Models: []string{"prod"}}}, want: "prod"},
		{name: "a group named by the organization", p: gateway.Principal{Key: &gateway.Key{}, Organization: &gateway.Organization{Models: []string{"prod"}}}, want: "prod"},
		{name: "a group named by the project", p: gateway.Principal{Key: &gateway.Key{}, Project: &gateway.Project{Models: []string{"prod"}}}, want: "prod"},
		{name: "a group named by a personal key's user", p: gateway.Principal{Key: &gateway.Key{}, User: &gateway.User{Models: []string{"prod"}}}, want: "prod"},
		{name: "an alias of a model in the group", p: gateway.Principal{Key: &gateway.Key{Models: []string{"prod"}, Aliases: map[string]string{"mine": "gpt-4o"}}}, model: "mine", want: "prod"},
		{name: "everybody's alias of one", p: gateway.Principal{Key: &gateway.Key{Models: []string{"prod"}}}, model: "everybodys", want: "prod"},
		{name: "the master key", p: gateway.Principal{Master: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.model == "" {
				tt.model = "gpt-4o"
			}
			q := &auth.Asked{Call: &gateway.Call{Model: tt.model, Principal: tt.p}}
			if err := d.Check(q, &auth.Policy{}, groups{}); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, b := range q.Principal.Through {
				names = append(names, b.Name)
				if b.Limits.Budget == nil || *b.Limits.Budget != limit {
					t.Errorf("the budget of %s is %v, want %d", b.Name, b.Limits.Budget, limit)
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("charged to %q, want %q", got, tt.want)
			}
		})
	}
	if b := d.GroupBudget("free"); b == nil || b.Limits.Budget != nil {
		t.Errorf("a budget of nothing is %+v, want no ceiling", b)
	}
	d.DeleteGroupBudget("prod")
	q := &auth.Asked{Call: &gateway.Call{Model: "gpt-4o", Principal: gateway.Principal{Key: &gateway.Key{Models: []string{"prod"}}}}}
	if err := d.Check(q, &auth.Policy{}, groups{}); err != nil || len(q.Principal.Through) > 0 {
		t.Errorf("charged to %v after the budget was deleted, %v", q.Principal.Through, err)
	}
}
