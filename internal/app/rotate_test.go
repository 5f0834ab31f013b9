package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// A new key has spent what the old one has, under every budget there is, and
// before and after a restart.
func TestAReplacedKeyGetsNoNewBudget(t *testing.T) {
	for _, tt := range []struct{ name, budget string }{
		{"its own budget", `"max_budget":0.02,"budget_duration":"30d"`},
		{"a budget for life", `"max_budget":0.02`},
		{"one of several windows", `"budget_limits":[{"budget_duration":"1d","max_budget":0.02},{"budget_duration":"30d","max_budget":9}]`},
		{"a budget for a model", `"model_max_budget":{"m":{"budget_limit":0.02,"time_period":"30d"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, model("mock-tokens=5"))
			key := h.key(tt.budget)
			use := func(key string) (*http.Response, string) { return h.ask(key, `"model":"m","max_tokens":5`) }
			answered := 0
			for answered < 20 {
				if res, _ := use(key); res.StatusCode != http.StatusOK {
					break
				}
				answered++
			}
			if answered == 0 || answered == 20 {
				t.Fatalf("%d calls were answered, want a few", answered)
			}
			for range 2 { // the new one of a new one, too
				res, body := h.do("POST", "/key/"+key+"/regenerate", master, `{}`)
				next, ok := member(body, "key")
				if res.StatusCode != http.StatusOK || !ok {
					t.Fatalf("regenerate: %d %s", res.StatusCode, body)
				}
				key = next
				if res, body := use(key); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "budget_exceeded") {
					t.Errorf("the new key is answered: %d %s", res.StatusCode, body)
				}
			}
		})
	}
}

// What a member has spent is set back for the counters that admit calls, too.
func TestAMemberWhoseSpendIsSetBackCanCallAgain(t *testing.T) {
	h := start(t, model("mock-tokens=5"))
	for _, c := range []struct{ path, body string }{
		{"/team/new", `{"team_id":"t"}`},
		{"/team/member_add", `{"team_id":"t","member":{"user_id":"u"},"max_budget_in_team":0.02}`},
	} {
		if res, body := h.do("POST", c.path, master, c.body); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", c.path, res.StatusCode, body)
		}
	}
	key := h.key(`"team_id":"t","user_id":"u"`)
	refused := false
	for range 20 {
		res, body := h.ask(key, `"model":"m","max_tokens":5`)
		if refused = res.StatusCode == http.StatusUnprocessableEntity && strings.Contains(body, "User=u in Team=t"); refused {
			break
		}
	}
	if !refused {
		t.Fatal("the member's budget refuses nothing")
	}
	if res, body := h.do("POST", "/team/t/member/u/reset_spend", master, `{"reset_to":0}`); res.StatusCode != http.StatusOK {
		t.Fatalf("reset: %d %s", res.StatusCode, body)
	}
	if res, body := h.ask(key, `"model":"m","max_tokens":5`); res.StatusCode != http.StatusOK {
		t.Errorf("after the reset: %d %s", res.StatusCode, body)
	}
}

// What is left of every budget is shown, not only of a key's own.
func TestWhatWasSpentUnderEveryBudgetIsShown(t *testing.T) {
	h := start(t, model("mock-tokens=5"))
	key := h.key(`"budget_limits":[{"budget_duration":"24h","max_budget":9}],"model_max_budget":{"m":{"budget_limit":8,"time_period":"30d"},"other":{"budget_limit":1}}`)
	if res, body := h.ask(key, `"model":"m","max_tokens":5`); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	_, body := h.do("GET", "/key/info?key="+key, master, "")
	spent := ""
	if _, rest, ok := strings.Cut(body, `"spend":`); ok {
		spent, _, _ = strings.Cut(rest, ",")
	}
	for _, want := range []string{
		`"budget_limits_usage":{"24h":{"current_spend":` + spent + `}}`,
		`"model_max_budget_usage":{"m":{"current_spend":` + spent + `,"budget_limit":8.0,"time_period":"30d"},"other":{"current_spend":0.0,"budget_limit":1.0,"time_period":null}}`,
	} {
		if spent == "" || spent == "0.0" || !strings.Contains(body, want) {
			t.Errorf("/key/info does not show %s: %s", want, body)
		}
	}
}
