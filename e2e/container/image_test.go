// SPDX-License-Identifier: Apache-2.0

package container

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// An image is made from scratch.
type image struct {
	tag        string
	dockerfile string
	files      map[string]string // where it is in the context, and on this machine
}

func (i image) build(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for to, from := range i.files {
		install(t, from, filepath.Join(dir, to))
	}
	file := filepath.Join(dir, "Dockerfile")
	if err := os.WriteFile(file, []byte(i.dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	docker(t, "build", "--tag", i.tag, dir)
}

func install(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

var (
	buildEnv     = regexp.MustCompile(`(?m)^ENV (.*)$`)
	buildCommand = regexp.MustCompile(`(?m)^RUN (go build .*) -o /out/gracetrace (.*)$`)
)

// ours is the image of the Dockerfile. Its last stage is built as it is; what the
// stage before it compiles is compiled here, by the same command.
func ours(t *testing.T, tag string) image {
	t.Helper()
	stages := strings.Split(jaegerd.File(t, "Dockerfile"), "\nFROM ")
	if len(stages) != 3 {
		t.Fatalf("Dockerfile: want two stages, found %d", len(stages)-1)
	}
	env, command := buildEnv.FindStringSubmatch(stages[1]), buildCommand.FindStringSubmatch(stages[1])
	if env == nil || command == nil {
		t.Fatalf("Dockerfile: the first stage does not build /out/gracetrace:\n%s", stages[1])
	}
	bin := filepath.Join(t.TempDir(), "gracetrace")
	build := exec.CommandContext(t.Context(), "sh", "-c", command[1]+" -o "+bin+" "+command[2])
	build.Dir = jaegerd.Root(t)
	build.Env = append(os.Environ(), strings.Fields(env[1])...)
	run(t, build)
	return image{
		tag:        tag,
		dockerfile: "FROM " + strings.ReplaceAll(stages[2], "COPY --from=build ", "COPY "),
		files: map[string]string{
			"out/gracetrace":                    bin,
			"etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt",
		},
	}
}

// jaeger stands for Jaeger's own image: its user, its entry point, and a wget for the
// health check. The version is the one of the module proxy.
func jaeger(t *testing.T, tag string) image {
	t.Helper()
	return image{
		tag: tag,
		dockerfile: `FROM scratch
COPY jaeger /cmd/jaeger/jaeger
COPY busybox /usr/bin/wget
USER 10001
ENTRYPOINT ["/cmd/jaeger/jaeger"]
`,
		files: map[string]string{"jaeger": jaegerd.Tool(t, "jaeger"), "busybox": busybox(t)},
	}
}

// collector stands for the OpenTelemetry Collector's own image.
func collector(t *testing.T, tag string) image {
	t.Helper()
	return image{
		tag: tag,
		dockerfile: `FROM scratch
COPY collector /otelcol-contrib
USER 10001
ENTRYPOINT ["/otelcol-contrib"]
`,
		files: map[string]string{"collector": jaegerd.Tool(t, "collector")},
	}
}

// prometheus stands for Prometheus' own image. Debian's is not static.
func prometheus(t *testing.T, tag string) image {
	t.Helper()
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("needs Debian's package prometheus")
	}
	i := image{
		tag: tag,
		dockerfile: `FROM scratch
COPY . /
USER 65534:65534
ENTRYPOINT ["/bin/prometheus"]
`,
		files: map[string]string{"bin/prometheus": bin, "bin/wget": busybox(t)},
	}
	for line := range strings.Lines(run(t, exec.CommandContext(t.Context(), "ldd", bin))) {
		for word := range strings.FieldsSeq(line) {
			if filepath.IsAbs(word) {
				i.files[word] = word
			}
		}
	}
	return i
}

func busybox(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs Debian's package busybox-static")
	}
	return bin
}
