package app_test

import (
	"strings"
	"testing"
	"time"
)

const agentModels = `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k}}
`

// Calls are counted by the program that made them, unless that is turned off.
func TestProgramsAreCounted(t *testing.T) {
	days := "?start_date=" + time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) + "&end_date=" + time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, tt := range []struct {
		name, config, agent string
		want                []string // nil: no program at all
	}{
		{"a program with a version", "", "coder/1.2 (x, cli)", []string{`{"tag":"User-Agent: coder","unique_users":1,"total_requests":1,`, `{"tag":"User-Agent: coder/1.2 (x, cli)","unique_users":1,"total_requests":1,`}},
		{"a name alone", "", "coder", []string{`{"tag":"User-Agent: coder",`}},
		{"a name that is too long", "", "c/" + strings.Repeat("x", 1000), []string{`{"tag":"User-Agent: c",`, `{"tag":"User-Agent: c/` + strings.Repeat("x", 126) + `",`}},
		{"a name of strange letters", "", "cödér/1", []string{`{"tag":"User-Agent: c?d?r",`, `{"tag":"User-Agent: c?d?r/1",`}},
		{"a client that has none", "", "", nil},
		{"it is turned off", "litellm_settings: {disable_add_user_agent_to_request_tags: true}\n", "coder/1.2", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, agentModels+tt.config)
			key := h.key(`"user_id":"ann"`)
			if res, body := h.do("POST", "/v1/chat/completions", key, `{"model":"m","messages":[{"role":"user","content":"hello"}]}`, "User-Agent", tt.agent); res.StatusCode != 200 {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			res, body := h.do("GET", "/tag/summary"+days, master, "")
			if res.StatusCode != 200 {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("%s lacks %s", body, want)
				}
			}
			if n := strings.Count(body, "User-Agent: "); n != len(tt.want) {
				t.Errorf("%d programs in %s, want %d", n, body, len(tt.want))
			}
		})
	}
}
