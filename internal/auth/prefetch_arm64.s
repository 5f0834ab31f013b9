#include "textflag.h"

// func prefetch(chunk *byte, offset int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD chunk+0(FP), R0
	MOVD offset+8(FP), R1
	ADD  R1, R0
	PRFM (R0), PLDL1KEEP
	PRFM 64(R0), PLDL1KEEP
	PRFM 128(R0), PLDL1KEEP
	PRFM 192(R0), PLDL1KEEP
	PRFM 256(R0), PLDL1KEEP
	PRFM 320(R0), PLDL1KEEP
	RET
