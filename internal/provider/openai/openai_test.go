package openai_test

import (
	"testing"

	"penstock/internal/provider/openai"
	"penstock/internal/provider/providertest"
)

func vendor(t *testing.T, name string) openai.Vendor {
	t.Helper()
	for _, v := range openai.Vendors() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vendor %q", name)
	return openai.Vendor{}
}

func TestGolden(t *testing.T) { providertest.Run(t, openai.New(vendor(t, "openai"))) }
