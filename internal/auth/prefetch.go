//go:build amd64 || arm64

package auth

// prefetch asks for the memory of a row of usual size before it is read, all of
// it at once: a key that was not used of late is nowhere near the processor, which
// would wait for its first line, and then for the next. It reads nothing.
//
//go:noescape
func prefetch(chunk *byte, offset int)
