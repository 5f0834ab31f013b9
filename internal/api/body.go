package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// bodyTimeout is how long a client may take to send its body.
const bodyTimeout = 5 * time.Minute

// eager is how much new memory a body gets before any of it has come: more
// would let clients that only promise a body fill ours.
const eager = 256 << 10

// readBody reads the request's body and finds its members.
func (q *request) readBody(in *wire.Object) ([]byte, error) {
	max := q.s.MaxBody
	if q.r.ContentLength > max {
		return nil, q.tooLarge(q.r.ContentLength)
	}
	rc := http.NewResponseController(q.w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every test's writer has deadlines
	body, err := q.a.buffers.readAll(q.r, max)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, q.tooLarge(max + 1)
		}
		return nil, &gateway.Error{Kind: gateway.Invalid, Message: "the request body could not be read to its end", Err: err}
	}
	// Without a deadline from here on: the connection is watched for the
	// client's leaving as long as the answer takes.
	_ = rc.SetReadDeadline(time.Time{})
	if err := in.Parse(body); err != nil {
		return nil, &gateway.Error{Kind: gateway.Invalid, Param: "request_body", Message: "Invalid JSON payload: " + err.Error()}
	}
	if model := q.r.PathValue("model"); model != "" {
		return q.a.called(in, body, model)
	}
	return body, nil
}

// called has the body ask for the model that stands in the path, as Azure's
// clients call one: what they have in the body is of no meaning there.
func (a *API) called(in *wire.Object, body []byte, model string) ([]byte, error) {
	if m := in.Find("model"); m != nil && bytes.Equal(in.Get("model"), wire.Quote(model)) {
		return body, nil
	}
	named := wire.Segments(body, []wire.Edit{in.Set("model", wire.Quote(model))}).Bytes()
	if len(body) > smallestBuffer {
		a.buffers.keep(body)
	}
	if err := in.Parse(named); err != nil {
		return nil, fmt.Errorf("put the path's model into the body: %w", err)
	}
	return named, nil
}

// readAll reads the request's body. Bodies too large for exact memory of their
// own come in a buffer that can be kept.
func (b *buffers) readAll(r *http.Request, max int64) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, max)
	n := r.ContentLength
	if n >= 0 && n <= smallestBuffer {
		buf := make([]byte, n)
		_, err := io.ReadFull(body, buf)
		return buf, err
	}
	// One byte more than promised, so that the end is seen without growing.
	buf := b.kept(n + 1)
	if buf == nil {
		first := min(n+1, eager)
		if n < 0 {
			first = smallestBuffer
		}
		buf = b.fresh(first)
	}
	for {
		if len(buf) == cap(buf) {
			// It has sent a good part of what it promised.
			size := min(max+1, 2*int64(cap(buf)))
			if n > size {
				size = n + 1
			}
			grown := b.kept(size)
			if grown == nil {
				grown = b.fresh(size)
			}
			grown = append(grown, buf...)
			b.keep(buf)
			buf = grown
		}
		got, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+got]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			b.keep(buf)
			return nil, err
		}
	}
}

// tooLarge is for a body of n bytes, or of more than that. A limit that was set
// answers as LiteLLM's does.
func (q *request) tooLarge(n int64) *gateway.Error {
	if q.s.MaxBodySet {
		return &gateway.Error{
			Kind: gateway.TooLarge, Status: http.StatusBadRequest, Type: "bad_request_error", Param: "content-length",
			Message: fmt.Sprintf("Request size is too large. Request size is %s MB. Max size is %s MB (general_settings.max_request_size_mb)", megabytes(n), megabytes(q.s.MaxBody)),
		}
	}
	return &gateway.Error{Kind: gateway.TooLarge, Message: "the request body is too large: at most " + size(q.s.MaxBody) + " are taken (general_settings.max_request_size_mb)"}
}

// megabytes is an amount of bytes in MB, with as many decimals as it needs.
func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/(1<<20), 'f', -1, 64) }
