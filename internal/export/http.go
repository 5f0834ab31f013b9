package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Post sends one request for a destination and classifies what comes back:
// nil, an error that is worth another try, or ErrPermanent.
func Post(ctx context.Context, client *http.Client, url string, h http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPermanent, err)
	}
	req.Header = h
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout, res.StatusCode >= 500:
		err := fmt.Errorf("answered %d: %s", res.StatusCode, said)
		if s, perr := strconv.Atoi(res.Header.Get("Retry-After")); perr == nil && s > 0 {
			return &RetryAfter{time.Duration(s) * time.Second, err}
		}
		return err
	}
	return fmt.Errorf("%w: answered %d: %s", ErrPermanent, res.StatusCode, said)
}
