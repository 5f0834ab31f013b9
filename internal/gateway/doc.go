// Package gateway is the vocabulary of the house: the values every other
// package passes around, and the one error type a client can see. It imports
// no other package of ours, so any package may import it.
package gateway
