// Package ledger proves the books, changes prices after the fact, and hands
// them out: verify, reprice and export.
package ledger
