package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Authenticator knows who a request is from.
type Authenticator struct {
	Directory *Directory
	// Master is the sum of the master key until SetMaster says another. Only the
	// sum is in memory.
	Master Sum
	// Header, if set, is the only place a key is taken from (litellm_key_header_name).
	Header string
	// Tokens returns those of identity providers, nil if they are not taken. It is nil
	// if they never are.
	Tokens func() *Tokens
	Now    func() time.Time

	renewed atomic.Pointer[Sum]
}

// SetMaster makes another master key hold from now on.
func (a *Authenticator) SetMaster(sum Sum) { a.renewed.Store(&sum) }

// master returns the sum of the master key that holds.
func (a *Authenticator) master() *Sum {
	if m := a.renewed.Load(); m != nil {
		return m
	}
	return &a.Master
}

// headers are where clients put their key, first match wins. Authorization
// stands between the first and the others and has prefixes of its own.
var headers = [...]string{"X-Litellm-Api-Key", "Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"}

// Credential returns the key a request carries; "" if there is none. It is an
// error if the header is there in a form that cannot be a key.
func (a *Authenticator) Credential(r *http.Request) (string, error) {
	if a.Header != "" {
		return bare(r.Header.Get(a.Header)), nil
	}
	for _, name := range headers {
		v := r.Header[name]
		if len(v) == 0 || v[0] == "" {
			continue
		}
		if name != "Authorization" {
			return bare(v[0]), nil
		}
		if key := bare(v[0]); key != v[0] {
			return key, nil
		}
		if _, rest, ok := strings.Cut(v[0], "Credential=Bearer "); ok && strings.HasPrefix(v[0], "AWS4-HMAC-SHA256 ") {
			key, _, _ := strings.Cut(rest, "/") // Bedrock clients sign, with the key as their id
			return key, nil
		}
		return "", unauthenticated("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")
	}
	if strings.Contains(r.URL.Path, "enerateContent") { // Google's clients
		return r.URL.Query().Get("key"), nil
	}
	return "", nil
}

// bare returns the header's value without a scheme.
func bare(v string) string {
	for _, scheme := range [...]string{"Bearer ", "bearer ", "Basic "} {
		if key, ok := strings.CutPrefix(v, scheme); ok {
			return strings.TrimSpace(key)
		}
	}
	return v
}

func unauthenticated(msg string) *gateway.Error {
	return &gateway.Error{Kind: gateway.Unauthenticated, Message: msg, Type: "auth_error", Param: "None"}
}

// Authenticate returns who the request is from: it must carry the master key, a
// token of an identity provider that is trusted, or a virtual key that exists. What a key that exists may not do is Admit's to say.
// The error is a *gateway.Error of kind Unauthenticated.
func (a *Authenticator) Authenticate(r *http.Request) (gateway.Principal, error) {
	key, err := a.Credential(r)
	if err != nil {
		return gateway.Principal{}, err
	}
	if key == "" {
		return gateway.Principal{}, unauthenticated("Authentication Error, No api key passed in.")
	}
	sum := Sum(sha256.Sum256([]byte(key)))
	if master := a.master(); subtle.ConstantTimeCompare(sum[:], master[:]) == 1 {
		return gateway.Principal{Role: gateway.ProxyAdmin, Master: true}, nil
	}
	if tokens := a.tokens(); tokens != nil && !strings.HasPrefix(key, "sk-") {
		v, err := tokens.of(r.Context(), key, &sum)
		if err != nil {
			return gateway.Principal{}, err
		}
		if v != nil {
			return tokens.principal(r, v)
		}
	}
	if !strings.HasPrefix(key, "sk-") {
		return gateway.Principal{}, unauthenticated(fmt.Sprintf("Authentication Error, LiteLLM Virtual Key expected. Received=%s, expected to start with 'sk-'.", mask(key)))
	}
	k, until := a.Directory.Accepted(&sum, a.Now)
	if k == nil {
		e := unauthenticated(fmt.Sprintf("Authentication Error, Invalid proxy server token passed. Received API Key = %s, Key Hash (Token) =%x. Unable to find token in cache or `LiteLLM_VerificationTokenTable`", Display(key), sum))
		e.Type, e.Param = "token_not_found_in_db", "key"
		return gateway.Principal{}, e
	}
	p := a.Directory.Principal(k)
	p.ReplacedUntil = until
	return p, nil
}

func (a *Authenticator) tokens() *Tokens {
	if a.Tokens == nil {
		return nil
	}
	return a.Tokens()
}

// Display returns the form of a key that people may see: its last four
// characters, or none of a key too short to spare them.
func Display(key string) string {
	if len(key) < 16 {
		return "sk-..."
	}
	return "sk-..." + key[len(key)-4:]
}

// mask shows the two ends of something that is not one of our keys.
func mask(s string) string {
	if len(s) < 16 {
		return "****"
	}
	return s[:4] + "****" + s[len(s)-4:]
}
