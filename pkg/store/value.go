package store

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"go.calms.com/calms/pkg/calms"
)

// bytesValue is a value that JSON has no form for; one field is set.
type bytesValue struct {
	Blob  *string `json:"b,omitempty"` // bytes, base64
	Text  *string `json:"t,omitempty"` // text that is not UTF-8, base64
	Float *string `json:"f,omitempty"` // "+Inf" or "-Inf"
}

// appendRow appends a row's line, without its newline, to b.
func appendRow(b []byte, values []any) ([]byte, error) {
	b = append(b, '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, value); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendValue appends the one form that a value has in an export:
//
//	null                   null
//	integer (int64)        -9223372036854775808
//	float (float64)        1.0, 1e+300: shortest exact form, with '.' or 'e'
//	infinite float         {"f":"+Inf"}
//	text, UTF-8            "…"
//	text, other            {"t":"base64"}
//	blob                   {"b":"base64"}
func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v), nil
	case string:
		return appendText(b, v)
	case []byte:
		b = append(b, `{"b":"`...)
		b = base64.StdEncoding.AppendEncode(b, v)
		return append(b, `"}`...), nil
	default:
		return nil, calms.Errorf(calms.KindInternal, "a value of type %T cannot be exported", v)
	}
}

func appendFloat(b []byte, v float64) []byte {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		b = append(b, `{"f":"`...)
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
		return append(b, `"}`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

func appendText(b []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		b = append(b, `{"t":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(v))
		return append(b, `"}`...), nil
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// parseRow reads a row's line; it takes any JSON form of the values.
func parseRow(line []byte) ([]any, error) {
	if !utf8.Valid(line) {
		return nil, calms.Errorf(calms.KindInvalid, "the line is not UTF-8")
	}
	var cells []json.RawMessage
	if err := json.Unmarshal(line, &cells); err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "%w", err)
	}
	values := make([]any, len(cells))
	for i, cell := range cells {
		value, err := parseValue(cell)
		if err != nil {
			return nil, calms.Errorf(calms.KindInvalid, "value %d: %w", i+1, err)
		}
		values[i] = value
	}
	return values, nil
}

func parseValue(cell json.RawMessage) (any, error) {
	switch cell[0] {
	case 'n':
		return nil, nil
	case '"':
		var text string
		err := json.Unmarshal(cell, &text)
		return text, err
	case '{':
		return parseBytes(cell)
	case '[', 't', 'f':
		return nil, calms.Errorf(calms.KindInvalid, "%.20s is not a value of an export", cell)
	}
	if bytes.ContainsAny(cell, ".eE") {
		return strconv.ParseFloat(string(cell), 64)
	}
	return strconv.ParseInt(string(cell), 10, 64)
}

func parseBytes(cell json.RawMessage) (any, error) {
	var v bytesValue
	decoder := json.NewDecoder(bytes.NewReader(cell))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	switch {
	case v.Blob != nil && v.Text == nil && v.Float == nil:
		blob, err := base64.StdEncoding.Strict().DecodeString(*v.Blob)
		if blob == nil {
			blob = []byte{} // nil would be stored as NULL
		}
		return blob, err
	case v.Text != nil && v.Blob == nil && v.Float == nil:
		text, err := base64.StdEncoding.Strict().DecodeString(*v.Text)
		return string(text), err
	case v.Float != nil && v.Blob == nil && v.Text == nil:
		return strconv.ParseFloat(*v.Float, 64)
	}
	return nil, calms.Errorf(calms.KindInvalid, "exactly one of b, t and f is needed")
}
