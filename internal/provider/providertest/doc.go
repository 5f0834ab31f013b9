// Package providertest is the conformance test for provider adapters: it plays
// golden files, each one exchange from the client's request to the client's
// answer.
//
//	-- deployment --
//	upstream: gpt-5
//	-- client --
//	{"model":"m","messages":[...],"stream":true}
//	-- upstream request --
//	POST /v1/chat/completions
//	Authorization: Bearer [key]
//	{...}
//	-- upstream answer 429 retry-after=3 --
//	{"error":{...}}
//	-- answer --
//	error: upstream rate limited: slow down (status 429, retry after 3s)
//
// The deployment part is optional; deployment.go lists its lines. The client
// part is an OpenAI chat request, or starts with a line "POST /v1/embeddings"
// for an embeddings request, or "POST native" for a chat request in the
// vendor's own dialect. Client part and upstream answer come from the vendor's
// documentation or a recorded call, keys removed. Run the tests with -update to
// write the other two parts, and read the diff.
package providertest
