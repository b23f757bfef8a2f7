// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted is a block of a page that shows what a story prints: the story's name, the
// part, the block.
var quoted = regexp.MustCompile("(?m)^<!-- (\\w+): ([\\w ]+) -->\n```\n((?s:.*?))```\n")

// Parts of a story's last report.
var (
	timelinePart = regexp.MustCompile(`(?m)^grpc\.server\.shutdown .*\n├.*(?:\n[├│└ ].*)*`)
	verdictPart  = regexp.MustCompile(`(?m)^verdict: .*(?:\n(?: |clients:|notes:).*)*`)
	clientsPart  = regexp.MustCompile(`(?m)^clients: .*(?:\n .*)*`)
)

// storyPart is the timeline, the verdict with what stands below it, what clients
// met, or the log's records with that message.
func storyPart(story, part string) string {
	switch part {
	case "timeline":
		return last(timelinePart.FindAllString(story, -1))
	case "verdict":
		return last(verdictPart.FindAllString(story, -1))
	case "clients":
		return last(clientsPart.FindAllString(story, -1))
	}
	var records []string
	for line := range strings.Lines(story) {
		if _, record, ok := strings.Cut(line, " "); ok && strings.Contains(record, ` msg="`+part+`"`) {
			record, _, _ = strings.Cut(record, " trace_id=")
			records = append(records, fold(record))
		}
	}
	return strings.Join(records, "\n")
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// fold breaks a record at words, as wide as the pages are.
func fold(record string) string {
	const width = 140
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(record) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n  ")
			column = len("  ")
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// TestScenariosQuoted: what the pages show of stories is what the stories print;
// -rewrite puts it there.
func TestScenariosQuoted(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range pages {
		page := readFile(t, path)
		now := quoted.ReplaceAllStringFunc(page, func(block string) string {
			found++
			m := quoted.FindStringSubmatch(block)
			want := storyPart(readFile(t, "testdata/"+m[1]+".txt"), m[2])
			if want == "" {
				t.Errorf("%s: %s has no %s", path, m[1], m[2])
			} else if m[3] != want+"\n" && !rewriting() {
				t.Errorf("%s: the page says\n%s\n%s prints\n%s", path, m[3], m[1], want)
			}
			return strings.Replace(block, "```\n"+m[3], "```\n"+want+"\n", 1)
		})
		if rewriting() && now != page {
			if err := os.WriteFile(path, []byte(now), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found == 0 {
		t.Error("no page quotes a story")
	}
}
