package store

import (
	"encoding/hex"
	"time"
)

// A call's id is a UUID of version 7 as the gateway makes it, and stands in the
// ledger as its 16 bytes. Any other id, from a test or an import, is its text
// behind a byte that no UUID of this age begins with.
const otherID = 0xff

// storedID is the stored form of a call's id.
func storedID(id string) []byte {
	if b, ok := uuid7(id); ok {
		return b[:]
	}
	return append([]byte{otherID}, fitID(id)...)
}

// shownID is the inverse of storedID.
func shownID(b []byte) string {
	if len(b) != 16 || b[0] == otherID {
		return string(b[min(1, len(b)):])
	}
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// uuid7 reads a UUID of version 7 in its usual form, lower case. The first
// digit is 0 for the next five hundred years.
func uuid7(id string) (b [16]byte, ok bool) {
	if len(id) != 36 || id[0] != '0' || id[8] != '-' || id[13] != '-' || id[14] != '7' || id[18] != '-' || id[23] != '-' {
		return b, false
	}
	n := 0
	for i := 0; i < 36; i += 2 {
		if id[i] == '-' {
			i++
		}
		hi, lo := hexDigit(id[i]), hexDigit(id[i+1])
		if hi > 15 || lo > 15 {
			return b, false
		}
		b[n] = hi<<4 | lo
		n++
	}
	return b, true
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// idTime returns when a call of that id began, to the millisecond; false if the
// id does not tell.
func idTime(id string) (time.Time, bool) {
	b, ok := uuid7(id)
	if !ok {
		return time.Time{}, false
	}
	ms := int64(b[0])<<40 | int64(b[1])<<32 | int64(b[2])<<24 | int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
	return time.UnixMilli(ms).UTC(), true
}
