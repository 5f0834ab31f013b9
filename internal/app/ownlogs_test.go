package app_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"penstock/internal/app"
)

// langfuse is a project at Langfuse: it counts the spans that came with each
// public key, by the model that was asked for.
type langfuse struct {
	t   *testing.T
	url string
	mu  sync.Mutex
	got map[string]int
}

func newLangfuse(t *testing.T) *langfuse {
	t.Helper()
	l := &langfuse{t: t, got: map[string]int{}}
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	l.url = srv.URL
	return l
}

func (l *langfuse) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		l.t.Error(err)
		return
	}
	raw, err := io.ReadAll(z)
	var spans tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(raw, &spans)
	}
	if err != nil {
		l.t.Error(err)
		return
	}
	public, _, _ := r.BasicAuth()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range spans.ResourceSpans {
		l.got[public] += len(s.ScopeSpans[0].Spans)
	}
}

func (l *langfuse) of(project string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got[project]
}

// Somebody gives a team a project of its own at Langfuse, a key another one, and
// then has nothing logged of the team.
func TestCallsGoToTheirTeamsOwnProject(t *testing.T) {
	t.Parallel()
	lf := newLangfuse(t)
	h := start(t, `
model_list:
- {model_name: m, litellm_params: {model: mock/m, api_base: MOCK}}
litellm_settings:
  callbacks: [langfuse]
  default_team_settings:
  - {team_id: green, success_callback: [langfuse], langfuse_public_key: os.environ/GREEN, langfuse_secret: s, langfuse_host: "`+lf.url+`"}
  - {team_id: red, success_callback: [langfuse], langfuse_public_key: not-this, langfuse_secret: s, langfuse_host: "`+lf.url+`"}
`, "GREEN", "green", "LANGFUSE_PUBLIC_KEY", "common", "LANGFUSE_SECRET_KEY", "s", "LANGFUSE_HOST", lf.url)
	manage := func(method, path, body string) string {
		t.Helper()
		res, b := h.do(method, path, master, body)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, b)
		}
		return b
	}
	vars := func(project string) string {
		return fmt.Sprintf(`{"callback_name":"langfuse","callback_type":"success","callback_vars":{"langfuse_public_key":%q,"langfuse_secret_key":"s","langfuse_host":%q}}`, project, lf.url)
	}
	manage("POST", "/team/new", `{"team_id":"red"}`)
	manage("POST", "/team/new", `{"team_id":"green"}`)
	manage("POST", "/key/generate", `{"key":"sk-of-green-00000000","team_id":"green"}`)
	manage("POST", "/key/generate", `{"key":"sk-of-nobody-00000000"}`)
	manage("POST", "/key/generate", `{"key":"sk-of-red-0000000000","team_id":"red"}`)
	manage("POST", "/key/generate", `{"key":"sk-own-000000000000","team_id":"red","metadata":{"logging":[`+vars("key")+`]}}`)
	manage("POST", "/team/red/callback", vars("red"))

	call := func(key string, status int) {
		t.Helper()
		model := "m"
		if status != http.StatusOK {
			model = "none"
		}
		if res, b := h.do("POST", "/v1/chat/completions", key, `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`); res.StatusCode != status {
			t.Fatalf("%d %s", res.StatusCode, b)
		}
	}
	counts := func(common, red, key int) {
		t.Helper()
		app.Eventually(t, fmt.Sprintf("%d, %d and %d spans", common, red, key), func() bool {
			return lf.of("common") == common && lf.of("red") == red && lf.of("key") == key
		})
	}
	call("sk-of-nobody-00000000", 200)
	counts(1, 0, 0)
	call("sk-of-red-0000000000", 200)
	call("sk-of-red-0000000000", 200)
	counts(1, 2, 0)
	call("sk-own-000000000000", 200)
	counts(1, 2, 1)

	if b := manage("GET", "/health/readiness", ""); b == "" {
		t.Error("not ready")
	}
	if _, b := h.do("POST", "/key/health", "sk-own-000000000000", `{}`); !strings.Contains(b, `"status":"healthy"`) {
		t.Errorf("/key/health says %s", b)
	}
	counts(1, 2, 2)

	manage("POST", "/team/red/disable_logging", `{}`)
	call("sk-of-red-0000000000", 200)
	call("sk-own-000000000000", 200)
	call("sk-of-nobody-00000000", 200)
	counts(2, 2, 2)
	if b := manage("GET", "/spend/logs?summarize=false", ""); strings.Count(b, `"request_id"`) != 7 {
		t.Errorf("not every call is booked: %s", b)
	}
	// Admins of a team cannot have the gateway call what only it can reach.
	manage("POST", "/team/new", `{"team_id":"blue","members_with_roles":[{"user_id":"lead","role":"admin"}]}`)
	manage("POST", "/key/generate", `{"key":"sk-of-the-lead-00000","user_id":"lead","team_id":"blue"}`)
	if res, b := h.do("POST", "/team/blue/callback", "sk-of-the-lead-00000", vars("blue")); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
	if _, b := h.do("POST", "/key/health", "sk-of-the-lead-00000", `{}`); !strings.Contains(b, "private network") || lf.of("blue") != 0 {
		t.Errorf("/key/health says %s", b)
	}
	// What the configuration says of a team holds until the team says something itself.
	call("sk-of-green-00000000", 200)
	app.Eventually(t, "a span in the green project", func() bool { return lf.of("green") == 1 })
	if _, b := h.do("POST", "/key/health", "sk-of-green-00000000", `{}`); !strings.Contains(b, `"callbacks":["langfuse"],"status":"healthy"`) {
		t.Errorf("/key/health says %s", b)
	}
	if n := lf.of("not-this"); n != 0 {
		t.Errorf("%d spans came into a project that the team has replaced", n)
	}
	counts(2, 2, 2)
	// Failed calls of a team with a project of its own are nobody else's business.
	manage("POST", "/team/red/callback", vars("red"))
	call("sk-of-red-0000000000", 400)
	call("sk-of-red-0000000000", 200)
	call("sk-of-nobody-00000000", 200)
	counts(3, 3, 2)
}
