package admin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/admin"
)

// FuzzBodies sends any body to every endpoint that takes one. The answer is
// JSON, it is never our fault, its headers are lines, and what is refused has
// changed nothing.
func FuzzBodies(f *testing.F) {
	paths := []string{"/key/generate", "/key/update", "/key/delete", "/key/block", "/key/unblock", "/user/new", "/team/new"}
	for i := range paths {
		for _, body := range []string{
			full, ``, `{}`, `null`, `[`, `{"key":"sk-1234567890123456","max_budget":-1}`, `{"keys":["sk-1234567890123456"]}`,
			`{"keys":null,"key_aliases":["a"]}`, `{"teams":[null,"t",{"team_id":"t","x\r\ny":1}]}`, `{"members_with_roles":[{"user_email":"a"},null]}`,
			`{"duration":"1mo","budget_duration":"99999mo"}`, `{"max_budget":1e-300,"rpm_limit":1e300}`, `{"":1,"` + "\u2028" + `":{"a":[]}}`,
			`{"password":{}}`, `{"metadata":{"a":1,"a":2}}`, `{"spend":"9223372036.8"}`, `{"aliases":{"":""},"models":[""]}`,
		} {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		s := newFake()
		d := open(t, s)
		d.key(`{"key":"sk-1234567890123456","key_alias":"a"}`)
		d.post("/team/new", `{"team_id":"t"}`).ok()
		before := []int{len(s.keys), len(s.users), len(s.teams)}
		d.changes = nil
		a := d.post(paths[int(which)%len(paths)], body)
		if !jsontext.Value(a.Body).IsValid() {
			t.Errorf("answer is no JSON: %q", a.Body)
		}
		if a.Status != 200 && (a.Status < 400 || a.Status >= 500) {
			t.Errorf("status is %d: %s", a.Status, a.Body)
		}
		if h := a.Header.Get(admin.UnknownHeader); strings.ContainsAny(h, "\r\n\x00") || len(h) > 10_000 {
			t.Errorf("header is %q", h)
		}
		after := []int{len(s.keys), len(s.users), len(s.teams)}
		if a.Status != 200 && (!slices.Equal(before, after) || len(d.changes) > 0) {
			t.Errorf("refused with %s, but keys, users and teams went from %v to %v, changes %v", a.Body, before, after, d.changes)
		}
		if a.Status == 200 && len(d.changes) == 0 {
			t.Errorf("nobody was told of a change: %s", a.Body)
		}
	})
}
