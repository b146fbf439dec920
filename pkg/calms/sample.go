package calms

import "fmt"

// Sample is one measured value of one channel. The unit and the meaning are the
// channel's.
type Sample struct {
	Time    int64   // nanoseconds; what they count from is said by whoever passes the sample
	Value   float64 // NaN where the quality is bad and nothing was read
	Quality Quality
}

// Quality says whether a value may be believed. The two highest bits are the
// class (as in OPC UA), the rest is the reason.
type Quality uint8

// The qualities. Numbers are on the wire and on disk: never change one.
const (
	Good Quality = 0x00

	Uncertain         Quality = 0x40 // no better reason known
	UncertainRange    Quality = 0x41 // outside the instrument's stated range
	UncertainStale    Quality = 0x42 // the instrument repeats an old value
	UncertainClock    Quality = 0x43 // the time is doubtful, the value is not
	Bad               Quality = 0x80 // no better reason known
	BadNotConnected   Quality = 0x81 // no connection to the instrument
	BadTimeout        Quality = 0x82 // connected, but no answer in time
	BadRefused        Quality = 0x83 // the instrument answered with an error
	BadReply          Quality = 0x84 // an answer that cannot be understood
	BadSensor         Quality = 0x85 // the instrument says that its sensor failed
	BadInvalidValue   Quality = 0x86 // the value is the instrument's marker for "none"
	BadNotConfigured  Quality = 0x87 // the instrument does not have this point
	qualityClassMask  Quality = 0xC0
	qualityClassWrong Quality = 0xC0
)

var qualityNames = map[Quality]string{
	Good:             "good",
	Uncertain:        "uncertain",
	UncertainRange:   "uncertain:range",
	UncertainStale:   "uncertain:stale",
	UncertainClock:   "uncertain:clock",
	Bad:              "bad",
	BadNotConnected:  "bad:not-connected",
	BadTimeout:       "bad:timeout",
	BadRefused:       "bad:refused",
	BadReply:         "bad:reply",
	BadSensor:        "bad:sensor",
	BadInvalidValue:  "bad:invalid-value",
	BadNotConfigured: "bad:not-configured",
}

// IsGood reports whether the value may be used without a second thought.
func (q Quality) IsGood() bool { return q&qualityClassMask == Good }

// IsUncertain reports whether there is a value, to be used with care.
func (q Quality) IsUncertain() bool { return q&qualityClassMask == Uncertain }

// IsBad reports whether the value must not be used.
func (q Quality) IsBad() bool { return q&qualityClassMask >= Bad }

// Valid reports whether the class bits are ones that exist.
func (q Quality) Valid() bool { return q&qualityClassMask != qualityClassWrong }

// String names the class and, where known, the reason: "bad:timeout".
func (q Quality) String() string {
	if name, ok := qualityNames[q]; ok {
		return name
	}
	return fmt.Sprintf("%s:%d", qualityNames[q&qualityClassMask], q&^qualityClassMask)
}
