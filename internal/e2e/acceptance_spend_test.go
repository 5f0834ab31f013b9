package e2e_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/mock"
)

// A call of gpt-4o costs half a cent here.
const halfACent = `"model":"gpt-4o","max_tokens":5`

func acceptBudget(t *testing.T, h *house) {
	key := h.key(`"max_budget":0.005`)
	says(t, "the first call", h.ask(key, halfACent), 200)
	says(t, "the second", h.ask(key, halfACent), 422, "Budget has been exceeded! Key=", `"type":"budget_exceeded"`, `"param":null`, `"code":"422"`)
	if got := h.spend(key); got != "0.005" {
		t.Errorf("the key has spent %s", got)
	}
}

func acceptBudgetStatus(t *testing.T, h *house) {
	key := h.key(`"max_budget":0.005`)
	says(t, "the first call", h.ask(key, halfACent), 200)
	says(t, "the second", h.ask(key, halfACent), 429, `"type":"budget_exceeded"`, `"code":"429"`)
}

func acceptBudgetAtOnce(t *testing.T, h *house) {
	key := h.key(`"max_budget":0.05`)
	var passed atomic.Int64
	var calls sync.WaitGroup
	for range 40 {
		calls.Go(func() {
			switch a := h.ask(key, halfACent); a.status {
			case 200:
				passed.Add(1)
			case 422:
			default:
				t.Errorf("a call of forty: %s", a)
			}
		})
	}
	calls.Wait()
	if spent := nanos(t, h.spend(key)); spent > 50_000_000 || spent != passed.Load()*5_000_000 || spent == 0 {
		t.Errorf("%d calls passed and the key has spent %d billionths of 50000000", passed.Load(), spent)
	}
}

func acceptRequestLimit(t *testing.T, h *house) {
	key := h.key(`"rpm_limit":2`)
	for range 2 {
		says(t, "within the limit", h.ask(key, halfACent), 200)
	}
	a := h.ask(key, halfACent)
	says(t, "the third call", a, 429, "Rate limit exceeded for api_key: "+hashOf(key), "Limit type: requests", `"param":null`)
	refusal(t, a, "Current limit: 2, Remaining: 0")
}

func acceptParallelLimit(t *testing.T, h *house) {
	key := h.key(`"max_parallel_requests":1`)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	res, err := h.send(ctx, "POST", "/v1/chat/completions", key, chat(`"model":"endless","stream":true`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if !bufio.NewScanner(res.Body).Scan() || res.StatusCode != 200 {
		t.Fatalf("the stream does not begin: %d", res.StatusCode)
	}
	refusal(t, h.ask(key, halfACent), "Limit type: max_parallel_requests")
	leave()
	free := func(after string) {
		t.Helper()
		h.eventually("the place is free after "+after, func() bool { return h.ask(key, halfACent).status == 200 })
	}
	free("a departure")
	says(t, "a call that fails", h.ask(key, `"model":"broken","max_tokens":5`), 400)
	says(t, "the next one after an error", h.ask(key, halfACent), 200)
	if a := h.ask(key, halfACent+`,"stream":true`); !a.whole() {
		t.Errorf("a stream: %s", a)
	}
	free("a stream's end")
}

func acceptTokenLimit(t *testing.T, h *house) {
	key := h.key(`"tpm_limit":100`)
	says(t, "the first call", h.ask(key, `"model":"half-cached","max_tokens":5`), 200)
	// 20 of the prompt without the 15 that were cached, and 5 of the answer.
	a := h.ask(key, `"model":"half-cached","max_tokens":85`)
	says(t, "one that does not fit beside it", a, 429, "Rate limit exceeded for api_key:", "Limit type: tokens", "Current limit: 100, Remaining: 90")
	refusal(t, a, "throttling_error")

	all := h.key(`"tpm_limit":30`)
	for range 2 {
		says(t, "prompt and answer count", h.ask(all, halfACent), 200)
	}
	says(t, "a third call of eleven tokens", h.ask(all, halfACent), 429, "Limit type: tokens")
}

func acceptSharedLimits(t *testing.T, h *house) {
	h.manage("/team/new", `{"team_id":"shared","rpm_limit":2}`, nil)
	h.manage("/team/new", `{"team_id":"roomy"}`, nil)
	h.manage("/team/member_add", `{"team_id":"roomy","member":{"role":"user","user_id":"member"}}`, nil)
	h.manage("/team/member_update", `{"team_id":"roomy","user_id":"member","rpm_limit":2}`, nil)
	h.manage("/user/new", `{"user_id":"shared","rpm_limit":2,"auto_create_key":false}`, nil)
	h.manage("/budget/new", `{"budget_id":"two-a-minute","rpm_limit":2}`, nil)
	h.manage("/customer/new", `{"user_id":"customer","budget_id":"two-a-minute"}`, nil)
	h.manage("/customer/new", `{"user_id":"of-header","budget_id":"two-a-minute"}`, nil)
	for _, c := range []struct {
		name, member, more, header, text string
	}{
		{"a team", `"team_id":"shared"`, "", "", "Rate limit exceeded for team: shared"},
		{"a user", `"user_id":"shared"`, "", "", "Rate limit exceeded for user: shared"},
		{"a member", `"team_id":"roomy","user_id":"member"`, "", "", "Rate limit exceeded for team_member: roomy:member"},
		{"an end user", "", `,"user":"customer"`, "", "Rate limit exceeded for end_user: customer"},
		{"an end user of a header", "", "", "of-header", "Rate limit exceeded for end_user: of-header"},
	} {
		keys := []string{h.key(c.member), h.key(c.member)}
		call := func(key string) *answer {
			return h.with(t, map[string]string{"x-litellm-end-user-id": c.header}, key, halfACent+c.more)
		}
		for _, key := range keys {
			says(t, c.name, call(key), 200)
		}
		refusal(t, call(keys[0]), c.text)
	}
}

// with sends a chat call with headers; those that are empty are left out.
func (h *house) with(t *testing.T, headers map[string]string, key, members string) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/chat/completions", strings.NewReader(chat(members)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	a, err := h.answered(h.client.Do(req))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func acceptBooks(t *testing.T, h *house) {
	h.manage("/organization/new", `{"organization_id":"booked","organization_alias":"Booked"}`, nil)
	h.manage("/team/new", `{"team_id":"booked","organization_id":"booked"}`, nil)
	h.manage("/user/new", `{"user_id":"booked","auto_create_key":false}`, nil)
	h.manage("/team/member_add", `{"team_id":"booked","member":{"role":"user","user_id":"booked"}}`, nil)
	key := h.key(`"team_id":"booked","user_id":"booked","tags":["of-key"]`)
	for range 3 {
		says(t, "a call", h.ask(key, halfACent+`,"user":"who","metadata":{"tags":["of-call"]}`), 200)
	}
	says(t, "a call that fails", h.ask(key, `"model":"broken","max_tokens":5,"user":"who","metadata":{"tags":["of-call"]}`), 400)
	var rows []struct {
		Key    string   `json:"api_key"`
		User   string   `json:"user"`
		Team   string   `json:"team_id"`
		Org    string   `json:"organization_id"`
		End    string   `json:"end_user"`
		Tags   []string `json:"request_tags"`
		Status string   `json:"status"`
		Spend  float64  `json:"spend"`
	}
	h.manage("/spend/logs?api_key="+key, "", &rows)
	outcomes := map[string]int{}
	for _, r := range rows {
		outcomes[r.Status]++
		if r.Key != hashOf(key) || r.User != "booked" || r.Team != "booked" || r.Org != "booked" || r.End != "who" || len(r.Tags) != 2 {
			t.Errorf("the row says %+v", r)
		}
		if want := map[string]float64{"success": 0.005}[r.Status]; r.Spend != want {
			t.Errorf("a row of a %s costs %v", r.Status, r.Spend)
		}
	}
	if outcomes["success"] != 3 || outcomes["failure"] != 1 || len(rows) != 4 {
		t.Errorf("the rows are %v, want three successes and a failure", outcomes)
	}
	if got := h.spend(key); got != "0.015" {
		t.Errorf("the key has spent %s, want 0.015", got)
	}
	h.manage("/customer/new", `{"user_id":"who"}`, nil) // what was spent before stays
	for path, what := range map[string]string{
		"/team/info?team_id=booked": "the team", "/organization/info?organization_id=booked": "the organization",
		"/user/info?user_id=booked": "the user", "/customer/info?end_user_id=who": "the end user",
	} {
		says(t, what, h.do("GET", path, master, ""), 200, `"spend":0.015`)
	}
}

func acceptKill(t *testing.T, h *house) {
	h.manage("/team/new", `{"team_id":"killed"}`, nil)
	key := h.key(`"team_id":"killed"`)
	var answered atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				a, err := h.try("POST", "/v1/chat/completions", key, chat(halfACent))
				if err != nil || !a.whole() {
					return
				}
				answered.Add(1)
			}
		})
	}
	h.eventually("the load runs", func() bool { return answered.Load() > 40 })
	h.kill()
	load.Wait()
	_ = h.wait()
	h.url = ""
	h.start()
	rows := h.rows(key)
	var sum int64
	for _, r := range rows {
		sum += nanos(t, r.Spend.String())
	}
	if n := answered.Load(); int64(len(rows)) < n || sum < n*5_000_000 {
		t.Errorf("%d calls were answered, the books have %d for %d billionths", n, len(rows), sum)
	}
	if spent := nanos(t, h.spend(key)); spent != sum {
		t.Errorf("the rows are %d billionths, the key has spent %d", sum, spent)
	}
	team := in[struct {
		Spend jsontext.Value `json:"spend"`
	}](t, h.do("GET", "/team/info?team_id=killed", master, ""), "team_info")
	if spent := nanos(t, team.Spend.String()); spent != sum {
		t.Errorf("the rows are %d billionths, the team has spent %d", sum, spent)
	}
}

func acceptCosts(t *testing.T, h *house) {
	key := h.key("")
	for _, c := range []struct {
		name, model string
		step        mock.Step
		cost        string
	}{
		{"cached tokens have their own price", "listed", mock.Step{Prompt: 1000, Cached: 200, Tokens: 100}, "0.00325"},
		{"a base model lends its price", "of-a-base", mock.Step{Prompt: 1000, Cached: 200, Tokens: 100}, "0.00325"},
		{"an own price goes before the listed one", "own-price", mock.Step{Prompt: 1000, Tokens: 100}, "0.0023"},
		{"a long prompt has all its tokens at the price of long prompts", "long", mock.Step{Prompt: 250_000, Tokens: 100}, "0.6265"},
		{"a shorter one has none", "long", mock.Step{Prompt: 150_000, Tokens: 100}, "0.1885"},
	} {
		h.mock.Script(c.step)
		a := h.ask(key, `"model":"`+c.model+`","max_tokens":100`)
		says(t, c.name, a, 200)
		if got := a.header.Get("x-litellm-response-cost"); got != c.cost {
			t.Errorf("%s: the header says %q, want %s", c.name, got, c.cost)
		}
		id := a.header.Get("x-litellm-call-id")
		var rows []row
		h.manage("/spend/logs?request_id="+id, "", &rows)
		if len(rows) != 1 || rows[0].Spend.String() != c.cost {
			t.Errorf("%s: the books say %+v, want one row for %s", c.name, rows, c.cost)
		}
	}
}

func acceptWindows(t *testing.T, h *house) {
	tokyo := time.FixedZone("", 9*3600)
	midnight := func() time.Time {
		y, m, d := time.Now().In(tokyo).Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, tokyo)
	}
	before := midnight()
	a := h.do("POST", "/key/generate", master, `{"max_budget":1,"budget_duration":"1d"}`)
	reset, err := time.Parse(time.RFC3339, in[string](t, a, "budget_reset_at"))
	if err != nil || !reset.Equal(before) && !reset.Equal(midnight()) {
		t.Errorf("a budget for a day begins again at %v, %v; want the next midnight in Tokyo, %v", reset, err, before)
	}
	key := h.key(`"max_budget":0.005,"budget_duration":"3s"`)
	for _, status := range []int{200, 422, 200} {
		h.eventually(http.StatusText(status)+" in its turn", func() bool { return h.ask(key, halfACent).status == status })
	}
}

func acceptTagBudget(t *testing.T, h *house) {
	h.manage("/tag/new", `{"name":"small","max_budget":0.005}`, nil)
	key, tagged := h.key(""), map[string]string{"x-litellm-tags": "large,small"}
	says(t, "the first call", h.with(t, tagged, key, halfACent), 200)
	h.eventually("the tag's budget is used up", func() bool {
		a := h.with(t, tagged, key, halfACent)
		return a.status == 422 && strings.Contains(a.body, "Budget has been exceeded! Tag=small ")
	})
	says(t, "a call without the tag", h.ask(key, halfACent), 200)
}
