package auth

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
)

// pack writes what is set in v, a struct, in few bytes. A million keys are kept
// that way and made into a gateway.Key when one calls: as a Key each would take
// over a kilobyte, nearly all of it zeros. The form lives in memory only and
// follows the struct by reflection, so a field that is added later is kept too.
//
// A struct is its set fields, each as its number from 1 and its value, and a 0.
func pack(words *dictionary, v any) string {
	p := packer{words, make([]byte, 0, 512)}
	p.structure(reflect.ValueOf(v).Elem())
	return string(p.b)
}

// A text is a number and what follows it: the number's two lowest bits say what.
const (
	_       = iota
	written // length, and the text
	known   // number of a word in the dictionary; of texts, of a list in it
	asUUID  // nothing, and the 16 bytes of a UUID in its usual form
)

var (
	timeType  = reflect.TypeFor[time.Time]()
	textsType = reflect.TypeFor[[]string]()
)

type packer struct {
	words *dictionary
	b     []byte
}

func (p *packer) structure(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 || f.Kind() == reflect.Map && f.Len() == 0 {
			continue
		}
		p.number(uint64(i) + 1)
		p.value(f)
	}
	p.b = append(p.b, 0)
}

func (p *packer) number(n uint64) { p.b = binary.AppendUvarint(p.b, n) }

func (p *packer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		p.text(v.String())
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		p.number(n)
	case reflect.Int64:
		p.b = binary.AppendVarint(p.b, v.Int())
	case reflect.Pointer:
		p.value(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			t := v.Interface().(time.Time)
			p.b = binary.AppendVarint(p.b, t.Unix())
			p.number(uint64(t.Nanosecond()))
			return
		}
		p.structure(v)
	case reflect.Slice:
		if v.Type() == textsType {
			p.texts(v.Interface().([]string))
			return
		}
		p.number(uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			p.b = append(p.b, v.Bytes()...)
			return
		}
		for i := range v.Len() {
			p.value(v.Index(i))
		}
	case reflect.Map:
		p.number(uint64(v.Len()))
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
		p.number(uint64(n)<<2 | known)
		return
	}
	if len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil && id.String() == s {
			p.number(asUUID)
			p.b = append(p.b, id[:]...)
			return
		}
	}
	p.number(uint64(len(s))<<2 | written)
	p.b = append(p.b, s...)
}

// texts are a number of the dictionary, if other rows have the same, or their
// count and each.
func (p *packer) texts(list []string) {
	if n, ok := p.words.list(list); ok {
		p.number(uint64(n)<<2 | known)
		return
	}
	p.number(uint64(len(list))<<2 | written)
	for _, s := range list {
		p.text(s)
	}
}
