// Package mock is a scriptable model provider that speaks OpenAI, Anthropic and Gemini, for tests, benchmarks and demos.
//
// It answers every call at once and always in the same way: the words "Hello
// from the Penstock mock." over and over, one token per word. What a call
// costs can be foretold: prompt tokens are 4 + the bytes of all message text
// divided by four and rounded up, completion tokens are the words sent, capped
// by the client's max_tokens. With tools in the request and the word "tool" in
// the last user message it calls the first tool; a model with "reason" in its
// name thinks first.
//
// Everything else is a script: key=value pairs with commas, as Usage lists
// them. A script comes, strongest first, from the test's own queue
// (Server.Script), the header x-mock-script, the body member "mock", the end
// of the model name after "mock-", and Options.Default. The model name is the
// one that passes through a gateway: "mock-status=429,retry_after=3".
package mock
