// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Duration is a time.Duration that is written to JSON as whole microseconds.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Duration(d).Microseconds(), 10), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	us, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
		return fmt.Errorf("duration in microseconds: %q is not a whole number", b)
	}
	*d = Duration(time.Duration(us) * time.Microsecond)
	return nil
}

// String is the duration as the report prints it: 12µs, 1.1ms, 40ms, 22.0s,
// 3m05s, 3h12m.
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t < 0:
		return "-" + Duration(-t).String()
	case t < time.Millisecond:
		return fmt.Sprintf("%dµs", t.Microseconds())
	case t < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", t.Seconds()*1e3)
	case t < time.Second-time.Millisecond/2:
		return fmt.Sprintf("%.0fms", t.Seconds()*1e3)
	case t < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1fs", t.Seconds())
	}
	t = t.Round(time.Second)
	if t < time.Hour {
		return fmt.Sprintf("%dm%02ds", t/time.Minute, t%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", t/time.Hour, t%time.Hour/time.Minute)
}

// never is a moment that has not come. It is later than all others, so that
// min and max do what one means.
const never = time.Duration(math.MaxInt64)
