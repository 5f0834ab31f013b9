// Package wire holds what vendors' wire formats share: finding and replacing
// the members of a JSON body without rebuilding it, and reading server-sent
// events.
//
// Each dialect that both clients and vendors speak has a subpackage.
package wire
