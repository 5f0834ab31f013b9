package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// maxID bounds what stands in an index, in bytes. PostgreSQL refuses index
// entries over 2,700 bytes, and up to three such texts stand in one of ours.
const maxID = 512

// micros is the stored form of a time; never is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros, in UTC.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// storable reports whether both engines keep s as it is: PostgreSQL refuses
// NUL bytes and broken UTF-8.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// named is a text with the request field it comes from.
type named struct{ param, text string }

// checkIDs refuses texts that cannot be an id.
func checkIDs(ids ...named) error {
	for _, id := range ids {
		if len(id.text) > maxID {
			return gateway.Invalidf(id.param, "%s is %d bytes long, at most %d are allowed", id.param, len(id.text), maxID)
		}
		if !storable(id.text) {
			return gateway.Invalidf(id.param, "%s contains a NUL byte or broken UTF-8", id.param)
		}
	}
	return nil
}

// checkTexts refuses texts that the database cannot keep.
func checkTexts(texts ...named) error {
	for _, t := range texts {
		if !storable(t.text) {
			return gateway.Invalidf(t.param, "%s contains a NUL byte or broken UTF-8", t.param)
		}
	}
	return nil
}

// fit makes s storable. Ledger rows hold text that clients chose, and refusing
// a row would stop the booking of every row behind it.
func fit(s string) string {
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// fitID makes s storable and short enough for an index. Long ids that differ
// stay different: the cut part is replaced by a hash of the whole.
func fitID(s string) string {
	s = fit(s)
	if len(s) <= maxID {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return clip(s, maxID-33) + "~" + hex.EncodeToString(sum[:16])
}

// fitText makes s storable and at most n bytes long.
func fitText(s string, n int) string { return clip(fit(s), n) }

// clip cuts s to at most n bytes between runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// encodeList is the stored form of a list; none is "".
func encodeList[T any](param string, list []T) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	return encode(param, list)
}

// encodeMap is the stored form of a map; none is "".
func encodeMap(param string, m map[string]string) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	return encode(param, m)
}

func encode(param string, v any) (string, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		// Strings are all there is in v: they can only be broken UTF-8.
		return "", gateway.Invalidf(param, "%s contains broken UTF-8", param)
	}
	return string(b), nil
}

// decode reads what encodeList and encodeMap wrote.
func decode(column, text string, into any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read column %s: %w", column, err)
	}
	return nil
}

// encodeObject is the stored form of a raw JSON object, kept byte for byte.
func encodeObject(param string, raw []byte) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	if v := jsontext.Value(raw); !v.IsValid() || v.Kind() != '{' {
		return "", gateway.Invalidf(param, "%s is not a JSON object", param)
	}
	return string(raw), nil
}

// checkObjects refuses texts that are no JSON objects; none is no text.
func checkObjects(texts ...named) error {
	for _, t := range texts {
		if _, err := encodeObject(t.param, []byte(t.text)); err != nil {
			return err
		}
	}
	return nil
}

func decodeObject(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// nullable is the stored form of an optional number.
func nullable[T ~int64](p *T) sql.Null[int64] {
	if p == nil {
		return sql.Null[int64]{}
	}
	return sql.Null[int64]{V: int64(*p), Valid: true}
}

func optional[T ~int64](n sql.Null[int64]) *T {
	if !n.Valid {
		return nil
	}
	v := T(n.V)
	return &v
}
