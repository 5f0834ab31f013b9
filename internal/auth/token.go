package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// algorithms are how tokens may be signed. What is not here is not taken: none,
// and the HS ones, whose secret would be the public key.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// maxToken is how long a token may be, in bytes.
const maxToken = 16 << 10

// TokenOptions are what Tokens are made from. Directory and JWT are needed.
type TokenOptions struct {
	JWT       config.JWT
	Directory *Directory
	// NewUser and NewTeam store who is not known yet (user_id_upsert,
	// team_id_upsert), and have the directory know it when they return.
	NewUser func(context.Context, *gateway.User) error
	NewTeam func(context.Context, *gateway.Team) error
	// Sync stores the role of a user, unless it is "", and puts it into teams and takes
	// it out of others; the directory knows it when it returns.
	Sync func(ctx context.Context, userID string, role gateway.Role, join, leave []string) error
	// NewKey stores a key and a claim that stands for it, and has the directory know
	// both. If the claim stands for a key already, it does nothing.
	NewKey func(context.Context, *gateway.Key, *gateway.JWTMapping) error
	// Before, if set, are the tokens of an earlier configuration, whose fetched keys
	// are of use.
	Before *Tokens
	Client *http.Client
	Now    func() time.Time // time.Now
	Log    *slog.Logger     // none
}

// Tokens knows who the bearer tokens of identity providers are from. A token is
// verified once, and then known by its hash while it lasts.
type Tokens struct {
	o       TokenOptions
	issuers []issuer
	known   [shards]knownTokens
	asked   chan struct{} // holds one for each question to the authorization server
}

type issuer struct {
	*config.Issuer
	keys []*keySet
}

// knownTokens are verified tokens. A full shard forgets any of them, which is
// then verified again.
type knownTokens struct {
	mu sync.RWMutex
	m  map[Sum]*verified // guarded by mu
}

// maxKnown is how many tokens a shard knows: 16,384 in all, some 10 MB.
const maxKnown = 512

// verified is a token whose signature, issuer, audience and times are right.
type verified struct {
	said
	by      *issuer
	expires time.Time // with leeway
	// synced is when it was last tried to store what the token says, in Unix
	// nanoseconds.
	synced atomic.Int64
	until  time.Time // when it is looked at again: its key may be gone
}

// NewTokens returns the tokens of the configured issuers. Run must run.
func NewTokens(o TokenOptions) *Tokens {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	t := &Tokens{o: o, asked: make(chan struct{}, asking)}
	for i := range t.o.JWT.Issuers {
		s := &t.o.JWT.Issuers[i]
		by := issuer{Issuer: s}
		for _, u := range s.KeysURLs {
			by.keys = append(by.keys, t.keySet(u, ""))
		}
		if len(s.KeysURLs) == 0 {
			by.keys = []*keySet{t.keySet("", s.Name)}
		}
		t.issuers = append(t.issuers, by)
	}
	for i := range t.known {
		t.known[i].m = map[Sum]*verified{}
	}
	return t
}

// keySet returns the keys of an address, with those that were fetched before.
func (t *Tokens) keySet(url, issuer string) *keySet {
	s := &keySet{url: url, issuer: issuer, client: t.o.Client, now: t.o.Now, stale: t.o.JWT.KeysTTL + t.o.JWT.StaleTTL}
	if t.o.Before == nil {
		return s
	}
	for i := range t.o.Before.issuers {
		for _, old := range t.o.Before.issuers[i].keys {
			if old.url == url && old.issuer == issuer {
				s.keys.Store(old.keys.Load())
			}
		}
	}
	return s
}

// Run fetches keys before anybody needs them, until ctx ends.
func (t *Tokens) Run(ctx context.Context) {
	tick := time.NewTicker(max(t.o.JWT.KeysTTL, unknownEvery))
	defer tick.Stop()
	for {
		for i := range t.issuers {
			for _, s := range t.issuers[i].keys {
				if err := s.fetch(ctx); err != nil && ctx.Err() == nil {
					t.o.Log.Warn("keys of bearer tokens not fetched; those of before are used", "issuer", t.issuers[i].Name, "err", err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// looksLikeToken tells a JSON Web Token from what else may stand in its place.
func looksLikeToken(s string) bool { return strings.HasPrefix(s, "ey") && strings.Count(s, ".") == 2 }

// of returns what is known of what came instead of a key, nil if it is no token
// of a kind that is taken.
func (t *Tokens) of(ctx context.Context, token string, sum *Sum) (*verified, error) {
	j := &t.o.JWT
	switch {
	case j.Enabled && looksLikeToken(token):
		if t.overridden(token) {
			return t.introspect(ctx, token, sum)
		}
		return t.verify(ctx, token, sum)
	case j.Opaque.Enabled:
		return t.introspect(ctx, token, sum)
	case j.Enabled && j.UserInfo.Enabled:
		return t.verify(ctx, token, sum)
	}
	return nil, nil
}

// verify returns what is known of a token, having verified it if need be.
func (t *Tokens) verify(ctx context.Context, token string, sum *Sum) (*verified, error) {
	return t.remember(sum, func(now time.Time) (*verified, error) {
		if t.o.JWT.UserInfo.Enabled {
			return t.userInfo(ctx, token, now)
		}
		v, o, err := t.check(ctx, token, now)
		if err == nil {
			v.said = read(&claimsOf{Object: o}, &v.by.Claims)
		}
		return v, err
	})
}

// remember returns what is known of the token with the sum, or else what learn
// finds out.
func (t *Tokens) remember(sum *Sum, learn func(now time.Time) (*verified, error)) (*verified, error) {
	now := t.o.Now()
	s := &t.known[sum[0]&(shards-1)]
	s.mu.RLock()
	v := s.m[*sum]
	s.mu.RUnlock()
	if v != nil && now.Before(v.until) && now.Before(v.expires) {
		return v, nil
	}
	v, err := learn(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.m, *sum)
		return nil, err
	}
	if len(s.m) >= maxKnown {
		for old := range s.m { // any: maps begin anywhere
			delete(s.m, old)
			break
		}
	}
	s.m[*sum] = v
	return v, nil
}

// check verifies a token: signature, algorithm, issuer, audience, times. It returns
// its claims. The error is a *gateway.Error that shows nothing of the token.
func (t *Tokens) check(ctx context.Context, token string, now time.Time) (*verified, *wire.Object, error) {
	if len(token) > maxToken {
		return nil, nil, badToken("is over %d bytes long", maxToken)
	}
	leeway := t.o.JWT.Leeway
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithLeeway(leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
	var unchecked jwt.RegisteredClaims
	head, _, err := parser.ParseUnverified(token, &unchecked)
	if err != nil {
		return nil, nil, badToken("cannot be read")
	}
	if !slices.Contains(algorithms, head.Method.Alg()) {
		return nil, nil, badToken("is signed in a way that is not taken here")
	}
	if head.Header["crit"] != nil {
		return nil, nil, badToken("asks for something that is not known here (crit)")
	}
	by := t.issuerOf(unchecked.Issuer)
	if by == nil {
		return nil, nil, badToken("is of an issuer that is not trusted here")
	}
	id, _ := head.Header["kid"].(string)
	var keys []publicKey
	for _, s := range by.keys {
		found, err := s.findOrFetch(ctx, id)
		if err != nil && len(by.keys) == 1 {
			return nil, nil, &gateway.Error{
				Kind: gateway.Unavailable, Status: http.StatusServiceUnavailable, Type: "auth_provider_unavailable",
				Message: "The identity provider's keys could not be fetched, so the token cannot be verified. Try again in a moment.", RetryAfter: unknownEvery, Err: err,
			}
		}
		keys = append(keys, found...)
	}
	candidates := slices.DeleteFunc(keys, func(k publicKey) bool { return !k.fits(head.Method.Alg()) })
	switch {
	case len(candidates) == 0:
		return nil, nil, badToken("is signed with a key that its issuer does not have")
	case len(candidates) > 4: // without an id: not a reason to try a hundred
		candidates = candidates[:4]
	}
	var claims jwt.RegisteredClaims
	for _, k := range candidates {
		claims = jwt.RegisteredClaims{}
		_, err = parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return k.key, nil })
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, nil, badToken("expired at %s", claims.ExpiresAt.UTC().Format(time.RFC3339))
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return nil, nil, badToken("is not valid yet")
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return nil, nil, badToken("is from the future")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return nil, nil, badToken("does not say when it expires")
	case err != nil:
		return nil, nil, badToken("has a signature that is not right")
	}
	if len(by.Audience) > 0 && !slices.ContainsFunc(by.Audience, func(a string) bool { return slices.Contains(claims.Audience, a) }) {
		return nil, nil, badToken("is for another audience")
	}
	v := &verified{by: by, expires: claims.ExpiresAt.Add(leeway), until: now.Add(max(t.o.JWT.KeysTTL, unknownEvery))}
	o, err := payload(token)
	if err != nil { // e.g. a claim that stands twice, of which we could believe another one than the parser has
		return nil, nil, badToken("has claims that cannot be read")
	}
	return v, o, nil
}

// payload returns the claims of a token, which nothing is known of.
func payload(token string) (*wire.Object, error) {
	_, text, _ := strings.Cut(token, ".")
	text, _, _ = strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	o := new(wire.Object)
	return o, o.Parse(raw)
}

// fits reports whether the key is for the algorithm.
func (k publicKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return alg[0] == 'R' || alg[0] == 'P'
	case *ecdsa.PublicKey:
		return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[alg] == key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// issuerOf returns the issuer whose name a token says, or the one whose name is
// not checked.
func (t *Tokens) issuerOf(name string) *issuer {
	for i := range t.issuers {
		if s := &t.issuers[i]; s.Name == name || s.Name == "" {
			return s
		}
	}
	return nil
}

func badToken(format string, args ...any) *gateway.Error {
	return unauthenticated("Authentication Error, The token " + fmt.Sprintf(format, args...) + ".")
}
