#include "textflag.h"

// func prefetch(chunk *byte, offset int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ chunk+0(FP), AX
	ADDQ offset+8(FP), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)
	PREFETCHT0 128(AX)
	PREFETCHT0 192(AX)
	PREFETCHT0 256(AX)
	PREFETCHT0 320(AX)
	RET
