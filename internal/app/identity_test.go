package app_test

import (
	"net/http"
	"strings"
	"testing"

	"penstock/internal/store/storetest"
)

// TestWhoIsWho is what a client of LiteLLM may rely on about keys and roles, on
// both databases: a line is a call and how it must be answered.
func TestWhoIsWho(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { whoIsWho(t, start(t, model("mock"))) })
	t.Run("postgres", func(t *testing.T) {
		whoIsWho(t, start(t, model("mock")+"\ngeneral_settings: {database_url: \""+storetest.PostgresURL(t)+"\"}\n"))
	})
}

func whoIsWho(t *testing.T, h *house) {
	t.Helper()
	write := func(path, body string) {
		t.Helper()
		if res, answer := h.do("POST", path, master, body); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, res.StatusCode, answer)
		}
	}
	keys := map[string]string{"master": master, "nobody": ""}
	for user, role := range map[string]string{"ann": "internal_user", "lea": "internal_user", "vic": "internal_user_viewer", "pia": "proxy_admin_viewer", "pat": "proxy_admin"} {
		write("/user/new", `{"user_id":"`+user+`","user_role":"`+role+`","auto_create_key":false}`)
		keys[user] = h.key(`"user_id":"` + user + `"`)
	}
	write("/team/new", `{"team_id":"t1","models":["m"],"members_with_roles":[{"role":"user","user_id":"ann"},{"role":"admin","user_id":"lea"}]}`)
	write("/team/new", `{"team_id":"t2"}`)
	keys["anyone"], keys["other"] = h.key(`"models":["gpt-x","any/*"]`), h.key(``)
	keys["team"] = h.key(`"team_id":"t1","models":["all-team-models"]`)
	keys["annteam"] = h.key(`"user_id":"ann","team_id":"t1"`)
	keys["blocked"] = h.key(`"blocked":true`)
	const chat = `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		text                    string
	}{
		{"nobody", "POST", "/v1/chat/completions", chat, 401, `"message":"Authentication Error, No api key passed in.","type":"auth_error","param":"None","code":"401"`},
		{"master", "POST", "/v1/chat/completions", chat, 200, "chat.completion"},
		{"other", "POST", "/v1/chat/completions", chat, 200, "chat.completion"},
		{"anyone", "POST", "/v1/chat/completions", chat, 403, `"type":"key_model_access_denied","param":"model","code":"403"`},
		{"anyone", "POST", "/v1/chat/completions", strings.Replace(chat, `"m"`, `"any/x"`, 1), 200, "chat.completion"},
		{"team", "POST", "/v1/chat/completions", chat, 200, "chat.completion"},
		{"team", "POST", "/v1/chat/completions", strings.Replace(chat, `"m"`, `"any/x"`, 1), 403, `"type":"team_model_access_denied"`},
		{"blocked", "POST", "/v1/chat/completions", chat, 401, "Key is blocked"},
		{"vic", "POST", "/v1/chat/completions", chat, 200, "chat.completion"},
		{"pia", "POST", "/v1/chat/completions", chat, 403, "role= proxy_admin_viewer"},
		{"pia", "GET", "/key/info?key=$other", "", 200, `"info"`},
		{"pia", "POST", "/key/generate", `{}`, 403, "role= proxy_admin_viewer"},
		{"pat", "POST", "/key/generate", `{"user_id":"ann"}`, 200, `"user_id":"ann"`},
		{"ann", "POST", "/key/generate", `{}`, 200, `"user_id":"ann"`},
		{"ann", "POST", "/key/generate", `{"user_id":"lea"}`, 403, "User can only create keys for themselves. Got user_id=lea, Your ID=ann"},
		{"ann", "POST", "/key/generate", `{"team_id":"t1"}`, 401, `"type":"team_member_permission_error"`},
		{"ann", "POST", "/key/generate", `{"team_id":"t2"}`, 401, "User ann does not belong to team t2."},
		{"lea", "POST", "/key/generate", `{"team_id":"t1"}`, 200, `"team_id":"t1"`},
		{"vic", "POST", "/key/generate", `{}`, 401, "Only proxy admin can be used"},
		{"ann", "POST", "/team/new", `{}`, 401, "Only proxy admin can be used"},
		{"ann", "GET", "/key/info", "", 200, `"user_id":"ann"`},
		{"ann", "GET", "/key/info?key=$lea", "", 403, "You are not allowed to access this key's info"},
		{"ann", "GET", "/key/info?key=$annteam", "", 200, `"team_id":"t1"`},
		{"lea", "GET", "/key/info?key=$annteam", "", 200, `"team_id":"t1"`},
		{"vic", "GET", "/key/info?key=$annteam", "", 403, "You are not allowed to access this key's info"},
		{"other", "GET", "/key/info?key=$anyone", "", 403, "You are not allowed to access this key's info"},
		{"ann", "POST", "/key/block", `{"key":"$lea"}`, 403, "there is no such key of yours"},
		{"ann", "POST", "/key/block", `{"key":"sk-there-is-none-0123"}`, 403, "there is no such key of yours"},
		{"ann", "GET", "/global/spend", "", 401, "Only proxy admin can be used"},
	} {
		fill := func(s string) string {
			for name, key := range keys {
				s = strings.ReplaceAll(s, "$"+name, key)
			}
			return s
		}
		// Longer names first: $annteam begins like $ann.
		path := strings.ReplaceAll(tt.path, "$annteam", keys["annteam"])
		res, body := h.do(tt.method, fill(path), keys[tt.who], fill(tt.body))
		if res.StatusCode != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %s %s %s: %d %s, want %d and %s", tt.who, tt.method, tt.path, tt.body, res.StatusCode, body, tt.status, tt.text)
		}
		for name, key := range keys {
			if key != "" && res.StatusCode >= 400 && strings.Contains(body, key) {
				t.Errorf("%s: %s %s: the refusal shows the key of %s: %s", tt.who, tt.method, tt.path, name, body)
			}
		}
	}
}
