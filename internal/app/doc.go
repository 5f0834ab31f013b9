// Package app builds the house and runs it: it is the only package that knows
// every other. Tests start a whole gateway here, without a process.
package app
