package gateway_test

import (
	"testing"

	"penstock/internal/gateway"
)

func TestDifferentPlacesInTeamsHaveDifferentIDs(t *testing.T) {
	seen := map[string][2]string{}
	parts := []string{"", "a", ":", "%", "%3A", "a:", ":a", "%25", "a%3A", "a:b", "b"}
	for _, team := range parts {
		for _, user := range parts {
			id := gateway.MemberID(team, user)
			if was, ok := seen[id]; ok {
				t.Errorf("%q names both %q and %q", id, was, [2]string{team, user})
			}
			seen[id] = [2]string{team, user}
			if t1, u1, ok := gateway.SplitMemberID(id); t1 != team || u1 != user || !ok {
				t.Errorf("%q became %q and %q, want %q and %q", id, t1, u1, team, user)
			}
		}
	}
	if got := gateway.MemberID("team-1", "user-1"); got != "team-1:user-1" {
		t.Errorf("got %q", got)
	}
}
