package api

import "testing"

func TestEveryRouteHasAForm(t *testing.T) {
	known := forms()
	for _, rt := range New(Options{}).Routes() {
		if _, ok := formOf(&rt, known); !ok {
			t.Errorf("%s %s is not described: say in forms (schema.go) what it takes and shows", rt.Method, rt.Pattern)
		}
	}
}
