package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"penstock/internal/wire"
)

// What asking about opaque tokens may take. The answer is believed for
// believed at most: a token that was taken back is out after that.
const (
	maxTokenInfo = 64 << 10 // bytes
	believed     = time.Minute
	// asking is how many tokens are asked about at once; others wait. Strangers
	// can invent tokens, and each costs the identity provider a call.
	asking = 16
)

// introspect returns what the authorization server says of a token that only it
// can read (enable_oauth2_auth). The error is a *gateway.Error.
func (t *Tokens) introspect(ctx context.Context, token string, sum *Sum) (*verified, error) {
	return t.remember(sum, func(now time.Time) (*verified, error) {
		if len(token) > maxToken {
			return nil, badToken("is over %d bytes long", maxToken)
		}
		body, err := t.question(ctx, func(ctx context.Context) (*http.Request, error) { return t.ask(ctx, token) })
		if err != nil {
			return nil, err
		}
		var o wire.Object
		if err := o.Parse(body); err != nil {
			return nil, badToken("is not known to the authorization server")
		}
		if active, ok := o.Bool("active"); ok && !active {
			return nil, badToken("is no longer valid")
		}
		v := &verified{by: &issuer{Issuer: &t.o.JWT.Opaque.Issuer}, expires: now.Add(believed), until: now.Add(believed)}
		if exp, ok := o.Int("exp"); ok {
			end := time.Unix(exp, 0).Add(t.o.JWT.Leeway)
			if !end.After(now) {
				return nil, badToken("expired at %s", time.Unix(exp, 0).UTC().Format(time.RFC3339))
			}
			if end.Before(v.expires) {
				v.expires = end
			}
		}
		v.said = read(&claimsOf{Object: &o}, &v.by.Claims)
		return v, nil
	})
}

// ask is the question about a token: by RFC 7662 if we have a name at the
// authorization server, and otherwise with the token as the bearer, as user info
// endpoints want it.
func (t *Tokens) ask(ctx context.Context, token string) (*http.Request, error) {
	c := &t.o.JWT.Opaque
	method, form := http.MethodGet, ""
	if c.ClientID != "" {
		method, form = http.MethodPost, url.Values{"token": {token}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL, strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("ask about a token: %w", err)
	}
	if c.ClientID != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret.Reveal()))
	} else {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// answer sends a question.
func (t *Tokens) answer(req *http.Request) (body []byte, status int, err error) {
	res, err := t.o.Client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask about a token: %w", err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxTokenInfo))
	if err != nil {
		return nil, 0, fmt.Errorf("ask about a token: %w", err)
	}
	return body, res.StatusCode, nil
}
