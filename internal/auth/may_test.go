package auth_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// town is an organization with a team, whose people may do different things,
// and a team of nobody else's.
func town() *auth.Directory {
	d := auth.NewDirectory()
	d.PutOrganization(&gateway.Organization{ID: "org", Members: []gateway.Member{
		{UserID: "boss", Role: "org_admin"}, {UserID: "clerk", Role: "internal_user"}, {UserID: "reader", Role: "org_admin"},
	}})
	d.PutOrganization(&gateway.Organization{ID: "elsewhere"})
	d.PutTeam(&gateway.Team{ID: "team", OrganizationID: "org", MemberPermissions: []string{"/key/generate", "/key/update"}, Members: []gateway.Member{
		{UserID: "lead", Role: "admin"}, {UserID: "clerk", Role: "user"},
	}})
	d.PutTeam(&gateway.Team{ID: "other"})
	for _, u := range []gateway.User{
		{ID: "boss", Organizations: []string{"org"}},
		{ID: "lead", Teams: []string{"team"}},
		{ID: "clerk", Teams: []string{"team"}, Organizations: []string{"org"}},
		{ID: "stranger"},
		{ID: "reader", Role: gateway.InternalUserViewer, Organizations: []string{"org"}},
		{ID: "auditor", Role: gateway.ProxyAdminViewer},
		{ID: "root", Role: gateway.ProxyAdmin, Organizations: []string{"org"}},
	} {
		d.PutUser(&u)
	}
	return d
}

func as(d *auth.Directory, user string) *gateway.Principal {
	if user == "master" {
		return &gateway.Principal{Master: true, Role: gateway.ProxyAdmin}
	}
	p := d.Principal(&gateway.Key{Hash: "hash of " + user, UserID: user})
	return &p
}

// everybody who is not named in a row of the tables below is refused.
var everybody = []string{"master", "root", "auditor", "boss", "lead", "clerk", "reader", "stranger", gateway.MasterUserID}

func TestMayKey(t *testing.T) {
	d := town()
	for _, tt := range []struct {
		name string
		do   auth.KeyAct
		k    *gateway.Key
		may  string
	}{
		{"see a key of the clerk alone", auth.SeeKey, &gateway.Key{Hash: "k", UserID: "clerk"}, "master root auditor clerk"},
		{"see the clerk's key of the team", auth.SeeKey, &gateway.Key{Hash: "k", UserID: "clerk", TeamID: "team"}, "master root auditor boss lead clerk reader"},
		{"see a stranger's key of another team", auth.SeeKey, &gateway.Key{Hash: "k", UserID: "lead", TeamID: "other"}, "master root auditor"},
		{"see a key of the organization", auth.SeeKey, &gateway.Key{Hash: "k", OrganizationID: "org"}, "master root auditor boss reader"},
		{"see a key made with the master key", auth.SeeKey, &gateway.Key{Hash: "k", UserID: gateway.MasterUserID}, "master root auditor"},
		{"see one's own key", auth.SeeKey, &gateway.Key{Hash: "hash of " + gateway.MasterUserID, UserID: gateway.MasterUserID}, "master root auditor " + gateway.MasterUserID},
		{"see a key that is not there", auth.SeeKey, nil, "master root auditor"},
		{"change a key of the clerk alone", auth.UpdateKey, &gateway.Key{Hash: "k", UserID: "clerk"}, "master root clerk"},
		{"change a key of the team, which its members may", auth.UpdateKey, &gateway.Key{Hash: "k", UserID: "lead", TeamID: "team"}, "master root boss lead clerk reader"},
		{"delete a key of the team, which its members may not", auth.DeleteKey, &gateway.Key{Hash: "k", UserID: "clerk", TeamID: "team"}, "master root boss lead reader"},
		{"delete a key that is not there", auth.DeleteKey, nil, "master root"},
		{"make oneself a key", auth.GenerateKey, &gateway.Key{UserID: "clerk"}, "master root clerk"},
		{"make oneself a key of the team", auth.GenerateKey, &gateway.Key{UserID: "clerk", TeamID: "team"}, "master root boss clerk reader"},
		{"make oneself a key of another team", auth.GenerateKey, &gateway.Key{UserID: "clerk", TeamID: "other"}, "master root"},
		{"make the team a key of nobody", auth.GenerateKey, &gateway.Key{TeamID: "team"}, "master root boss lead clerk reader"},
		{"make the team a service account, which its members may not", auth.ServiceAccount, &gateway.Key{TeamID: "team"}, "master root boss lead reader"},
	} {
		for _, who := range everybody {
			err := d.MayKey(as(d, who), tt.do, tt.k)
			if want := slices.Contains(strings.Fields(tt.may), who); (err == nil) != want {
				t.Errorf("%s: %s: got %v, want allowed: %t", tt.name, who, err, want)
			}
		}
	}
}

func TestMay(t *testing.T) {
	d := town()
	org, elsewhere := d.Organization("org"), d.Organization("elsewhere")
	team, other := d.Team("team"), d.Team("other")
	for _, tt := range []struct {
		name string
		may  func(*gateway.Principal) error
		who  string
	}{
		{"see the team", func(p *gateway.Principal) error { return d.MayTeam(p, auth.See, "team", team) }, "master root auditor boss lead clerk reader"},
		{"see another team", func(p *gateway.Principal) error { return d.MayTeam(p, auth.See, "other", other) }, "master root auditor"},
		{"see a team that is not there", func(p *gateway.Principal) error { return d.MayTeam(p, auth.See, "none", nil) }, "master root auditor"},
		{"change the team", func(p *gateway.Principal) error { return d.MayTeam(p, auth.Change, "team", team) }, "master root boss lead reader"},
		{"delete the team", func(p *gateway.Principal) error { return d.MayTeam(p, auth.Remove, "team", team) }, "master root boss reader"},
		{"make a team of the organization", func(p *gateway.Principal) error {
			return d.MayTeam(p, auth.Create, "new", &gateway.Team{ID: "new", OrganizationID: "org"})
		}, "master root boss reader"},
		{"make a team of nobody", func(p *gateway.Principal) error {
			return d.MayTeam(p, auth.Create, "new", &gateway.Team{ID: "new", Members: []gateway.Member{{UserID: "clerk", Role: "admin"}}})
		}, "master root"},
		{"see the clerk", func(p *gateway.Principal) error { return d.MayUser(p, auth.See, "clerk", d.User("clerk")) }, "master root auditor boss clerk reader"},
		{"change the clerk", func(p *gateway.Principal) error { return d.MayUser(p, auth.Change, "clerk", d.User("clerk")) }, "master root boss reader"},
		{"change an admin", func(p *gateway.Principal) error { return d.MayUser(p, auth.Change, "root", d.User("root")) }, "master root"},
		{"make an admin", func(p *gateway.Principal) error {
			return d.MayUser(p, auth.Create, "new", &gateway.User{ID: "new", Role: gateway.ProxyAdmin, Organizations: []string{"org"}})
		}, "master root"},
		{"see a user who is not there", func(p *gateway.Principal) error { return d.MayUser(p, auth.See, "none", nil) }, "master root auditor"},
		{"see the organization", func(p *gateway.Principal) error { return d.MayOrganization(p, auth.See, "org", org) }, "master root auditor boss clerk reader"},
		{"change the organization", func(p *gateway.Principal) error { return d.MayOrganization(p, auth.Change, "org", org) }, "master root boss reader"},
		{"change another organization", func(p *gateway.Principal) error { return d.MayOrganization(p, auth.Change, "elsewhere", elsewhere) }, "master root"},
		{"make an organization", func(p *gateway.Principal) error { return d.MayOrganization(p, auth.Create, "new", nil) }, "master root"},
		{"see a project of the team", func(p *gateway.Principal) error {
			return d.MayProject(p, auth.See, "p", &gateway.Project{ID: "p", TeamID: "team"})
		}, "master root auditor boss lead clerk reader"},
		{"delete a project of the team", func(p *gateway.Principal) error {
			return d.MayProject(p, auth.Remove, "p", &gateway.Project{ID: "p", TeamID: "team"})
		}, "master root boss lead reader"},
		{"make a project of no team", func(p *gateway.Principal) error { return d.MayProject(p, auth.Create, "p", &gateway.Project{ID: "p"}) }, "master root"},
		{"make a model of the team", func(p *gateway.Principal) error {
			return d.MayModel(p, auth.Create, &gateway.StoredModel{TeamID: "team"})
		}, "master root boss lead reader"},
		{"change everybody's model", func(p *gateway.Principal) error { return d.MayModel(p, auth.Change, &gateway.StoredModel{}) }, "master root"},
		{"see what the team spends, which its members may not", func(p *gateway.Principal) error { return d.MayReport(p, "/spend/logs", "team", team) }, "master root auditor boss lead reader"},
		{"see what the team spends, which its members may", func(p *gateway.Principal) error {
			return d.MayReport(p, "/team/daily/activity", "team", &gateway.Team{ID: "team", OrganizationID: "org", Members: team.Members, MemberPermissions: []string{"/team/daily/activity"}})
		}, "master root auditor boss lead clerk reader"},
		{"see the audit log", func(p *gateway.Principal) error { return d.MayAdmin(p, auth.See) }, "master root auditor"},
		{"change a budget", func(p *gateway.Principal) error { return d.MayAdmin(p, auth.Change) }, "master root"},
	} {
		for _, who := range everybody {
			err := tt.may(as(d, who))
			if want := slices.Contains(strings.Fields(tt.who), who); (err == nil) != want {
				t.Errorf("%s: %s: got %v, want allowed: %t", tt.name, who, err, want)
			}
		}
	}
}

// Who may not see an object must not learn whether it is there.
func TestARefusalDoesNotTellWhatThereIs(t *testing.T) {
	d := town()
	p := as(d, "stranger")
	for _, do := range []auth.KeyAct{auth.SeeKey, auth.UpdateKey, auth.DeleteKey, auth.BlockKey, auth.RotateKey, auth.ResetKeySpend, auth.CheckKey} {
		for _, k := range []*gateway.Key{{Hash: "k", UserID: "clerk"}, {Hash: "k", TeamID: "team"}, {Hash: "k", OrganizationID: "org"}} {
			if there, not := d.MayKey(p, do, k), d.MayKey(p, do, nil); there.Error() != not.Error() {
				t.Errorf("%s: %q for %+v, %q for nothing", do, there, k, not)
			}
		}
	}
	for name, pair := range map[string][2]error{
		"team":         {d.MayTeam(p, auth.See, "team", d.Team("team")), d.MayTeam(p, auth.See, "team", nil)},
		"user":         {d.MayUser(p, auth.See, "clerk", d.User("clerk")), d.MayUser(p, auth.See, "clerk", nil)},
		"organization": {d.MayOrganization(p, auth.See, "org", d.Organization("org")), d.MayOrganization(p, auth.See, "org", nil)},
		"project":      {d.MayProject(p, auth.See, "p", &gateway.Project{ID: "p", TeamID: "team"}), d.MayProject(p, auth.See, "p", nil)},
		"model":        {d.MayModel(p, auth.Change, &gateway.StoredModel{TeamID: "team"}), d.MayModel(p, auth.Change, nil)},
	} {
		if pair[0].Error() != pair[1].Error() {
			t.Errorf("%s: %q for one, %q for none", name, pair[0], pair[1])
		}
	}
}

func TestView(t *testing.T) {
	d := town()
	for who, want := range map[string]auth.View{
		"master": {All: true}, "auditor": {All: true},
		"boss":               {UserID: "boss", Key: "hash of boss", Organizations: []string{"org"}},
		"lead":               {UserID: "lead", Key: "hash of lead", Teams: []string{"team"}, Administers: []string{"team"}},
		"clerk":              {UserID: "clerk", Key: "hash of clerk", Teams: []string{"team"}},
		gateway.MasterUserID: {Key: "hash of " + gateway.MasterUserID},
	} {
		if got := d.View(as(d, who)); got.All != want.All || got.UserID != want.UserID || got.Key != want.Key || !slices.Equal(got.Teams, want.Teams) ||
			!slices.Equal(got.Administers, want.Administers) || !slices.Equal(got.Organizations, want.Organizations) {
			t.Errorf("%s: got %+v, want %+v", who, got, want)
		}
	}
}
