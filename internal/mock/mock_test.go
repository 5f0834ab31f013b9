package mock_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"penstock/internal/mock"
	"penstock/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call sends one request to a fresh mock, in a bubble whose clock stands at the
// first second of 2000, so that answers are equal to the byte.
func call(t *testing.T, s *mock.Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		s.ServeHTTP(w, r)
	})
	return w
}

const (
	words12 = "Hello from the Penstock mock. Hello from the Penstock mock. Hello from"
	// weather is a tool with required properties of several types.
	weather = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["C","F"]},"note":{"type":"string"}},"required":["city","days","unit"]}`
)

func TestWholeAnswersHaveTheirVendorsShape(t *testing.T) {
	tests := []struct {
		name, path, body, want string
	}{
		{
			"OpenAI chat", "/v1/chat/completions",
			`{"model":"gpt","messages":[{"role":"user","content":"12345"}]}`,
			`{"id":"chatcmpl-mock-1","object":"chat.completion","created":946684800,"model":"gpt","service_tier":"default","system_fingerprint":"fp_mock",` +
				`"choices":[{"index":0,"message":{"role":"assistant","content":"` + words12 + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
				`"usage":{"prompt_tokens":6,"completion_tokens":12,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
				`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`,
		},
		{
			"OpenAI embeddings of two texts, at a base without /v1", "/embeddings",
			`{"model":"e","input":["ab","cdefg"],"dimensions":2}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.025842,0.033766]},{"object":"embedding","index":1,"embedding":[0.033766,0.041692]}],` +
				`"model":"e","usage":{"prompt_tokens":6,"total_tokens":6}}`,
		},
		{
			"OpenAI embeddings of one list of tokens", "/v1/embeddings",
			`{"model":"e","input":[1,2,3],"dimensions":1}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.025172]}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		},
		{
			"OpenAI embeddings in base64", "/v1/embeddings",
			`{"model":"e","input":"ab","dimensions":2,"encoding_format":"base64"}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"mrLTPDhOCj0="}],"model":"e","usage":{"prompt_tokens":5,"total_tokens":5}}`,
		},
		{
			"Anthropic messages, system text counted", "/v1/messages",
			`{"model":"claude","max_tokens":50,"system":"1234","messages":[{"role":"user","content":[{"type":"text","text":"1234"}]}]}`,
			`{"id":"msg_mock_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"` + words12 + `"}],"stop_reason":"end_turn","stop_sequence":null,` +
				`"usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":12,"service_tier":"standard"}}`,
		},
		{
			"Anthropic token count", "/v1/messages/count_tokens",
			`{"model":"claude","messages":[{"role":"user","content":"1234"}]}`, `{"input_tokens":5}`,
		},
		{
			"Gemini generateContent", "/v1beta/models/gem:generateContent",
			`{"contents":[{"parts":[{"text":"12345"}]}],"systemInstruction":{"parts":[{"text":"123"}]}}`,
			`{"candidates":[{"content":{"parts":[{"text":"` + words12 + `"}],"role":"model"},"finishReason":"STOP","index":0}],` +
				`"usageMetadata":{"promptTokenCount":6,"candidatesTokenCount":12,"totalTokenCount":18,"promptTokensDetails":[{"modality":"TEXT","tokenCount":6}]},` +
				`"modelVersion":"gem","responseId":"resp_mock_1"}`,
		},
		{"Gemini token count", "/v1beta/models/gem:countTokens", `{"contents":[{"parts":[{"text":"1234"}]}]}`, `{"totalTokens":5}`},
		{
			"Gemini batchEmbedContents", "/v1beta/models/emb:batchEmbedContents",
			`{"requests":[{"model":"models/emb","content":{"parts":[{"text":"ab"}]},"outputDimensionality":2}]}`,
			`{"embeddings":[{"values":[0.025842,0.033766]}]}`,
		},
		{
			"Gemini embedContent", "/v1beta/models/emb:embedContent",
			`{"content":{"parts":[{"text":"ab"}]},"outputDimensionality":1}`, `{"embedding":{"values":[0.025842]}}`,
		},
		{
			"a cap on tokens shortens the answer", "/v1/messages",
			`{"model":"claude","max_tokens":2,"messages":[{"role":"user","content":"hi"}]}`,
			`{"id":"msg_mock_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hello from"}],"stop_reason":"max_tokens","stop_sequence":null,` +
				`"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2,"service_tier":"standard"}}`,
		},
		{
			"an Anthropic tool is called and thought of first", "/v1/messages",
			`{"model":"claude-reason","max_tokens":50,"tools":[{"name":"weather","input_schema":` + weather + `}],"messages":[{"role":"user","content":"use a tool"}]}`,
			`{"id":"msg_mock_1","type":"message","role":"assistant","model":"claude-reason","content":[{"type":"thinking","thinking":"Let me think first.","signature":"bW9jaw=="},` +
				`{"type":"tool_use","id":"toolu_mock_1_0","name":"weather","input":{"city":"Paris","days":1,"unit":"C"}}],"stop_reason":"tool_use","stop_sequence":null,` +
				`"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":14,"service_tier":"standard"}}`,
		},
		{
			"a Gemini function is called", "/v1beta/models/gem:generateContent",
			`{"contents":[{"role":"user","parts":[{"text":"use a tool"}]}],"tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"now"}]}]}`,
			`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"now","args":{}}}],"role":"model"},"finishReason":"STOP","index":0}],` +
				`"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2,"totalTokenCount":9,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7}]},` +
				`"modelVersion":"gem","responseId":"resp_mock_1"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(t, mock.New(mock.Options{}), "POST", tt.path, tt.body)
			if got := w.Body.String(); w.Code != 200 || got != tt.want {
				t.Errorf("POST %s %s\n got %d %s\nwant 200 %s", tt.path, tt.body, w.Code, got, tt.want)
			}
			if !wire.Valid(w.Body.Bytes()) {
				t.Errorf("answer is no valid JSON")
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q, want application/json", got)
			}
		})
	}
}

func TestOpenAIAnswersBendToTheRequest(t *testing.T) {
	tools := `"tools":[{"type":"function","function":{"name":"weather","parameters":` + weather + `}}]`
	tests := []struct {
		name, body string
		want       []string
		not        string
	}{
		{
			"max_completion_tokens wins over max_tokens", `{"model":"m","max_tokens":9,"max_completion_tokens":1,"messages":[{"role":"user","content":"x"}]}`,
			[]string{`"content":"Hello"`, `"finish_reason":"length"`, `"completion_tokens":1`},
			"",
		},
		{
			"three choices are three answers to pay for", `{"model":"m","n":3,"messages":[{"role":"user","content":"x"}]}`,
			[]string{`{"index":2,`, `"completion_tokens":36`},
			`{"index":3,`,
		},
		{
			"the tool is called", `{"model":"m",` + tools + `,"messages":[{"role":"user","content":"a tool, please"}]}`,
			[]string{`"content":null`, `"tool_calls":[{"id":"call_mock_1_0","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Paris\",\"days\":1,\"unit\":\"C\"}"}}]`, `"finish_reason":"tool_calls"`},
			"",
		},
		{
			"the tool's result ends the calling", `{"model":"m",` + tools + `,"messages":[{"role":"user","content":"a tool, please"},{"role":"tool","tool_call_id":"c","content":"tool says 7"}]}`,
			[]string{`"finish_reason":"stop"`},
			"tool_calls",
		},
		{
			"without the word no tool is called", `{"model":"m",` + tools + `,"messages":[{"role":"user","content":"hi"}]}`,
			[]string{`"finish_reason":"stop"`},
			"tool_calls",
		},
		{
			"reasoning is shown and counted", `{"model":"my-reasoner","messages":[{"role":"user","content":"x"}]}`,
			[]string{`"reasoning_content":"Let me think first."`, `"reasoning_tokens":4`, `"completion_tokens":16`},
			"",
		},
		{
			"escapes count as what they stand for", `{"model":"m","messages":[{"role":"user","content":"a\nb\u00e9\ud83d\ude00\"c"}]}`,
			[]string{`"prompt_tokens":7`},
			"",
		}, // 11 bytes
		{
			"the body's script", `{"model":"m","mock":{"tokens":2,"cached":3,"text":"a \"b\" c"},"messages":[{"role":"user","content":"x"}]}`,
			[]string{`"content":"a \"b\""`, `"completion_tokens":2`, `"cached_tokens":3`},
			"",
		},
		{
			"a script without usage", `{"model":"mock-nousage","messages":[{"role":"user","content":"x"}]}`,
			[]string{`"finish_reason":"stop"}]}`},
			`"usage"`,
		},
		{
			"a script that claims a long prompt", `{"model":"mock-prompt=100000","messages":[{"role":"user","content":"x"}]}`,
			[]string{`"prompt_tokens":100000`},
			"",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(t, mock.New(mock.Options{}), "POST", "/v1/chat/completions", tt.body)
			got := w.Body.String()
			if w.Code != 200 || !wire.Valid(w.Body.Bytes()) {
				t.Fatalf("got %d %s, want 200 and JSON", w.Code, got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %s\nwant in it %s", got, want)
				}
			}
			if tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("got %s\nwant nothing of %s", got, tt.not)
			}
		})
	}
}

func TestListsAndHelp(t *testing.T) {
	tests := []struct{ name, path, want string }{
		{"OpenAI's list of models", "/v1/models", `{"object":"list","data":[{"id":"a","object":"model","created":1700000000,"owned_by":"mock"},{"id":"b","object":"model","created":1700000000,"owned_by":"mock"}]}`},
		{"Gemini's list of models", "/v1beta/models", `{"models":[{"name":"models/a","supportedGenerationMethods":["generateContent","embedContent"]},{"name":"models/b","supportedGenerationMethods":["generateContent","embedContent"]}]}`},
		{"the root explains", "/", mock.Usage()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(t, mock.New(mock.Options{Models: []string{"a", "b"}}), "GET", tt.path, "")
			if got := w.Body.String(); w.Code != 200 || got != tt.want {
				t.Errorf("GET %s\n got %d %s\nwant 200 %s", tt.path, w.Code, got, tt.want)
			}
		})
	}
}

func TestBadRequestsAreRefusedInTheDialect(t *testing.T) {
	tests := []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"no JSON", "/v1/chat/completions", `{"model"`, 400, `"type":"invalid_request_error"`},
		{"no model", "/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, 400, `you must provide a model parameter`},
		{"no messages", "/v1/chat/completions", `{"model":"m"}`, 400, `messages: want a list`},
		{"no max_tokens", "/v1/messages", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}`},
		{"no contents", "/v1beta/models/m:generateContent", `{}`, 400, `"status":"INVALID_ARGUMENT"`},
		{"no input", "/v1/embeddings", `{"model":"m"}`, 400, `input: want a text`},
		{"a mistyped script", "/v1/chat/completions", `{"model":"mock-statsu=429","messages":[{"role":"user","content":"x"}]}`, 400, `no key \"statsu\"`},
		{"no such endpoint", "/v1/nothing", `{}`, 404, `the mock has no such endpoint`},
		{"no such Gemini method", "/v1beta/models/m:dance", `{}`, 404, `"status":"NOT_FOUND"`},
		{"a body over the bound", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 2000) + `"}]}`, 413, `Request is too large.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(t, mock.New(mock.Options{MaxBody: 1000}), "POST", tt.path, tt.body)
			if got := w.Body.String(); w.Code != tt.status || !strings.Contains(got, tt.want) || !wire.Valid(w.Body.Bytes()) {
				t.Errorf("got %d %s\nwant %d and in it %s", w.Code, got, tt.status, tt.want)
			}
		})
	}
}

// post sends a request over real HTTP and returns the answer with as much of
// its body as came.
func post(t *testing.T, url, body string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}
