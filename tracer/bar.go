// SPDX-License-Identifier: Apache-2.0

package tracer

import "fmt"

const (
	// maxBars bounds the holders that a phase of a Report lists.
	maxBars = 50
	// maxRows bounds the bars of a phase, those below its holders included.
	maxRows = 200
)

// bars lists the holders of a phase that held longest, the earliest first, and
// below each what it consisted of. The culprit and its part are among them.
func bars(hs []holder) []Bar {
	shown := longest(pointers(hs), maxBars)
	list := make([]Bar, 0, len(shown)+1)
	below := partsShown(shown, len(hs) > len(shown))
	for _, h := range shown {
		b := h.bar()
		parts := longest(pointers(h.children), below)
		for _, part := range parts {
			b.Bars = append(b.Bars, part.bar())
		}
		b.Bars = appendMore(b.Bars, h.children, parts)
		list = append(list, b)
	}
	if list = appendMore(list, hs, shown); len(list) == 0 {
		return nil
	}
	return list
}

// partsShown is how many parts of each holder may have a bar, so that those of
// all of them and the bars for the others stay within maxRows.
func partsShown(hs []*holder, more bool) int {
	most := 1 // the culprit's part; 50 holders with two bars each below fit
	for ; most < maxBars; most++ {
		rows := len(hs)
		if more {
			rows++
		}
		for _, h := range hs {
			rows += min(len(h.children), most+2) // one more is for the others
		}
		if rows > maxRows {
			break
		}
	}
	return most
}

// appendMore adds a bar for those of hs that are not shown.
func appendMore(list []Bar, hs []holder, shown []*holder) []Bar {
	more := len(hs) - len(shown)
	if more == 0 {
		return list
	}
	is := make(map[*holder]bool, len(shown))
	for _, h := range shown {
		is[h] = true
	}
	start, end := never, -never
	for i := range hs {
		if h := &hs[i]; !is[h] {
			start, end = min(start, h.start), max(end, h.end)
		}
	}
	return append(list, Bar{
		Name: fmt.Sprintf("%d more", more), Offset: whole(start),
		Duration: whole(end) - whole(start), More: more,
	})
}

// shifted counts bars from the start of the shutdown instead of grpc's call.
func shifted(list []Bar, lead Duration) []Bar {
	for i := range list {
		list[i].Offset += lead
		shifted(list[i].Bars, lead)
	}
	return list
}

// bar is the holder's own line.
func (h *holder) bar() Bar {
	h.tell()
	return Bar{
		Name: h.name, Offset: whole(h.start), Duration: whole(h.end) - whole(h.start),
		Note: h.note(), Kind: h.Kind, State: h.State, Culprit: h.culprit, Open: h.Open,
		Stack: h.stack,
	}
}
