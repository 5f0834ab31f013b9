package app

import (
	"strings"
	"testing"
)

func TestSettingsInLiteLLMsDatabaseAreJudged(t *testing.T) {
	for _, tt := range []struct {
		name, section, value string
		want                 []string // parts of what is said, in order; none if all is honoured
	}{
		{"settings that are honoured", "router_settings", `{"num_retries": 2}`, nil},
		{"one that is not", "general_settings", `{"num_retries": 2, "store_prompts_in_spend_logs": true}`, []string{"store_prompts_in_spend_logs"}},
		{"one that is wrong", "router_settings", `{"num_retries": "many"}`, []string{"router_settings.num_retries"}},
		{"no object", "litellm_settings", `[1]`, []string{"litellm_settings"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(tt.section, []byte(tt.value))
			all := strings.Join(got, "\n")
			if len(tt.want) == 0 && len(got) > 0 {
				t.Errorf("not honoured: %s", all)
			}
			for _, want := range tt.want {
				if !strings.Contains(all, want) {
					t.Errorf("got %q, want a word on %s", all, want)
				}
			}
		})
	}
}
