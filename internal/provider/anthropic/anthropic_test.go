package anthropic_test

import (
	"testing"

	"penstock/internal/provider/anthropic"
	"penstock/internal/provider/providertest"
	wire "penstock/internal/wire/anthropic"
)

func TestGolden(t *testing.T) {
	providertest.RunWith(t, anthropic.New(), providertest.Options{NativeTap: wire.NewTap})
}
