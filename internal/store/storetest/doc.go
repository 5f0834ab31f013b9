// Package storetest is the contract of package store: one suite that has to
// pass on every engine.
package storetest
