package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// object is what the suite has to know of one kind of rows.
type object[T any] struct {
	kind   string // in the change feed
	id     func(*T) *string
	create func(*store.DB, context.Context, *T) error
	get    func(*store.DB, context.Context, string) (*T, error)
	update func(*store.DB, context.Context, string, func(*T) error) (*T, error)
	remove func(*store.DB, context.Context, []string) ([]string, error)
	list   func(*store.DB, context.Context, store.Page) ([]*T, int, error)
	search func(*store.DB, context.Context, string) ([]*T, int, error) // nil: there is none
	all    func(*store.DB, context.Context, func(*T) error) error
	// same makes rows of one content that do not collide; nil: they do not.
	apart func(v *T, n int)
}

var (
	keyObject = object[gateway.Key]{
		"key", func(v *gateway.Key) *string { return &v.Hash }, (*store.DB).CreateKey, (*store.DB).Key, (*store.DB).UpdateKey, (*store.DB).DeleteKeys,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Key, int, error) {
			return db.ListKeys(ctx, store.KeyFilter{}, p)
		},
		nil, // of ids: lists of keys are tested below
		(*store.DB).AllKeys, func(v *gateway.Key, n int) { v.Alias = fmt.Sprint("alias ", n) },
	}
	userObject = object[gateway.User]{
		"user", func(v *gateway.User) *string { return &v.ID }, (*store.DB).CreateUser, (*store.DB).User, (*store.DB).UpdateUser, (*store.DB).DeleteUsers,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.User, int, error) {
			return db.ListUsers(ctx, store.UserFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.User, int, error) {
			return db.ListUsers(ctx, store.UserFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllUsers, func(v *gateway.User, n int) { v.Email, v.SSOID = fmt.Sprint(n, "@example.com"), fmt.Sprint("sso ", n) },
	}
	teamObject = object[gateway.Team]{
		"team", func(v *gateway.Team) *string { return &v.ID }, (*store.DB).CreateTeam, (*store.DB).Team, (*store.DB).UpdateTeam, (*store.DB).DeleteTeams,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Team, int, error) {
			return db.ListTeams(ctx, store.TeamFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Team, int, error) {
			return db.ListTeams(ctx, store.TeamFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllTeams, nil,
	}
	organizationObject = object[gateway.Organization]{
		"organization", func(v *gateway.Organization) *string { return &v.ID },
		(*store.DB).CreateOrganization, (*store.DB).Organization, (*store.DB).UpdateOrganization, (*store.DB).DeleteOrganizations,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Organization, int, error) {
			return db.ListOrganizations(ctx, store.OrganizationFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Organization, int, error) {
			return db.ListOrganizations(ctx, store.OrganizationFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllOrganizations, nil,
	}
	projectObject = object[gateway.Project]{
		"project", func(v *gateway.Project) *string { return &v.ID }, (*store.DB).CreateProject, (*store.DB).Project, (*store.DB).UpdateProject, (*store.DB).DeleteProjects,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Project, int, error) {
			return db.ListProjects(ctx, store.ProjectFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Project, int, error) {
			return db.ListProjects(ctx, store.ProjectFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllProjects, nil,
	}
	endUserObject = object[gateway.EndUser]{
		"end_user", func(v *gateway.EndUser) *string { return &v.ID }, (*store.DB).CreateEndUser, (*store.DB).EndUser, (*store.DB).UpdateEndUser, (*store.DB).DeleteEndUsers,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.EndUser, int, error) {
			return db.ListEndUsers(ctx, store.EndUserFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.EndUser, int, error) {
			return db.ListEndUsers(ctx, store.EndUserFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllEndUsers, nil,
	}
	tagObject = object[gateway.Tag]{
		"tag", func(v *gateway.Tag) *string { return &v.Name }, (*store.DB).CreateTag, (*store.DB).Tag, (*store.DB).UpdateTag, (*store.DB).DeleteTags,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Tag, int, error) {
			return db.ListTags(ctx, store.TagFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Tag, int, error) {
			return db.ListTags(ctx, store.TagFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllTags, nil,
	}
	budgetObject = object[gateway.Budget]{
		"budget", func(v *gateway.Budget) *string { return &v.ID }, (*store.DB).CreateBudget, (*store.DB).Budget, (*store.DB).UpdateBudget, (*store.DB).DeleteBudgets,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Budget, int, error) {
			return db.ListBudgets(ctx, store.BudgetFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Budget, int, error) {
			return db.ListBudgets(ctx, store.BudgetFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllBudgets, nil,
	}
	accessGroupObject = object[gateway.AccessGroup]{
		"access_group", func(v *gateway.AccessGroup) *string { return &v.ID },
		(*store.DB).CreateAccessGroup, (*store.DB).AccessGroup, (*store.DB).UpdateAccessGroup, (*store.DB).DeleteAccessGroups,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.AccessGroup, int, error) {
			return db.ListAccessGroups(ctx, store.AccessGroupFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.AccessGroup, int, error) {
			return db.ListAccessGroups(ctx, store.AccessGroupFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllAccessGroups, func(v *gateway.AccessGroup, n int) { v.Name = fmt.Sprint("group ", n) },
	}
	groupBudgetObject = object[gateway.GroupBudget]{
		"access_group_budget", func(v *gateway.GroupBudget) *string { return &v.Name },
		(*store.DB).CreateGroupBudget, (*store.DB).GroupBudget, (*store.DB).UpdateGroupBudget, (*store.DB).DeleteGroupBudgets,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.GroupBudget, int, error) {
			return db.ListGroupBudgets(ctx, store.GroupBudgetFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.GroupBudget, int, error) {
			return db.ListGroupBudgets(ctx, store.GroupBudgetFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllGroupBudgets, nil,
	}
	modelObject = object[gateway.StoredModel]{
		"model", func(v *gateway.StoredModel) *string { return &v.ID },
		(*store.DB).CreateStoredModel, (*store.DB).StoredModel, (*store.DB).UpdateStoredModel, (*store.DB).DeleteStoredModels,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.StoredModel, int, error) {
			return db.ListStoredModels(ctx, store.StoredModelFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.StoredModel, int, error) {
			return db.ListStoredModels(ctx, store.StoredModelFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllStoredModels, nil,
	}
	credentialObject = object[gateway.Credential]{
		"credential", func(v *gateway.Credential) *string { return &v.Name },
		(*store.DB).CreateCredential, (*store.DB).Credential, (*store.DB).UpdateCredential, (*store.DB).DeleteCredentials,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.Credential, int, error) {
			return db.ListCredentials(ctx, store.CredentialFilter{}, p)
		},
		func(db *store.DB, ctx context.Context, s string) ([]*gateway.Credential, int, error) {
			return db.ListCredentials(ctx, store.CredentialFilter{Search: s}, store.Page{})
		},
		(*store.DB).AllCredentials, nil,
	}
	jwtObject = object[gateway.JWTMapping]{
		"jwt_mapping", func(v *gateway.JWTMapping) *string { return &v.ID },
		(*store.DB).CreateJWTMapping, (*store.DB).JWTMapping, (*store.DB).UpdateJWTMapping, (*store.DB).DeleteJWTMappings,
		func(db *store.DB, ctx context.Context, p store.Page) ([]*gateway.JWTMapping, int, error) {
			return db.ListJWTMappings(ctx, store.JWTMappingFilter{}, p)
		},
		nil, (*store.DB).AllJWTMappings, func(v *gateway.JWTMapping, n int) { v.Value = fmt.Sprint("value ", n) },
	}
)

// full returns a row in which every field is set, so that one that the store
// forgets is missed. Spend of members is booked, not written, and who has a
// group is said by those who do.
func full[T any](o object[T], n int) *T {
	v := new(T)
	setAll(reflect.ValueOf(v).Elem(), n)
	switch v := any(v).(type) {
	case *gateway.Team:
		v.Members[0].Spend = gateway.Spend{}
	case *gateway.Organization:
		v.Members[0].Spend = gateway.Spend{}
	case *gateway.AccessGroup:
		v.Keys, v.Teams = nil, nil
	}
	*o.id(v) = hash(n)
	if o.apart != nil {
		o.apart(v, n)
	}
	return v
}

// setAll sets every part of v to something that is not its zero value.
func setAll(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(at(n)))
			return
		}
		for i := range v.NumField() {
			setAll(v.Field(i), n+i)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("te\"xt' %d", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(int64(n) + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		setAll(v.Elem(), n)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(fmt.Appendf(nil, `{"z":%d, "a":1e400}`, n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		setAll(v.Index(0), n)
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

// kept checks everything that all kinds of rows promise.
func kept[T any](o object[T]) func(*testing.T, *store.DB) {
	return func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		must(t, o.create(db, ctx, full(o, 1)))
		bare := new(T)
		*o.id(bare) = "bare"
		must(t, o.create(db, ctx, bare))
		same(t, "with every field", got(o.get(db, ctx, hash(1)))(t), full(o, 1))
		same(t, "with no field", got(o.get(db, ctx, "bare"))(t), bare)

		// An update writes every field.
		want := full(o, 2)
		*o.id(want) = "bare"
		updated := got(o.update(db, ctx, "bare", func(v *T) error { *v = *want; return nil }))(t)
		same(t, "returned by an update", updated, want)
		same(t, "stored by an update", got(o.get(db, ctx, "bare"))(t), want)
		nothing := new(T)
		*o.id(nothing) = "bare"
		got(o.update(db, ctx, "bare", func(v *T) error { *v = *nothing; return nil }))(t)
		same(t, "emptied by an update", got(o.get(db, ctx, "bare"))(t), nothing)
		if _, err := o.update(db, ctx, "bare", func(v *T) error { *o.id(v) = "other"; return nil }); err == nil {
			t.Error("an update could change the id")
		}
		mine := errors.New("mine")
		if _, err := o.update(db, ctx, "bare", func(v *T) error { *v = *want; return mine }); !errors.Is(err, mine) {
			t.Errorf("error %v, want the one that the update returned", err)
		}
		same(t, "after an update that failed", got(o.get(db, ctx, "bare"))(t), nothing)

		again := full(o, 3)
		*o.id(again) = "bare"
		conflict, ok := errors.AsType[store.ErrConflict](o.create(db, ctx, again))
		if !ok || conflict.Value != "bare" {
			t.Errorf("a taken id: got %+v, want ErrConflict", conflict)
		}
		if o.apart != nil {
			taken := full(o, 1)
			*o.id(taken) = "another"
			if _, ok := errors.AsType[store.ErrConflict](o.create(db, ctx, taken)); !ok {
				t.Error("what only one may have was given to two")
			}
		}

		for i := range 7 {
			v := full(o, i+10)
			must(t, o.create(db, ctx, v))
		}
		pagesFollow(t, db, o)
		n := 0
		must(t, o.all(db, ctx, func(*T) error { n++; return nil }))
		same(t, "rows streamed", n, 9)
		if err := o.all(db, ctx, func(*T) error { return mine }); !errors.Is(err, mine) {
			t.Errorf("a stream that was told to stop ended with %v", err)
		}

		before := got(db.LastChange(ctx))(t)
		same(t, "deleted", got(o.remove(db, ctx, []string{"bare", "never there", "", "\x00", hash(1), "bare"}))(t), []string{hash(1), "bare"})
		same(t, "deleted again", got(o.remove(db, ctx, []string{"bare"}))(t), []string(nil))
		var told []string
		for _, c := range got(db.ChangesSince(ctx, before, 0))(t) {
			if c.Kind == o.kind {
				told = append(told, c.ID)
			}
		}
		same(t, "told of the deletion", told, []string{hash(1), "bare"})
		for _, id := range []string{"bare", "", "\x00", "\xff", "' OR '1'='1", strings.Repeat("x", 1<<20)} {
			if _, err := o.get(db, ctx, id); !errors.Is(err, store.ErrNotFound) || len(err.Error()) > 500 {
				t.Errorf("%.20q: got error %.600v, want a short ErrNotFound", id, err)
			}
			if _, err := o.update(db, ctx, id, func(*T) error { return nil }); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%.20q: update got error %.600v, want ErrNotFound", id, err)
			}
		}
		oddIDs(t, db, o)
	}
}

// pagesFollow walks a list by cursor in every direction.
func pagesFollow[T any](t *testing.T, db *store.DB, o object[T]) {
	t.Helper()
	for _, desc := range []bool{false, true} {
		var whole, walked []string
		all, total, err := o.list(db, t.Context(), store.Page{Desc: desc})
		must(t, err)
		for _, v := range all {
			whole = append(whole, *o.id(v))
		}
		same(t, "rows in the list", total, 9)
		var next string
		for page := (store.Page{Limit: 2, Desc: desc, Next: &next}); ; page.After = next {
			vs, total, err := o.list(db, t.Context(), page)
			must(t, err)
			same(t, "rows in all", total, 9)
			for _, v := range vs {
				walked = append(walked, *o.id(v))
			}
			if next == "" || len(walked) > 20 {
				break
			}
		}
		same(t, fmt.Sprintf("pages by cursor, backwards: %t", desc), walked, whole)
	}
	for _, bad := range []string{"x", "e30", "eyJuIjoxfQ==", "eyJ0IjoieCIsImlkIjoiIn0"} {
		_, _, err := o.list(db, t.Context(), store.Page{After: bad})
		wantInvalid(t, "cursor "+bad, err, "after")
	}
	_, _, err := o.list(db, t.Context(), store.Page{Sort: "1; DROP TABLE keys"})
	wantInvalid(t, "an order that there is not", err, "sort_by")
}

// oddIDs makes rows with the ids that strangers choose.
func oddIDs[T any](t *testing.T, db *store.DB, o object[T]) {
	t.Helper()
	ctx := t.Context()
	for i, h := range hostile {
		v := full(o, 100+i)
		*o.id(v) = h.text
		err := o.create(db, ctx, v)
		if !h.kept {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.Invalid || e.Param == "" || len(e.Message) > 500 {
				t.Errorf("%s: got error %.600v, want a short Invalid one that names the field", h.name, err)
			}
			continue
		}
		must(t, err)
		same(t, h.name, got(o.get(db, ctx, h.text))(t), v)
		if o.search != nil {
			vs, total, err := o.search(db, ctx, h.text)
			must(t, err)
			if len(vs) != 1 || total != 1 {
				t.Errorf("%s: a search found %d rows, want 1", h.name, total)
			}
		}
		got(o.update(db, ctx, h.text, func(*T) error { return nil }))(t)
		same(t, h.name+" deleted", got(o.remove(db, ctx, []string{h.text}))(t), []string{h.text})
	}
}
