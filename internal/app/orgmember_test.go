package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// What a member may spend in an organization is a budget of its own: over all of
// the member's keys there, and nobody else's.
func TestABudgetOfAMemberOfAnOrganization(t *testing.T) {
	h := start(t, model("mock-tokens=5"))
	must := func(method, path, body string) string {
		t.Helper()
		res, out := h.do(method, path, master, body)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, out)
		}
		return out
	}
	must("POST", "/organization/new", `{"organization_id":"o","organization_alias":"o"}`)
	must("POST", "/organization/member_add", `{"organization_id":"o","member":[{"role":"internal_user","user_id":"ann"}],"max_budget_in_organization":0.01}`)
	must("POST", "/organization/member_add", `{"organization_id":"o","member":{"role":"internal_user","user_id":"bob"}}`)
	must("POST", "/team/new", `{"team_id":"t","organization_id":"o","members_with_roles":[{"role":"user","user_id":"ann"}]}`)
	use := func(key string) (int, string) {
		res, body := h.ask(key, `"model":"m","max_tokens":5`)
		return res.StatusCode, body
	}
	teams, own, elsewhere := h.key(`"user_id":"ann","team_id":"t"`), h.key(`"user_id":"ann","organization_id":"o"`), h.key(`"user_id":"ann"`)
	bobs := h.key(`"user_id":"bob","organization_id":"o"`)
	for _, key := range []string{teams, own} { // half of it each
		if code, body := use(key); code != http.StatusOK {
			t.Fatalf("%d %s", code, body)
		}
	}
	refused := func(when string) {
		t.Helper()
		for name, key := range map[string]string{"the team's key": teams, "the key of the organization": own} {
			if code, body := use(key); code != http.StatusUnprocessableEntity || !strings.Contains(body, "User=ann in Organization=o") {
				t.Errorf("%s, %s: %d %s", when, name, code, body)
			}
		}
		for name, key := range map[string]string{"a key outside": elsewhere, "another member": bobs} {
			if code, body := use(key); code != http.StatusOK {
				t.Errorf("%s, %s: %d %s", when, name, code, body)
			}
		}
	}
	refused("when it is used up")
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h.serve(filepath.Dir(h.config))
	refused("after a restart")
	if out := must("GET", "/organization/info?organization_id=o", ""); !strings.Contains(out, `"user_id":"ann","organization_id":"o","user_role":"internal_user","spend":0.01`) {
		t.Errorf("the member's spend is not shown: %s", out)
	}
	must("PATCH", "/organization/member_update", `{"organization_id":"o","user_id":"ann","max_budget_in_organization":0.015}`)
	if code, body := use(own); code != http.StatusOK {
		t.Errorf("with a higher budget: %d %s", code, body)
	}
	refused("with the higher budget used up")
	must("PATCH", "/organization/member_update", `{"organization_id":"o","user_id":"ann","max_budget_in_organization":null}`)
	if code, body := use(own); code != http.StatusOK {
		t.Errorf("without a budget: %d %s", code, body)
	}
}
