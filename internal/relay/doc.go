// Package relay is the life of a call in a straight line: reserve limits,
// journal what is owed, route, translate, copy the answer to the client, and
// settle: price the call, write the ledger, give back what was reserved, and
// hand the record to the logging destinations.
package relay
