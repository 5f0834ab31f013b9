package anthropic_test

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decode reads JSON the way a vendor would, unknown members and all.
func decode[T any](t *testing.T, raw []byte) T {
	t.Helper()
	var v T
	err := json.Unmarshal(raw, &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), json.MatchCaseInsensitiveNames(true))
	if err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return v
}
