package token_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"penstock/internal/token"
)

func TestExpect(t *testing.T) {
	type answers struct {
		count int
		n     int64
	}
	for _, tt := range []struct {
		name     string
		answers  []answers
		most     int64
		from, to int64
	}{
		{"an unknown model has the default", nil, 0, 256, 256},
		{"an unknown model keeps within its largest output", nil, 100, 100, 100},
		{"seven answers are not enough", []answers{{7, 5000}}, 0, 256, 256},
		{"eight answers are", []answers{{8, 5000}}, 0, 5000, 7167},
		{"short answers have a floor", []answers{{50, 1}}, 0, 16, 16},
		{"a floor does not lift the largest output", []answers{{50, 1}}, 8, 8, 8},
		{"one long answer in two hundred does not count", []answers{{199, 100}, {1, 100_000}}, 0, 100, 143},
		{"three long answers in two hundred do", []answers{{197, 100}, {3, 10_000}}, 0, 10_000, 14_335},
		{"long answers keep within the largest output", []answers{{50, 60_000}}, 4096, 4096, 4096},
		{"what was long ago is forgotten", []answers{{1000, 50_000}, {12_000, 100}}, 0, 100, 143},
		{"a count below one is a short answer", []answers{{10, -5}}, 0, 16, 16},
		{"a huge count has the last bucket", []answers{{10, 1 << 62}}, 0, 1 << 32, 1 << 33},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := token.NewOutputs(func(string) int64 { return tt.most })
			for _, a := range tt.answers {
				for range a.count {
					o.Observe("m", a.n)
				}
			}
			if got := o.Expect("m"); got < tt.from || got > tt.to {
				t.Errorf("after %v: Expect = %d, want %d to %d", tt.answers, got, tt.from, tt.to)
			}
		})
	}
}

func TestExpectCoversEveryLengthWithinOneBucket(t *testing.T) {
	for n := int64(16); n < 1<<20; n = n*17/16 + 1 {
		o := token.NewOutputs(nil)
		for range 8 {
			o.Observe("m", n)
		}
		if got := o.Expect("m"); got < n || got > n*3/2 {
			t.Fatalf("after answers of %d: Expect = %d, want %d to %d", n, got, n, n*3/2)
		}
	}
}

func TestOutputsAreBounded(t *testing.T) {
	o := token.NewOutputs(nil)
	for i := range 10_001 {
		for range 8 {
			o.Observe(strconv.Itoa(i), 4000)
		}
	}
	if got := o.Expect("9999"); got < 4000 {
		t.Errorf("the last model within the bound: Expect = %d, want at least 4000", got)
	}
	if got := o.Expect("10000"); got != 256 {
		t.Errorf("the first model beyond the bound: Expect = %d, want the default 256", got)
	}
}

func TestOutputsAtOnce(t *testing.T) {
	o := token.NewOutputs(nil)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				o.Observe(fmt.Sprint("m", i%4), int64(100+g))
				o.Expect("m1")
			}
		})
	}
	wg.Wait()
	for i := range 4 {
		if got := o.Expect(fmt.Sprint("m", i)); got < 107 || got > 160 {
			t.Errorf("model %d: Expect = %d, want 107 to 160", i, got)
		}
	}
}

func BenchmarkExpect(b *testing.B) {
	o := token.NewOutputs(nil)
	for range 20 {
		o.Observe("gpt-4o", 500)
	}
	b.ReportAllocs()
	for b.Loop() {
		o.Expect("gpt-4o")
	}
}

func BenchmarkObserve(b *testing.B) {
	o := token.NewOutputs(nil)
	b.ReportAllocs()
	for b.Loop() {
		o.Observe("gpt-4o", 500)
	}
}

func TestTypical(t *testing.T) {
	o := token.NewOutputs(nil)
	if got := o.Typical("m"); got != 0 {
		t.Errorf("of an unknown model: Typical = %d, want 0", got)
	}
	for range 60 {
		o.Observe("m", 100)
	}
	for range 40 {
		o.Observe("m", 4000)
	}
	if got := o.Typical("m"); got < 100 || got > 150 {
		t.Errorf("sixty answers of 100 and forty of 4000: Typical = %d, want 100 to 150", got)
	}
	if got := o.Expect("m"); got < 4000 {
		t.Errorf("Expect = %d, want at least 4000", got)
	}
}
