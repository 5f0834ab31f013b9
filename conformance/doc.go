// Package conformance drives the built gateway with the vendors' own client libraries, to prove that programs written for those vendors need no change.
//
// It is a module of its own, so that the libraries are no dependency of the
// product. The tests need a gateway and a mock provider that are already
// running; conformance/run starts them and says in the environment where they
// are.
package conformance
