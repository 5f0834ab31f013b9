package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"penstock/internal/gateway"
)

// Options say where Redis is.
type Options struct {
	// URL is redis://, rediss:// or unix://, with user, password and database.
	URL gateway.Secret
	// Nodes are where a cluster may be found, "host:port"; the URL says the rest.
	Nodes []string
	// Namespace stands before every key, for a Redis that others use too.
	Namespace string
	// Now is the clock of a test; nil is the server's, which all replicas share.
	Now func() time.Time
}

// DB is a Redis or Valkey server, or a cluster of them. It connects when it is
// first used, and again when it must: a server that is away when the gateway
// starts is found when it comes.
type DB struct {
	o      Options
	option rueidis.ClientOption

	mu     sync.Mutex
	client rueidis.Client
	wait   chan struct{} // closed when the attempt to connect that is under way has ended
	failed error         // of the last attempt
	closed bool
}

// Open reads the URL. It does not connect. Close the DB when done.
func Open(o Options) (*DB, error) {
	option, err := rueidis.ParseURL(o.URL.Reveal())
	if err != nil {
		// The parser's error may quote the password.
		return nil, errors.New("the Redis URL cannot be read: use redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path/to/redis.sock")
	}
	if option.TLSConfig != nil {
		option.TLSConfig.MinVersion = tls.VersionTLS12
	}
	if len(o.Nodes) > 0 {
		option.InitAddress = o.Nodes
	}
	option.ClientName = "penstock"
	option.Dialer.Timeout = time.Second
	option.DisableCache = true
	option.DisableRetry = true // who asks decides whether a late answer is of use
	option.ConnWriteTimeout = 2 * time.Second
	option.Dialer.KeepAlive = time.Second
	option.PipelineMultiplex = 1 // two connections; commands of many calls share them
	option.BlockingPoolSize = 8
	option.ReadBufferEachConn, option.WriteBufferEachConn = 32<<10, 32<<10
	if option.SelectDB != 0 {
		option.ForceSingleClient = true // a cluster has one database only
	}
	if dial := option.DialCtxFn; dial == nil {
		option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, cfg *tls.Config) (net.Conn, error) {
			if cfg != nil {
				return (&tls.Dialer{NetDialer: d, Config: cfg}).DialContext(ctx, "tcp", addr)
			}
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	return &DB{o: o, option: option}, nil
}

// connect returns the connection, made now if there is none.
func (db *DB) connect(ctx context.Context) (rueidis.Client, error) {
	db.mu.Lock()
	switch {
	case db.closed:
		db.mu.Unlock()
		return nil, errors.New("redis is closed")
	case db.client != nil:
		defer db.mu.Unlock()
		return db.client, nil
	}
	wait := db.wait
	if wait == nil {
		wait = make(chan struct{})
		db.wait = wait
		// On its own, because a dial takes as long as it takes and the caller
		// has less time. It ends by the dialer's timeout.
		go db.dial(wait)
	}
	db.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
		return nil, fmt.Errorf("connect to redis: %w", ctx.Err())
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.client == nil {
		return nil, fmt.Errorf("connect to redis: %w", db.failed)
	}
	return db.client, nil
}

func (db *DB) dial(done chan struct{}) {
	client, err := rueidis.NewClient(db.option)
	db.mu.Lock()
	defer db.mu.Unlock()
	db.wait, db.failed = nil, err
	switch {
	case err != nil:
	case db.closed:
		client.Close()
	default:
		db.client = client
	}
	close(done)
}

// Close ends the connections.
func (db *DB) Close() error {
	db.mu.Lock()
	client, wait := db.client, db.wait
	db.client, db.closed = nil, true
	db.mu.Unlock()
	if client != nil {
		client.Close()
	}
	if wait != nil {
		<-wait
	}
	return nil
}

func (db *DB) key(name string) string {
	if db.o.Namespace != "" {
		return db.o.Namespace + ":penstock:" + name
	}
	return "penstock:" + name
}

// now is what a script is told of the time: 0 lets it ask the server.
func (db *DB) now() int64 {
	if db.o.Now == nil {
		return 0
	}
	return db.o.Now().UnixMicro()
}
