package admin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/admin"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

func sum(key string) string {
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:])
}

func TestGenerateMakesAKey(t *testing.T) {
	f := newFake()
	d := open(t, f)
	a := d.post("/key/generate", `{}`).ok()
	key := a.text("key")
	if !regexp.MustCompile(`^sk-[A-Za-z0-9_-]{22}$`).MatchString(key) {
		t.Errorf("key is %q, want sk- and 22 characters of base64url", key)
	}
	a.has(
		"token_id", `"`+sum(key)+`"`, "token", `"`+sum(key)+`"`, "key_name", `"sk-...`+key[len(key)-4:]+`"`,
		"key_alias", "null", "duration", "null", "expires", "null", "models", "[]", "spend", "0.0", "max_budget", "null",
		"user_id", `"default_user_id"`, "team_id", "null", "metadata", "{}", "permissions", "{}", "aliases", "{}", "config", "{}",
		"tpm_limit", "null", "rpm_limit", "null", "max_parallel_requests", "null", "budget_duration", "null",
		"budget_reset_at", "null", "allowed_routes", "[]", "allowed_cache_controls", "[]", "tags", "[]", "key_type", `"default"`,
		"created_by", `"default_user_id"`, "updated_by", `"default_user_id"`,
		"created_at", `"2026-01-17T12:00:00Z"`, "updated_at", `"2026-01-17T12:00:00Z"`,
		"litellm_budget_table", "null", "guardrails", "null", "budget_limits", "null",
	)
	if diff := cmp.Diff([]admin.Change{{Entity: admin.KeyEntity, ID: sum(key)}}, d.changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if other := d.post("/key/generate", `{}`).ok().text("key"); other == key {
		t.Errorf("two keys are the same: %s", key)
	}
	for hash, k := range f.keys {
		if strings.Contains(k.Name+k.Alias+k.Hash, key) || hash == key {
			t.Errorf("the key itself is stored: %+v", k)
		}
	}
}

func TestGenerateKeepsEveryField(t *testing.T) {
	f := newFake()
	d := open(t, f)
	d.post("/team/new", `{"team_id":"t1"}`).ok()
	_, hash := d.key(`{"key_alias":"a1","models":["m1","m2"],"user_id":"u1","team_id":"t1","organization_id":"o1","max_budget":10.5,
		"soft_budget":1,"budget_duration":"30d","tpm_limit":1000,"rpm_limit":10,"max_parallel_requests":3,"spend":0.25,"blocked":true,
		"metadata":{"z":1,"a":{"n":12345678901234567890}},"permissions":{"get_spend_routes":true},"aliases":{"x":"m1"},"tags":["g"],
		"allowed_routes":["/v1/models"],"duration":"30h"}`)
	want := &gateway.Key{
		Hash: hash, Name: f.keys[hash].Name, Alias: "a1", UserID: "u1", TeamID: "t1", OrganizationID: "o1",
		Models: []string{"m1", "m2"}, Aliases: map[string]string{"x": "m1"},
		Limits: gateway.Limits{
			RPM: new(int64(10)), TPM: new(int64(1000)), Parallel: new(int64(3)),
			Budget: new(gateway.NanoUSD(10_500_000_000)), SoftBudget: new(gateway.NanoUSD(1_000_000_000)), BudgetDuration: "30d",
		},
		Spend:   gateway.Spend{Window: 250_000_000, WindowStart: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Total: 250_000_000},
		Expires: noon.Add(30 * time.Hour), Blocked: true, AllowedRoutes: []string{"/v1/models"}, Type: "default", Tags: []string{"g"},
		Metadata: []byte(`{"z":1,"a":{"n":12345678901234567890}}`), Permissions: []byte(`{"get_spend_routes":true}`),
		CreatedAt: noon, CreatedBy: "default_user_id", UpdatedAt: noon, UpdatedBy: "default_user_id",
	}
	if diff := cmp.Diff(want, f.keys[hash]); diff != "" {
		t.Errorf("stored key (-want +got):\n%s", diff)
	}
	d.get("/key/info?key="+hash).ok().has(
		"info.max_budget", "10.5", "info.spend", "0.25", "info.total_spend", "0.25", "info.budget_reset_at", `"2026-02-01T00:00:00Z"`,
		"info.expires", `"2026-01-18T18:00:00Z"`, "info.status", `"revoked"`, "info.blocked", "true", "info.soft_budget", "1.0",
		"info.metadata", `{"z":1,"a":{"n":12345678901234567890},"tags":["g"]}`, "info.team_id", `"t1"`)
}

func TestGenerateRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"a negative budget", `{"max_budget":-1}`, 422, "validation_error", "max_budget", "max_budget: want an amount in US dollars, at least 0 and below 9223372036, got -1"},
		{"a budget that is not a number", `{"max_budget":"ten"}`, 422, "validation_error", "max_budget", `got "ten"`},
		{"a budget of NaN", `{"max_budget":"NaN"}`, 422, "validation_error", "max_budget", "US dollars"},
		{"a budget beyond the books", `{"max_budget":1e10}`, 422, "validation_error", "max_budget", "below 9223372036"},
		{"a budget in an object", `{"max_budget":{"usd":1}}`, 422, "validation_error", "max_budget", "US dollars"},
		{"half a request", `{"rpm_limit":1.5}`, 422, "validation_error", "rpm_limit", "rpm_limit: want a whole number of at least 0, got 1.5"},
		{"a negative limit", `{"tpm_limit":-5}`, 422, "validation_error", "tpm_limit", "-5"},
		{"a limit beyond int64", `{"tpm_limit":1e30}`, 422, "validation_error", "tpm_limit", "whole number"},
		{"a limit in words", `{"max_parallel_requests":"many"}`, 422, "validation_error", "max_parallel_requests", "many"},
		{"one model for a list", `{"models":"m"}`, 422, "validation_error", "models", "models: want a list of strings"},
		{"numbers for models", `{"models":[1]}`, 422, "validation_error", "models", "want a list of strings, got [1]"},
		{"a list for metadata", `{"metadata":[]}`, 422, "validation_error", "metadata", "want an object"},
		{"numbers for aliases", `{"aliases":{"a":1}}`, 422, "validation_error", "aliases", "want an object of strings"},
		{"a number for an alias", `{"key_alias":7}`, 422, "validation_error", "key_alias", "want a string, got 7"},
		{"a word for a flag", `{"blocked":"maybe"}`, 422, "validation_error", "blocked", "want true or false"},
		{"a life of words", `{"duration":"soon"}`, 400, "bad_request_error", "duration", "Invalid duration 'soon': want a whole number and a unit"},
		{"a life of nothing", `{"duration":"0s"}`, 400, "bad_request_error", "duration", "Invalid duration '0s'"},
		{"a life of millennia", `{"duration":"999999999d"}`, 400, "bad_request_error", "duration", "before the year 10000"},
		{"a budget window of words", `{"budget_duration":"soon"}`, 400, "bad_request_error", "budget_duration", "Invalid budget_duration 'soon'. Use a format like"},
		{"a budget window of nothing", `{"budget_duration":"0d"}`, 400, "bad_request_error", "budget_duration", "Invalid budget_duration '0d'"},
		{"a budget window of millennia", `{"budget_duration":"99999mo"}`, 400, "bad_request_error", "budget_duration", "Invalid budget_duration '99999mo'"},
		{"a type nobody knows", `{"key_type":"root"}`, 400, "bad_request_error", "key_type", "want default, llm_api, management or read_only, got 'root'"},
		{"a team that is not there", `{"team_id":"t9"}`, 404, "not_found_error", "team_id", "Team doesn't exist in db. Team=t9."},
		{"a key that is none", `{"key":"pk-aaaaaaaaaaaaaaaaaaaa"}`, 400, "bad_request_error", "key", "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: pk-a****aaaa"},
		{"a short key", `{"key":"sk-123456789012"}`, 400, "bad_request_error", "key", "at least 16 characters"},
		{"a key that no header can carry", `{"key":"sk-1234567890123\r\n"}`, 400, "bad_request_error", "key", "printable ASCII"},
		{"a very long key", `{"key":"sk-` + strings.Repeat("1", 300) + `"}`, 400, "bad_request_error", "key", "at most 255"},
		{"a key in a list, without showing it", `{"key":["sk-secret-secret"]}`, 422, "validation_error", "key", "key: want a string"},
		{"a taken alias", `{"key_alias":"taken"}`, 400, "bad_request_error", "key_alias", "Key with alias 'taken' already exists. Unique key aliases across all keys are required."},
		{"a taken key", `{"key":"sk-taken-taken-taken"}`, 400, "bad_request_error", "key", "already exists"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			d := open(t, f)
			d.key(`{"key_alias":"taken","key":"sk-taken-taken-taken"}`)
			d.changes = nil
			a := d.post("/key/generate", tt.body)
			a.refused(tt.status, tt.typ, tt.param, tt.message)
			if len(f.keys) != 1 || len(d.changes) != 0 {
				t.Errorf("%d keys and changes %v, want the first key only", len(f.keys), d.changes)
			}
			if strings.Contains(a.Body, "secret") {
				t.Errorf("the key is shown: %s", a.Body)
			}
		})
	}
}

func TestNumbersAreReadAsLiteLLMDoes(t *testing.T) {
	for _, tt := range []struct{ name, body, field, want string }{
		{"a tenth stays a tenth", `{"max_budget":0.1}`, "max_budget", "0.1"},
		{"a sum of floats is the amount that was meant", `{"max_budget":0.30000000000000004}`, "max_budget", "0.3"},
		{"a nano-dollar is kept", `{"max_budget":1e-9}`, "max_budget", "1e-09"},
		{"small amounts print as in Python", `{"max_budget":0.0000025}`, "max_budget", "2.5e-06"},
		{"an upper-case exponent is one", `{"max_budget":1E2}`, "max_budget", "100.0"},
		{"whole amounts print as floats", `{"max_budget":10}`, "max_budget", "10.0"},
		{"large amounts keep their cents", `{"max_budget":9223372035.87}`, "max_budget", "9223372035.87"},
		{"a number in a string is a number", `{"max_budget":"10.5"}`, "max_budget", "10.5"},
		{"an empty string is no budget", `{"max_budget":""}`, "max_budget", "null"},
		{"a budget of nothing is not none", `{"max_budget":0}`, "max_budget", "0.0"},
		{"minus zero is zero", `{"max_budget":-0.0}`, "max_budget", "0.0"},
		{"a whole float is whole", `{"rpm_limit":10.0}`, "rpm_limit", "10"},
		{"a limit with an exponent", `{"tpm_limit":1e6}`, "tpm_limit", "1000000"},
		{"a limit in a string", `{"rpm_limit":"7"}`, "rpm_limit", "7"},
		{"the largest limit", `{"tpm_limit":9223372036854775807}`, "tpm_limit", "9223372036854775807"},
		{"a flag in a string", `{"blocked":"True"}`, "blocked", "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			open(t, newFake()).post("/key/generate", tt.body).ok().has(tt.field, tt.want)
		})
	}
}

func TestKeyLife(t *testing.T) {
	for _, tt := range []struct{ name, now, duration, want string }{
		{"seconds", "2026-01-17T12:00:00Z", "30s", `"2026-01-17T12:00:30Z"`},
		{"minutes", "2026-01-17T12:00:00Z", "30m", `"2026-01-17T12:30:00Z"`},
		{"hours", "2026-01-17T12:00:00Z", "30h", `"2026-01-18T18:00:00Z"`},
		{"days are exact, not calendar days", "2026-01-17T12:00:00Z", "30d", `"2026-02-16T12:00:00Z"`},
		{"weeks", "2026-01-17T12:00:00Z", "2w", `"2026-01-31T12:00:00Z"`},
		{"a month is the same day of the next", "2026-01-17T12:00:00Z", "1mo", `"2026-02-17T12:00:00Z"`},
		{"a month ends with the shorter month", "2026-01-31T12:00:00Z", "1mo", `"2026-02-28T12:00:00Z"`},
		{"a month over the end of the year", "2026-12-31T23:59:59Z", "2mo", `"2027-02-28T23:59:59Z"`},
		{"thirteen months", "2026-01-31T00:00:00Z", "13mo", `"2027-02-28T00:00:00Z"`},
		{"minus one is for ever", "2026-01-17T12:00:00Z", "-1", "null"},
		{"nothing is for ever", "2026-01-17T12:00:00Z", "", "null"},
		{"more than a time.Duration holds", "2026-01-17T12:00:00Z", "200000d", `"2573-08-17T12:00:00Z"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, newFake())
			var err error
			if d.now, err = time.Parse(time.RFC3339, tt.now); err != nil {
				t.Fatal(err)
			}
			d.post("/key/generate", `{"duration":"`+tt.duration+`"}`).ok().has("expires", tt.want)
		})
	}
}

func TestKeyTypes(t *testing.T) {
	for _, tt := range []struct{ name, body, routes string }{
		{"the default may call everything", `{"key_type":"default"}`, `[]`},
		{"an llm key calls models", `{"key_type":"llm_api"}`, `["llm_api_routes"]`},
		{"a management key manages", `{"key_type":"management"}`, `["management_routes"]`},
		{"a reading key reads", `{"key_type":"read_only"}`, `["info_routes"]`},
		{"routes of one's own go with the default", `{"allowed_routes":["/a"]}`, `["/a"]`},
		{"a type wins over routes", `{"key_type":"llm_api","allowed_routes":["/a"]}`, `["llm_api_routes"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			open(t, newFake()).post("/key/generate", tt.body).ok().has("allowed_routes", tt.routes)
		})
	}
}

func TestKeyRules(t *testing.T) {
	rules := config.KeyRules{
		Default: config.KeyParams{
			Limits: gateway.Limits{Budget: new(gateway.NanoUSD(5e9)), RPM: new(int64(9))}, Duration: "1d",
			Models: []string{"m"}, Metadata: []byte(`{"from":"default"}`), Tags: []string{"x"},
		},
		Upper: config.KeyParams{
			Limits: gateway.Limits{Budget: new(gateway.NanoUSD(100e9)), TPM: new(int64(1000)), RPM: new(int64(100)), BudgetDuration: "30d"}, Duration: "30d",
		},
	}
	for _, tt := range []struct {
		name, body string
		want       []string // pairs, or the message
	}{
		{"what is absent is filled", `{}`, []string{
			"max_budget", "5.0", "rpm_limit", "9", "expires", `"2026-01-18T12:00:00Z"`,
			"models", `["m"]`, "metadata", `{"from":"default","tags":["x"]}`, "tags", `["x"]`, "tpm_limit", "1000", "budget_duration", `"30d"`,
		}},
		{"null is absent", `{"max_budget":null,"models":null}`, []string{"max_budget", "5.0", "models", `["m"]`}},
		{"what was sent wins", `{"max_budget":7,"models":[],"duration":"2d"}`, []string{"max_budget", "7.0", "models", `[]`, "expires", `"2026-01-19T12:00:00Z"`}},
		{"for ever is not below a bound", `{"duration":"-1"}`, []string{"expires", `"2026-01-18T12:00:00Z"`}},
		{"the bound itself is allowed", `{"max_budget":100,"duration":"30d","budget_duration":"4w"}`, []string{"max_budget", "100.0"}},
		{"a budget over the bound", `{"max_budget":100.5}`, []string{"max_budget is over max limit set in config - user_value=100.5; max_value=100.0"}},
		{"a limit over the bound", `{"tpm_limit":1001}`, []string{"tpm_limit is over max limit set in config - user_value=1001; max_value=1000"}},
		{"a life over the bound", `{"duration":"31d"}`, []string{"duration is over max limit set in config - user_value=31d; max_value=30d"}},
		{"a budget window over the bound", `{"budget_duration":"2mo"}`, []string{"budget_duration is over max limit set in config - user_value=2mo; max_value=30d"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := open(t, newFake(), func(o *admin.Options) { o.Settings = keyRules(rules) }).post("/key/generate", tt.body)
			if len(tt.want) == 1 {
				name, _, _ := strings.Cut(tt.want[0], " ")
				a.refused(400, "bad_request_error", name, tt.want[0])
				return
			}
			a.ok().has(tt.want...)
		})
	}
}
