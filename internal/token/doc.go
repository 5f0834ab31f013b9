// Package token estimates how many tokens a request will use, before a provider has counted them.
//
// Nothing here is billed where a provider reports usage: estimates reserve room
// under limits, and the reservation is replaced by the provider's count. So they
// may be rough, but must rarely be too small, and must cost next to nothing: a
// real tokenizer would read every prompt a second time with a table per vendor.
package token
