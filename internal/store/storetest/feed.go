package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

func settings(t *testing.T, db *store.DB) {
	ctx := t.Context()
	big := strings.Repeat("value ", 1<<18)
	must(t, db.SetSetting(ctx, "a", "1"))
	must(t, db.SetSetting(ctx, "a", big))
	must(t, db.SetSetting(ctx, "empty", ""))
	same(t, "value", got(db.Setting(ctx, "a"))(t) == big, true)
	same(t, "empty value", got(db.Setting(ctx, "empty"))(t), "")
	must(t, db.DeleteSetting(ctx, "a"))
	must(t, db.DeleteSetting(ctx, "never there"))
	if _, err := db.Setting(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted setting: got error %v, want ErrNotFound", err)
	}
	wantInvalid(t, "NUL in a value", db.SetSetting(ctx, "n", "\x00"), "value")
	wantInvalid(t, "NUL in a name", db.SetSetting(ctx, "\x00", ""), "name")
}

func ids(list []store.Change) (out []string) {
	for _, c := range list {
		out = append(out, c.Kind+" "+c.ID)
	}
	return out
}

func changes(t *testing.T, db *store.DB) {
	ctx := t.Context()
	same(t, "changes of an empty database", got(db.ChangesSince(ctx, 0, 0))(t), []store.Change(nil))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1)}))
	must(t, db.CreateUser(ctx, &gateway.User{ID: "u"}))
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t"}))
	got(db.UpdateKey(ctx, hash(1), func(k *gateway.Key) error { k.Blocked = true; return nil }))(t)
	must(t, db.SetSetting(ctx, "s", "1"))
	got(db.DeleteKeys(ctx, []string{hash(1), hash(2)}))(t)
	// Bookings are no changes: they come by the thousand and everybody counts for itself.
	book(t, db, rows(0, 3), 3)

	all := got(db.ChangesSince(ctx, 0, 0))(t)
	same(t, "changes", ids(all), []string{"key " + hash(1), "user u", "team t", "key " + hash(1), "setting s", "key " + hash(1)})
	for i, c := range all {
		if c.Seq != int64(i+1) {
			t.Errorf("change %d has number %d", i+1, c.Seq)
		}
		if age := time.Since(c.At); age < 0 || age > time.Minute {
			t.Errorf("change %d is %v old", i+1, age)
		}
	}
	same(t, "two changes from the third on", got(db.ChangesSince(ctx, 2, 2))(t), all[2:4])
	same(t, "the last change", got(db.LastChange(ctx))(t), int64(6))
	same(t, "changes after the last", got(db.ChangesSince(ctx, 6, 0))(t), []store.Change(nil))
}

func changesLost(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i := range 4 {
		must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(i)}))
	}
	same(t, "pruned by a time before all", got(db.PruneChanges(ctx, day0.AddDate(-20, 0, 0)))(t), int64(0))
	same(t, "changes left", len(got(db.ChangesSince(ctx, 0, 0))(t)), 4)
	same(t, "pruned by a time after all", got(db.PruneChanges(ctx, time.Now().Add(time.Hour)))(t), int64(4))
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(5)}))
	for _, tt := range []struct {
		name string
		seq  int64
		lost bool
	}{
		{"a reader that missed pruned changes", 0, true},
		{"a reader that missed the last pruned change", 3, true},
		{"a reader that is up to date", 4, false},
		{"a reader of a newer database than this one", 99, true},
	} {
		if _, err := db.ChangesSince(ctx, tt.seq, 0); errors.Is(err, store.ErrChangesLost) != tt.lost {
			t.Errorf("%s: got error %v, want ErrChangesLost: %t", tt.name, err, tt.lost)
		}
	}
}

// listening proves that the database tells of a change at once and in order.
func listening(t *testing.T, db *store.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan int64, 100), make(chan error, 1)
	go func() { ended <- db.Listen(ctx, func(seq int64) { told <- seq }) }()
	if db.Dialect() == "sqlite" {
		if err := <-ended; !errors.Is(err, store.ErrNoListening) {
			t.Errorf("got error %v, want ErrNoListening", err)
		}
		cancel()
		return
	}
	wait := func(want int64) {
		t.Helper()
		select {
		case seq := <-told:
			same(t, "told", seq, want)
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(20 * time.Second):
			t.Fatalf("not told of change %d", want)
		}
	}
	wait(0)
	must(t, db.CreateTag(ctx, &gateway.Tag{Name: "a"}))
	wait(1)
	must(t, db.CreateTeam(ctx, &gateway.Team{ID: "t"}))
	wait(2)
	if err := db.CreateTag(ctx, &gateway.Tag{Name: "a"}); err == nil { // a change that is not made is not told
		t.Error("a tag was made twice")
	}
	must(t, db.SetSetting(ctx, "s", "1"))
	wait(3)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v, want the end of the context", err)
	}
	must(t, db.Ping(t.Context()))
}
