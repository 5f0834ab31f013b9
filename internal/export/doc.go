// Package export hands finished calls to logging destinations.
//
// Emit never blocks a call: every destination has its own bounded queue and
// worker, so a slow one loses its own records and nobody else's. A destination
// that is down is tried again for as long as it is down, while its queue keeps
// the newest records.
//
// To add a destination, add a folder here and a line in all/all.go.
package export
