package settings

import (
	"net"
	"strconv"
	"strings"
	"time"

	"go.calms.com/calms/pkg/calms"
)

// Optional is a check that lets an empty value pass.
func Optional(check Check) Check {
	return func(value string) error {
		if value == "" {
			return nil
		}
		return check(value)
	}
}

// Address wants host:port or :port.
func Address(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "%q is no address: use host:port or :port", value)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return calms.Errorf(calms.KindInvalid, "%q has no port from 0 to 65535", value)
	}
	return nil
}

// Loopback wants an [Address] that is on this machine, for what has neither TLS
// nor authentication.
func Loopback(value string) error {
	if err := Address(value); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(value)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return calms.Errorf(calms.KindInvalid, "%q is no loopback address: use 127.0.0.1:port", value)
	}
	return nil
}

// AtLeast wants a duration that is not shorter than least.
func AtLeast(least time.Duration) Check {
	return func(value string) error {
		d, err := parseDuration(value)
		if err == nil && d < least {
			return calms.Errorf(calms.KindInvalid, "%s is shorter than %s", d, least)
		}
		return err
	}
}

// Between wants a duration from least to most.
func Between(least, most time.Duration) Check {
	return func(value string) error {
		d, err := parseDuration(value)
		if err == nil && (d < least || d > most) {
			return calms.Errorf(calms.KindInvalid, "%s is not between %s and %s", d, least, most)
		}
		return err
	}
}

func parseDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, calms.Errorf(calms.KindInvalid, "%q is no duration: use 500ms, 15m or 24h", value)
	}
	return d, nil
}

// SizeFrom wants a size, see [ParseSize], that is not less than another, such as
// "1MiB".
func SizeFrom(least string) Check {
	return func(value string) error {
		n, err := ParseSize(value)
		if err != nil {
			return err
		}
		if bound, err := ParseSize(least); err != nil || n < bound {
			return calms.Errorf(calms.KindInvalid, "%s is less than %s", value, least)
		}
		return nil
	}
}

// ParseSize reads a number of bytes: a whole number above 0 and KiB, MiB or GiB.
func ParseSize(text string) (bytes int64, err error) {
	for unit, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		number, is := strings.CutSuffix(text, unit)
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
		if is && err == nil && n > 0 {
			return n * factor, nil
		}
	}
	return 0, calms.Errorf(calms.KindInvalid, "%q is no size: use a whole number and KiB, MiB or GiB", text)
}
