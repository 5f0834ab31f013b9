package e2e_test

import (
	"bufio"
	"context"
	"strconv"
	"strings"
	"testing"
)

// refusal checks that a is the refusal of a rate limit. The wait may be 61
// seconds: what was taken leaves the window only when its whole second is a
// minute old.
func refusal(t *testing.T, a *answer, text string) {
	t.Helper()
	retry, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != 429 || !strings.Contains(a.body, text) || !strings.Contains(a.body, `"type":"throttling_error"`) || !strings.Contains(a.body, `"code":"429"`) || err != nil || retry < 1 || retry > 61 {
		t.Errorf("%s\nwant a 429 with a retry-after of 1 to 61 and %q", a, text)
	}
}

func TestLimitsOfKeysTeamsAndUsers(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5"), env())
	h.manage("/team/new", `{"team_id":"t1","rpm_limit":2}`, nil)
	h.manage("/user/new", `{"user_id":"u1","rpm_limit":2,"auto_create_key":false}`, nil)
	for _, tt := range []struct {
		name string
		keys []string // take turns
		text string   // of the third call's refusal
	}{
		{"the third request of a key for two a minute is refused", []string{h.key(`"rpm_limit":2`)}, "Rate limit exceeded for api_key: "},
		{"the third call is one too many for the key's tokens", []string{h.key(`"tpm_limit":30`)}, "Limit type: tokens"},
		{"two keys share the team's limit", []string{h.key(`"team_id":"t1"`), h.key(`"team_id":"t1"`)}, "Rate limit exceeded for team: t1"},
		{"two keys share the user's limit", []string{h.key(`"user_id":"u1"`), h.key(`"user_id":"u1"`)}, "Rate limit exceeded for user: u1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := range 2 {
				if a := h.ask(tt.keys[n%len(tt.keys)], `"model":"m","max_tokens":5`); a.status != 200 {
					t.Fatalf("call %d: %s", n+1, a)
				}
			}
			for _, key := range tt.keys {
				refusal(t, h.ask(key, `"model":"m","max_tokens":5`), tt.text)
			}
		})
	}
	if a := h.ask(h.key(""), `"model":"m","max_tokens":5`); a.status != 200 {
		t.Errorf("a key without limits: %s", a)
	}
}

func TestASlotIsFreeOnceItsClientHasLeft(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-chunks=5,stall=1"), env())
	key := h.key(`"max_parallel_requests":1`)
	begin := func() (leave func()) {
		ctx, cancel := context.WithCancel(t.Context())
		res, err := h.send(ctx, "POST", "/v1/chat/completions", key, chat(`"model":"m","stream":true`))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); _ = res.Body.Close() })
		if !bufio.NewScanner(res.Body).Scan() || res.StatusCode != 200 {
			t.Fatalf("the stream does not begin: %d", res.StatusCode)
		}
		return cancel
	}
	leave := begin()
	refusal(t, h.ask(key, `"model":"m","stream":true`), "Limit type: max_parallel_requests")
	leave()
	h.eventually("the slot is free", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		res, err := h.send(ctx, "POST", "/v1/chat/completions", key, chat(`"model":"m","stream":true`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode == 200
	})
}

func TestLimitsOfTheWholeGateway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, setting, text string }{
		{"requests", "global_rpm_limit: 2", "Limit type: requests"},
		{"tokens", "global_tpm_limit: 30", "Limit type: tokens"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, oneModel("mock-tokens=5")+"general_settings: {"+tt.setting+"}\n", env())
			for n := range 2 {
				if a := h.ask(h.key(""), `"model":"m","max_tokens":5`); a.status != 200 {
					t.Fatalf("call %d: %s", n+1, a)
				}
			}
			refusal(t, h.ask(h.key(""), `"model":"m","max_tokens":5`), tt.text)
		})
	}
	t.Run("parallel", func(t *testing.T) {
		t.Parallel()
		h := open(t, oneModel("mock-chunks=5,stall=1")+"general_settings: {global_max_parallel_requests: 1}\n", env())
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		res, err := h.send(ctx, "POST", "/v1/chat/completions", h.key(""), chat(`"model":"m","stream":true`))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if !bufio.NewScanner(res.Body).Scan() {
			t.Fatal("the stream does not begin")
		}
		refusal(t, h.ask(h.key(""), `"model":"m","max_tokens":5`), "Limit type: max_parallel_requests")
	})
}

func TestAKeyIsDeadAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5"), env())
	dead := func(t *testing.T, key string) {
		t.Helper()
		if a := h.ask(key, `"model":"m"`); a.status != 401 || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s\nwant a 401", a)
		}
	}
	for _, tt := range []struct{ name, path, body string }{
		{"blocked", "/key/block", `{"key":"KEY"}`},
		{"deleted", "/key/delete", `{"keys":["KEY"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := h.key("")
			if a := h.ask(key, `"model":"m"`); a.status != 200 {
				t.Fatalf("before: %s", a)
			}
			h.manage(tt.path, strings.ReplaceAll(tt.body, "KEY", key), nil)
			dead(t, key)
		})
	}
	t.Run("blocked and unblocked", func(t *testing.T) {
		key := h.key("")
		h.manage("/key/block", `{"key":"`+key+`"}`, nil)
		h.manage("/key/unblock", `{"key":"`+key+`"}`, nil)
		if a := h.ask(key, `"model":"m"`); a.status != 200 {
			t.Errorf("afterwards: %s", a)
		}
	})
	t.Run("expired", func(t *testing.T) {
		key := h.key(`"duration":"2s"`)
		if a := h.ask(key, `"model":"m"`); a.status != 200 {
			t.Fatalf("before: %s", a)
		}
		h.eventually("the key expires", func() bool { return h.ask(key, `"model":"m"`).status != 200 })
		dead(t, key)
	})
	t.Run("dead after a restart too", func(t *testing.T) {
		key := h.key("")
		h.manage("/key/block", `{"key":"`+key+`"}`, nil)
		h.restart()
		dead(t, key)
	})
}
