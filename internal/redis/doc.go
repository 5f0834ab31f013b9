// Package redis shares counters between gateway processes, in Redis or Valkey.
//
// Every atomic step is one Lua script beside the Go that calls it, and touches
// one key, so that a Redis Cluster can play it on whatever node has the key.
package redis
