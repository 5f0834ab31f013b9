package app

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/api"
	"penstock/internal/auth"
	"penstock/internal/gateway"
)

var update = flag.Bool("update", false, "write testdata/roles.txt as the gateway behaves now, to be read before it is committed")

// roles are the columns of testdata/roles.txt.
var roles = []string{"master", "proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer", "team_admin", "team", "customer", "key", "read_only", "nobody"}

// people puts somebody of each role into the directory, each with a key of that name.
func people(d *auth.Directory) {
	d.PutOrganization(&gateway.Organization{ID: "org", Members: []gateway.Member{{UserID: "org_admin", Role: "org_admin"}}})
	d.PutTeam(&gateway.Team{ID: "t", Members: []gateway.Member{{UserID: "team_admin", Role: "admin"}}})
	for _, role := range roles[1:] {
		u := gateway.User{ID: role, Role: gateway.Role(role)}
		k := gateway.Key{Hash: auth.Hash("sk-" + role), UserID: role}
		switch role {
		case "org_admin":
			u.Role, u.Organizations = gateway.InternalUser, []string{"org"}
		case "team_admin":
			u.Role, u.Teams = gateway.InternalUser, []string{"t"}
		case "key": // made with the master key, for no user
			k.UserID = gateway.MasterUserID
		case "read_only":
			u.Role, k.AllowedRoutes = gateway.InternalUser, []string{"info_routes"}
		case "nobody":
			continue
		}
		if k.UserID == role {
			d.PutUser(&u)
		}
		d.PutKey(&k)
	}
}

// TestEveryRoleAtEveryRoute calls every registered route with every role, and
// compares whom its door lets in with testdata/roles.txt. Who is let in may still
// be refused by the handler, because of the object.
func TestEveryRoleAtEveryRoute(t *testing.T) {
	const master = "sk-master-0123456789abcdef"
	a, err := New(t.Context(), Options{
		Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler),
		Env: func(name string) (string, bool) {
			if name == "LITELLM_MASTER_KEY" {
				return master, true
			}
			return "", false
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})

	type route struct {
		method, pattern, asks string
		public                bool
	}
	var routes []route
	for _, r := range api.New(api.Options{}).Routes() {
		routes = append(routes, route{r.Method, r.Pattern, "", auth.DoorOf(r.Method, r.Pattern).Rule == auth.Public})
	}
	for _, r := range admin.New(admin.Options{Store: a.store}).Routes() {
		asks := map[admin.Access]string{admin.AdminOnly: "admins", admin.Checked: "object"}[r.Access]
		routes = append(routes, route{r.Method, r.Pattern, asks, false})
	}
	slices.SortFunc(routes, func(x, y route) int { return strings.Compare(x.pattern+x.method, y.pattern+y.method) })

	var b strings.Builder
	b.WriteString("# Whom each route lets in. - is refused at the door; yes passes it. asks: what the handler asks about then (admins: nothing, so only\n" +
		"# admins come in, whatever the rule). Made by: go test ./internal/app -run EveryRole -update\n")
	fmt.Fprintf(&b, "%-60s %-12s %-7s %s\n", "# route", "rule", "asks", strings.Join(roles, " "))
	for _, rt := range routes {
		door := auth.DoorOf(rt.method, rt.pattern)
		if door.Rule == auth.Shut {
			t.Errorf("%s %s has no rule, and nobody may call it: give it one in internal/auth/rules.go", rt.method, rt.pattern)
		}
		line := fmt.Sprintf("%-60s %-12s %-7s", rt.method+" "+rt.pattern, door.Rule, rt.asks)
		people(a.directory)
		for _, role := range roles {
			key := "sk-" + role
			switch role {
			case "master":
				key = master
			case "nobody":
				key = ""
			}
			cell := "yes"
			if status, body := call(t, a.server.Handler, rt.method, rt.pattern, key); refusedAtTheDoor(status, body) {
				cell = "-"
			}
			line += fmt.Sprintf(" %-*s", len(role), cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}

	file := filepath.Join("testdata", "roles.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for _, line := range got {
		if !slices.Contains(wanted, line) {
			t.Errorf("not in %s:\n%s", file, line)
		}
	}
	for _, line := range wanted {
		if !slices.Contains(got, line) {
			t.Errorf("only in %s:\n%s", file, line)
		}
	}
}

// call makes a call without a body to speak of, about things that are not there.
func call(t *testing.T, h http.Handler, method, pattern, key string) (int, string) {
	t.Helper()
	path := pattern
	for {
		before, rest, found := strings.Cut(path, "{")
		if !found {
			break
		}
		_, after, _ := strings.Cut(rest, "}")
		path = before + "none" + after
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// refusedAtTheDoor tells a refusal of the role from one of the object, by the
// texts of package auth.
func refusedAtTheDoor(status int, body string) bool {
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return false
	}
	return slices.ContainsFunc([]string{
		"No api key passed in", "Only proxy admin can be used", "role= proxy_admin_viewer", "only for MASTER KEY", "not an admin of any organization",
		"no rule says who may", "Virtual key is not allowed to call this route", "admin only route",
	}, func(text string) bool { return strings.Contains(body, text) })
}
