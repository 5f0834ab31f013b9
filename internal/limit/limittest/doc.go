// Package limittest is the contract of limit.Counter: every implementation
// must pass it.
package limittest
