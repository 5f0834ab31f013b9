package auth

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
)

// pack writes what is set in v, a struct, in few bytes. A million keys are kept
// that way and made into a gateway.Key when one calls: as a Key each would take
// over a kilobyte, nearly all of it zeros. The form lives in memory only and
// follows the struct by reflection, so a field that is added later is kept too.
//
// A struct is its set fields, each as its number from 1 and its value, and a 0.
func pack(v any) string {
	return string(packStruct(nil, reflect.ValueOf(v).Elem()))
}

// unpack is the inverse of pack. Texts are parts of s, not copies of them.
func unpack(s string, v any) {
	d := unpacker{s}
	d.structure(reflect.ValueOf(v).Elem())
}

var timeType = reflect.TypeFor[time.Time]()

func packStruct(b []byte, v reflect.Value) []byte {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 || f.Kind() == reflect.Map && f.Len() == 0 {
			continue
		}
		b = binary.AppendUvarint(b, uint64(i)+1)
		b = packValue(b, f)
	}
	return append(b, 0)
}

func packValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return packString(b, v.String())
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Pointer:
		return packValue(b, v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			t := v.Interface().(time.Time)
			return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
		}
		return packStruct(b, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(binary.AppendUvarint(b, uint64(v.Len())), v.Bytes()...)
		}
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for i := range v.Len() {
			b = packValue(b, v.Index(i))
		}
		return b
	case reflect.Map:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for _, k := range v.MapKeys() {
			b = packValue(packValue(b, k), v.MapIndex(k))
		}
		return b
	}
	panic(fmt.Sprintf("auth: a field of type %s cannot be packed", v.Type()))
}

func packString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// unpacker reads what pack wrote; anything else is a programmer's error.
type unpacker struct{ s string }

func (d *unpacker) uvarint() uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		c := d.s[0]
		d.s = d.s[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
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
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

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
			sec := d.varint()
			*v.Addr().Interface().(*time.Time) = time.Unix(sec, int64(d.uvarint())).UTC()
			return
		}
		d.structure(v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(d.text()))
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
