package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/app"
	"penstock/internal/store/storetest"
)

// A master key that the gateway has made is replaced over HTTP, on every replica
// and for good; one that is configured is not.
func TestANewMasterKey(t *testing.T) {
	url := storetest.PostgresURL(t)
	first := ""
	serve := func(dir string) *house {
		a, err := app.New(t.Context(), app.Options{
			Host: "127.0.0.1", Port: -1, DataDir: dir, Version: "test", Log: slog.New(slog.DiscardHandler),
			Env: func(name string) (string, bool) { return url, name == "DATABASE_URL" },
			Say: func(format string, args ...any) {
				if strings.Contains(format, "master key") {
					first = args[0].(string)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx, nil) }()
		t.Cleanup(func() {
			http.DefaultClient.CloseIdleConnections()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("stop: %v", err)
			}
		})
		return &house{t: t, url: "http://" + a.Addr()}
	}
	one, two := serve(filepath.Join(t.TempDir(), "1")), serve(filepath.Join(t.TempDir(), "2"))
	const next = "sk-chosen-by-the-operator"
	post := func(key, path, body string) string {
		t.Helper()
		_, out := one.do("POST", path, key, body)
		return out
	}
	works := func(h *house, key string) bool {
		res, _ := h.do("GET", "/key/list", key, "")
		return res.StatusCode == http.StatusOK
	}
	if !works(one, first) || !works(two, first) {
		t.Fatal("the first master key does not work")
	}
	admin, _ := member(post(first, "/user/new", `{"user_role":"proxy_admin"}`), "key")
	for _, tt := range []struct{ name, key, body, want string }{
		{"an admin who has not the master key", admin, `{"new_master_key":"` + next + `"}`, "Only the master key"},
		{"a short one", first, `{"new_master_key":"sk-1234"}`, "at least 16"},
		{"one that is a virtual key", first, `{"new_master_key":"` + admin + `"}`, "This is a virtual key"},
	} {
		if body := post(tt.key, "/key/regenerate", tt.body); !strings.Contains(body, tt.want) {
			t.Errorf("%s: %s", tt.name, body)
		}
	}
	if body := post(first, "/key/regenerate", `{"key":"`+first+`","new_master_key":"`+next+`"}`); !strings.Contains(body, `"key":"`+next+`"`) {
		t.Fatalf("a new master key: %s", body)
	}
	if works(one, first) || !works(one, next) {
		t.Error("the new master key is not the one that works")
	}
	app.Eventually(t, "the other replica takes the new master key alone", func() bool { return !works(two, first) && works(two, next) })
	if again := serve(filepath.Join(t.TempDir(), "3")); works(again, first) || !works(again, next) {
		t.Error("a process that starts later does not know the new master key")
	}
	if _, body := one.do("GET", "/audit?table_name=LiteLLM_Config", next, ""); !strings.Contains(body, `"action":"rotated","table_name":"LiteLLM_Config","object_id":"master_key"`) || strings.Contains(body, next) {
		t.Errorf("the audit log: %s", body)
	}

	h := start(t, model("mock"))
	if res, body := h.do("POST", "/key/regenerate", master, `{"new_master_key":"`+next+`"}`); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "restart") || !strings.Contains(body, "LITELLM_SALT_KEY") {
		t.Errorf("a configured one: %d %s", res.StatusCode, body)
	}
	if !works(h, master) || works(h, next) {
		t.Error("a configured master key was replaced")
	}
}
