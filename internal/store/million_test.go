package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// BenchmarkMillionKeys prints what lists of a million keys cost: the middle and
// the 95th of a hundred lists of each kind, in milliseconds.
func BenchmarkMillionKeys(b *testing.B) {
	const keys, looks = 1_000_000, 40
	engines(b, func(b *testing.B, db *store.DB) {
		ctx := b.Context()
		if err := db.Fill(ctx, keys); err != nil {
			b.Fatal(err)
		}
		// What a start does.
		d := auth.NewDirectory()
		begin := time.Now()
		if err := db.AllKeys(ctx, func(k *gateway.Key) error { d.PutKey(k); return nil }); err != nil || d.Keys() != keys {
			b.Fatal(d.Keys(), err)
		}
		b.Logf("%d keys loaded in %v", keys, time.Since(begin).Round(10*time.Millisecond))
		var next string
		for _, bm := range []struct {
			name string
			ask  func(i int) (store.KeyFilter, store.Page)
		}{
			{"first page", func(int) (store.KeyFilter, store.Page) { return store.KeyFilter{}, store.Page{Limit: 50, Desc: true} }},
			{"page by page", func(int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{}, store.Page{Limit: 50, Desc: true, After: next, Next: &next}
			}},
			{"any page by number", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{}, store.Page{Limit: 50, Desc: true, Offset: (i * 7919 * 50) % keys}
			}},
			{"of a team", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{TeamID: fmt.Sprintf("team-%030d", i*7)}, store.Page{Limit: 50, Desc: true}
			}},
			{"of a user", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{UserID: fmt.Sprintf("user-%030d", i*997)}, store.Page{Limit: 50, Desc: true}
			}},
			{"of an organization", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{OrganizationID: fmt.Sprintf("org-%030d", i%50)}, store.Page{Limit: 50, Desc: true}
			}},
			{"by alias", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{Alias: fmt.Sprintf("service-%06d-production", i*9973)}, store.Page{Limit: 50}
			}},
			{"by part of the alias", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{AliasContains: fmt.Sprintf("ICE-%05d", i*997)}, store.Page{Limit: 50, Desc: true}
			}},
			{"search that finds a few", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{Search: fmt.Sprintf("e-%05d", i*997)}, store.Page{Limit: 50, Desc: true}
			}},
			{"search that finds everything", func(int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{Search: "production"}, store.Page{Limit: 50, Desc: true}
			}},
			{"search that finds nothing", func(i int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{Search: fmt.Sprintf("nothing-%d", i)}, store.Page{Limit: 50, Desc: true}
			}},
			{"by spend", func(int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{}, store.Page{Limit: 50, Desc: true, Sort: "spend"}
			}},
			{"by alias, backwards", func(int) (store.KeyFilter, store.Page) {
				return store.KeyFilter{}, store.Page{Limit: 50, Desc: true, Sort: "key_alias"}
			}},
		} {
			b.Run(bm.name, func(b *testing.B) {
				took := make([]time.Duration, looks)
				for b.Loop() {
					for i := range took {
						f, p := bm.ask(i)
						begin := time.Now()
						if _, _, err := db.ListKeys(ctx, f, p); err != nil {
							b.Fatal(err)
						}
						took[i] = time.Since(begin)
					}
				}
				slices.Sort(took)
				ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(ms(took[looks/2]), "p50-ms")
				b.ReportMetric(ms(took[looks*95/100]), "p95-ms")
			})
		}
	})
}

// A search that means very many keys finds the first of them all the same.
func TestSearchesOfManyKeys(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { manyKeys(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { manyKeys(t, storetest.Postgres(t)) })
}

func manyKeys(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(t, db.Fill(ctx, 3500))
	list, total, err := db.ListKeys(ctx, store.KeyFilter{Search: "PRODUCTION"}, store.Page{Limit: 2, Desc: true})
	must(t, err)
	if total != 3000 || len(list) != 2 || list[0].Alias != "service-003499-production" || list[1].Alias != "service-003498-production" {
		t.Errorf("found %d, first %+v", total, list)
	}
	list, total, err = db.ListKeys(ctx, store.KeyFilter{Search: "production", TeamID: "team-000000000000000000000000000007"}, store.Page{})
	must(t, err)
	if total != 4 || len(list) != 4 || list[0].Alias != "service-000007-production" {
		t.Errorf("of a team: found %d, first %+v", total, list)
	}
	// Pages by number are the same from either end.
	for _, offset := range []int{0, 1749, 1750, 1751, 3400, 3499, 3500} {
		list, total, err := db.ListKeys(ctx, store.KeyFilter{}, store.Page{Limit: 3, Offset: offset})
		must(t, err)
		want := min(3, 3500-offset)
		if total != 3500 || len(list) != want || want > 0 && list[0].Alias != fmt.Sprintf("service-%06d-production", offset) ||
			want > 1 && list[1].Alias != fmt.Sprintf("service-%06d-production", offset+1) {
			t.Errorf("from %d on: %d keys of %d", offset, len(list), total)
		}
	}
}
