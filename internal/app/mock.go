package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"penstock/internal/mock"
)

// mockServer is the built-in provider on a port of its own: calls to it take
// the same way as calls to any other.
type mockServer struct {
	url    string
	server *http.Server
	mock   *mock.Server
	done   chan struct{}
}

func startMock(ctx context.Context) (*mockServer, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the built-in mock provider: %w", err)
	}
	m := &mockServer{url: "http://" + ln.Addr().String() + "/v1", mock: mock.New(mock.Options{Keep: -1}), done: make(chan struct{})}
	m.server = &http.Server{Handler: m.mock, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(m.done)
		_ = m.server.Serve(ln) // always ErrServerClosed: nothing else closes the listener
	}()
	return m, nil
}

func (m *mockServer) close(context.Context) error {
	m.mock.Close()
	err := m.server.Close()
	<-m.done
	return err
}
