// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strconv"
	"time"
)

// htmlTick is a line across the timeline, with its time.
type htmlTick struct{ X, Label string }

const (
	// maxTicks is how many of them a narrow window has room for.
	maxTicks = 8
	// maxTime bounds what a page shows. A file may claim anything, and sums
	// of two must not overflow.
	maxTime = 100 * 365 * 24 * time.Hour
)

// longSteps are those of an axis of minutes and more.
var longSteps = []time.Duration{
	20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	4 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// axis divides total into at most maxTicks whole steps. The script does the
// same for a part of it.
func axis(total time.Duration) []htmlTick {
	step := axisStep(total)
	var ticks []htmlTick
	for at := time.Duration(0); at <= total; at += step {
		ticks = append(ticks, htmlTick{percent(at, total), axisLabel(at, step)})
	}
	return ticks
}

// axisStep is 1, 2 or 5 times a power of ten up to 10 s; then it counts as a
// clock does.
func axisStep(total time.Duration) time.Duration {
	for base := tick; base <= 10*time.Second; base *= 10 {
		for _, step := range []time.Duration{base, 2 * base, 5 * base} {
			if step <= 10*time.Second && total/step < maxTicks {
				return step
			}
		}
	}
	for _, step := range longSteps {
		if total/step < maxTicks {
			return step
		}
	}
	step := longSteps[len(longSteps)-1]
	for total/step >= maxTicks {
		step *= 2
	}
	return step
}

// axisLabel has one unit for all the ticks of an axis that is no longer than
// some minutes.
func axisLabel(at, step time.Duration) string {
	unit, name := time.Second, "s"
	switch {
	case at == 0:
		return "0"
	case step < 100*time.Microsecond:
		unit, name = time.Microsecond, "µs"
	case step < 100*time.Millisecond:
		unit, name = time.Millisecond, "ms"
	case step > 10*time.Second:
		return Duration(at).String()
	}
	return strconv.FormatFloat(float64(at)/float64(unit), 'f', -1, 64) + name
}

// percent is a place on the axis, as SVG takes it.
func percent(at, total time.Duration) string {
	at = min(max(at, 0), total)
	return strconv.FormatFloat(float64(at)*100/float64(total), 'f', 3, 64) + "%"
}

// onAxis brings a time that a file may have made up into what can be shown.
func onAxis(d Duration) time.Duration { return min(max(time.Duration(d), 0), maxTime) }
