package langfuse_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"penstock/internal/export/langfuse"
	"penstock/internal/gateway"
)

func TestSpan(t *testing.T) {
	var got tracepb.TracesData
	var head http.Header
	var path string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		head, path = r.Header, r.URL.Path
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		raw, err := io.ReadAll(z)
		if err == nil {
			err = proto.Unmarshal(raw, &got)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	d, err := langfuse.New("langfuse", map[string]string{"public_key": "pk", "secret_key": "sk", "host": srv.URL + "/", "default_tags": "user_api_key_alias,cache_hit,unknown,proxy_base_url", "proxy_base_url": "https://gw"}, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1_774_000_000, 0)
	rec := &gateway.Record{
		Call: gateway.Call{
			ID: "11111111-2222-3333-4444-555555555555", Op: gateway.Chat, Model: "gpt", Start: start, Tags: []string{"a", "b"}, EndUser: "customer",
			Metadata:  []byte(`{"session_id":"s1","trace_name":"my trace","ticket":"42","mask_output":true}`),
			Principal: gateway.Principal{Key: &gateway.Key{Hash: "h", Alias: "prod"}},
		},
		Deployment: &gateway.Deployment{ID: "d1", Provider: "openai", APIKey: "sk-secret"}, Upstream: "gpt-4o",
		Usage: gateway.Usage{Prompt: 10, CacheRead: 4, Completion: 5}, Cost: 28_500, FirstByte: start.Add(time.Second), End: start.Add(2 * time.Second),
		Input: []byte(`{"messages":[]}`), Output: []byte("secret answer"),
	}
	failed := &gateway.Record{Call: gateway.Call{ID: "not a uuid", Op: gateway.Embed, Start: start}, End: start, Err: &gateway.Error{Kind: gateway.UpstreamFailed, Message: "boom \xff"}}
	if err := d.Send(t.Context(), []*gateway.Record{rec, failed}); err != nil {
		t.Fatal(err)
	}
	if path != "/api/public/otel/v1/traces" || head.Get("Authorization") != "Basic cGs6c2s=" || head.Get("X-Langfuse-Ingestion-Version") != "4" {
		t.Errorf("sent to %s with %v", path, head)
	}
	spans := got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
	if len(spans) != 2 {
		t.Fatalf("%d spans, want 2", len(spans))
	}
	attrs := func(s *tracepb.Span) map[string]string {
		m := map[string]string{}
		for _, kv := range s.GetAttributes() {
			m[kv.GetKey()] = kv.GetValue().GetStringValue()
		}
		return m
	}
	a := attrs(spans[0])
	for key, want := range map[string]string{
		"langfuse.observation.type": "generation", "langfuse.trace.name": "my trace", "session.id": "s1", "user.id": "customer",
		"langfuse.observation.model.name": "gpt-4o", "langfuse.trace.metadata.ticket": "42", "langfuse.observation.input": `{"messages":[]}`,
		"langfuse.observation.usage_details":         `{"input":6,"output":5,"total":15,"cache_read_input_tokens":4,"cache_creation_input_tokens":0}`,
		"langfuse.observation.cost_details":          `{"total":2.85e-05}`,
		"langfuse.observation.completion_start_time": "2026-03-20T09:46:41Z",
	} {
		if a[key] != want {
			t.Errorf("%s = %q, want %q", key, a[key], want)
		}
	}
	var tags []string
	for _, kv := range spans[0].GetAttributes() {
		if kv.GetKey() == "langfuse.trace.tags" {
			for _, v := range kv.GetValue().GetArrayValue().GetValues() {
				tags = append(tags, v.GetStringValue())
			}
		}
	}
	if got, want := strings.Join(tags, " "), "a b user_api_key_alias:prod cache_hit:false proxy_base_url:https://gw"; got != want {
		t.Errorf("tags %q, want %q", got, want)
	}
	if _, ok := a["langfuse.observation.output"]; ok {
		t.Error("mask_output was not kept")
	}
	if s := got.String(); strings.Contains(s, "sk-secret") {
		t.Error("the provider's key is in the spans")
	}
	if id := spans[0].GetTraceId(); len(id) != 16 || id[0] != 0x11 {
		t.Errorf("trace id %x, want the call's", id)
	}
	if b := attrs(spans[1]); b["langfuse.observation.level"] != "ERROR" || !strings.HasPrefix(b["langfuse.observation.status_message"], "boom") {
		t.Errorf("a failed call has attributes %v", b)
	}
}
