package storetest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// together runs f n times at once and fails the test on the first error.
func together(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
}

func updateTogether(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(1), Name: "0"}))
	const each = 20
	together(t, 8, func(int) error {
		for range each {
			_, err := db.UpdateKey(ctx, hash(1), func(k *gateway.Key) error {
				n, err := strconv.Atoi(k.Name)
				k.Name = strconv.Itoa(n + 1)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "updates counted", got(db.Key(ctx, hash(1)))(t).Name, strconv.Itoa(8*each))
}

func updateWhileBooking(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(0), Name: "0"}))
	const n = 20
	together(t, 4, func(i int) error {
		for j := range n {
			if i%2 == 0 {
				r := Row(0)
				r.CallID, r.Cost = strconv.Itoa(i*n+j), 1
				if _, err := db.Book(ctx, append(rows(1000, 1010), r)); err != nil {
					return err
				}
				continue
			}
			_, err := db.UpdateKey(ctx, hash(0), func(k *gateway.Key) error {
				c, err := strconv.Atoi(k.Name)
				k.Name = strconv.Itoa(c + 1)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	want := gateway.NanoUSD(2 * n)
	for _, r := range rows(1000, 1010) {
		if r.KeyHash == hash(0) {
			want += r.Cost
		}
	}
	k := got(db.Key(ctx, hash(0)))(t)
	same(t, "spend", k.Spend.Total, want)
	same(t, "updates", k.Name, strconv.Itoa(2*n))
}

func bookTogether(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i := range 9 {
		must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(i)}))
	}
	all := rows(0, 1000)
	booked := make([]int, 2)
	together(t, 2, func(i int) error {
		mine := slices.Clone(all)
		// Each in an order and in pieces of its own.
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		rng.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
		for chunk := range slices.Chunk(mine, 170+30*i) {
			n, err := db.Book(ctx, chunk)
			if err != nil {
				return err
			}
			booked[i] += n
		}
		return nil
	})
	if sum := booked[0] + booked[1]; sum != len(all) {
		t.Errorf("%d + %d rows booked, want %d in all", booked[0], booked[1], len(all))
	}
	same(t, "global total", got(db.Total(ctx, store.Global, ""))(t).Total, costs(all))
	var sum gateway.NanoUSD
	must(t, db.AllKeys(ctx, func(k *gateway.Key) error { sum += k.Spend.Total; return nil }))
	same(t, "sum of keys", sum, costs(all))
	var days gateway.NanoUSD
	for _, d := range got(db.SpendByDay(ctx, store.DayFilter{}))(t) {
		days += d.Cost
	}
	same(t, "sum of days", days, costs(all))
}

func bookApart(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i := range 9 {
		must(t, db.CreateKey(ctx, &gateway.Key{Hash: hash(i)}))
	}
	// Four bookers whose batches name the same keys in different orders.
	together(t, 4, func(i int) error {
		for b := range 10 {
			from := (i*10 + b) * 20
			batch := rows(from, from+20)
			if i%2 == 0 {
				slices.Reverse(batch)
			}
			if _, err := db.Book(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "global total", got(db.Total(ctx, store.Global, ""))(t).Total, costs(rows(0, 800)))
}

func changesTogether(t *testing.T, db *store.DB) {
	ctx := t.Context()
	const writers, each = 4, 25
	// The reader follows while writers write: a number that becomes visible
	// after a higher one would be missed for ever.
	done := make(chan error, 1)
	var seen []int64
	go func() {
		var last int64
		for last < writers*each {
			list, err := db.ChangesSince(ctx, last, 7)
			if err != nil {
				done <- err
				return
			}
			for _, c := range list {
				seen = append(seen, c.Seq)
				last = c.Seq
			}
		}
		done <- nil
	}()
	together(t, writers, func(i int) error {
		for j := range each {
			if err := db.CreateKey(ctx, &gateway.Key{Hash: hash(i*each + j)}); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, <-done)
	for i, s := range seen {
		if s != int64(i+1) {
			t.Fatalf("change number %d was followed by %d", i, s)
		}
	}
}
