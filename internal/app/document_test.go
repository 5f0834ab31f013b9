package app_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/admin"
	"penstock/internal/api"
	"penstock/internal/openapi"
	"penstock/internal/openapi/openapitest"
)

// get fetches a public path.
func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func TestTheDocumentHasEveryRoute(t *testing.T) {
	h := start(t, docsConfig)
	resp, raw := get(t, h.url+"/openapi.json")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("/openapi.json answers %s %v", resp.Status, resp.Header)
	}
	for _, wrong := range openapitest.Validate(raw) {
		t.Error(wrong)
	}
	ops := append(api.New(api.Options{}).Operations(), admin.New(admin.Options{}).Operations()...)
	if _, err := openapi.New("test", ops, admin.Hints()); err != nil {
		t.Error(err)
	}
	var d struct {
		Paths map[string]map[string]struct {
			Summary  string              `json:"summary"`
			Tags     []string            `json:"tags"`
			Security *jsontext.Value     `json:"security"`
			Body     jsontext.Value      `json:"requestBody"`
			Answers  map[string]struct{} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	has := func(method, pattern string) {
		t.Helper()
		op, ok := d.Paths[strings.ReplaceAll(pattern, "...}", "}")][strings.ToLower(method)]
		if !ok || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s %s is described as %+v", method, pattern, op)
		}
	}
	for _, r := range api.New(api.Options{}).Routes() {
		has(r.Method, r.Pattern)
	}
	for _, r := range admin.New(admin.Options{}).Routes() {
		has(r.Method, r.Pattern)
	}
	if d.Paths["/health/readiness"]["get"].Security == nil || d.Paths["/key/info"]["get"].Security != nil {
		t.Error("the document says of a public endpoint that it needs a key, or of another that it does not")
	}
}

func TestThePageIsServedToEverybody(t *testing.T) {
	h := start(t, docsConfig)
	resp, page := get(t, h.url+"/docs")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(page), `fetch("openapi.json")`) {
		t.Fatalf("/docs answers %s %v: %.200s", resp.Status, resp.Header, page)
	}
	if policy := resp.Header.Values("Content-Security-Policy"); len(policy) != 1 || !strings.Contains(policy[0], "default-src 'none'") {
		t.Errorf("its policy is %q", policy)
	}
	for _, to := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		if to[1] != "openapi.json" && to[1] != "data:," && !strings.HasPrefix(to[1], "#") {
			t.Errorf("it refers to %s", to[1])
		}
	}
}
