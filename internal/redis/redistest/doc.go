// Package redistest says where tests find a Redis server.
package redistest
