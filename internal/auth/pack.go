package auth

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"
)

// pack writes what is set in v, a pointer to a struct with the layout, in few
// bytes. A million keys are kept that way and made into a gateway.Key when one
// calls: as a Key each would take a kilobyte, nearly all of it zeros. The form
// lives in memory only and follows the struct by reflection, so a field that is
// added later is kept too.
//
// A row is a mask of the fields that are set, 8 bytes for each 64, and their
// values in the order of the layout, which has those of one form together.
func (l *layout) pack(words *dictionary, v any) string {
	p := packer{words, make([]byte, 8*len(l.words), 512)}
	s := reflect.ValueOf(v).Elem()
	for i := range l.leaves {
		f := s.FieldByIndex(l.leaves[i].index)
		if unset(f) {
			continue
		}
		p.b[i/8] |= 1 << (i % 8)
		if l.leaves[i].form != asBool {
			p.value(f)
		}
	}
	return string(p.b)
}

// A length, a count or a number of a field takes two bytes; from long on ten. In
// its place a text, or a list of texts, may have a number of the dictionary.
const (
	long  = 0x7fff // 8 bytes follow
	known = 0x8000 // and the number in the dictionary, of a word or of a list
)

var (
	timeType  = reflect.TypeFor[time.Time]()
	textsType = reflect.TypeFor[[]string]()
)

type packer struct {
	words *dictionary
	b     []byte
}

func unset(f reflect.Value) bool {
	return f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 || f.Kind() == reflect.Map && f.Len() == 0
}

// structure writes a struct within a list or a map: its set fields, each as its
// number from 1 and its value, and a 0.
func (p *packer) structure(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); !unset(f) {
			p.length(i + 1)
			p.value(f)
		}
	}
	p.length(0)
}

func (p *packer) length(n int) { p.b = appendLength(p.b, n) }

func appendLength(b []byte, n int) []byte {
	if n < long {
		return binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(b, long), uint64(n))
}

func (p *packer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		p.text(v.String())
	case reflect.Bool:
		n := byte(0)
		if v.Bool() {
			n = 1
		}
		p.b = append(p.b, n)
	case reflect.Int64:
		p.b = binary.LittleEndian.AppendUint64(p.b, uint64(v.Int()))
	case reflect.Pointer:
		p.value(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			t := v.Interface().(time.Time)
			p.b = binary.LittleEndian.AppendUint64(p.b, uint64(t.Unix()))[:len(p.b)+5]
			p.b = binary.LittleEndian.AppendUint32(p.b, uint32(t.Nanosecond()))
			return
		}
		p.structure(v)
	case reflect.Slice:
		if v.Type() == textsType {
			p.texts(v.Interface().([]string))
			return
		}
		p.length(v.Len())
		if v.Type().Elem().Kind() == reflect.Uint8 {
			p.b = append(p.b, v.Bytes()...)
			return
		}
		for i := range v.Len() {
			p.value(v.Index(i))
		}
	case reflect.Map:
		p.length(v.Len())
		for _, k := range v.MapKeys() {
			p.value(k)
			p.value(v.MapIndex(k))
		}
	default:
		panic(fmt.Sprintf("auth: a field of type %s cannot be packed", v.Type()))
	}
}

func (p *packer) text(s string) {
	if n, ok := p.words.id(s); ok {
		p.b = binary.LittleEndian.AppendUint16(p.b, uint16(known|n))
		return
	}
	p.length(len(s))
	p.b = append(p.b, s...)
}

// texts are a number of the dictionary, if other rows have the same, or their
// count and each.
func (p *packer) texts(list []string) {
	if n, ok := p.words.list(list); ok {
		p.b = binary.LittleEndian.AppendUint16(p.b, uint16(known|n))
		return
	}
	p.length(len(list))
	for _, s := range list {
		p.text(s)
	}
}
