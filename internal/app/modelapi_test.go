package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
)

// provider is an upstream that remembers with which key it was called.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string // guarded by mu
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.keys = append(p.keys, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}`)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keys) == 0 {
		return ""
	}
	return p.keys[len(p.keys)-1]
}

// desk calls a gateway and keeps all that it has said.
type desk struct {
	t    *testing.T
	a    *App
	said *bytes.Buffer
}

func (d *desk) call(status int, method, path, key, body string) string {
	d.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	d.a.server.Handler.ServeHTTP(w, r)
	fmt.Fprintln(d.said, w.Header(), w.Body.String())
	if w.Code != status {
		d.t.Errorf("%s %s: got %d %s, want %d", method, path, w.Code, w.Body.String(), status)
	}
	return w.Body.String()
}

func member(t *testing.T, body, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return fmt.Sprint(m[name])
}

// A model is made over HTTP, called at once, given another key, blocked and
// deleted; and of what it is called with nobody ever reads a word.
func TestModelsAndCredentialsOverHTTP(t *testing.T) {
	const boss, first, second, third, fourth = "sk-boss-0123456789abcdef", "sk-vendor-first-51c3", "sk-vendor-second-9f2e", "sk-vendor-third-77aa", "sk-vendor-team-1b1b"
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	up := newProvider(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte("model_list: [{model_name: fixed, litellm_params: {model: openai/gpt-4o, api_key: k, api_base: \""+up.URL+"/v1\"}, model_info: {id: fixed-1}}]\n"+
		"general_settings: {store_model_in_db: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"LITELLM_MASTER_KEY": boss, "HOUSE_KEY": third}
	a, err := New(t.Context(), Options{
		Config: path, Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(dir, "data"), Log: log,
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t, a, &said}
	defer closed(t, a)
	const chat, hello = "/v1/chat/completions", `{"model":"%s","messages":[{"role":"user","content":"hello"}]}`
	ask := func(status int, model, key string) {
		t.Helper()
		d.call(status, "POST", chat, key, fmt.Sprintf(hello, model))
	}

	ask(400, "new-one", boss)
	row := d.call(200, "POST", "/model/new", boss, `{"model_name":"new-one","litellm_params":{"model":"openai/gpt-4o","api_key":"`+first+`","api_base":"`+up.URL+`/v1","rpm":100,"extra_headers":{"X-Token":"`+second+`"}},"model_info":{"id":"m1","access_groups":["beta"]}}`)
	if member(t, row, "model_id") != "m1" || !strings.Contains(row, `"api_key":"****"`) || !strings.Contains(row, `"rpm":100`) || !strings.Contains(row, up.URL) {
		t.Errorf("the row is %s", row)
	}
	ask(200, "new-one", boss)
	if up.last() != first {
		t.Errorf("the provider was called with %q, want the model's key", up.last())
	}
	if info := d.call(200, "GET", "/model/info?litellm_model_id=m1", boss, ""); !strings.Contains(info, `"db_model":true`) {
		t.Errorf("model info is %s", info)
	}
	if list := d.call(200, "GET", "/v1/models", boss, ""); !strings.Contains(list, `"new-one"`) {
		t.Errorf("the list of models is %s", list)
	}
	if g := d.call(200, "GET", "/model_group/info?model_group=new-one", boss, ""); !strings.Contains(g, `"providers":["openai"]`) || !strings.Contains(g, `"rpm":100`) || !strings.Contains(g, `"supports_vision":true`) || !strings.Contains(g, `"input_cost_per_token":2.5e-06`) {
		t.Errorf("the group is %s", g)
	}
	if g := d.call(200, "GET", "/v2/model/info?search=NEW&size=1", boss, ""); !strings.Contains(g, `"total_count":1`) || !strings.Contains(g, `"id":"m1"`) {
		t.Errorf("the page is %s", g)
	}

	// What is sent back masked stays; what is sent counts at once; null takes away.
	d.call(200, "PATCH", "/model/m1/update", boss, `{"litellm_params":{"api_key":"****","rpm":null,"timeout":5}}`)
	ask(200, "new-one", boss)
	if up.last() != first {
		t.Errorf("the key became %q", up.last())
	}
	row = d.call(200, "POST", "/model/update", boss, `{"model_info":{"id":"m1"},"model_name":"renamed","litellm_params":{"api_key":"`+second+`"}}`)
	if strings.Contains(row, `"rpm"`) || !strings.Contains(row, `"timeout":5`) || !strings.Contains(row, `"access_groups":["beta"]`) {
		t.Errorf("the row is %s", row)
	}
	ask(400, "new-one", boss)
	ask(200, "renamed", boss)
	if up.last() != second {
		t.Errorf("the provider was called with %q, want the new key", up.last())
	}
	d.call(200, "POST", "/model/block", boss, `{"model_id":"m1"}`)
	if body := d.call(200, "GET", "/v1/models", boss, ""); strings.Contains(body, `"renamed"`) {
		t.Errorf("a blocked model is listed: %s", body)
	}
	d.call(200, "POST", "/model/unblock", boss, `{"model_id":"m1"}`)
	ask(200, "renamed", boss)

	// What cannot be served is not stored.
	for _, bad := range []string{
		`{"litellm_params":{"model":"openai/x"}}`, `{"model_name":"x"}`, `{"model_name":"x","litellm_params":{"model":"openia/x"}}`,
		`{"model_name":"x","litellm_params":{"model":"openai/x","rpm":"soon","api_key":"` + fourth + `"}}`,
		`{"model_name":"x","litellm_params":{"model":"openai/x","api_key":"os.environ/UNSET"}}`,
		`{"model_name":"x","litellm_params":{"model":"openai/x"},"model_info":{"id":"m1"}}`, `{"model_name":"x","litellm_params":{"model":"openai/x"},"model_info":{"id":"fixed-1"}}`,
		`{"model_name":"x","litellm_params":{"model":"openai/x","litellm_credential_name":"none"}}`, `{"model_name":"x","litellm_params":{"model":"openai/x","api_base":"nowhere"}}`,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/model/new", strings.NewReader(bad))
		r.Header.Set("Authorization", "Bearer "+boss)
		a.server.Handler.ServeHTTP(w, r)
		said.WriteString(w.Body.String())
		if w.Code < 400 || w.Code > 499 {
			t.Errorf("%s is answered with %d %s", bad, w.Code, w.Body.String())
		}
	}
	if len(a.models()) != 2 {
		t.Errorf("%d models are served, want 2", len(a.models()))
	}
	d.call(400, "PATCH", "/model/fixed-1/update", boss, `{"litellm_params":{"rpm":1}}`)
	d.call(404, "PATCH", "/model/none/update", boss, `{"litellm_params":{"rpm":1}}`)

	// Credentials: made, used, changed, kept from being deleted while in use.
	d.call(200, "POST", "/credentials", boss, `{"credential_name":"openai main","credential_values":{"api_key":"`+first+`","api_base":"`+up.URL+`/v1"},"credential_info":{"custom_llm_provider":"openai"}}`)
	d.call(409, "POST", "/credentials", boss, `{"credential_name":"openai main","credential_values":{"api_key":"`+first+`"}}`)
	d.call(200, "POST", "/model/new", boss, `{"model_name":"shared","litellm_params":{"model":"openai/gpt-4o","litellm_credential_name":"openai main"},"model_info":{"id":"m2"}}`)
	ask(200, "shared", boss)
	if up.last() != first {
		t.Errorf("the provider was called with %q, want the credential's key", up.last())
	}
	d.call(200, "PATCH", "/credentials/openai%20main", boss, `{"credential_values":{"api_key":"`+third+`"}}`)
	ask(200, "shared", boss)
	if up.last() != third {
		t.Errorf("the provider was called with %q, want the credential's new key", up.last())
	}
	d.call(400, "DELETE", "/credentials/openai%20main", boss, ``)
	list := d.call(200, "GET", "/credentials", boss, "")
	if !strings.Contains(list, `"credential_name":"openai main"`) || !strings.Contains(list, `"api_key":"****"`) || !strings.Contains(list, `"custom_llm_provider":"openai"`) {
		t.Errorf("credentials are %s", list)
	}
	d.call(200, "GET", "/credentials/by_name/openai%20main", boss, "")
	d.call(200, "GET", "/credentials/by_model/m1", boss, "")
	d.call(200, "POST", "/credentials", boss, `{"credential_name":"copy","model_id":"m1"}`)
	d.call(200, "PATCH", "/credentials/copy", boss, `{"credential_values_to_delete":["api_base"]}`)
	if one := d.call(200, "GET", "/credentials/by_name/copy", boss, ""); !strings.Contains(one, `{"api_key":"****"}`) {
		t.Errorf("the copy is %s", one)
	}
	d.call(200, "DELETE", "/credentials/copy", boss, ``)
	d.call(404, "DELETE", "/credentials/copy", boss, ``)

	// A team's admin brings models of its own, and gets nothing of the house.
	d.call(200, "POST", "/user/new", boss, `{"user_id":"ann","auto_create_key":false}`)
	d.call(200, "POST", "/team/new", boss, `{"team_id":"t1","members_with_roles":[{"user_id":"ann","role":"admin"}]}`)
	d.call(200, "POST", "/team/new", boss, `{"team_id":"t2"}`)
	ann := member(t, d.call(200, "POST", "/key/generate", boss, `{"user_id":"ann","team_id":"t1"}`), "key")
	other := member(t, d.call(200, "POST", "/key/generate", boss, `{"team_id":"t2"}`), "key")
	d.call(403, "POST", "/model/new", ann, `{"model_name":"x","litellm_params":{"model":"openai/gpt-4o","api_key":"k"}}`)
	for _, params := range []string{
		`"api_base":"` + up.URL + `/v1"`, `"api_key":"os.environ/HOUSE_KEY"`, `"api_key":"os\u002eenviron/HOUSE_KEY"`, `"api_key":"k","litellm_credential_name":"openai main"`,
		`"api_key":"k","extra_headers":{"X":"os.environ/HOUSE_KEY"}`, `"api_key":"file:///etc/passwd"`,
	} {
		d.call(403, "POST", "/model/new", ann, `{"model_name":"theirs","litellm_params":{"model":"openai/gpt-4o",`+params+`},"model_info":{"team_id":"t1"}}`)
	}
	d.call(200, "POST", "/model/new", ann, `{"model_name":"theirs","litellm_params":{"model":"openai/gpt-4o","api_key":"`+fourth+`","api_base":"`+up.URL+`/v1"},"model_info":{"id":"m3","team_id":"t1"}}`)
	ask(200, "theirs", ann)
	if up.last() != fourth {
		t.Errorf("the team's model was called with %q", up.last())
	}
	ask(400, "theirs", other)
	if info := d.call(200, "GET", "/model/info", other, ""); strings.Contains(info, "theirs") || !strings.Contains(info, "fixed") {
		t.Errorf("another team sees %s", info)
	}
	d.call(200, "POST", "/model/new", boss, `{"model_name":"gift","litellm_params":{"model":"openai/gpt-4o","api_key":"`+third+`","api_base":"`+up.URL+`/v1"},"model_info":{"id":"m4","team_id":"t1"}}`)
	d.call(403, "PATCH", "/model/m4/update", ann, `{"litellm_params":{"api_base":"http://elsewhere.example/v1"}}`)
	d.call(403, "PATCH", "/model/m4/update", ann, `{"litellm_params":{"input_cost_per_token":0}}`)
	d.call(403, "PATCH", "/model/m1/update", ann, `{"litellm_params":{"api_key":"k"}}`)
	d.call(403, "POST", "/model/delete", ann, `{"id":"m1"}`)
	d.call(401, "GET", "/credentials", ann, "")
	d.call(200, "POST", "/model/delete", ann, `{"id":"m3"}`)
	ask(400, "theirs", ann)

	d.call(200, "POST", "/model/delete", boss, `{"id":"m2"}`)
	d.call(400, "POST", "/model/delete", boss, `{"id":"m2"}`)
	d.call(200, "DELETE", "/credentials/openai%20main", boss, ``)

	for _, secret := range []string{first, second, third, fourth} {
		if at := strings.Index(said.String(), secret); at >= 0 {
			t.Errorf("a secret was said: …%s…", said.String()[max(0, at-200):min(said.Len(), at+100)])
		}
		if strings.Contains(dump(t, a), secret) {
			t.Error("a secret is stored open")
		}
	}
}

// dump returns the file that SQLite keeps, with its log: what is in no row any
// more may still be there.
func dump(t *testing.T, a *App) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"penstock.db", "penstock.db-wal"} {
		b, err := os.ReadFile(filepath.Join(a.loaded.Load().config.Server.DataDir, name))
		if err == nil {
			all.Write(b)
		}
	}
	if all.Len() == 0 {
		t.Fatal("the database was not found")
	}
	return all.String()
}
