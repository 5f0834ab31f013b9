// Package auth turns a key or a token into a Principal, and says what it may do.
package auth
