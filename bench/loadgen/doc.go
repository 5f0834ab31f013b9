// Package main is the command loadgen: it starts Penstock, a bare reverse proxy and the mock provider for scripts/bench, drives them in turn and prints what a call costs each.
package main
