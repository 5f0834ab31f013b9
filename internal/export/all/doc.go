// Package all lists every logging destination that is built into the binary.
package all
