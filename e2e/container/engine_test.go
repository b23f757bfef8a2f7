// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// engine skips the test unless it may use a container engine, and there is one.
func engine(t *testing.T) {
	t.Helper()
	if os.Getenv("CONTAINERS") == "" {
		t.Skip("uses the container engine and the ports of docker-compose.yml: run `make containers`")
	}
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		t.Skipf("no container engine answers: %v\n%s", err, out)
	}
}

// docker runs a command that has to succeed.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	// The old builder is the one that needs no plugin.
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	return run(t, cmd)
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// A project is what docker-compose.yml says, beside one that a user has.
type project struct {
	command []string // docker compose, or docker-compose
	flags   []string
}

// compose returns the project, with a profile unless that is empty. It is taken down
// at the end of the test.
func compose(t *testing.T, profile string) *project {
	t.Helper()
	p := &project{
		command: []string{"docker", "compose"},
		flags:   []string{"--project-name", "gracetrace-test"},
	}
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() != nil {
		p.command = []string{"docker-compose"}
		if _, err := exec.LookPath("docker-compose"); err != nil {
			t.Skip("needs docker compose, or Debian's package docker-compose")
		}
	}
	if profile != "" {
		p.flags = append(p.flags, "--profile", profile)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.ends(t, "logs", "--no-color", "--tail", "200"))
		}
		p.ends(t, "down", "--volumes", "--timeout", "1")
	})
	return p
}

func (p *project) run(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, p.make(t.Context(), t, args...))
}

// ends is for the end of a test, when its context is done.
func (p *project) ends(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, p.make(context.Background(), t, args...))
}

func (p *project) make(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	line := slices.Concat(p.command, p.flags, args)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = jaegerd.Root(t)
	return cmd
}

// images are what the services run, by their names.
func (p *project) images(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Services map[string]struct {
			Image string `json:"image"`
		} `json:"services"`
	}
	if err := yaml.Unmarshal([]byte(p.run(t, "config")), &file); err != nil {
		t.Fatal(err)
	}
	tags := make(map[string]string)
	for name, s := range file.Services {
		tags[name] = s.Image
	}
	return tags
}

// container is the id of a service's only container.
func (p *project) container(t *testing.T, service string) string {
	t.Helper()
	return strings.TrimSpace(p.run(t, "ps", "--quiet", service))
}
