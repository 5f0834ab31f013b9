package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/admin"
	"penstock/internal/gateway"
)

// noon is a Saturday in the middle of a month.
var noon = time.Date(2026, time.January, 17, 12, 0, 0, 0, time.UTC)

var master = gateway.Principal{Master: true, Role: gateway.ProxyAdmin}

// door is an API over a store, with everything that it tells the outside.
type door struct {
	t       *testing.T
	mux     *http.ServeMux
	store   admin.Store
	changes []admin.Change
	flushes int
	who     gateway.Principal
	header  map[string]string // of every call
	now     time.Time
	log     strings.Builder
}

func open(t *testing.T, s admin.Store, tune ...func(*admin.Options)) *door {
	t.Helper()
	d := &door{t: t, mux: http.NewServeMux(), store: s, who: master, now: noon}
	o := admin.Options{
		Store: s,
		Changed: func(_ context.Context, c ...admin.Change) error {
			d.changes = append(d.changes, c...)
			return nil
		},
		Flush: func(context.Context) error { d.flushes++; return nil },
		Now:   func() time.Time { return d.now },
		Log:   slog.New(slog.NewTextHandler(&d.log, nil)),
	}
	for _, f := range tune {
		f(&o)
	}
	for _, rt := range admin.New(o).Routes() {
		d.mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) { rt.Handler(w, r, d.who) })
	}
	return d
}

// answer is what the API said.
type answer struct {
	t      *testing.T
	call   string
	Status int
	Header http.Header
	Body   string
}

func (d *door) get(path string) *answer { return d.do("GET", path, "") }

func (d *door) post(path, body string) *answer { return d.do("POST", path, body) }

func (d *door) do(method, path, body string) *answer {
	d.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, value := range d.header {
		r.Header.Set(name, value)
	}
	d.mux.ServeHTTP(w, r)
	return &answer{d.t, method + " " + path, w.Code, w.Header(), w.Body.String()}
}

// ok ends the test unless the call was answered.
func (a *answer) ok() *answer {
	a.t.Helper()
	if a.Status != http.StatusOK {
		a.t.Fatalf("%s: got %d %s, want 200", a.call, a.Status, a.Body)
	}
	return a
}

// at returns the JSON at a path such as "info.spend" or "keys.0".
func (a *answer) at(path string) string {
	a.t.Helper()
	v := jsontext.Value(a.Body)
	for name := range strings.SplitSeq(path, ".") {
		var list []jsontext.Value
		if json.Unmarshal(v, &list) == nil {
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(list) {
				a.t.Fatalf("%s: no %s in %s", a.call, path, a.Body)
			}
			v = list[i]
			continue
		}
		var object map[string]jsontext.Value
		if err := json.Unmarshal(v, &object); err != nil {
			a.t.Fatalf("%s: %s: %v in %s", a.call, path, err, a.Body)
		}
		var found bool
		if v, found = object[name]; !found {
			a.t.Fatalf("%s: no %s in %s", a.call, path, a.Body)
		}
	}
	return string(v)
}

// text returns the string at a path.
func (a *answer) text(path string) string {
	a.t.Helper()
	var s string
	if err := json.Unmarshal([]byte(a.at(path)), &s); err != nil {
		a.t.Fatalf("%s: %s: %v", a.call, path, err)
	}
	return s
}

// has wants the values at paths, given as pairs of path and JSON.
func (a *answer) has(pairs ...string) *answer {
	a.t.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		if got := a.at(pair[0]); got != pair[1] {
			a.t.Errorf("%s: %s is %s, want %s", a.call, pair[0], got, pair[1])
		}
	}
	return a
}

// is wants the answer to be this JSON.
func (a *answer) is(want string) {
	a.t.Helper()
	if a.Body != want {
		a.t.Errorf("%s: got %s, want %s", a.call, a.Body, want)
	}
}

// lacks wants the answer not to tell a text.
func (a *answer) lacks(text string) *answer {
	a.t.Helper()
	if strings.Contains(a.Body, text) {
		a.t.Errorf("%s: the answer has %q: %s", a.call, text, a.Body)
	}
	return a
}

// refused wants an error in LiteLLM's shape.
func (a *answer) refused(status int, typ, param, message string) {
	a.t.Helper()
	if a.Status != status {
		a.t.Errorf("%s: status is %d, want %d: %s", a.call, a.Status, status, a.Body)
		return
	}
	var body struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    string  `json:"code"`
		} `json:"error"`
		Detail any `json:"detail"` // the message, or {"error": the message}
	}
	if err := json.Unmarshal([]byte(a.Body), &body, json.RejectUnknownMembers(true)); err != nil {
		a.t.Fatalf("%s: %v in %s", a.call, err, a.Body)
	}
	detail := body.Detail
	if d, ok := detail.(map[string]any); ok {
		detail = d["error"]
	}
	if detail != nil && detail != body.Error.Message {
		a.t.Errorf("%s: the detail differs from the message: %s", a.call, a.Body)
	}
	got := ""
	if body.Error.Param != nil {
		got = *body.Error.Param
	}
	want := []string{typ, param, fmt.Sprint(status)}
	if diff := cmp.Diff(want, []string{body.Error.Type, got, body.Error.Code}); diff != "" {
		a.t.Errorf("%s: type, param and code (-want +got):\n%s\n%s", a.call, diff, a.Body)
	}
	if !strings.Contains(body.Error.Message, message) {
		a.t.Errorf("%s: message is %q, want it to contain %q", a.call, body.Error.Message, message)
	}
}

// key makes a key and returns it with its hash.
func (d *door) key(body string) (key, hash string) {
	d.t.Helper()
	a := d.post("/key/generate", body).ok()
	return a.text("key"), a.text("token_id")
}

func TestAccess(t *testing.T) {
	f := newFake()
	d := open(t, f)
	key, hash := d.key(`{"user_id":"u1"}`)
	other, _ := d.key(`{"user_id":"u2"}`)
	own, err := f.Key(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	adminOnly := "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route="
	for _, rt := range admin.New(admin.Options{Store: f}).Routes() {
		for _, who := range []struct {
			name string
			p    gateway.Principal
		}{
			{"somebody without a role", gateway.Principal{Key: own}},
			{"a user", gateway.Principal{Key: own, Role: gateway.InternalUser}},
			{"a customer", gateway.Principal{Key: own, Role: gateway.Customer}},
			{"nobody", gateway.Principal{}},
		} {
			if rt.Access == admin.Checked {
				continue // the handler asks: see the tests of each
			}
			t.Run(rt.Method+rt.Pattern+" keeps out "+who.name, func(t *testing.T) {
				d := open(t, f)
				d.who = who.p
				a := d.do(rt.Method, rt.Pattern, `{}`)
				a.refused(401, "auth_error", "None", adminOnly+rt.Pattern+". Your role=")
				if len(d.changes) > 0 {
					t.Errorf("changes are %v, want none", d.changes)
				}
			})
		}
	}
	d.who = gateway.Principal{Key: own, Role: gateway.InternalUser}
	d.get("/key/info").ok().has("key", `"`+hash+`"`)
	d.get("/key/info?key=" + key).ok()
	d.get("/key/info?key=" + hash).ok()
	d.get("/key/info?key="+other).refused(403, "auth_error", "key", "not allowed")
	d.get("/key/info?key=sk-there-is-no-such-key").refused(403, "auth_error", "key", "not allowed")
	d.get("/key/info?key="+key+"&key="+other).ok().has("info.user_id", `"u1"`, "key", `"`+key+`"`)
	d.who = gateway.Principal{Key: own, Role: gateway.ProxyAdmin}
	d.get("/key/info?key=" + other).ok()
	d.post("/key/generate", `{}`).ok()
}

func TestABrokenStoreSaysNothingOfItself(t *testing.T) {
	f := newFake()
	f.fail = fmt.Errorf("dial postgres://admin:hunter2@db: connection refused")
	d := open(t, f)
	for _, a := range []*answer{
		d.post("/key/generate", `{}`), d.get("/key/info?key=sk-1"), d.post("/key/update", `{"key":"sk-1"}`),
		d.post("/key/delete", `{"keys":["sk-1"]}`), d.post("/key/block", `{"key":"sk-1"}`), d.get("/key/list"),
		d.post("/user/new", `{}`), d.get("/user/info?user_id=u"), d.post("/team/new", `{}`), d.get("/team/info?team_id=t"),
		d.get("/spend/logs"), d.get("/spend/logs?start_date=2026-01-01"), d.get("/spend/keys"), d.get("/global/spend"),
	} {
		a.refused(500, "internal_server_error", "", "internal error")
		if strings.Contains(a.Body, "hunter2") {
			t.Errorf("%s: shows the cause: %s", a.call, a.Body)
		}
	}
	if n := strings.Count(d.log.String(), "connection refused"); n != 14 {
		t.Errorf("log has %d causes, want 14:\n%s", n, d.log.String())
	}
}

func TestAChangeThatCannotBeAppliedIsNotCalledDone(t *testing.T) {
	d := open(t, newFake(), func(o *admin.Options) {
		o.Changed = func(context.Context, ...admin.Change) error { return fmt.Errorf("no snapshot") }
	})
	d.post("/key/generate", `{}`).refused(503, "no_db_connection", "", "stored")
}

func TestBodies(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"an empty body is an empty object", ``, 200, "", "", ""},
		{"space is an empty body", " \r\n", 200, "", "", ""},
		{"a list is no body", `[]`, 422, "validation_error", "", "must be a JSON object, got []"},
		{"null is no body", `null`, 422, "validation_error", "", "must be a JSON object"},
		{"broken JSON is refused", `{"models":`, 400, "bad_request_error", "", "not valid JSON"},
		{"two values are refused", `{}{}`, 400, "bad_request_error", "", "not valid JSON"},
		{"a field that comes twice is refused", `{"rpm_limit":1,"rpm_limit":2}`, 400, "bad_request_error", "", "duplicate"},
		{"over a megabyte is refused", `{"metadata":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, "bad_request_error", "", "larger than"},
		{"a long id is refused", `{"user_id":"` + strings.Repeat("u", 256) + `"}`, 400, "bad_request_error", "user_id", "256 bytes"},
		{"255 bytes are not long", `{"user_id":"` + strings.Repeat("u", 255) + `"}`, 200, "", "", ""},
		{"a NUL is refused", `{"key_alias":"a\u0000b"}`, 400, "bad_request_error", "key_alias", "NUL"},
		{"a NUL in a list is refused", `{"models":["a\u0000b"]}`, 400, "bad_request_error", "models", "NUL"},
		{"a long name in a map is refused", `{"aliases":{"a":"` + strings.Repeat("u", 256) + `"}}`, 400, "bad_request_error", "aliases", "256 bytes"},
		{"quotes and line ends are text", `{"key_alias":"'; DROP TABLE keys; --\r\nx: y","user_id":"\"'` + "`" + `"}`, 200, "", "", ""},
		{"half a surrogate is refused", `{"user_id":"\ud800"}`, 400, "bad_request_error", "", "not valid JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			a := open(t, f).post("/key/generate", tt.body)
			if tt.status == 200 {
				a.ok()
				return
			}
			a.refused(tt.status, tt.typ, tt.param, tt.message)
			if len(f.keys) > 0 {
				t.Errorf("%d keys are stored, want none", len(f.keys))
			}
		})
	}
}

func TestFieldsThatAreNotUnderstoodAreNamed(t *testing.T) {
	for _, tt := range []struct{ name, path, body, want string }{
		{"a field that nobody knows", "/key/generate", `{"max_bugdet":1,"rpm_limit":1}`, "max_bugdet"},
		{"a field within a list", "/key/generate", `{"budget_limits":[{"budget_duration":"1d","max_budget":1,"x":1}],"model_max_budget":{"m":{"y":1}}}`, "budget_limits.x, model_max_budget.y"},
		{"fields without content ask for nothing", "/key/generate", `{"config":{},"guardrails":[],"budget_id":null,"x":"","y":false,"z":0}`, ""},
		{"a name that would break the header", "/key/generate", `{"a\r\nset-cookie: x":1,"b,c":2}`, `"a\r\nset-cookie: x", "b,c"`},
		{"more than a header should hold", "/key/generate", `{` + many(25) + `}`, "f00, f01, f02, f03, f04, f05, f06, f07, f08, f09, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, and 5 more"},
		{"a budget inside a list", "/team/new", `{"members_with_roles":[{"user_id":"u","max_budget_in_team":1}]}`, "members_with_roles.max_budget_in_team"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := open(t, newFake()).post(tt.path, tt.body).ok()
			if got := a.Header.Get(admin.UnknownHeader); got != tt.want {
				t.Errorf("header is %q, want %q", got, tt.want)
			}
		})
	}
}

func many(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, fmt.Sprintf(`"f%02d":1`, i))
	}
	return strings.Join(fields, ",")
}
