// Package e2e tests the built program as its users meet it: a process, a
// configuration file, HTTP and signals.
package e2e
