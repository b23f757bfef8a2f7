// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"
)

// arguments are the words after a command.
type arguments struct {
	first string // the first word
	rest  string // all words
	keys  map[string]string
}

func parse(d *datadriven.TestData) arguments {
	a := arguments{keys: make(map[string]string)}
	var words []string
	for _, c := range d.CmdArgs {
		if len(c.Vals) == 0 {
			words = append(words, c.Key)
		}
		a.keys[c.Key] = strings.Join(c.Vals, ",")
	}
	a.rest = strings.Join(words, " ")
	if len(words) > 0 {
		a.first = words[0]
	}
	return a
}

func (a arguments) has(key string) bool {
	_, ok := a.keys[key]
	return ok
}

func (a arguments) duration(key string, byDefault time.Duration) (time.Duration, error) {
	v, ok := a.keys[key]
	if !ok {
		return byDefault, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: %w", key, v, err)
	}
	return d, nil
}

func (a arguments) number(key string, byDefault int) (int, error) {
	v, ok := a.keys[key]
	if !ok {
		return byDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: %w", key, v, err)
	}
	return n, nil
}
