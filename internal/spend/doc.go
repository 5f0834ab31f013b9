// Package spend is the ledger: every finished call becomes one row, journaled
// before the client has its last byte and booked into the store off the
// request path, exactly once.
package spend
