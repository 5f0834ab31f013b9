// Package explain keeps why a call went as it did in a few bytes, and tells it to people.
package explain
