package gemini

import "penstock/internal/canon"

// finish translates a finishReason. A call in the answer counts more than
// STOP, which is all that the vendor says about it; not more than MAX_TOKENS,
// because the arguments may be cut. Values that are not known are a stop: new
// ones appear, and the answer is there.
func finish(reason string, calls int) canon.Finish {
	switch reason {
	case "MAX_TOKENS":
		return canon.Length
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
		"IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE", "OTHER", "MODEL_ARMOR":
		return canon.ContentFilter
	}
	if calls > 0 {
		return canon.ToolCalls
	}
	return canon.Stop
}
