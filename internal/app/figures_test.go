package app_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"penstock/internal/redis/redistest"
	"penstock/internal/store/storetest"
)

// A deployment that cools down for one replica cools down for all of them.
func TestCooldownsAreShared(t *testing.T) {
	t.Parallel()
	t.Run("through Redis", func(t *testing.T) {
		url := redistest.URL(t)
		sharesCooldowns(t, "REDIS_URL", url, "REDIS_NAMESPACE", rand.Text())
	})
	t.Run("through PostgreSQL", func(t *testing.T) { sharesCooldowns(t, "DATABASE_URL", storetest.PostgresURL(t)) })
}

func sharesCooldowns(t *testing.T, env ...string) {
	t.Helper()
	const config = `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-status=429,retry_after=60", api_base: MOCK/v1, api_key: k, order: 1}, model_info: {id: ill}}
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, order: 2}, model_info: {id: well}}
router_settings: {num_retries: 0}
`
	one, two := start(t, config, env...), start(t, config, env...)
	if a := one.talk("/v1/chat/completions", "m", ""); !a.correct(hello) || a.header.Get("X-Penstock-Route") != "m: ill=upstream-rate-limited, well" {
		t.Fatalf("%s", a)
	}
	two.eventually("the other replica has heard of it", func() bool {
		_, got := two.health(master, "")
		e, well := got.of("ill")
		return !well && strings.Contains(e.Error, "cooling down")
	})
	if a := two.talk("/v1/chat/completions", "m", ""); !a.correct(hello) || a.header.Get("X-Penstock-Route") != "m: well" {
		t.Errorf("%s", a)
	}
	if n := len(two.mock.Calls()); n != 1 {
		t.Errorf("the other replica made %d calls, want one: to what is well", n)
	}
}
