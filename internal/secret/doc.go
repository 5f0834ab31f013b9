// Package secret seals the values that must not be read where they are stored.
package secret
