package mock_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/mock"
)

func TestParseStep(t *testing.T) {
	tests := []struct {
		name, script string
		want         mock.Step
		err          string
	}{
		{"nothing", "", mock.Step{}, ""},
		{"numbers are milliseconds and counts", "latency=50,chunks=20,gap=20", mock.Step{Latency: 50 * time.Millisecond, Chunks: 20, Gap: 20 * time.Millisecond}, ""},
		{"durations have units", "first=1.5s, slow_headers=2s", mock.Step{First: 1500 * time.Millisecond, SlowHeaders: 2 * time.Second}, ""},
		{"the prefix of a model name is welcome", "mock-status=429,retry_after=3", mock.Step{Status: 429, RetryAfter: 3}, ""},
		{"flags stand alone", "hang,nousage,reason", mock.Step{Hang: true, NoUsage: true, Reason: true}, ""},
		{"a cut before anything is not no cut", "cut=0,cut_bytes=0", mock.Step{Cut: mock.After(0), CutBytes: mock.After(0)}, ""},
		{"points", "stall=1,short=2,error=3", mock.Step{Stall: mock.After(1), Short: mock.After(2), Error: mock.After(3)}, ""},
		{"a text takes all that is left", "tokens=3,text=a, b=c", mock.Step{Tokens: 3, Text: "a, b=c"}, ""},
		{"sizes", "large=17000,flaky=2,prompt=9,cached=4", mock.Step{Large: 17000, Flaky: 2, Prompt: 9, Cached: 4}, ""},
		{"an unknown key", "latancy=50", mock.Step{}, `no key "latancy"`},
		{"a negative count", "tokens=-1", mock.Step{}, "tokens: \"-1\", want a whole number"},
		{"a count that would fill the memory", "tokens=99999999999", mock.Step{}, "want a whole number"},
		{"a status that is none", "status=204", mock.Step{}, "204 is no failure"},
		{"a duration that is none", "gap=soon", mock.Step{}, "want milliseconds"},
		{"a flag that is none", "hang=maybe", mock.Step{}, "want nothing, true or false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mock.ParseStep(tt.script)
			if tt.err == "" {
				if err != nil || got != tt.want {
					t.Errorf("ParseStep(%q)\n got %+v, %v\nwant %+v", tt.script, got, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseStep(%q) error %v, want %q in it", tt.script, err, tt.err)
			}
		})
	}
}

func TestWhereAScriptStands(t *testing.T) {
	message := `"messages":[{"role":"user","content":"x"}]`
	one := mock.Step{Tokens: 1}
	tests := []struct {
		name, model, member, header string
		queue                       []mock.Step
		want                        string
	}{
		{"the default", "gpt", "", "", nil, `"content":"Hello from the Penstock mock. Hello from"`},
		{"a name that only looks like a script", "mock-gpt", "", "", nil, `"content":"Hello from the Penstock mock. Hello from"`},
		{"a script in the middle of another word", "hammock-tokens=2", "", "", nil, `"content":"Hello from the Penstock mock. Hello from"`},
		{"the model's name is over the default", "mock-tokens=2", "", "", nil, `"content":"Hello from"`},
		{"the model's name after its own name", "openai/gpt-4o-mock-tokens=2", "", "", nil, `"content":"Hello from"`},
		{"the body is over the name", "mock-tokens=2", `"mock":{"tokens":3},`, "", nil, `"content":"Hello from the"`},
		{"the header is over the body", "mock-tokens=2", `"mock":{"tokens":3},`, "tokens=4", nil, `"content":"Hello from the Penstock"`},
		{"keys add up", "mock-tokens=2", `"mock":{"text":"a b c"},`, "cached=1", nil, `"content":"a b"`},
		{"the queue is over all", "mock-tokens=2", `"mock":{"tokens":3},`, "tokens=4", []mock.Step{one}, `"content":"Hello"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mock.New(mock.Options{Default: mock.Step{Tokens: 7}})
			s.Script(tt.queue...)
			body := `{"model":"` + tt.model + `",` + tt.member + message + `}`
			w := call(t, s, "POST", "/v1/chat/completions", body, "X-Mock-Script", tt.header)
			if got := w.Body.String(); w.Code != 200 || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %s\nwant in it %s", w.Code, got, tt.want)
			}
		})
	}
}

func TestTheQueueIsPlayedOnce(t *testing.T) {
	s := mock.New(mock.Options{})
	s.Script(mock.Step{Status: 500}, mock.Step{Status: 429})
	for i, want := range []int{500, 429, 200} {
		if w := call(t, s, "POST", "/v1/chat/completions", chat("m", "")); w.Code != want {
			t.Errorf("call %d: got %d, want %d", i, w.Code, want)
		}
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	for _, key := range []string{
		"latency", "slow_headers", "first", "gap", "tokens", "chunks", "text", "reason", "large", "prompt",
		"cached", "nousage", "status", "retry_after", "flaky", "hang", "cut", "cut_bytes", "stall", "short", "error",
	} {
		value := "=500"
		switch key {
		case "hang", "nousage", "reason":
			value = ""
		}
		if _, err := mock.ParseStep(key + value); err != nil {
			t.Errorf("key %s: %v", key, err)
		}
		if !strings.Contains(mock.Usage(), "\n  "+key) {
			t.Errorf("Usage does not explain %s", key)
		}
	}
}

func chat(model, more string) string {
	return `{"model":"` + model + `",` + more + `"messages":[{"role":"user","content":"x"}]}`
}

func FuzzParseStep(f *testing.F) {
	for _, s := range []string{"", "mock-latency=50,chunks=20", "text=a,b", "hang=,,=", "cut=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		if st, err := mock.ParseStep(script); err == nil && (st.Tokens < 0 || st.Latency < 0 || st.Tokens > 1<<20) {
			t.Errorf("ParseStep(%q) = %+v, out of bounds", script, st)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("/v1/chat/completions", chat("m", `"stream":true,"tools":[{"function":{"name":"t"}}],`))
	f.Add("/v1/messages", `{"model":"m","max_tokens":3,"system":[{"text":"\u00e9"}],"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"text":"a"}]}]}]}`)
	f.Add("/v1/embeddings", `{"model":"m","input":[[1,2],"a",3]}`)
	f.Add("/v1beta/models/m:streamGenerateContent", `{"contents":[{"parts":[{"text":"tool"}]}],"tools":[{"functionDeclarations":[{}]}]}`)
	s := mock.New(mock.Options{Keep: -1})
	f.Fuzz(func(t *testing.T, path, body string) {
		if !strings.HasPrefix(path, "/v1") || strings.ContainsAny(path, " %?\x00\r\n#") || strings.Contains(body, "mock") {
			return // the routes of the server itself, and scripts that wait
		}
		w := serve(s, path, body)
		if w.Code != 200 && w.Code != 400 && w.Code != 404 {
			t.Errorf("POST %q %q: %d %s", path, body, w.Code, w.Body)
		}
	})
}
