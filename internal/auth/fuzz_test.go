package auth

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"penstock/internal/config"
	"penstock/internal/wire"
)

// A key set that is taken holds only keys that fit an algorithm that is taken.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.key == nil || k.alg == "" && !slices.ContainsFunc(algorithms, k.fits) {
				t.Errorf("%q has a key that fits nothing", body)
			}
			if k.fits("none") || k.fits("HS256") {
				t.Errorf("%q has a key for %q", body, k.alg)
			}
		}
	})
}

// What a token says is what its claims hold: a name that leads nowhere is nothing.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"sub":"ann","a":{"b":["x","y"]},"a.b":1,"scope":"x y"}`), "a.b")
	f.Add([]byte(`{"a":{"b":{"c":null}}}`), "a.b.c")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		var o wire.Object
		if o.Parse(raw) != nil {
			return
		}
		v := &claimsOf{Object: &o}
		if got := v.value(name); got != nil && !strings.Contains(string(raw), string(got)) {
			t.Errorf("%q of %q is %q", name, raw, got)
		}
		text := v.text(name)
		if list := v.list(name); text != "" && v.value(name)[0] == '"' && strings.Join(list, " ") != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q of %q is the text %q and the list %q", name, raw, text, list)
		}
	})
}

// A header that a stranger sends never makes the client a trusted proxy's.
func FuzzClient(f *testing.F) {
	f.Add("10.0.0.1, 203.0.113.9", "192.0.2.7:80")
	f.Add("::ffff:10.1.1.1,[2001:db8::1]:4", "10.0.0.9:80")
	proxy, err := config.ParseNetwork("10.0.0.0/8")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, said, peer string) {
		pol := &Policy{Access: config.Access{ForwardedFor: true}}
		pol.TrustedProxies = append(pol.TrustedProxies, proxy)
		r := &http.Request{Header: http.Header{"X-Forwarded-For": {said}}, RemoteAddr: peer}
		direct := (&Policy{}).Client(r)
		if got := pol.Client(r); !proxy.Contains(direct) && got != direct {
			t.Errorf("%q by %q is %s, want the peer itself", said, peer, got)
		}
	})
}
