package auth

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/google/uuid"
)

// layout is where the fields of a struct are, looked up once: setting them by
// reflection would cost four times as much as all else that makes a key ready.
type layout struct {
	fields []fieldLayout
}

type fieldLayout struct {
	offset uintptr
	form   form
	inner  *layout // of a struct
	typ    reflect.Type
}

// form is how a field is read.
type form uint8

const (
	asOther form = iota // by reflection
	asText
	asBool
	asNumber
	asNumberPointer
	asTime
	asStruct
	asBytes
	asTexts
)

func layoutOf[T any]() *layout { return layoutOfType(reflect.TypeFor[T]()) }

func layoutOfType(t reflect.Type) *layout {
	l := &layout{make([]fieldLayout, t.NumField())}
	for i := range l.fields {
		f := t.Field(i)
		out := fieldLayout{offset: f.Offset, typ: f.Type}
		switch k := f.Type.Kind(); {
		case k == reflect.String:
			out.form = asText
		case k == reflect.Bool:
			out.form = asBool
		case k == reflect.Int64:
			out.form = asNumber
		case k == reflect.Pointer && f.Type.Elem().Kind() == reflect.Int64:
			out.form = asNumberPointer
		case f.Type == timeType:
			out.form = asTime
		case k == reflect.Struct:
			out.form, out.inner = asStruct, layoutOfType(f.Type)
		case k == reflect.Slice && f.Type.Elem().Kind() == reflect.Uint8:
			out.form = asBytes
		case f.Type == textsType:
			out.form = asTexts
		}
		l.fields[i] = out
	}
	return l
}

// unpack is the inverse of pack: it sets fields of v, a zero struct with the
// layout. Texts may be parts of s, not copies of them, and lists may be those of
// other rows.
func unpack[T any](words *dictionary, l *layout, s string, v *T) {
	d := unpacker{words: words, s: s}
	d.fields(l, unsafe.Pointer(v)) //nolint:gosec // G103: l is the layout of T
}

// unpacker reads what pack wrote; anything else is a programmer's error.
type unpacker struct {
	words *dictionary
	s     string
	// numbers are some that pointers will point to: one allocation for all that a
	// row usually has.
	numbers []int64
}

func (d *unpacker) uvarint() uint64 {
	if c := d.s[0]; c < 0x80 {
		d.s = d.s[1:]
		return uint64(c)
	}
	var n uint64
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		c := d.s[i]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			d.s = d.s[i+1:]
			return n
		}
	}
}

func (d *unpacker) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *unpacker) text() string {
	n := d.uvarint()
	switch n & 3 {
	case known:
		return d.words.word(n >> 2)
	case asUUID:
		id := uuid.UUID([]byte(d.take(16)))
		return id.String()
	}
	return d.take(n >> 2)
}

func (d *unpacker) texts() []string {
	n := d.uvarint()
	if n&3 == known {
		return d.words.texts(n >> 2)
	}
	list := make([]string, n>>2)
	for i := range list {
		list[i] = d.text()
	}
	return list
}

func (d *unpacker) time() time.Time {
	sec := d.varint()
	return time.Unix(sec, int64(d.uvarint())).UTC()
}

func (d *unpacker) pointer() *int64 {
	if len(d.numbers) == 0 {
		d.numbers = make([]int64, 4)
	}
	p := &d.numbers[0]
	d.numbers = d.numbers[1:]
	*p = d.varint()
	return p
}

func (d *unpacker) take(n uint64) string {
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

// fields sets those of the struct at base.
func (d *unpacker) fields(l *layout, base unsafe.Pointer) {
	for {
		n := d.uvarint()
		if n == 0 {
			return
		}
		f := &l.fields[n-1]
		at := unsafe.Add(base, f.offset)
		switch f.form {
		case asText:
			*(*string)(at) = d.text()
		case asBool:
			*(*bool)(at) = d.uvarint() == 1
		case asNumber:
			*(*int64)(at) = d.varint()
		case asNumberPointer:
			*(**int64)(at) = d.pointer()
		case asTime:
			*(*time.Time)(at) = d.time()
		case asStruct:
			d.fields(f.inner, at)
		case asBytes:
			*(*[]byte)(at) = []byte(d.take(d.uvarint()))
		case asTexts:
			*(*[]string)(at) = d.texts()
		default:
			d.value(reflect.NewAt(f.typ, at).Elem())
		}
	}
}

// structure is fields for a struct that reflection has led to.
func (d *unpacker) structure(v reflect.Value) {
	for {
		i := d.uvarint()
		if i == 0 {
			return
		}
		d.value(v.Field(int(i) - 1))
	}
}

func (d *unpacker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(d.text())
	case reflect.Bool:
		v.SetBool(d.uvarint() == 1)
	case reflect.Int64:
		v.SetInt(d.varint())
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
			v.SetBytes([]byte(d.take(d.uvarint())))
			return
		case v.Type() == textsType:
			v.Set(reflect.ValueOf(d.texts()))
			return
		}
		n := int(d.uvarint())
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			d.value(v.Index(i))
		}
	case reflect.Map:
		n := int(d.uvarint())
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
