package token

import "penstock/internal/wire"

const (
	// perMessage is what a vendor's chat template wraps around one message, and
	// perRequest what it puts around all of them; OpenAI documents 3 and 3, and
	// names cost one more.
	perMessage = 4
	perRequest = 3
	// perImage is the price of a large image: Claude counts up to 1,568 tokens,
	// GPT-4o up to 1,445, Gemini 258 per tile.
	perImage = 1600
)

// Input returns a number of input tokens that a request will rarely exceed.
//
// English takes about 4 bytes per token and code about 3; only long columns of
// digits take 2. Other scripts take 4 to 8 bytes per token with new vocabularies
// and down to 2 with old ones. Every string adds one token for the member name and the
// punctuation beside it, which matters in tool schemas. Media counts as an
// image each, but a token needs two bytes at least; long recordings and
// documents are known only when the provider has counted them.
func Input(t wire.Text, messages int) int64 {
	return per(t.ASCII, 3) + per(t.NonASCII, 2) + overhead(t, messages)
}

// Likely is nearer to the truth than Input, and as often below it as above. It
// is for rates, where a few tokens too many would throttle callers that are
// within their limit, and the count is put right a moment later.
func Likely(t wire.Text, messages int) int64 {
	return per(t.ASCII, 4) + per(t.NonASCII, 3) + overhead(t, messages)
}

// Counted returns how many tokens a piece of answer stands for, for streams
// that ended before their provider reported usage.
func Counted(textBytes int) int64 { return per(textBytes, 4) }

func overhead(t wire.Text, messages int) int64 {
	media := min(int64(t.Media)*perImage, per(t.MediaLen, 2))
	return perRequest + perMessage*int64(max(0, messages)) + int64(t.Strings) + media
}

// per divides bytes by size, rounded up.
func per(bytes, size int) int64 {
	return (int64(max(0, bytes)) + int64(size) - 1) / int64(size)
}
