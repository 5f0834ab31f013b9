// Package anthropic is the Anthropic Messages dialect: it writes a canonical
// chat request as a Messages body, reads Messages answers, whole or streamed,
// as canonical events, and watches answers that pass through untouched.
//
// Nothing here keeps state between a request and its answer. Tool names that
// the API would refuse are escaped so that the answer alone says what they
// were (see EscapeName), and the tool that stands in for response_format has a
// name no client tool can have.
//
// API: https://docs.anthropic.com/en/api/messages
package anthropic
