// Package openapi describes HTTP endpoints as an OpenAPI 3.1 document, made
// from the Go types that they read and write, and shows it as a page.
package openapi
