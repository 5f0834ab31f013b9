// Package auth turns a key into a Principal, and says what it may do.
package auth
