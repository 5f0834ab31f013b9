package export_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/export"
	"penstock/internal/gateway"
)

// opener makes a fake destination of each name.
type opener struct {
	mu   sync.Mutex
	made map[string]*fake // by variables
	n    int
}

func (o *opener) open(_ gateway.LogOwner, t *gateway.LogTarget) (string, export.Target, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	vars := string(t.Vars)
	if vars == "broken" {
		return "", export.Target{}, errors.New("cannot be opened")
	}
	o.n++
	if o.made[vars] == nil {
		o.made[vars] = &fake{name: vars}
	}
	return vars, export.Target{Destination: o.made[vars], Content: !strings.HasPrefix(vars, "bare")}, nil
}

func (o *opener) got(vars string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.made[vars]
	if f == nil {
		return 0
	}
	n, _ := f.sent()
	return n
}

func to(vars ...string) []gateway.LogTarget {
	var out []gateway.LogTarget
	for _, v := range vars {
		out = append(out, gateway.LogTarget{Name: "webhook", OnSuccess: true, Vars: []byte(v)})
	}
	return out
}

func of(id string) gateway.LogOwner { return gateway.LogOwner{Kind: "team", ID: id} }

func TestOwnDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{made: map[string]*fake{}}
		own := export.NewOwn(export.OwnOptions{Open: o.open, Max: 3, Log: quiet()})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { own.Run(ctx) })
		emit := func(id string, rec *gateway.Record, vars ...string) {
			own.Emit(of(id), to(vars...), rec)
			time.Sleep(2 * time.Second) // of the bubble's clock: they flush after one
			synctest.Wait()
		}
		ok, bad := &gateway.Record{Output: []byte("secret")}, &gateway.Record{Err: &gateway.Error{}}

		emit("a", ok, "one", "bare")
		emit("b", ok, "same")
		emit("c", ok, "same")
		emit("a", bad, "one") // only of answered calls
		if o.got("one") != 1 || o.got("bare") != 1 || o.got("same") != 2 {
			t.Errorf("delivered %d, %d and %d, want 1, 1 and 2", o.got("one"), o.got("bare"), o.got("same"))
		}
		if b := o.made["bare"].got[0]; b.Output != nil || ok.Output == nil {
			t.Error("content came where it is not wanted, or is gone elsewhere")
		}
		if s, live := own.Stats(); live != 3 || s.Sent != 4 {
			t.Errorf("%d live destinations have sent %d, want 3 and 4", live, s.Sent)
		}
		// There is room for three: the one that was idle longest goes.
		emit("d", ok, "four")
		if _, live := own.Stats(); live != 3 || o.got("four") != 1 {
			t.Errorf("%d live, the fourth got %d", live, o.got("four"))
		}
		// One that cannot be used costs its own records only, and is not tried with each call.
		before := o.n
		emit("e", ok, "broken", "four")
		emit("e", ok, "broken", "four")
		if s, _ := own.Stats(); s.Dropped != 2 || o.got("four") != 3 {
			t.Errorf("%d dropped, the other got %d; want 2 and 3", s.Dropped, o.got("four"))
		}
		if o.n > before+1 {
			t.Errorf("opened %d times", o.n-before)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if s, live := own.Stats(); live != 0 || s.Sent != 7 {
			t.Errorf("%d are live after a quiet quarter of an hour, and have sent %d", live, s.Sent)
		}
		emit("a", ok, "one") // again
		if o.got("one") != 2 {
			t.Error("a destination that was closed does not come back")
		}
		own.Emit(of("z"), to("late"), ok)
		if err := own.Close(t.Context()); err != nil || o.got("late") != 1 {
			t.Errorf("closed with %v, the last got %d", err, o.got("late"))
		}
		stop()
		wg.Wait()
	})
}

// Of more than there is room for, none waits and none grows the memory.
func TestOwnDestinationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &opener{made: map[string]*fake{}}
		own := export.NewOwn(export.OwnOptions{Open: o.open, Max: 2, Log: quiet()})
		for _, v := range []string{"a", "b", "c", "d"} {
			own.Emit(of("t"), to(v), &gateway.Record{})
		}
		if s, live := own.Stats(); live != 2 || s.Dropped != 2 {
			t.Errorf("%d live, %d dropped; want 2 and 2", live, s.Dropped)
		}
		if err := own.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPrivateNetworksAreOutOfReach(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	defer srv.Close()
	tr := export.PublicOnly()
	defer tr.CloseIdleConnections()
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	for _, host := range []string{
		"127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
		"[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1",
	} {
		err := export.Post(t.Context(), &http.Client{Transport: tr}, "http://"+host+port, nil, nil)
		if !errors.Is(err, export.ErrPermanent) || !strings.Contains(err.Error(), "private network") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
