package main

import "testing"

func TestASmallHeapMayHoldAsMuchGarbageAsALargerOne(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{{0, 1000}, {1 << 20, 1000}, {4 << 20, 600}, {8 << 20, 300}, {24 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercent(tt.live); got != tt.want {
			t.Errorf("with %d MB alive: %d, want %d", tt.live>>20, got, tt.want)
		}
	}
}
