// SPDX-License-Identifier: Apache-2.0

package tracer

import "strings"

// Keys of the resource (semantic conventions) that a report tells.
const (
	keyServiceName    = "service.name"
	keyServiceVersion = "service.version"
	keyInstanceID     = "service.instance.id" // another one for each process
)

// Attribute keys that let a report be read back from its spans.
const (
	keyFunction   = "code.function.name"
	keyStacktrace = "code.stacktrace"
	keyStackAt    = "shutdown.holder.stack_at" // seconds since the start
	keyCodeSource = "shutdown.holder.source"   // greeter.go:88
	keyBlamed     = "shutdown.holder.culprit"  // of the phase, or what it is a part of
	keyNotes      = "shutdown.notes"           // on the root and checkpoints, each "kind: text (reference)"
)

// maxNotes bounds those that are sent.
const maxNotes = 20

func noteAttrs(notes []Note) []attr {
	if len(notes) == 0 {
		return nil
	}
	return []attr{{keyNotes, noteLines(notes[:min(len(notes), maxNotes)])}}
}

// parseNote is the reverse of noteLines.
func parseNote(line string) Note {
	var n Note
	if before, ref, ok := strings.Cut(line, " (https://"); ok {
		if ref, ok = strings.CutSuffix(ref, ")"); ok {
			line, n.Ref = before, "https://"+ref
		}
	}
	if kind, text, ok := strings.Cut(line, ": "); ok && noteKinds[kind] {
		n.Kind, line = kind, text
	}
	n.Text = line
	return n
}

// noteKinds are those of Note.Kind.
var noteKinds = map[string]bool{
	noteRemedy: true, noteBug: true, noteClients: true, noteSignature: true, noteMissing: true,
	noteStopCall: true, notePanic: true,
}

// noteMissing is the kind of a note that says why evidence is not there.
const noteMissing = "missing evidence"
