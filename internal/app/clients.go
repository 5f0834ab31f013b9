package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// errStillOpen says that calls may have been lost to the books.
var errStillOpen = errors.New("calls that were cut did not end in time; what they used may not be booked")

// clients are the connections that clients have open. One ends after its last
// call has, so when none is open every call has written down what it used.
// Counting calls instead would have all of them write to one place.
type clients struct{ open sync.WaitGroup }

// state follows the connections of a server.
func (c *clients) state(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.open.Done()
	case http.StateActive, http.StateIdle:
	}
}

// wait waits until none is open, or ctx ends. The server must be closed.
func (c *clients) wait(ctx context.Context) error {
	none := make(chan struct{})
	go func() { c.open.Wait(); close(none) }()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return errStillOpen
	}
}
