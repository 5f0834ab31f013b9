package auth_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

func sum(t testing.TB, hash string) *auth.Sum {
	t.Helper()
	s, ok := auth.ParseSum(hash)
	if !ok {
		t.Fatalf("%q is no hash", hash)
	}
	return &s
}

// setAll sets every part of v to something that is not its zero value.
func setAll(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(now.Add(time.Duration(n) * time.Hour)))
			return
		}
		for i := range v.NumField() {
			setAll(v.Field(i), n+i)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text\x00 %d", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(-int64(n) - 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setAll(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			if v.Index(i).Kind() == reflect.Uint8 {
				v.Index(i).SetUint(uint64('a' + i))
				continue
			}
			setAll(v.Index(i), n+i)
		}
	case reflect.Map:
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		setAll(key, n)
		setAll(elem, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, elem)
	default:
		panic("a field of kind " + v.Kind().String() + ": say here how it is set")
	}
}

func full[T any]() *T {
	v := new(T)
	setAll(reflect.ValueOf(v).Elem(), 1)
	return v
}

// What the directory keeps packed comes back whole: a field that is forgotten
// would be a limit or a right that is forgotten.
func TestEveryFieldComesBack(t *testing.T) {
	d := auth.NewDirectory()
	key := full[gateway.Key]()
	key.Hash = auth.Hash(good)
	d.PutKey(key)
	user, team, org, project := full[gateway.User](), full[gateway.Team](), full[gateway.Organization](), full[gateway.Project]()
	customer, tag, budget, group := full[gateway.EndUser](), full[gateway.Tag](), full[gateway.Budget](), full[gateway.AccessGroup]()
	group.Keys, group.Teams = nil, nil // who has it says so
	d.PutUser(user)
	d.PutTeam(team)
	d.PutOrganization(org)
	d.PutProject(project)
	d.PutEndUser(customer)
	d.PutTag(tag)
	d.PutBudget(budget)
	d.PutAccessGroup(group)
	for range 2 { // packed, then ready
		for _, tt := range []struct{ got, want any }{
			{d.Key(sum(t, key.Hash)), key},
			{d.User(user.ID), user},
			{d.Team(team.ID), team},
			{d.Organization(org.ID), org},
			{d.Project(project.ID), project},
			{d.EndUser(customer.ID, ""), customer},
			{d.Tag(tag.Name), tag},
			{d.Budget(budget.ID), budget},
			{d.AccessGroup(group.ID), group},
			{d.AccessGroup(group.Name), group},
			{d.UserByEmail(user.Email), user},
			{d.UserBySSO(user.SSOID), user},
		} {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("%T (-want +got):\n%s", tt.want, diff)
			}
		}
	}
	bare := &gateway.Key{Hash: auth.Hash("x")}
	d.PutKey(bare)
	if diff := cmp.Diff(bare, d.Key(sum(t, bare.Hash))); diff != "" {
		t.Errorf("a bare key (-want +got):\n%s", diff)
	}
}

func TestPrincipalKnowsWhomTheKeyIsCharged(t *testing.T) {
	d := auth.NewDirectory()
	d.PutBudget(&gateway.Budget{ID: "b", Limits: gateway.Limits{
		RPM: new(int64(5)), TPM: new(int64(6)), Budget: new(gateway.NanoUSD(7)), BudgetDuration: "30d",
	}, AllowedModels: []string{"m"}})
	d.PutBudget(&gateway.Budget{ID: "nothing", Limits: gateway.Limits{RPM: new(int64(5)), Budget: new(gateway.NanoUSD(0))}})
	d.PutUser(&gateway.User{ID: "u", Role: gateway.InternalUserViewer})
	d.PutTeam(&gateway.Team{ID: "t", OrganizationID: "o", MemberBudgetID: "nothing", Members: []gateway.Member{
		{UserID: "w"}, {UserID: "u", BudgetID: "b", Limits: gateway.Limits{RPM: new(int64(1))}}, {UserID: "v", BudgetID: "nothing"},
	}})
	d.PutOrganization(&gateway.Organization{ID: "o", BudgetID: "b"})
	d.PutOrganization(&gateway.Organization{ID: "not the team's"})
	d.PutProject(&gateway.Project{ID: "p", BudgetID: "b", Limits: gateway.Limits{TPM: new(int64(1)), BudgetDuration: "1d"}})
	d.PutTag(&gateway.Tag{Name: "tag", BudgetID: "b"})
	d.PutEndUser(&gateway.EndUser{ID: "c", BudgetID: "b"})
	d.PutEndUser(&gateway.EndUser{ID: "without", Alias: "x"})
	k := gateway.Key{Hash: auth.Hash(good), UserID: "u", TeamID: "t", OrganizationID: "not the team's", ProjectID: "p", BudgetID: "b", Limits: gateway.Limits{TPM: new(int64(0))}}
	d.PutKey(&k)

	p := d.Principal(d.Key(sum(t, k.Hash)))
	d.Charge(&p, "c", "", []string{"tag", "no such tag"})
	if p.Role != gateway.InternalUserViewer || p.User == nil || p.Team == nil || p.Organization == nil || p.Organization.ID != "o" || p.Project == nil || p.Member == nil ||
		p.EndUser == nil || len(p.Tags) != 1 {
		t.Fatalf("somebody is missing: %+v", p)
	}
	// n is a limit, -1 if there is none.
	n := func(p *int64) int64 {
		if p == nil {
			return -1
		}
		return *p
	}
	for _, tt := range []struct {
		name     string
		l        *gateway.Limits
		rpm, tpm int64
		budget   gateway.NanoUSD
		duration string
	}{
		{"a key has its own limit, even of nothing, and the budget's others", &p.Key.Limits, 5, 0, 7, "30d"},
		{"a member with a budget", &p.Member.Limits, 1, 6, 7, "30d"},
		{"an organization with a budget", &p.Organization.Limits, 5, 6, 7, "30d"},
		{"a project with a duration of its own", &p.Project.Limits, 5, 1, 7, "1d"},
		{"a tag with a budget", &p.Tags[0].Limits, 5, 6, 7, "30d"},
		{"an end user with a budget", &p.EndUser.Limits, 5, 6, 7, "30d"},
		{"an end user that is not stored, with the default budget", &d.EndUser("new", "b").Limits, 5, 6, 7, "30d"},
		{"an end user without a budget, with the default budget", &d.EndUser("without", "b").Limits, 5, 6, 7, "30d"},
		{"a member with the team's budget for members, where nothing is no ceiling", &d.Member("t", "w").Limits, 5, -1, -1, ""},
		{"a member whose own budget is nothing", &d.Member("t", "v").Limits, 5, -1, 0, ""},
	} {
		budget := gateway.NanoUSD(-1)
		if tt.l.Budget != nil {
			budget = *tt.l.Budget
		}
		if n(tt.l.RPM) != tt.rpm || n(tt.l.TPM) != tt.tpm || budget != tt.budget || tt.l.BudgetDuration != tt.duration {
			t.Errorf("%s: got %d rpm, %d tpm, %d in %q; want %d, %d, %d in %q", tt.name, n(tt.l.RPM), n(tt.l.TPM), budget, tt.l.BudgetDuration, tt.rpm, tt.tpm, tt.budget, tt.duration)
		}
	}
	if d.EndUser("new", "") != nil || d.EndUser("new", "no such budget") != nil || d.EndUser("", "b") != nil || d.Member("t", "x") != nil {
		t.Error("somebody is there who is not")
	}
	if m := p.Member.Models; len(m) != 1 || m[0] != "m" {
		t.Errorf("the member may use %q, want what its budget allows", m)
	}

	// A guest is one and the same until something changes.
	guest := d.EndUser("new", "b")
	if d.EndUser("new", "b") != guest {
		t.Error("the same guest is made twice: its limits would be made anew for each call")
	}
	d.PutEndUser(&gateway.EndUser{ID: "new", Blocked: true})
	if e := d.EndUser("new", "b"); !e.Blocked || n(e.Limits.RPM) != 5 {
		t.Errorf("a guest that was stored since is %+v", e)
	}
	d.DeleteEndUser("new")
	d.PutVisitor("spender", &gateway.Spend{Total: 3, Window: 2})
	if e := d.EndUser("spender", "b"); e.Spend.Total != 3 || e.Spend.Window != 2 || d.EndUser("spender", "") != nil {
		t.Errorf("a guest that has spent before is %+v", e)
	}

	// A budget that changes or goes counts at once for everybody.
	d.PutBudget(&gateway.Budget{ID: "b", Limits: gateway.Limits{RPM: new(int64(99))}})
	if p := d.Principal(d.Key(sum(t, k.Hash))); n(p.Key.Limits.RPM) != 99 || n(p.Member.Limits.RPM) != 1 || n(p.Organization.Limits.RPM) != 99 || p.Key.Limits.Budget != nil {
		t.Errorf("after the budget changed the key has %d rpm, want 99", n(p.Key.Limits.RPM))
	}
	d.DeleteBudget("b")
	if k := d.Key(sum(t, k.Hash)); k.Limits.RPM != nil || n(k.Limits.TPM) != 0 {
		t.Errorf("after the budget is gone the key has %d rpm, want none", n(k.Limits.RPM))
	}
}

func TestReplacedKeysAndClaims(t *testing.T) {
	d := auth.NewDirectory()
	d.PutKey(&gateway.Key{Hash: auth.Hash(good), Alias: "new"})
	old := auth.Hash("sk-old")
	d.PutDeprecatedKey(&gateway.DeprecatedKey{Hash: old, Active: auth.Hash(good), Until: now})
	for _, tt := range []struct {
		name string
		at   time.Time
		ok   bool
	}{{"within the grace", now.Add(-1), true}, {"at its end", now, false}, {"after it", now.Add(1), false}} {
		if k, _ := d.Accepted(sum(t, old), func() time.Time { return tt.at }); (k != nil) != tt.ok {
			t.Errorf("%s: got %v, want a key: %t", tt.name, k, tt.ok)
		}
	}
	d.DeleteDeprecatedKey(old)
	if k, _ := d.Accepted(sum(t, old), func() time.Time { return now.Add(-1) }); k != nil {
		t.Error("a forgotten key is accepted")
	}

	d.PutJWTMapping(&gateway.JWTMapping{ID: "1", Claim: "email", Value: "a@example.com", KeyHash: auth.Hash(good), Active: true})
	d.PutKey(&gateway.Key{Hash: auth.Hash("2"), Alias: "of the issuer"})
	d.PutJWTMapping(&gateway.JWTMapping{ID: "2", Issuer: "https://id", Claim: "email", Value: "a@example.com", KeyHash: auth.Hash("2"), Active: true})
	if k := d.KeyOfClaim("https://other", "email", "a@example.com"); k == nil || k.Alias != "new" {
		t.Errorf("claim of any issuer: got %v", k)
	}
	if k := d.KeyOfClaim("https://id", "email", "a@example.com"); k == nil || k.Alias != "of the issuer" {
		t.Errorf("claim of one issuer: got %v", k)
	}
	d.PutJWTMapping(&gateway.JWTMapping{ID: "1", Claim: "email", Value: "a@example.com", KeyHash: auth.Hash(good)})
	if k := d.KeyOfClaim("https://other", "email", "a@example.com"); k != nil {
		t.Errorf("a mapping that is not active gives %v", k)
	}
}

func TestIndexesFollowTheirUsers(t *testing.T) {
	d := auth.NewDirectory()
	d.PutUser(&gateway.User{ID: "u", Email: "A@Example.com", SSOID: "s"})
	d.PutUser(&gateway.User{ID: "u", Email: "b@example.com"})
	if d.UserByEmail("a@example.com") != nil || d.UserBySSO("s") != nil || d.UserByEmail("B@example.com") == nil {
		t.Error("a user is found by what it had before")
	}
	d.PutUser(&gateway.User{ID: "v", Email: "B@example.com"}) // the change feed may be read in this order
	d.DeleteUser("u")
	if u := d.UserByEmail("b@example.com"); u == nil || u.ID != "v" {
		t.Errorf("got %v, want the user who has the email now", u)
	}
	if d.UserByEmail("") != nil || d.UserBySSO("") != nil {
		t.Error("nobody has no email")
	}
	d.PutAccessGroup(&gateway.AccessGroup{ID: "g", Name: "one"})
	d.PutAccessGroup(&gateway.AccessGroup{ID: "g", Name: "two"})
	if d.AccessGroup("one") != nil || d.AccessGroup("two") == nil {
		t.Error("a group is found by the name it had before")
	}
}

func TestAliasesFollowTheirTeams(t *testing.T) {
	d := auth.NewDirectory()
	d.PutTeam(&gateway.Team{ID: "a", Alias: "one"})
	d.PutTeam(&gateway.Team{ID: "a", Alias: "two"})
	if d.TeamByAlias("one") != nil || d.TeamByAlias("two") == nil || d.TeamByAlias("") != nil {
		t.Error("a team is not found by the alias it has now, and by no other")
	}
	d.PutTeam(&gateway.Team{ID: "b", Alias: "two"})
	if d.TeamByAlias("two") != nil {
		t.Error("one of two teams was found by the alias of both")
	}
	d.DeleteTeam("a")
	if b := d.TeamByAlias("two"); b == nil || b.ID != "b" {
		t.Errorf("got %v, want the team that is left", b)
	}
	n := d.Empty()
	n.PutOrganization(&gateway.Organization{ID: "o", Alias: "firm"})
	d.Replace(n)
	if d.TeamByAlias("two") != nil || d.OrganizationByAlias("firm") == nil {
		t.Error("a directory that was replaced knows other aliases than the new one")
	}
}

func TestReplaceForgetsWhatIsGone(t *testing.T) {
	d := directory()
	n := d.Empty()
	n.PutKey(&gateway.Key{Hash: auth.Hash("x"), BudgetID: "b"})
	n.PutBudget(&gateway.Budget{ID: "b", Limits: gateway.Limits{RPM: new(int64(1))}})
	d.Replace(n)
	if d.Keys() != 1 || d.Key(sum(t, auth.Hash(good))) != nil || d.Team("open") != nil {
		t.Error("something of before is left")
	}
	d.PutBudget(&gateway.Budget{ID: "b", Limits: gateway.Limits{RPM: new(int64(2))}})
	if k := d.Key(sum(t, auth.Hash("x"))); k == nil || *k.Limits.RPM != 2 {
		t.Errorf("the new key is %v, want one with the budget of today", k)
	}
}

// Readers see a key as it was put last, never an older one again.
func TestReadersNeverSeeAnOlderKey(t *testing.T) {
	d := auth.NewDirectory()
	hashes := make([]string, 2000) // more than are kept ready in some shards
	for i := range hashes {
		hashes[i] = auth.Hash(fmt.Sprint(i))
		d.PutKey(&gateway.Key{Hash: hashes[i]})
	}
	watched := sum(t, hashes[0])
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			var last int64
			for {
				select {
				case <-done:
					return
				default:
				}
				k := d.Key(watched)
				if k == nil || k.Rotation.Count < last {
					t.Errorf("after version %d a reader saw %+v", last, k)
					return
				}
				last = k.Rotation.Count
				d.Key(sum(t, hashes[rand.IntN(len(hashes))]))
			}
		})
	}
	for i := range 3000 {
		d.PutKey(&gateway.Key{Hash: hashes[0], Rotation: gateway.Rotation{Count: int64(i)}})
	}
	close(done)
	wg.Wait()
}
