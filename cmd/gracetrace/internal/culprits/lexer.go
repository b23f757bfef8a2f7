// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// lexer reads JSON as far as is needed to cut it into pieces. Whether a piece is well
// formed, whoever reads the piece finds out.
type lexer struct {
	in  *bufio.Reader
	key []byte // of the last string
}

// maxKey bounds a name in an object, and the text of an id.
const maxKey = 128

// peek is the next byte that is no white space, which is not read by that.
func (l *lexer) peek() (byte, error) {
	for {
		c, err := l.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !isSpace(c) {
			return c, l.in.UnreadByte()
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// want reads a byte that must come.
func (l *lexer) want(what byte) error {
	c, err := l.peek()
	if err != nil {
		return err
	}
	if c != what {
		start, _ := l.in.Peek(40) // what there is of it
		err := fmt.Errorf("not what Jaeger answers: want %q, not %q",
			what, strings.ToValidUTF8(string(start), "�"))
		if c == '<' { // a page, such as Jaeger's own UI
			err = fmt.Errorf("%w; %s", err, askURL)
		}
		return err
	}
	_, err = l.in.ReadByte()
	return err
}

// object reads one. member is called behind each key, and reads its value.
func (l *lexer) object(member func(key string) error) error {
	return l.list('{', '}', func() error {
		if err := l.want('"'); err != nil {
			return err
		}
		if err := l.text(); err != nil {
			return err
		}
		key := string(l.key)
		if err := l.want(':'); err != nil {
			return err
		}
		return member(key)
	})
}

// array reads one. element reads each value.
func (l *lexer) array(element func() error) error { return l.list('[', ']', element) }

func (l *lexer) list(from, to byte, element func() error) error {
	if err := l.want(from); err != nil {
		return err
	}
	for first := true; ; first = false {
		c, err := l.peek()
		if err != nil {
			return err
		}
		if c == to {
			return l.want(to)
		}
		if !first {
			if err := l.want(','); err != nil {
				return err
			}
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// text reads a string behind its first quote: its beginning is then in l.key.
func (l *lexer) text() error {
	l.key = l.key[:0]
	_, err := l.rest(nil, 0)
	return err
}

// rest reads a string behind its first quote. It appends it to buf while that has less
// than limit bytes.
func (l *lexer) rest(buf []byte, limit int) ([]byte, error) {
	escapes := 0 // backslashes right before what comes next
	for {
		piece, err := l.in.ReadSlice('"')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return buf, err
		}
		if len(buf) < limit {
			buf = append(buf, piece...)
		}
		text := piece
		if err == nil {
			text = piece[:len(piece)-1]
		}
		n := len(text) - len(bytes.TrimRight(text, `\`))
		if n == len(text) {
			n += escapes
		}
		ends := err == nil && n%2 == 0
		if !ends {
			text = piece
		}
		l.key = append(l.key, text[:min(len(text), maxKey-len(l.key))]...)
		if ends {
			return buf, nil
		}
		if escapes = n; err == nil {
			escapes = 0 // the quote was what they are for
		}
	}
}

// found is what capture saw in a value.
type found struct {
	trace  string // the traceId of its spans; "": none
	mixed  bool   // there are several
	commas int
	over   bool // it is longer than the limit, and what was captured is of no use
}

// idLevel is how deep in one of resourceSpans the keys of a span stand. There it is
// {"scopeSpans":[{"spans":[{"traceId":"…"}]}]}.
const idLevel = 5

// capture reads a value, into buf unless that is nil.
func (l *lexer) capture(buf *[]byte, limit int) (f found, err error) {
	var none []byte
	if buf == nil {
		buf = &none
	}
	*buf = (*buf)[:0]
	keep := func(c byte) {
		if len(*buf) < limit {
			*buf = append(*buf, c)
		}
	}
	if _, err := l.peek(); err != nil {
		return f, err
	}
	level, id, some := 0, false, false
	for {
		c, err := l.in.ReadByte()
		if err != nil {
			return f, err
		}
		if level == 0 && some && (c == ',' || c == '}' || c == ']' || isSpace(c)) {
			return f, l.in.UnreadByte() // the end of a number or a word
		}
		keep(c)
		some = true
		switch c {
		case '{', '[':
			if level++; level > maxLevels {
				return f, fmt.Errorf("JSON nested more than %d deep", maxLevels)
			}
		case '}', ']':
			level--
		case ',':
			f.commas++
			id = false
		case ':':
			id = level == idLevel && string(l.key) == "traceId"
		case '"':
			l.key = l.key[:0]
			if *buf, err = l.rest(*buf, limit); err != nil {
				return f, err
			}
			if id {
				f.mixed = f.mixed || f.trace != "" && f.trace != string(l.key)
				f.trace, id = string(l.key), false
			}
		}
		f.over = len(*buf) >= limit
		if level <= 0 && (c == '}' || c == ']' || c == '"') {
			return f, nil
		}
	}
}
