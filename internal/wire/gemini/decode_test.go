package gemini

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// show writes events so that a reader can compare them.
func show(evs []canon.Event) []string {
	var out []string
	for _, ev := range evs {
		s := ""
		switch ev.Kind {
		case canon.EvStart:
			s = fmt.Sprintf("start %s %s", ev.ID, ev.Model)
		case canon.EvText:
			s = "text " + ev.Text
		case canon.EvReasoning:
			s = "reasoning " + ev.Text
		case canon.EvSignature:
			s = "signature " + ev.Signature
		case canon.EvToolStart:
			s = fmt.Sprintf("tool %d %s %s", ev.Tool, ev.ID, ev.Name)
			if ev.Signature != "" {
				s += " signed " + ev.Signature
			}
		case canon.EvToolArgs:
			s = fmt.Sprintf("args %d %s", ev.Tool, ev.Text)
		case canon.EvMedia:
			s = fmt.Sprintf("media %s %s%s %s", ev.Media.MIME, ev.Media.Data, ev.Media.URL, ev.Media.Format)
		case canon.EvAnnotation:
			s = "annotation " + string(ev.Raw)
		case canon.EvLogprobs:
			s = "logprobs " + string(ev.Raw)
		case canon.EvExtra:
			s = fmt.Sprintf("extra %s %s", ev.Name, ev.Raw)
		case canon.EvFinish:
			s = fmt.Sprintf("finish %s %s", ev.Finish, ev.Native)
		case canon.EvUsage:
			u := ev.Usage
			s = fmt.Sprintf("usage %d+%d", u.Prompt, u.Completion)
			for _, d := range []struct {
				name string
				n    int64
			}{
				{"cached", u.CacheRead},
				{"reasoning", u.Reasoning},
				{"audio", u.AudioIn},
				{"image", u.ImageIn},
				{"audio out", u.AudioOut},
				{"image out", u.ImageOut},
				{"searches", u.WebSearches},
			} {
				if d.n != 0 {
					s += fmt.Sprintf(" %s %d", d.name, d.n)
				}
			}
			if u.Tier != "" {
				s += " " + u.Tier
			}
		case canon.EvError:
			s = fmt.Sprintf("error %s", ev.Err.Kind)
		default:
			s = fmt.Sprintf("kind %d", ev.Kind)
		}
		if ev.Choice != 0 {
			s = fmt.Sprintf("[%d] %s", ev.Choice, s)
		}
		out = append(out, s)
	}
	return out
}

func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("call_%d", n) }
}

func TestDecoder(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string // events
		want []string
		done bool
	}{
		{
			"text in pieces, usage that grows",
			[]string{
				`{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3},"responseId":"r","modelVersion":"gemini-2.5-pro"}`,
				`{"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}`,
			},
			[]string{"start r gemini-2.5-pro", "text Hel", "usage 3+0", "text lo", "finish stop STOP", "usage 3+2"},
			true,
		},
		{
			"a call in an earlier event makes STOP tool_calls",
			[]string{
				`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"b":1,"a":2.0}},"thoughtSignature":"S"}]}}]}`,
				`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}`,
				`{"candidates":[{"finishReason":"STOP"}]}`,
			},
			[]string{"start  ", `tool 0 call_1 f signed S`, `args 0 {"b":1,"a":2.0}`, "tool 1 call_2 f", "args 1 {}", "finish tool_calls STOP"},
			true,
		},
		{
			"the vendor's id is kept if it tells calls apart",
			[]string{`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"abcd1234","name":"f"}},{"functionCall":{"id":"abcd1234","name":"f"}},{"functionCall":{"id":"find","name":"find"}},{"functionCall":{"id":"1","name":"f"}}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "tool 0 abcd1234 f", "args 0 {}", "tool 1 call_1 f", "args 1 {}", "tool 2 call_2 find", "args 2 {}", "tool 3 call_3 f", "args 3 {}", "finish tool_calls STOP"},
			true,
		},
		{
			"arguments cut by the limit are not said to be whole",
			[]string{`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"MAX_TOKENS"}]}`},
			[]string{"start  ", "tool 0 call_1 f", "args 0 {}", "finish length MAX_TOKENS"},
			true,
		},
		{
			"thoughts, their signature, and a signature on text",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"","thought":true,"thoughtSignature":"T"},{"text":"42","thoughtSignature":"S"}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "reasoning hm", "signature T", "text 42", `extra thought_signatures ["S"]`, "finish stop STOP"},
			true,
		},
		{
			"no content at all because thinking took everything",
			[]string{`{"candidates":[{"finishReason":"MAX_TOKENS","index":0}],"usageMetadata":{"promptTokenCount":3,"thoughtsTokenCount":60,"totalTokenCount":63}}`},
			[]string{"start  ", "finish length MAX_TOKENS", "usage 3+60 reasoning 60"},
			true,
		},
		{
			"null content and parts",
			[]string{`{"candidates":[{"content":null,"finishReason":"SAFETY","safetyRatings":[{"category":"X"}]}]}`},
			[]string{"start  ", `extra safety_ratings [{"category":"X"}]`, "finish content_filter SAFETY"},
			true,
		},
		{
			"a malformed call is a stop that says so",
			[]string{`{"candidates":[{"content":{"parts":null},"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"f("}]}`},
			[]string{"start  ", `extra finish_message "f("`, "finish stop MALFORMED_FUNCTION_CALL"},
			true,
		},
		{
			"a reason nobody knows is a stop",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"BRAND_NEW"}]}`},
			[]string{"start  ", "text x", "finish stop BRAND_NEW"},
			true,
		},
		{
			"a blocked prompt without usage",
			[]string{`{"promptFeedback":{"blockReason":"OTHER","blockReasonMessage":"no"}}`},
			[]string{"start  ", `extra finish_message "no"`, "finish content_filter OTHER"},
			true,
		},
		{"feedback that blocks nothing is nothing", []string{`{"promptFeedback":{"safetyRatings":[]}}`}, nil, false},
		{"an event with only usage starts nothing", []string{`{"usageMetadata":{"promptTokenCount":3}}`}, []string{"usage 3+0"}, false},
		{
			"STOP in every event counts once",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`, `{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "text a", "finish stop STOP", "text b"},
			true,
		},
		{
			"two candidates are done when both are",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"b"}]}}]}`},
			[]string{"start  ", "text a", "finish stop STOP", "[1] text b"},
			false,
		},
		{
			"candidates without an index count by their place",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "text a", "finish stop STOP", "[1] tool 0 call_1 f", "[1] args 0 {}", "[1] finish tool_calls STOP"},
			true,
		},
		{
			"images and recordings are media, drafts in thoughts are not",
			[]string{`{"candidates":[{"content":{"parts":[{"thought":true,"inlineData":{"mimeType":"image/png","data":"DRAFT"}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"BBBB"}},{"fileData":{"mimeType":"video/mp4","fileUri":"gs://x"}}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "media image/png AAAA ", "media audio/L16;codec=pcm;rate=24000 BBBB pcm16", "media video/mp4 gs://x ", "finish stop STOP"},
			true,
		},
		{
			"code that ran is a vendor's own field",
			[]string{`{"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"1+1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"2"}},{"text":"2"}]},"finishReason":"STOP"}]}`},
			[]string{"start  ", "text 2", `extra code_execution [{"executableCode":{"language":"PYTHON","code":"1+1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"2"}}]`, "finish stop STOP"},
			true,
		},
		{
			"an error in the middle",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`, `{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`},
			[]string{"start  ", "text a", "error upstream failed"},
			false,
		},
		{"an error in an array", []string{`[{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}]`}, []string{"error upstream rate limited"}, false},
		{"a proxy's [DONE] and empty events mean nothing", []string{``, ` [DONE] `}, nil, false},
		{
			"probabilities of tokens",
			[]string{`{"candidates":[{"content":{"parts":[{"text":"é"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"é","logProbability":-0.10}],"topCandidates":[{"candidates":[{"token":"é","logProbability":-0.10},{"token":"e"}]}]}}]}`},
			[]string{"start  ", "text é", `logprobs {"content":[{"token":"é","logprob":-0.10,"bytes":[195,169],"top_logprobs":[{"token":"é","logprob":-0.10,"bytes":[195,169]},{"token":"e","logprob":0,"bytes":[101]}]}],"refusal":null}`, "finish stop STOP"},
			true,
		},
		{
			"citations count in characters, over all events, and once",
			[]string{
				`{"candidates":[{"content":{"parts":[{"text":"é1 "}]},"groundingMetadata":{"webSearchQueries":["a","b"]}}],"modelVersion":"gemini-3-pro-preview"}`,
				`{"candidates":[{"content":{"parts":[{"text":"é2"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["a","b"],"groundingChunks":[{"web":{"uri":"u","title":"t"}},{}],"groundingSupports":[{"segment":{"startIndex":4,"endIndex":7},"groundingChunkIndices":[0,1,9]}]}}],"usageMetadata":{"promptTokenCount":1}}`,
			},
			[]string{
				"start  gemini-3-pro-preview", "text é1 ", "text é2",
				`extra vertex_ai_grounding_metadata {"webSearchQueries":["a","b"],"groundingChunks":[{"web":{"uri":"u","title":"t"}},{}],"groundingSupports":[{"segment":{"startIndex":4,"endIndex":7},"groundingChunkIndices":[0,1,9]}]}`,
				`annotation {"type":"url_citation","url_citation":{"start_index":3,"end_index":5,"url":"u","title":"t"}}`,
				"finish stop STOP", "usage 1+0 searches 2",
			},
			true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoderIDs(counter())
			var evs []canon.Event
			for _, in := range tt.in {
				data := []byte(in)
				var err error
				if evs, err = d.Decode("", data, evs); err != nil {
					t.Fatalf("event %s: %v", in, err)
				}
				clear(data) // events must not point into the reader's buffer
			}
			if got := show(evs); !slices.Equal(got, tt.want) {
				t.Errorf("events %s\n got %s\nwant %s", tt.in, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
			if d.Done() != tt.done {
				t.Errorf("events %s: done is %t, want %t", tt.in, d.Done(), tt.done)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"thoughts are output", `{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22}`, "usage 10+12 reasoning 7"},
		{"thoughts that the output already holds are not added", `{"promptTokenCount":10,"candidatesTokenCount":12,"thoughtsTokenCount":7,"totalTokenCount":22}`, "usage 10+12 reasoning 7"},
		{"what tools read is input", `{"promptTokenCount":10,"toolUsePromptTokenCount":40,"candidatesTokenCount":5,"totalTokenCount":55}`, "usage 50+5"},
		{"cached input is part of the prompt", `{"promptTokenCount":100,"cachedContentTokenCount":80,"candidatesTokenCount":1}`, "usage 100+1 cached 80"},
		{"more cached than there is cannot be", `{"promptTokenCount":10,"cachedContentTokenCount":80}`, "usage 10+0 cached 10"},
		{
			"media are counted by kind", `{"promptTokenCount":99,"candidatesTokenCount":50,"promptTokensDetails":[{"modality":"TEXT","tokenCount":9},{"modality":"AUDIO","tokenCount":32},{"modality":"IMAGE","tokenCount":58}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":20}]}`,
			"usage 99+50 audio 32 image 58 audio out 30 image out 20",
		},
		{"numbers in quotes, null and below zero", `{"promptTokenCount":"12","candidatesTokenCount":null,"thoughtsTokenCount":-4}`, "usage 12+0"},
		{"the tier is named", `{"promptTokenCount":1,"trafficType":"ON_DEMAND_PRIORITY"}`, "usage 1+0 priority"},
		{"flex is named", `{"promptTokenCount":1,"serviceTier":"flex"}`, "usage 1+0 flex"},
	} {
		evs, err := NewDecoder().Decode("", []byte(`{"usageMetadata":`+tt.in+`}`), nil)
		if got := show(evs); err != nil || !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%s: usage %s gives %q (%v), want %q", tt.name, tt.in, got, err, tt.want)
		}
	}
}

func TestDecodeAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string // nil: an error of the kind below
		kind     gateway.Kind
	}{
		{"an answer", `{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}`, []string{"start  ", "text x", "finish stop STOP"}, 0},
		{"a whole answer without a reason is whole", `{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}`, []string{"start  ", "text x", "finish stop "}, 0},
		{"an array of pieces is one answer", "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]},\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\"}]}]", []string{"start  ", "text a", "text b", "finish stop STOP"}, 0},
		{"a blocked prompt", `{"promptFeedback":{"blockReason":"SAFETY"}}`, []string{"start  ", "finish content_filter SAFETY"}, 0},
		{"no candidates and no reason", `{"usageMetadata":{"promptTokenCount":1}}`, nil, gateway.UpstreamFailed},
		{"an error in a 200", `{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}`, nil, gateway.UpstreamLimited},
		{"a page of a proxy", `<html>`, nil, gateway.UpstreamFailed},
		{"an empty body", ``, nil, gateway.UpstreamFailed},
		{"half an answer", `{"candidates":[{"content"`, nil, gateway.UpstreamFailed},
		{"an index out of all bounds", `{"candidates":[{"index":1000000000,"content":{}}]}`, nil, gateway.UpstreamFailed},
	} {
		evs, err := DecodeAnswer([]byte(tt.in))
		if tt.want == nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != tt.kind {
				t.Errorf("%s: %s gives %q, error %v; want an error of kind %s", tt.name, tt.in, show(evs), err, tt.kind)
			}
			continue
		}
		if got := show(evs); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %s\n got %q (%v)\nwant %q", tt.name, tt.in, got, err, tt.want)
		}
	}
}

var answers = []string{
	`{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":"2"}}`,
	`[{"promptFeedback":{"blockReason":"X"}},{"error":{"code":"429","details":[{"@type":"x/google.rpc.RetryInfo","retryDelay":"1s"}]}}]`,
	`{"candidates":[{"groundingMetadata":{"groundingChunks":[{"web":{}}],"groundingSupports":[{"segment":{"endIndex":9},"groundingChunkIndices":[0]}]},"logprobsResult":{"chosenCandidates":[{"token":"\ud83d","logProbability":"x"}]},"finishReason":"STOP"}]}`,
	`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"audio/mpeg","data":"AA"}},{"executableCode":{}}]},"finishReason":"OTHER"}]}`,
}

// checkEvents asserts what encoders rely on.
func checkEvents(t *testing.T, in []byte, evs []canon.Event) {
	t.Helper()
	finished := map[int]bool{}
	tools := map[[2]int]bool{}
	ids := map[string]bool{}
	for i, ev := range evs {
		switch ev.Kind {
		case canon.EvFinish:
			if finished[ev.Choice] {
				t.Fatalf("answer %q: choice %d finishes twice", in, ev.Choice)
			}
			finished[ev.Choice] = true
		case canon.EvToolStart:
			if ids[ev.ID] || ev.ID == "" {
				t.Fatalf("answer %q: id %q of a call is not its own", in, ev.ID)
			}
			ids[ev.ID] = true
			tools[[2]int{ev.Choice, ev.Tool}] = true
		case canon.EvToolArgs:
			if !tools[[2]int{ev.Choice, ev.Tool}] {
				t.Fatalf("answer %q: arguments of call %d before its start", in, ev.Tool)
			}
		case canon.EvStart:
			if i > 0 && evs[i-1].Kind != canon.EvUsage {
				t.Fatalf("answer %q: start is event %d", in, i)
			}
		case canon.EvAnnotation, canon.EvLogprobs:
			if !wire.Valid(ev.Raw) {
				t.Fatalf("answer %q: event %d holds invalid JSON %q", in, i, ev.Raw)
			}
		}
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	for _, s := range answers {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		evs, err := DecodeAnswer(in)
		if err != nil {
			if _, ok := errors.AsType[*gateway.Error](err); !ok {
				t.Fatalf("answer %q: error %v is no *gateway.Error", in, err)
			}
			return
		}
		checkEvents(t, in, evs)
		if !slices.ContainsFunc(evs, func(ev canon.Event) bool { return ev.Kind == canon.EvFinish }) {
			t.Fatalf("answer %q has no finish: %q", in, show(evs))
		}
	})
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(strings.Join(answers, "\n")))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := NewDecoder()
		var evs []canon.Event
		for line := range strings.SplitSeq(string(in), "\n") {
			next, err := d.Decode("", []byte(line), evs)
			if err != nil {
				break
			}
			evs = next
			if slices.ContainsFunc(evs, func(ev canon.Event) bool { return ev.Kind == canon.EvError }) {
				return // nobody reads on
			}
		}
		checkEvents(t, in, evs)
		if d.Done() && !slices.ContainsFunc(evs, func(ev canon.Event) bool { return ev.Kind == canon.EvFinish }) {
			t.Fatalf("stream %q is done without a finish: %q", in, show(evs))
		}
	})
}

func BenchmarkDecodeChunk(b *testing.B) {
	data := []byte(`{"candidates":[{"content":{"parts":[{"text":"a few words of text"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":5,"totalTokenCount":16,"promptTokensDetails":[{"modality":"TEXT","tokenCount":11}]},"modelVersion":"gemini-2.5-flash","responseId":"abc"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	var evs []canon.Event
	for b.Loop() {
		d := Decoder{newID: NewCallID}
		var err error
		if evs, err = d.Decode("", data, evs[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
