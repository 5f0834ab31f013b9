// Package all lists every provider that is built into the binary.
package all
