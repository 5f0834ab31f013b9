package langfuse

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"penstock/internal/export"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Destination is one Langfuse project.
type Destination struct {
	name        string
	url         string
	auth        string
	publicKey   string
	environment string
	release     string
	base        string   // where clients reach the gateway, for the tag proxy_base_url
	tags        []string // names of what is added to a trace's tags, as "name:value"
	client      *http.Client
}

var _ export.Destination = (*Destination)(nil)

// New returns a destination from its settings: public_key and secret_key
// (required), host, environment, release and default_tags (names, comma separated).
func New(name string, settings map[string]string, client *http.Client) (*Destination, error) {
	pk, sk, host := settings["public_key"], settings["secret_key"], settings["host"]
	if pk == "" || sk == "" {
		return nil, fmt.Errorf("logging destination %s: LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY are needed", name)
	}
	if host == "" {
		host = "https://cloud.langfuse.com"
	}
	if u, err := url.Parse(host); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("logging destination %s: LANGFUSE_HOST: want an http or https address", name)
	}
	var tags []string
	for tag := range strings.SplitSeq(settings["default_tags"], ",") {
		if tag = strings.TrimSpace(tag); defaultTags[tag] != nil { // package config has warned of others
			tags = append(tags, tag)
		}
	}
	return &Destination{
		name: name, tags: tags, base: settings["proxy_base_url"], url: strings.TrimRight(host, "/") + "/api/public/otel/v1/traces", publicKey: pk,
		auth: "Basic " + base64.StdEncoding.EncodeToString([]byte(pk+":"+sk)), environment: settings["environment"], release: settings["release"], client: client,
	}, nil
}

// Name implements export.Destination.
func (d *Destination) Name() string { return d.name }

// Send implements export.Destination.
func (d *Destination) Send(ctx context.Context, batch []*gateway.Record) error {
	spans := make([]*tracepb.Span, 0, len(batch))
	for _, r := range batch {
		spans = append(spans, d.span(r))
	}
	raw, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "penstock")}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "penstock"}, Spans: spans}},
	}}})
	if err != nil {
		return fmt.Errorf("%w: %w", export.ErrPermanent, err)
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write(raw); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return export.Post(ctx, d.client, d.url, http.Header{
		"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"gzip"}, "Authorization": {d.auth},
		"X-Langfuse-Ingestion-Version": {"4"}, "X-Langfuse-Public-Key": {d.publicKey}, "X-Langfuse-Sdk-Name": {"penstock"},
	}, body.Bytes())
}

// span returns the record as one complete span, root of its trace unless the
// client named a trace of its own.
func (d *Destination) span(r *gateway.Record) *tracepb.Span {
	c := &r.Call
	var meta wire.Object
	if len(c.Metadata) > 0 {
		_ = meta.Parse(c.Metadata) // it was parsed when the call came in
	}
	str := func(name string) string { s, _ := meta.String(name); return s }
	callType := export.CallType(r)
	traceName := cmp.Or(str("trace_name"), "litellm-"+callType)
	name := cmp.Or(str("generation_name"), c.Principal.KeyAlias(), "litellm-"+callType)
	session := cmp.Or(str("session_id"), c.Session)
	user := cmp.Or(str("trace_user_id"), c.EndUser, c.Principal.UserID())

	u := &r.Usage
	a := []*commonpb.KeyValue{
		text("langfuse.observation.type", kind(c.Op)),
		text("langfuse.trace.name", traceName), text("langfuse.observation.model.name", cmp.Or(r.Upstream, c.Model)),
		text("langfuse.observation.usage_details", `{"input":`+strconv.FormatInt(u.Prompt-u.CacheRead-u.CacheWrite-u.CacheWrite1h, 10)+
			`,"output":`+strconv.FormatInt(u.Completion, 10)+`,"total":`+strconv.FormatInt(u.Total(), 10)+
			`,"cache_read_input_tokens":`+strconv.FormatInt(u.CacheRead, 10)+`,"cache_creation_input_tokens":`+strconv.FormatInt(u.CacheWrite+u.CacheWrite1h, 10)+`}`),
		text("langfuse.observation.cost_details", `{"total":`+r.Cost.String()+`}`),
	}
	add := func(key, v string) {
		if v != "" {
			a = append(a, text(key, v))
		}
	}
	add("user.id", user)
	add("session.id", session)
	add("langfuse.environment", cmp.Or(str("trace_environment"), d.environment))
	add("langfuse.release", cmp.Or(str("trace_release"), d.release))
	add("langfuse.version", cmp.Or(str("trace_version"), str("version")))
	add("langfuse.trace.metadata.team_id", c.Principal.TeamID())
	add("langfuse.observation.metadata.key_alias", c.Principal.KeyAlias())
	add("langfuse.observation.metadata.key_hash", c.Principal.KeyHash())
	add("langfuse.observation.metadata.team_alias", export.TeamAlias(r))
	add("langfuse.observation.metadata.model_group", c.Model)
	add("langfuse.observation.metadata.litellm_call_id", c.ID)
	add("langfuse.observation.metadata.finish_reason", r.Finish)
	if r.Deployment != nil {
		add("langfuse.observation.metadata.model_id", r.Deployment.ID)
		add("langfuse.observation.metadata.provider", r.Deployment.Provider)
	}
	tags := c.Tags
	for _, name := range d.tags {
		if v := defaultTags[name](d, r); v != "" {
			tags = append(slices.Clip(tags), name+":"+v)
		}
	}
	if len(tags) > 0 {
		values := make([]*commonpb.AnyValue, len(tags))
		for i, t := range tags {
			values[i] = &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(t)}}
		}
		a = append(a, &commonpb.KeyValue{Key: "langfuse.trace.tags", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: values}}}})
	}
	for _, m := range meta.Members {
		if !known[m.Name] {
			v := meta.Body[m.Start:m.End]
			s, ok := wire.Unquote(v)
			if !ok {
				s = string(v)
			}
			add("langfuse.trace.metadata."+m.Name, s)
		}
	}
	if masked, _ := meta.Bool("mask_input"); !masked {
		add("langfuse.observation.input", string(r.Input))
	}
	if masked, _ := meta.Bool("mask_output"); !masked {
		add("langfuse.observation.output", string(r.Output))
	}
	if !r.FirstByte.IsZero() {
		add("langfuse.observation.completion_start_time", r.FirstByte.UTC().Format(time.RFC3339Nano))
	}
	status := &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	if r.Err != nil {
		add("langfuse.observation.level", "ERROR")
		add("langfuse.observation.status_message", r.Err.Message)
		status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: valid(r.Err.Message)}
	}
	// From the call's id: a batch that is sent again after a time-out must not
	// show every call twice.
	id := sha256.Sum256([]byte("span:" + c.ID))
	return &tracepb.Span{
		TraceId: traceID(cmp.Or(str("trace_id"), str("existing_trace_id"), c.ID)), SpanId: id[:8], Name: valid(name), Kind: tracepb.Span_SPAN_KIND_CLIENT,
		StartTimeUnixNano: uint64(c.Start.UnixNano()), EndTimeUnixNano: uint64(r.End.UnixNano()), Attributes: a, Status: status,
	}
}

// defaultTags are what langfuse_default_tags may name.
var defaultTags = map[string]func(*Destination, *gateway.Record) string{
	"cache_hit":               func(_ *Destination, r *gateway.Record) string { return strconv.FormatBool(r.CacheHit) },
	"user_api_key_alias":      func(_ *Destination, r *gateway.Record) string { return r.Call.Principal.KeyAlias() },
	"user_api_key_user_id":    func(_ *Destination, r *gateway.Record) string { return r.Call.Principal.UserID() },
	"user_api_key_team_id":    func(_ *Destination, r *gateway.Record) string { return r.Call.Principal.TeamID() },
	"user_api_key_team_alias": func(_ *Destination, r *gateway.Record) string { return export.TeamAlias(r) },
	"user_api_key_user_email": func(_ *Destination, r *gateway.Record) string {
		if u := r.Call.Principal.User; u != nil {
			return u.Email
		}
		return ""
	},
	"proxy_base_url": func(d *Destination, _ *gateway.Record) string { return d.base },
}

// known are the client's metadata that have a place of their own.
var known = map[string]bool{
	"trace_id": true, "existing_trace_id": true, "session_id": true, "trace_name": true, "trace_user_id": true, "generation_name": true, "tags": true,
	"trace_environment": true, "trace_release": true, "trace_version": true, "version": true, "mask_input": true, "mask_output": true,
}

func kind(op gateway.Operation) string {
	if op == gateway.Embed {
		return "embedding"
	}
	return "generation"
}

// traceID returns the trace that the id names: itself if it is 32 hex digits,
// with or without a UUID's dashes, else the start of its hash.
func traceID(id string) []byte {
	if b, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err == nil && len(b) == 16 {
		return b
	}
	sum := sha256.Sum256([]byte(id))
	return sum[:16]
}

func text(key, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: valid(key), Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(v)}}}
}

// valid returns s in valid UTF-8: protobuf refuses a whole batch for anything else.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
