package limit_test

import (
	"testing"
	"time"

	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

func TestLeasesKeepTheContract(t *testing.T) {
	limittest.RunLeases(t, func(_ *testing.T, now func() time.Time) limit.Shared { return limittest.NewStore(now) })
}

func TestStoreInMemory(t *testing.T) {
	limittest.RunShared(t, func(_ *testing.T, now func() time.Time) limit.Shared { return limittest.NewStore(now) })
}
