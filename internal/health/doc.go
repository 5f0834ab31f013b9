// Package health asks deployments whether they answer, and remembers what they said.
package health
