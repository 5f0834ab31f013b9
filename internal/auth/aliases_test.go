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
