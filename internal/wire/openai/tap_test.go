package openai_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// tapped plays a stream through a tap and returns what the client gets.
func tapped(t testing.TB, opts wire.TapOptions, r io.Reader) (string, *wire.Seen, error) {
	t.Helper()
	tap := openai.NewTap(opts)
	events := wire.NewEvents(r, 1<<20)
	var out strings.Builder
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			return out.String(), tap.Seen(), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := tap.Event(ev)
		if err != nil {
			return out.String(), tap.Seen(), err
		}
		out.Write(b)
	}
}

func TestTapEvent(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts wire.TapOptions
		in   string
		want string
		seen wire.Seen
	}{
		{
			"the model is replaced, and nothing else",
			wire.TapOptions{Model: "mine"},
			`data: {"id":"c","x":[1, 2.50],"model" : "v","choices":[{"index":0,"delta":{"content":"say \"model\":\"v\""}}]}` + "\n\n",
			`data: {"id":"c","x":[1, 2.50],"model" : "mine","choices":[{"index":0,"delta":{"content":"say \"model\":\"v\""}}]}` + "\n\n",
			wire.Seen{ID: "c", Model: "v", TextBytes: 19},
		},
		{
			"the vendor's model stays if none is asked for",
			wire.TapOptions{},
			`data: {"model":"v","choices":[]}` + "\n\n", `data: {"model":"v","choices":[]}` + "\n\n",
			wire.Seen{Model: "v"},
		},
		{
			"line ends, other fields and comments stay as they are",
			wire.TapOptions{Model: "mine"},
			": hello\r\n\r\nid: 7\r\nevent: message\r\ndata:{\"model\":\"v\"}\r\nretry: 5\r\n\r\ndata: [DONE] \r\n\r\n",
			": hello\r\n\r\nid: 7\r\nevent: message\r\ndata:{\"model\":\"mine\"}\r\nretry: 5\r\n\r\ndata: [DONE] \r\n\r\n",
			wire.Seen{Model: "v", Done: true},
		},
		{
			"an event on several lines comes out on one",
			wire.TapOptions{Model: "mine"},
			"event: chunk\ndata: {\"model\":\ndata: \"v\"}\n\n", "event: chunk\ndata: {\"model\": \"mine\"}\n\n",
			wire.Seen{Model: "v"},
		},
		{
			"usage nobody asked for is held back",
			wire.TapOptions{HideUsage: true},
			`data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}` + "\n\n",
			`data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n",
			wire.Seen{Finish: "stop", Done: true, HasUsage: true, Usage: gateway.Usage{Prompt: 3, Completion: 2, CacheRead: 1}},
		},
		{
			"usage beside choices passes",
			wire.TapOptions{HideUsage: true},
			`data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n",
			`data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}` + "\n\n",
			wire.Seen{TextBytes: 1, HasUsage: true, Usage: gateway.Usage{Prompt: 3, Completion: 2}},
		},
		{
			"no choices and no usage passes: Azure starts so",
			wire.TapOptions{HideUsage: true},
			`data: {"choices":[],"prompt_filter_results":[]}` + "\n\n", `data: {"choices":[],"prompt_filter_results":[]}` + "\n\n",
			wire.Seen{},
		},
		{
			"text, reasoning, refusals and arguments are counted",
			wire.TapOptions{},
			`data: {"choices":[{"delta":{"role":"assistant","content":"ab","reasoning_content":"c","refusal":null}},{"index":1,"delta":{"refusal":"de","tool_calls":[{"index":0,"id":"xxx","function":{"name":"yyy","arguments":"{}"}}]}}]}` + "\n\n",
			`data: {"choices":[{"delta":{"role":"assistant","content":"ab","reasoning_content":"c","refusal":null}},{"index":1,"delta":{"refusal":"de","tool_calls":[{"index":0,"id":"xxx","function":{"name":"yyy","arguments":"{}"}}]}}]}` + "\n\n",
			wire.Seen{TextBytes: 7},
		},
		{
			"the service tier is kept with the usage",
			wire.TapOptions{},
			`data: {"service_tier":"flex","choices":[{"delta":{}}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n",
			`data: {"service_tier":"flex","choices":[{"delta":{}}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n",
			wire.Seen{HasUsage: true, Usage: gateway.Usage{Prompt: 1, Completion: 1, Tier: "flex"}},
		},
		{
			"Groq's usage without being asked",
			wire.TapOptions{},
			`data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":1}}}` + "\n\n",
			`data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":1}}}` + "\n\n",
			wire.Seen{Finish: "stop", Done: true, HasUsage: true, Usage: gateway.Usage{Prompt: 1, Completion: 1}},
		},
		{
			"a vendor's own finish is told in OpenAI's words, and an empty one is none",
			wire.TapOptions{},
			`data: {"choices":[{"delta":{},"finish_reason":"model_length"}]}` + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":""}]}` + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":null}]}` + "\n\n",
			`data: {"choices":[{"delta":{},"finish_reason":"model_length"}]}` + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":""}]}` + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":null}]}` + "\n\n",
			wire.Seen{Finish: "length", Done: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				got, seen, err := tapped(t, tt.opts, r)
				if err != nil {
					t.Fatal(err)
				}
				if got != tt.want {
					t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
				}
				if *seen != tt.seen {
					t.Errorf("seen %+v\nwant %+v", *seen, tt.seen)
				}
			}
		})
	}
}

func TestTapEventErrors(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		kind     gateway.Kind
		status   int
	}{
		{"an error with its own status", `data: {"error":{"message":"slow down","code":429}}` + "\n\n", gateway.UpstreamLimited, 429},
		{"an error with a word for a code", `data: {"error":{"message":"m","type":"rate_limit_error"}}` + "\n\n", gateway.UpstreamLimited, 429},
		{"an error without either", `data: {"error":"boom"}` + "\n\n", gateway.UpstreamFailed, 502},
		{"an event that is called an error", "event: error\ndata: {\"message\":\"boom\"}\n\n", gateway.UpstreamFailed, 502},
		{"an error beside choices", `data: {"error":{"code":502,"message":"gone"},"choices":[{"delta":{},"finish_reason":"error"}]}` + "\n\n", gateway.UpstreamFailed, 502},
		{"a finish that says the vendor gave up", `data: {"choices":[{"delta":{},"finish_reason":"error"}]}` + "\n\n", gateway.UpstreamFailed, 502},
		{"an error that is no event at all", `{"error":{"message":"bad","type":"invalid_request_error"}}` + "\n", gateway.UpstreamRefused, 400},
		{"data that is no JSON", "data: oops\n\n", gateway.UpstreamFailed, 0},
		{"half an event", `data: {"choices":[{"del`, gateway.UpstreamCut, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, seen, err := tapped(t, wire.TapOptions{}, strings.NewReader(tt.in))
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Kind != tt.kind || e.Status != tt.status {
				t.Fatalf("%s\ngot error %#v, want kind %s, status %d", tt.in, err, tt.kind, tt.status)
			}
			if out != "" || seen.Done && tt.name != "a finish that says the vendor gave up" {
				t.Errorf("%s\nclient got %q, seen %+v; want nothing", tt.in, out, seen)
			}
		})
	}
}

func TestTapWhole(t *testing.T) {
	const body = "\n" + `{"id":"c","model":"v","choices":[{"index":0,"message":{"role":"assistant","content":"hello","tool_calls":[{"function":{"arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2},"service_tier":"priority"}`
	for _, tt := range []struct{ name, model, want string }{
		{"the model is replaced", "mine", strings.Replace(body, `"v"`, `"mine"`, 1)},
		{"nothing is done to the right model", "v", body},
		{"nothing is done if no model is asked for", "", body},
	} {
		tap := openai.NewTap(wire.TapOptions{Model: tt.model, HideUsage: true})
		got, err := tap.Whole([]byte(body))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %v\n%s\nwant\n%s", tt.name, err, got, tt.want)
		}
		want := wire.Seen{ID: "c", Model: "v", Finish: "stop", TextBytes: 7, Done: true, HasUsage: true, Usage: gateway.Usage{Prompt: 3, Completion: 2, Tier: "priority"}}
		if *tap.Seen() != want {
			t.Errorf("%s: seen %+v\nwant %+v", tt.name, *tap.Seen(), want)
		}
	}
	for _, tt := range []struct {
		name, body string
		kind       gateway.Kind
		message    string
	}{
		{"an error inside a 200", `{"error":{"code":402,"message":"no money"}}`, gateway.UpstreamAuth, "no money"},
		{"vLLM's error without a wrapper", `{"object":"error","message":"too long","code":400}`, gateway.UpstreamRefused, "too long"},
		{"MiniMax's error", `{"choices":null,"base_resp":{"status_code":1004,"status_msg":"login fail"}}`, gateway.UpstreamFailed, "login fail"},
		{"a page", `<html>`, gateway.UpstreamFailed, "the provider's answer is not a JSON object"},
		{"an answer that gave up", `{"choices":[{"message":{"content":""},"finish_reason":"error"}]}`, gateway.UpstreamFailed, "the provider gave up in the middle of its answer"},
	} {
		_, err := openai.NewTap(wire.TapOptions{}).Whole([]byte(tt.body))
		if e := gateway.AsError(err); e == nil || e.Kind != tt.kind || e.Message != tt.message {
			t.Errorf("%s: got %#v, want %s: %s", tt.name, err, tt.kind, tt.message)
		}
	}
}

// The tap changes the model or nothing: what comes out differs from what went
// in by that one value, whatever the vendor sends.
func FuzzTap(f *testing.F) {
	f.Add(`data: {"id":"c","model":"v","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}` + "\n\ndata: [DONE]\n\n")
	f.Add("event: x\r\ndata: {\"choices\":\r\ndata: [],\"usage\":{\"prompt_tokens\":1}}\r\n\r\n")
	f.Add(`{"error":"x"}`)
	f.Fuzz(func(t *testing.T, in string) {
		for _, opts := range []wire.TapOptions{{}, {Model: "mine", HideUsage: true}} {
			tap := openai.NewTap(opts)
			events := wire.NewEvents(strings.NewReader(in), 1<<20)
			for {
				ev, err := events.Next()
				if err != nil {
					break
				}
				raw := string(ev.Raw)
				out, err := tap.Event(ev)
				if err != nil {
					if _, ok := errors.AsType[*gateway.Error](err); !ok {
						t.Fatalf("%q: error %v is no *gateway.Error", in, err)
					}
					break
				}
				if opts.Model == "" && string(out) != raw {
					t.Fatalf("%q became %q", raw, out)
				}
				if len(out) == 0 || string(out) == raw {
					continue
				}
				again := wire.NewEvents(strings.NewReader(string(out)), 1<<20)
				ev, err = again.Next()
				var o wire.Object
				if err != nil || o.Parse(ev.Data) != nil {
					t.Fatalf("%q became %q, which cannot be read (%v)", raw, out, err)
				}
				if m, _ := o.String("model"); m != "mine" {
					t.Fatalf("%q became %q, with model %q", raw, out, m)
				}
			}
			tap = openai.NewTap(opts)
			if out, err := tap.Whole([]byte(in)); err == nil && !wire.Valid(out) {
				t.Fatalf("%q became %q, which is not valid JSON", in, out)
			}
		}
	})
}

const chunk = `{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_50cad350e4","choices":[{"index":0,"delta":{"content":" and"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"xkq1"}`

func BenchmarkTapEvent(b *testing.B) {
	ev := wire.Event{Data: []byte(chunk), Raw: []byte("data: " + chunk + "\n\n")}
	for _, bb := range []struct{ name, model string }{{"as it is", "gpt-4o-2024-08-06"}, {"renamed", "mine"}} {
		b.Run(bb.name, func(b *testing.B) {
			tap := openai.NewTap(wire.TapOptions{Model: bb.model, HideUsage: true})
			b.SetBytes(int64(len(ev.Raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tap.Event(ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
