package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// bodyTimeout is how long a client may take to send its body.
const bodyTimeout = 5 * time.Minute

// eager is how much memory a body gets before any of it has come: more would
// let clients that only promise a body fill ours.
const eager = 256 << 10

// readBody reads the request's body and finds its members.
func (q *request) readBody(in *wire.Object) ([]byte, error) {
	max := q.s.MaxBody
	if q.r.ContentLength > max {
		return nil, tooLarge(max)
	}
	rc := http.NewResponseController(q.w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every test's writer has deadlines
	body, err := readAll(q.r, max)
	if err != nil {
		if big, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(big.Limit)
		}
		return nil, &gateway.Error{Kind: gateway.Invalid, Message: "the request body could not be read to its end", Err: err}
	}
	// Without a deadline from here on: the connection is watched for the
	// client's leaving as long as the answer takes.
	_ = rc.SetReadDeadline(time.Time{})
	if err := in.Parse(body); err != nil {
		return nil, &gateway.Error{Kind: gateway.Invalid, Param: "request_body", Message: "Invalid JSON payload: " + err.Error()}
	}
	return body, nil
}

func readAll(r *http.Request, max int64) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, max)
	if n := r.ContentLength; n >= 0 && n <= eager {
		buf := make([]byte, n)
		_, err := io.ReadFull(body, buf)
		return buf, err
	}
	buf := make([]byte, 0, eager)
	for {
		if len(buf) == cap(buf) {
			size := 2 * int64(cap(buf))
			if n := r.ContentLength; n > size {
				size = n + 1 // it has sent a good part of what it promised
			}
			grown := make([]byte, len(buf), min(size, max+1))
			copy(grown, buf)
			buf = grown
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func tooLarge(max int64) *gateway.Error {
	return &gateway.Error{Kind: gateway.TooLarge, Message: "the request body is too large: at most " + size(max) + " are taken (general_settings.max_request_size_mb)"}
}
