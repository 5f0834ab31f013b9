package auth

import (
	"reflect"
	"slices"
)

// layout is where the fields of a struct are, with those of the structs in it,
// looked up once: setting them by reflection would cost several times as much.
type layout struct {
	leaves []leaf       // in the order in which rows have them: by form
	words  []layoutWord // of 64 leaves each
}

type leaf struct {
	index  []int // for reflection
	offset uintptr
	form   form
	typ    reflect.Type
}

// layoutWord is what unpack needs to know of 64 leaves.
type layoutWord struct {
	of      [forms]uint64 // which of them have the form
	offsets [64]uintptr
}

// form is how a field is read.
type form uint8

const (
	asText form = iota
	asTexts
	asBytes
	asNumber
	asNumberPointer
	asBool // true if it is there
	asTime
	asOther // by reflection
	forms
)

func layoutOf[T any]() *layout {
	l := &layout{}
	l.add(reflect.TypeFor[T](), nil, 0)
	slices.SortStableFunc(l.leaves, func(a, b leaf) int { return int(a.form) - int(b.form) })
	l.words = make([]layoutWord, (len(l.leaves)+63)/64)
	for i, f := range l.leaves {
		w := &l.words[i/64]
		w.of[f.form] |= 1 << (i % 64)
		w.offsets[i%64] = f.offset
	}
	return l
}

func (l *layout) add(t reflect.Type, index []int, base uintptr) {
	for i := range t.NumField() {
		f := t.Field(i)
		out := leaf{index: append(slices.Clone(index), i), offset: base + f.Offset, typ: f.Type}
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
			l.add(f.Type, out.index, out.offset)
			continue
		case k == reflect.Slice && f.Type.Elem().Kind() == reflect.Uint8:
			out.form = asBytes
		case f.Type == textsType:
			out.form = asTexts
		default:
			out.form = asOther
		}
		l.leaves = append(l.leaves, out)
	}
}
