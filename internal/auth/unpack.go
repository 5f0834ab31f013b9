package auth

import (
	"math/bits"
	"reflect"
	"time"
	"unsafe"
)

// unpack is the inverse of pack: it sets fields of v, a zero struct with the
// layout. Texts and bytes are parts of s, not copies of them, and lists may be
// those of other rows. Numbers that v points to are in spare, if it has room.
//
// It is most of what a call costs whose key is not kept ready. Fields of one form
// are read one after the other: a processor that guesses what comes next is
// right, and one that is not set costs nothing.
func unpack[T any](words *dictionary, l *layout, s string, v *T, spare []int64) {
	d := unpacker{words: *words.words.Load(), lists: *words.lists.Load(), s: s}
	d.row(l, unsafe.Pointer(v), spare) //nolint:gosec // G103: l is the layout of T
}

// unpacker reads what pack wrote; anything else is a programmer's error.
type unpacker struct {
	words []string
	lists [][]string
	s     string
	at    int // in s, of what is read next
}

// row sets fields of the struct at base.
func (d *unpacker) row(l *layout, base unsafe.Pointer, spare []int64) {
	d.at = 8 * len(l.words)
	for i := range l.words {
		w, set := &l.words[i], uint64At(d.s, 8*i)
		field := func(left uint64) unsafe.Pointer { return unsafe.Add(base, w.offsets[bits.TrailingZeros64(left)&63]) }
		s, at := d.s, d.at
		for left := set & w.of[asText]; left != 0; left &= left - 1 {
			n := int(uint16At(s, at))
			at += 2
			switch {
			case n >= known:
				*(*string)(field(left)) = d.words[n&^known]
				continue
			case n == long:
				n = int(uint64At(s, at))
				at += 8
			}
			*(*string)(field(left)) = s[at : at+n]
			at += n
		}
		d.at = at
		for left := set & w.of[asTexts]; left != 0; left &= left - 1 {
			*(*[]string)(field(left)) = d.texts()
		}
		for left := set & w.of[asBytes]; left != 0; left &= left - 1 {
			*(*[]byte)(field(left)) = d.bytes()
		}
		at = d.at
		for left := set & w.of[asNumber]; left != 0; left &= left - 1 {
			*(*int64)(field(left)) = int64(uint64At(s, at))
			at += 8
		}
		for left := set & w.of[asNumberPointer]; left != 0; left &= left - 1 {
			if len(spare) == 0 {
				spare = make([]int64, bits.OnesCount64(left))
			}
			spare[0] = int64(uint64At(s, at))
			*(**int64)(field(left)) = &spare[0]
			at, spare = at+8, spare[1:]
		}
		for left := set & w.of[asBool]; left != 0; left &= left - 1 {
			*(*bool)(field(left)) = true
		}
		for left := set & w.of[asTime]; left != 0; left &= left - 1 {
			*(*time.Time)(field(left)) = timeAt(s, at)
			at += timeSize
		}
		d.at = at
		for left := set & w.of[asOther]; left != 0; left &= left - 1 {
			d.value(reflect.NewAt(l.leaves[64*i+bits.TrailingZeros64(left)].typ, field(left)).Elem())
		}
	}
}

func uint16At(s string, i int) uint16 {
	_ = s[i+1]
	return uint16(s[i]) | uint16(s[i+1])<<8
}

func uint32At(s string, i int) uint32 {
	_ = s[i+3]
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

func uint64At(s string, i int) uint64 {
	_ = s[i+7]
	return uint64(uint32At(s, i)) | uint64(uint32At(s, i+4))<<32
}

// A time is 5 bytes of seconds since 1970, 17,000 years in either direction, and
// 4 of nanoseconds.
const timeSize = 9

func timeAt(s string, i int) time.Time {
	return time.Unix(int64(uint64At(s, i))<<24>>24, int64(uint32At(s, i+5))).UTC()
}

// length reads a length, or known and a number in the dictionary.
func (d *unpacker) length() int {
	n := int(uint16At(d.s, d.at))
	d.at += 2
	if n == long {
		n = int(uint64At(d.s, d.at))
		d.at += 8
	}
	return n
}

func (d *unpacker) take(n int) string {
	d.at += n
	return d.s[d.at-n : d.at]
}

func (d *unpacker) number() int64 { return int64(uint64At(d.take(8), 0)) }

func (d *unpacker) time() time.Time { return timeAt(d.take(timeSize), 0) }

// bytes is a part of the row, as texts are: nobody writes to what the directory
// returns, and who appends to it gets a copy.
func (d *unpacker) bytes() []byte {
	s := d.take(d.length())
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // G103: as above
}

func (d *unpacker) text() string {
	isWord := d.s[d.at+1]&(known>>8) != 0
	n := d.length()
	if isWord {
		return d.words[n&^known]
	}
	return d.take(n)
}

func (d *unpacker) texts() []string {
	isList := d.s[d.at+1]&(known>>8) != 0
	n := d.length()
	if isList {
		return d.lists[n&^known]
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.text()
	}
	return list
}

// structure is row for a struct that reflection has led to.
func (d *unpacker) structure(v reflect.Value) {
	for {
		i := d.length()
		if i == 0 {
			return
		}
		d.value(v.Field(i - 1))
	}
}

func (d *unpacker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(d.text())
	case reflect.Bool:
		v.SetBool(d.take(1) == "\x01")
	case reflect.Int64:
		v.SetInt(d.number())
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(p.Elem())
		v.Set(p)
	case reflect.Struct:
		if v.Type() == timeType {
			*v.Addr().Interface().(*time.Time) = d.time()
			return
		}
		d.structure(v)
	case reflect.Slice:
		switch {
		case v.Type().Elem().Kind() == reflect.Uint8:
			v.SetBytes(d.bytes())
			return
		case v.Type() == textsType:
			v.Set(reflect.ValueOf(d.texts()))
			return
		}
		n := d.length()
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			d.value(v.Index(i))
		}
	case reflect.Map:
		n := d.length()
		m := reflect.MakeMapWithSize(v.Type(), n)
		for range n {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			d.value(key)
			d.value(elem)
			m.SetMapIndex(key, elem)
		}
		v.Set(m)
	}
}
