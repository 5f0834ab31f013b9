package app_test

import (
	"strings"
	"testing"
)

// Names in paths may have slashes, as clients send them: Azure's with a model of
// a wildcard, LiteLLM's Python client with a credential. A model in the path is
// the one that is asked for, whatever the body says, as it is at Azure.
func TestNamesInPaths(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: "openai/*", litellm_params: {model: "openai/*", api_base: MOCK/v1, api_key: k}}
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k}}
general_settings: {store_model_in_db: true}
`, "LITELLM_SALT_KEY", "sk-salt")
	key := h.key(`"key":"sk-with/slashes/in-it","models":["openai/*","m"],"allowed_routes":["openai_routes"]`)
	const hello = `"messages":[{"role":"user","content":"Hello"}]`
	for _, tt := range []struct {
		name, method, path, key, body string
		status                        int
		says                          string
	}{
		{"a model of a wildcard", "POST", "/openai/deployments/openai/gpt-4o/chat/completions?api-version=2024-10-21", key, `{` + hello + `}`, 200, `"model":"openai/gpt-4o"`},
		{"escaped", "POST", "/openai/deployments/openai%2Fgpt-4o/chat/completions", key, `{` + hello + `}`, 200, `"model":"openai/gpt-4o"`},
		{"the path's model, not the body's", "POST", "/openai/deployments/m/chat/completions", key, `{"model":"gpt-99",` + hello + `}`, 200, `"model":"m"`},
		{"the same in both", "POST", "/engines/m/chat/completions", key, `{"model":"m",` + hello + `}`, 200, `"model":"m"`},
		{"an embedding", "POST", "/engines/openai/text-embedding-3-small/embeddings", key, `{"input":"Hello"}`, 200, `"embedding"`},
		{"a body that is no object", "POST", "/openai/deployments/m/chat/completions", key, `[]`, 400, "Invalid JSON"},
		{"a model that the key may not use", "POST", "/openai/deployments/anthropic/claude/chat/completions", key, `{"model":"m",` + hello + `}`, 403, "anthropic/claude"},
		{"a route that the key may not use", "POST", "/key/a/b/regenerate", key, `{}`, 403, "not allowed"},
		{"nobody's key", "POST", "/openai/deployments/openai/gpt-4o/chat/completions", "sk-nobody", `{` + hello + `}`, 401, "Invalid proxy server token"},
		{"a credential is made", "POST", "/credentials", master, `{"credential_name":"az/1","credential_values":{"api_key":"x"},"credential_info":{}}`, 200, "created"},
		{"a credential", "GET", "/credentials/by_name/az/1", master, "", 200, `"az/1"`},
		{"a credential, escaped", "GET", "/credentials/by_name/az%2F1", master, "", 200, `"az/1"`},
		{"it is gone", "DELETE", "/credentials/az/1", master, "", 200, "deleted"},
		{"it is not there", "GET", "/credentials/by_name/az/1", master, "", 404, "az/1"},
		{"a key's spend", "POST", "/key/" + key + "/reset_spend", master, `{"reset_to":0}`, 200, `"previous_spend"`},
		{"a wrong method", "PUT", "/openai/deployments/openai/gpt-4o/chat/completions", master, `{}`, 405, "POST"},
		{"no endpoint", "POST", "/openai/deployments/openai/gpt-4o/nothing", master, `{}`, 404, "no endpoint"},
	} {
		res, body := h.do(tt.method, tt.path, tt.key, tt.body)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %.300s\nwant %d with %s", tt.name, res.StatusCode, body, tt.status, tt.says)
		}
	}
}
