package auth_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

func nets(t testing.TB, texts ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, s := range texts {
		p, err := config.ParseNetwork(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// want is a refusal; the zero want is none.
type want struct {
	kind       gateway.Kind
	typ, param string
	text       string
}

func (w want) check(t *testing.T, err error) {
	t.Helper()
	e := gateway.AsError(err)
	switch {
	case w == want{} && e != nil:
		t.Errorf("refused: %v", e)
	case w == want{}:
	case e == nil:
		t.Errorf("admitted, want %+v", w)
	case e.Kind != w.kind || e.Type != w.typ || e.Param != w.param || !strings.Contains(e.Message, w.text):
		t.Errorf("got %s %s %q %q\nwant %s %s %q %q", e.Kind, e.Type, e.Param, e.Message, w.kind, w.typ, w.param, w.text)
	}
}

// TestAdmit has one row per check that needs no body, in their order. A row
// breaks its own check and all that come after it: the first must be told.
func TestAdmit(t *testing.T) {
	const key = "sk-0123456789abcdef0001"
	base := func() (*gateway.Key, *gateway.User, *gateway.Team, *gateway.Project, *auth.Policy) {
		return &gateway.Key{Hash: auth.Hash(key), Name: "sk-...0001", UserID: "u", TeamID: "t", ProjectID: "p"}, &gateway.User{ID: "u"}, &gateway.Team{ID: "t"},
			&gateway.Project{ID: "p"}, &auth.Policy{}
	}
	type breaker func(k *gateway.Key, u *gateway.User, t *gateway.Team, p *gateway.Project, pol *auth.Policy)
	checks := []struct {
		name  string
		spoil breaker
		want  want
	}{
		{"the gateway's addresses", func(_ *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, pol *auth.Policy) {
			pol.AllowedIPs = nets(t, "10.0.0.0/8")
		}, want{gateway.Forbidden, "auth_error", "", "Access forbidden: IP address 192.0.2.7 not allowed."}},
		{"the gateway's routes", func(_ *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, pol *auth.Policy) {
			pol.AllowedRoutes = []string{"/v1/embeddings", "anthropic_routes"}
		}, want{gateway.Forbidden, "auth_error", "", "Access forbidden: Route /v1/chat/completions not allowed"}},
		{
			"a blocked key", func(k *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
				k.Blocked = true
			},
			want{gateway.Unauthenticated, "auth_error", "None", "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin."},
		},
		{
			"a deactivated user", func(_ *gateway.Key, u *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
				u.Blocked = true
			},
			want{gateway.Unauthenticated, "auth_error", "None", "User=u is deactivated"},
		},
		{"a user whom SCIM has deactivated", func(_ *gateway.Key, u *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			u.Metadata = []byte(`{"scim_active":false}`)
		}, want{gateway.Unauthenticated, "auth_error", "None", "User=u is deactivated"}},
		{
			"an expired key", func(k *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
				k.Expires = now
			},
			want{gateway.Unauthenticated, "expired_key", "sk-...0001", "Authentication Error - Expired Key. Key Expiry time 2026-03-18T10:20:30Z"},
		},
		{"the key's addresses", func(k *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			k.AllowedIPs = []string{"10.0.0.0/8", "192.0.2.8", "nonsense"}
		}, want{gateway.Forbidden, "auth_error", "", "IP address 192.0.2.7 not allowed by the allowed_ips of this key"}},
		{"the team's addresses", func(_ *gateway.Key, _ *gateway.User, t *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			t.AllowedIPs = []string{"2001:db8::/32"}
		}, want{gateway.Forbidden, "auth_error", "", "IP address 192.0.2.7 not allowed by the allowed_ips of team t"}},
		{"the key's routes", func(k *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			k.AllowedRoutes = []string{"info_routes", "/v1/chat"}
		}, want{}}, // a prefix admits what is below it
		{"the key's routes", func(k *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			k.AllowedRoutes = []string{"info_routes", "/v1/cha"}
		}, want{gateway.Forbidden, "auth_error", "", "Only allowed to call routes: [info_routes /v1/cha]. Tried to call route: /v1/chat/completions"}},
		{
			"a blocked team", func(_ *gateway.Key, _ *gateway.User, t *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
				t.Blocked = true
			},
			want{gateway.Unauthenticated, "auth_error", "None", "Authentication Error, Team=t is blocked. Update via `/team/unblock` if you're an admin."},
		},
		{
			"a blocked project", func(_ *gateway.Key, _ *gateway.User, _ *gateway.Team, p *gateway.Project, _ *auth.Policy) {
				p.Blocked = true
			},
			want{gateway.Unauthenticated, "auth_error", "None", "Project=p is blocked"},
		},
		{"a route for admins", func(_ *gateway.Key, _ *gateway.User, _ *gateway.Team, _ *gateway.Project, pol *auth.Policy) {
			pol.AdminOnlyRoutes = []string{"/v1/chat/*"}
		}, want{gateway.Forbidden, "auth_error", "", "user not allowed to access this route. Route=/v1/chat/completions is an admin only route"}},
		{"the role", func(_ *gateway.Key, u *gateway.User, _ *gateway.Team, _ *gateway.Project, _ *auth.Policy) {
			u.Role = gateway.ProxyAdminViewer
		}, want{gateway.Forbidden, "auth_error", "", "user not allowed to access this OpenAI routes, role= proxy_admin_viewer"}},
		{"nothing", func(*gateway.Key, *gateway.User, *gateway.Team, *gateway.Project, *auth.Policy) {}, want{}},
	}
	for i, tt := range checks {
		t.Run(tt.name, func(t *testing.T) {
			k, u, team, p, pol := base()
			tt.spoil(k, u, team, p, pol)
			if tt.want != (want{}) {
				for _, later := range checks[i+1:] {
					if later.name != tt.name && later.want != (want{}) {
						later.spoil(k, u, team, p, pol)
					}
				}
			}
			d := auth.NewDirectory()
			d.PutKey(k)
			d.PutUser(u)
			d.PutTeam(team)
			d.PutProject(p)
			a := &auth.Authenticator{Directory: d, Master: sha256.Sum256([]byte("sk-master")), Now: func() time.Time { return now }}
			_, err := a.Admit(from(http.Header{"Authorization": {"Bearer " + key}}), auth.DoorOf("POST", "/v1/chat/completions"), pol)
			tt.want.check(t, err)
		})
	}
}

func TestPublicRoutesNeedNoKey(t *testing.T) {
	a := &auth.Authenticator{Directory: auth.NewDirectory(), Now: time.Now}
	door := auth.DoorOf("POST", "/v1/chat/completions")
	p, err := a.Admit(from(nil), door, &auth.Policy{Access: config.Access{PublicRoutes: []string{"/v1/chat/completions"}}})
	if err != nil || p.Role != gateway.InternalUserViewer || p.Key != nil || p.Master {
		t.Errorf("got %+v, %v; want a viewer without a key", p, err)
	}
	if _, err := a.Admit(from(nil), door, &auth.Policy{Access: config.Access{PublicRoutes: []string{"/v1/embeddings"}}}); err == nil {
		t.Error("another route was public too")
	}
}

func TestClient(t *testing.T) {
	for _, tt := range []struct {
		name    string
		believe bool
		proxies []string
		peer    string
		said    []string
		want    string
	}{
		{"nobody is believed unless told to", false, nil, "192.0.2.7:1", []string{"10.0.0.1"}, "192.0.2.7"},
		{"the last proxy is believed", true, nil, "192.0.2.7:1", []string{"10.0.0.1"}, "10.0.0.1"},
		{"what a client says of itself is not", true, nil, "192.0.2.7:1", []string{"10.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"trusted proxies are looked through", true, []string{"192.0.2.0/24", "172.16.0.1"}, "192.0.2.7:1", []string{"10.0.0.1, 203.0.113.9", "172.16.0.1"}, "203.0.113.9"},
		{"a stranger's header counts for nothing", true, []string{"172.16.0.0/12"}, "192.0.2.7:1", []string{"10.0.0.1"}, "192.0.2.7"},
		{"nothing said", true, nil, "192.0.2.7:1", nil, "192.0.2.7"},
		{"nonsense", true, nil, "192.0.2.7:1", []string{"10.0.0.1, unknown"}, "invalid IP"},
		{"a port", true, nil, "192.0.2.7:1", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"IPv4 in IPv6 is IPv4", false, nil, "[::ffff:192.0.2.7]:1", nil, "192.0.2.7"},
		{"a link's zone is not part of the address", false, nil, "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"only proxies", true, []string{"10.0.0.0/8"}, "10.0.0.9:1", []string{"10.0.0.1,10.0.0.2"}, "10.0.0.1"},
	} {
		r := from(http.Header{"X-Forwarded-For": tt.said})
		r.RemoteAddr = tt.peer
		pol := &auth.Policy{Access: config.Access{ForwardedFor: tt.believe, TrustedProxies: nets(t, tt.proxies...)}}
		if got := pol.Client(r).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestCheck has one row per check that needs the body, in their order.
func TestCheck(t *testing.T) {
	d := auth.NewDirectory()
	d.PutAccessGroup(&gateway.AccessGroup{ID: "g1", Name: "beta", Models: []string{"new-*"}})
	bound := func() gateway.Principal {
		return gateway.Principal{Key: &gateway.Key{}, Team: &gateway.Team{ID: "t", ModelAliases: map[string]string{"fast": "a"}}}
	}
	const generic = "The requested model 'b' is not available for this API key, or the model name is invalid. Check the models available to you and try again."
	for _, tt := range []struct {
		name  string
		body  string
		model string // "b" unless set
		set   func(*gateway.Principal, *auth.Policy, *auth.Asked)
		want  want
	}{
		{name: "nothing is restricted"},
		{
			name: "the key's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
				p.Key.Models, p.Team.Models = []string{"a"}, []string{"a"}
			},
			want: want{gateway.Forbidden, "key_model_access_denied", "model", generic + " (this key may use a)"},
		},
		{name: "the team's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Team.Models, p.Organization = []string{"a", "c"}, &gateway.Organization{ID: "o", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "team_model_access_denied", "model", generic + " (team t may use a, c)"}},
		{name: "an access group of the key reaches beyond the team", model: "new-1", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Key.Models, p.Key.AccessGroupIDs, p.Team.Models = []string{"a"}, []string{"g1"}, []string{"a"}
		}},
		{name: "an access group does not hold everything", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Key.Models, p.Key.AccessGroupIDs = []string{"a"}, []string{"g1", "gone"}
		}, want: want{gateway.Forbidden, "key_model_access_denied", "model", generic}},
		{name: "an access group of the team", model: "new-1", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Team.AccessGroupIDs, p.Team.Models = []string{"g1"}, []string{"a"}
		}},
		{name: "an access group by its name", model: "new-1", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) { p.Key.Models = []string{"beta"} }},
		{name: "the member's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Member = &gateway.Member{UserID: "u", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "team_model_access_denied", "model", generic + " (user u as a member of team t may use a)"}},
		{name: "the models of a personal key's user", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Team, p.User = nil, &gateway.User{ID: "u", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "user_model_access_denied", "model", generic + " (user u may use a)"}},
		{name: "a user without default models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Team, p.User = nil, &gateway.User{ID: "u", Models: []string{"no-default-models"}}
		}, want: want{gateway.Forbidden, "key_model_access_denied", "model", generic}},
		{name: "the organization's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Organization = &gateway.Organization{ID: "o", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "org_model_access_denied", "model", generic + " (organization o may use a)"}},
		{name: "the organization's models by the team's name for one", model: "fast", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Organization = &gateway.Organization{ID: "o", Models: []string{"a"}}
		}},
		{name: "the project's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.Project = &gateway.Project{ID: "p", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "project_model_access_denied", "model", generic + " (project p may use a)"}},
		{name: "the customer's models", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
			p.EndUser = &gateway.EndUser{ID: "c", Models: []string{"a"}}
		}, want: want{gateway.Forbidden, "customer_model_access_denied", "model", "The requested model 'b' is not in the allowed models for this customer. Check the models this customer can use and try again."}},
		{name: "a fallback that the client names", set: func(p *gateway.Principal, _ *auth.Policy, q *auth.Asked) {
			p.Key.Models, q.Fallbacks = []string{"b"}, []string{"c"}
		}, want: want{gateway.Forbidden, "key_model_access_denied", "model", "The requested model 'c'"}},
		{
			name: "a blocked customer", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
				p.EndUser = &gateway.EndUser{ID: "c", Blocked: true}
			},
			want: want{gateway.Invalid, "bad_request_error", "user", "User blocked from making LLM API Calls. User=c"},
		},
		{
			name: "tags of the client", set: func(_ *gateway.Principal, pol *auth.Policy, q *auth.Asked) {
				pol.RejectTags, q.TagsIn = true, "metadata.tags"
			},
			want: want{gateway.Invalid, "bad_request_error", "metadata.tags", "reject_clientside_metadata_tags"},
		},
		{
			name: "no user", set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) { pol.RequireUser = true },
			want: want{gateway.Unauthenticated, "auth_error", "user", "Authentication Error, 'user' param not passed in. 'enforce_user_param'=True"},
		},
		{name: "a user", body: `{"user":"u"}`, set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) { pol.RequireUser = true }},
		{
			name: "a tool the key may not have", body: `{"tools":[{"type":"function","function":{"name":"search"}},{"name":"shell","input_schema":{}}]}`,
			set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
				p.Key.Metadata = []byte(`{"allowed_tools":["search"]}`)
			},
			want: want{gateway.Forbidden, "tool_access_denied", "tools", `Tool(s) ["shell"] are not in the allowed tools list for this key/team (metadata.allowed_tools of the key).`},
		},
		{
			name: "a tool the team may not have", body: `{"tools":[{"type":"web_search"}]}`,
			set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) {
				p.Team.Metadata = []byte(`{"allowed_tools":[]}`)
			},
			want: want{gateway.Forbidden, "tool_access_denied", "tools", `["web_search"]`},
		},
		{
			name: "a parameter that everybody must send", set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) { pol.EnforcedParams = []string{"user"} },
			want: want{gateway.Invalid, "bad_request_error", "user", "BadRequest please pass param=user in request body. This is a required param (general_settings.enforced_params)"},
		},
		{
			name: "a parameter within another", body: `{"metadata":{"tag":1}}`, set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) {
				pol.EnforcedParams = []string{"metadata.tags"}
			},
			want: want{gateway.Invalid, "bad_request_error", "metadata.tags", "BadRequest please pass param=[metadata][tags] in request body."},
		},
		{name: "a parameter within another is there", body: `{"metadata":{"a":{"b":1}}}`, set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) {
			pol.EnforcedParams = []string{"metadata.a.b"}
		}},
		{name: "a parameter of service accounts", set: func(p *gateway.Principal, pol *auth.Policy, _ *auth.Asked) {
			p.Key.ServiceAccountID, pol.ServiceAccountParams = "s", []string{"user"}
		}, want: want{gateway.Invalid, "bad_request_error", "user", "service_account_settings"}},
		{name: "a parameter of service accounts, from another key", set: func(_ *gateway.Principal, pol *auth.Policy, _ *auth.Asked) {
			pol.ServiceAccountParams = []string{"user"}
		}},
		{
			name: "a parameter of the key", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) { p.Key.EnforcedParams = []string{"user"} },
			want: want{gateway.Invalid, "bad_request_error", "user", "the enforced_params of this key)"},
		},
		{
			name: "a parameter of the team", set: func(p *gateway.Principal, _ *auth.Policy, _ *auth.Asked) { p.Team.EnforcedParams = []string{"user"} },
			want: want{gateway.Invalid, "bad_request_error", "user", "the enforced_params of this key's team"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body wire.Object
			if tt.body == "" {
				tt.body = "{}"
			}
			if err := body.Parse([]byte(tt.body)); err != nil {
				t.Fatal(err)
			}
			if tt.model == "" {
				tt.model = "b"
			}
			q := &auth.Asked{Call: &gateway.Call{Model: tt.model, Principal: bound()}, Body: &body}
			var pol auth.Policy
			if tt.set != nil {
				tt.set(&q.Principal, &pol, q)
			}
			tt.want.check(t, d.Check(q, &pol, groups{}))
		})
	}
}

func TestAllowedRoutes(t *testing.T) {
	for _, tt := range []struct {
		entry, path string
		want        bool
	}{
		{"llm_api_routes", "/v1/chat/completions", true},
		{"llm_api_routes", "/v1/messages", true},
		{"llm_api_routes", "/model/info", true},
		{"llm_api_routes", "/key/generate", false},
		{"openai_routes", "/openai/deployments/gpt-4o/embeddings", true},
		{"openai_routes", "/openai/deployments/openai/gpt-4o/embeddings", true},
		{"openai_routes", "/openai/deployments//embeddings", false},
		{"openai_routes", "/openai/deployments/gpt-4o/images/generations", false},
		{"openai_routes", "/v1/messages", false},
		{"anthropic_routes", "/v1/messages", true},
		{"management_routes", "/key/generate", true},
		{"management_routes", "/key/abc/regenerate", true},
		{"management_routes", "/key//regenerate", false},
		{"management_routes", "/global/spend", false},
		{"info_routes", "/key/info", true},
		{"info_routes", "/key/infox", false},
		{"/key", "/key/info", true},
		{"/key", "/keys", false},
		{"/team/*", "/team/info", true},
		{"*", "/anything", true},
		{"no_such_routes", "/v1/messages", false},
	} {
		d := auth.NewDirectory()
		d.PutKey(&gateway.Key{Hash: auth.Hash(good), AllowedRoutes: []string{tt.entry}})
		a := &auth.Authenticator{Directory: d, Now: time.Now}
		r := from(http.Header{"Authorization": {"Bearer " + good}})
		r.URL.Path = tt.path
		if _, err := a.Admit(r, auth.Door{}, &auth.Policy{}); (err == nil) != tt.want {
			t.Errorf("%s, %s: got %v, want allowed: %t", tt.entry, tt.path, err, tt.want)
		}
	}
}

func TestCredentialsOfOtherClients(t *testing.T) {
	a := &auth.Authenticator{Directory: directory(), Now: func() time.Time { return now }}
	signed := from(http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=Bearer " + good + "/20260318/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=x"}})
	google := from(nil)
	google.URL.Path, google.URL.RawQuery = "/v1beta/models/gemini:streamGenerateContent", "key="+good
	elsewhere := from(nil)
	elsewhere.URL.RawQuery = "key=" + good
	for name, r := range map[string]*http.Request{"AWS": signed, "Google": google} {
		if _, err := a.Authenticate(r.WithContext(context.Background())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Authenticate(elsewhere); err == nil {
		t.Error("a key in the address of another route was taken")
	}
}

// BenchmarkChecks is all that is asked of an ordinary call: a key with a list
// of models, a user, a team and an organization.
func BenchmarkChecks(b *testing.B) {
	d := town()
	d.PutKey(&gateway.Key{Hash: auth.Hash(good), UserID: "clerk", TeamID: "team", Models: []string{"gpt-4o-mini", "gpt-4o"}, Expires: time.Now().Add(time.Hour)})
	a := &auth.Authenticator{Directory: d, Now: time.Now}
	r := from(http.Header{"Authorization": {"Bearer " + good}})
	door, pol := auth.DoorOf("POST", "/v1/chat/completions"), &auth.Policy{}
	var body wire.Object
	if err := body.Parse([]byte(`{"model":"gpt-4o","messages":[],"user":"u"}`)); err != nil {
		b.Fatal(err)
	}
	call := gateway.Call{Model: "gpt-4o"}
	q := &auth.Asked{Call: &call, Body: &body}
	b.ReportAllocs()
	for b.Loop() {
		p, err := a.Admit(r, door, pol)
		if err != nil {
			b.Fatal(err)
		}
		call.Principal = p
		if err := d.Check(q, pol, groups{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRoutesThatAKeyIsGiven(t *testing.T) {
	d := auth.NewDirectory()
	for _, tt := range []struct {
		entry, route string
		want         bool
	}{
		{"/user/new", "/user/new", true},
		{"/spend/*", "/spend/logs", true},
		{"/key/*", "/key/{key}/regenerate", true},
		{"/user", "/user/new", false}, // admits below it, but names nothing there
		{"/*", "/user/new", false},
		{"*", "/user/new", false},
		{"/v1/*", "/v1/access_group", false},
		{"management_routes", "/user/new", false},
		{"/global/spend/*", "/global/spend/reset", false}, // the master key only
	} {
		p := gateway.Principal{Role: gateway.InternalUserViewer, Key: &gateway.Key{AllowedRoutes: []string{tt.entry}}}
		if e := d.EnterAdmin(&p, auth.DoorOf("POST", tt.route)); (e == nil) != tt.want {
			t.Errorf("%s, %s: got %v, want let in: %t", tt.entry, tt.route, e, tt.want)
		}
	}
}
