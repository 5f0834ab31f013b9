package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// userInfo returns what the identity provider says of whom a token is from
// (oidc_userinfo_enabled). A token that can be verified here is so first; what the
// provider says goes before what stands in the token.
func (t *Tokens) userInfo(ctx context.Context, token string, now time.Time) (*verified, error) {
	info := &t.o.JWT.UserInfo
	end := now.Add(max(info.TTL, time.Second))
	v := &verified{by: &issuer{Issuer: &config.Issuer{Claims: info.Claims}}, expires: end, until: end}
	var claims *wire.Object
	switch {
	case len(token) > maxToken:
		return nil, badToken("is over %d bytes long", maxToken)
	case looksLikeToken(token) && len(t.issuers) > 0:
		var err error
		if v, claims, err = t.check(ctx, token, now); err != nil {
			return nil, err
		}
		if end.Before(v.until) {
			v.until = end
		}
	case len(t.issuers) > 0:
		return nil, badToken("cannot be read")
	}
	body, err := t.question(ctx, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.URL, nil)
		if err != nil {
			return nil, fmt.Errorf("ask who a token is from: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return req, nil
	})
	if err != nil {
		return nil, err
	}
	var said wire.Object
	if err := said.Parse(body); err != nil {
		return nil, badToken("is not known to the identity provider")
	}
	if claims != nil {
		// OpenID Connect Core 5.3.2: or somebody else's answer could be passed off.
		mine, theirs := (&claimsOf{Object: claims}).text("sub"), (&claimsOf{Object: &said}).text("sub")
		if mine != theirs {
			return nil, badToken("is not about whom its provider says it is")
		}
	}
	v.said = read(&claimsOf{Object: &said, also: claims}, &v.by.Claims)
	return v, nil
}

// question sends one question about a token, and returns the answer. Not many are
// asked at once. The error is a *gateway.Error.
func (t *Tokens) question(ctx context.Context, build func(context.Context) (*http.Request, error)) ([]byte, error) {
	select {
	case t.asked <- struct{}{}:
		defer func() { <-t.asked }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var body []byte
	var status int
	req, err := build(ctx)
	if err == nil {
		req.Header.Set("Accept", "application/json")
		body, status, err = t.answer(req)
	}
	switch {
	case err != nil || status >= 500:
		return nil, &gateway.Error{
			Kind: gateway.Unavailable, Status: http.StatusServiceUnavailable, Type: "auth_provider_unavailable",
			Message: "The authorization server could not be asked about the token. Try again in a moment.", RetryAfter: time.Second, Err: err,
		}
	case status != http.StatusOK:
		return nil, badToken("is not known to the authorization server")
	}
	return body, nil
}

// overridden reports whether a token is to be asked about instead of being verified
// here (routing_overrides), by what it says of itself: it decides only who is asked.
func (t *Tokens) overridden(token string) bool {
	if len(t.o.JWT.Overrides) == 0 || len(token) > maxToken {
		return false
	}
	o, err := payload(token)
	if err != nil {
		return false
	}
	v := &claimsOf{Object: o}
	for i := range t.o.JWT.Overrides {
		x := &t.o.JWT.Overrides[i]
		if fits(x.Issuer, v.whole("iss")) && fits(x.ClientID, v.whole("client_id")) && fits(x.Audience, v.whole("aud")) &&
			fits(x.Scope, append(v.list("scope"), v.list("scp")...)) {
			return true
		}
	}
	return false
}

// fits reports whether one of the values fits one of the patterns. Without patterns
// everything does.
func fits(patterns, values []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(values, func(v string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, v) })
	})
}

// glob reports whether s fits a pattern in which * is any text and ? any byte.
func glob(pattern, s string) bool {
	star, back := -1, 0 // where to go on if what follows the last * does not fit
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, back = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			back++
			i, j = star+1, back
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}
