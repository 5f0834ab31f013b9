package limit_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

func wide() gateway.Limits {
	n := func(v int64) *int64 { return &v }
	return gateway.Limits{
		RPM: n(1 << 40), TPM: n(1 << 40), Parallel: n(1 << 40), Budget: new(gateway.NanoUSD(1 << 60)), BudgetDuration: "30d",
		Models: map[string]gateway.ModelLimits{"m": {RPM: n(1 << 40), TPM: n(1 << 40)}},
	}
}

// everybody is a call that is charged to everybody there can be.
func everybody(key string) *gateway.Principal {
	tag := func(name string) *gateway.Tag { return &gateway.Tag{Name: name, Limits: wide()} }
	return &gateway.Principal{
		Key: &gateway.Key{Hash: key, TeamID: "t", Limits: wide()}, User: &gateway.User{ID: "u", Limits: wide()}, Team: &gateway.Team{ID: "t", Limits: wide()},
		Member: &gateway.Member{UserID: "u", Limits: wide()}, Organization: &gateway.Organization{ID: "o", Limits: wide()},
		Project: &gateway.Project{ID: "p", Limits: wide()}, EndUser: &gateway.EndUser{ID: "e", Limits: wide()},
		Tags: []*gateway.Tag{tag("c"), tag("a"), tag("b")},
	}
}

func oneLimit(key string) *gateway.Principal {
	n := int64(1 << 40)
	return &gateway.Principal{Key: &gateway.Key{Hash: key, Limits: gateway.Limits{RPM: &n}}}
}

func oneScope(key string) *gateway.Principal {
	return &gateway.Principal{Key: &gateway.Key{Hash: key, Limits: wide()}}
}

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var (
	benchSize = limit.Size{Tokens: limit.Exactly(100), Money: limit.Exactly(1000)}
	benchUsed = limit.Actual{Requests: 1, Tokens: 80, Money: 900}
)

func admit(l *limit.Limiter, h *limit.Hold, p *gateway.Principal, g *limit.Global) error {
	h.Reset()
	if err := l.Reserve(nil, h, p, g, "m", &benchSize); err != nil { //nolint:staticcheck // SA1012: nothing waits here
		return err
	}
	l.Settle(h, &benchUsed)
	return nil
}

// What admission and settlement cost a call.
func BenchmarkReserveSettle(b *testing.B) {
	for _, bm := range []struct {
		name string
		p    *gateway.Principal
	}{
		{"one limit", oneLimit(hash)}, {"a key with every limit", oneScope(hash)}, {"everybody with every limit", everybody(hash)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
			h := &limit.Hold{}
			b.ReportAllocs()
			for b.Loop() {
				if err := admit(l, h, bm.p, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The same on every processor at once: keys of their own, with and without
// limits on the whole gateway.
func BenchmarkReserveSettleParallel(b *testing.B) {
	all := wide()
	for _, bm := range []struct {
		name string
		g    *limit.Global
	}{{"keys", nil}, {"keys under a global limit", &limit.Global{Limits: all}}} {
		b.Run(bm.name, func(b *testing.B) {
			l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
			var n atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				p, h := oneScope(strconv.FormatInt(n.Add(1), 10)), &limit.Hold{}
				for pb.Next() {
					if err := admit(l, h, p, bm.g); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkHeaders(b *testing.B) {
	l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
	h := &limit.Hold{}
	if err := admit(l, h, everybody(hash), nil); err != nil {
		b.Fatal(err)
	}
	var n int
	b.ReportAllocs()
	for b.Loop() {
		h.AppendHeaders(func(string, int64) { n++ }, func(string, string) { n++ })
	}
}

// Nothing is allocated for a call once its memory has grown.
func TestAdmissionAllocatesNothing(t *testing.T) {
	l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
	p, g, h := everybody(hash), &limit.Global{Limits: wide()}, &limit.Hold{}
	if n := testing.AllocsPerRun(100, func() {
		if err := admit(l, h, p, g); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a call, want none", n)
	}
}
