// Package openapitest checks OpenAPI documents in tests.
package openapitest
