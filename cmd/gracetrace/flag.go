// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
)

// The values of flags. What Set returns is shown behind the flag's name and
// the value that was given.

// durationValue is a positive duration; zero means that the flag is not set.
type durationValue struct{ d time.Duration }

func (v *durationValue) Type() string { return "duration" }

func (v *durationValue) String() string {
	if v.d == 0 {
		return ""
	}
	return v.d.String()
}

func (v *durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("want a duration such as 12s or 1m30s")
	}
	if d <= 0 {
		return errors.New("must be positive, such as 12s")
	}
	v.d = d
	return nil
}

// rateValue is how often a second.
type rateValue struct{ perSecond float64 }

func (v *rateValue) Type() string { return "number" }

func (v *rateValue) String() string { return strconv.FormatFloat(v.perSecond, 'g', -1, 64) }

func (v *rateValue) Set(s string) error {
	r, err := strconv.ParseFloat(s, 64)
	// Written so that NaN fails, too.
	if err != nil || !(r >= 0.01 && r <= 10000) {
		return errors.New("want a number from 0.01 to 10000")
	}
	v.perSecond = r
	return nil
}

// addrValue is host:port.
type addrValue struct{ addr string }

func (v *addrValue) Type() string   { return "host:port" }
func (v *addrValue) String() string { return v.addr }

func (v *addrValue) Set(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return errors.New("want host:port, such as localhost:50051")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("no port %q, want a number up to 65535", port)
	}
	v.addr = s
	return nil
}

// scenarioValue is one scenario or more of them, by name.
type scenarioValue struct {
	chosen []scenario.Scenario // nil: all
	many   bool
}

func (v *scenarioValue) Type() string { return "name" }

func (v *scenarioValue) String() string {
	if v.chosen == nil {
		return allScenarios
	}
	return strings.Join(scenario.Names(v.chosen), ",")
}

const allScenarios = "all"

func (v *scenarioValue) Set(s string) error {
	if s == allScenarios {
		v.chosen = nil
		return nil
	}
	names := []string{s}
	if v.many {
		names = strings.Split(s, ",")
	} else {
		v.chosen = nil
	}
	for _, name := range names {
		found, ok := scenario.Find(strings.TrimSpace(name))
		if !ok {
			return fmt.Errorf("no scenario %q, want one of %s, %s", name, allScenarios,
				strings.Join(scenario.Names(scenario.All()), ", "))
		}
		v.chosen = append(v.chosen, found)
	}
	return nil
}

// scenarios are the chosen ones.
func (v *scenarioValue) scenarios() []scenario.Scenario {
	if v.chosen == nil {
		return scenario.All()
	}
	return v.chosen
}
