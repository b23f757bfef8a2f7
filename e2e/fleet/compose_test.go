// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// A service of docker-compose.yml, as the library behind docker compose reads it.
type service struct {
	Image       string            `json:"image"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	Profiles    []string          `json:"profiles"`
	ReadOnly    bool              `json:"read_only"`
	CapDrop     []string          `json:"cap_drop"`
	SecurityOpt []string          `json:"security_opt"`
	Healthcheck *struct{}         `json:"healthcheck"`
	Ports       []struct {
		HostIP    string `json:"host_ip"`
		Published string `json:"published"`
	} `json:"ports"`
	Volumes []struct {
		Type     string `json:"type"`
		Source   string `json:"source"`
		Target   string `json:"target"`
		ReadOnly bool   `json:"read_only"`
	} `json:"volumes"`
	DependsOn map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
}

func compose(t *testing.T) map[string]service {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("builds the library behind docker compose: run `make e2e`, or set E2E=1")
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/compose/go.mod", "cmd",
		"--format", "json", "docker-compose.yml")
	cmd.Dir = jaegerd.Root(t)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reading docker-compose.yml: %v", err)
	}
	var project struct {
		Services map[string]service `json:"services"`
	}
	if err := json.Unmarshal(out, &project); err != nil {
		t.Fatal(err)
	}
	return project.Services
}

var tag = regexp.MustCompile(`:v?\d+\.\d+\.\d+$`)

func TestComposeServices(t *testing.T) {
	published := map[string]string{}
	var plain []string
	for name, s := range compose(t) {
		if len(s.Profiles) == 0 {
			plain = append(plain, name)
		}
		if s.Image != "gracetrace:demo" && !tag.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s is not hardened as the others are", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open beyond this machine", name, port.Published)
			}
			if other := published[port.Published]; other != "" {
				t.Errorf("%s and %s publish port %s", name, other, port.Published)
			}
			published[port.Published] = name
		}
		s.checkMounts(t, name)
	}
	slices.Sort(plain)
	if want := []string{"jaeger", "load", "server"}; !slices.Equal(plain, want) {
		t.Errorf("a plain docker compose up starts %v, want %v", plain, want)
	}
}

func (s *service) checkMounts(t *testing.T, name string) {
	t.Helper()
	targets := map[string]bool{}
	for _, v := range s.Volumes {
		targets[v.Target] = true
		if v.Type != "bind" {
			continue
		}
		// Docker would make an empty folder in its place.
		if info, err := os.Stat(v.Source); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s mounts %s, which is no file: %v", name, v.Source, err)
		}
		if !v.ReadOnly {
			t.Errorf("%s may write to %s", name, v.Source)
		}
	}
	for _, arg := range s.Command {
		if _, path, ok := strings.Cut(arg, "="); ok {
			arg = path
		}
		if strings.HasSuffix(arg, ".yaml") && !targets[arg] {
			t.Errorf("%s is told to read %s, which nothing mounts", name, arg)
		}
	}
}

func TestComposeDependencies(t *testing.T) {
	services := compose(t)
	for name, s := range services {
		for other, on := range s.DependsOn {
			if on.Condition == "service_healthy" && services[other].Healthcheck == nil {
				t.Errorf("%s waits until %s is healthy, which nobody checks", name, other)
			}
		}
	}
	// What is tested is what is started.
	out, err := exec.CommandContext(t.Context(), binary(t, "collector"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(out)[strings.LastIndexByte(strings.TrimSpace(string(out)), ' '):])
	if image := services["collector"].Image; !strings.HasSuffix(image, ":"+version) {
		t.Errorf("bin/collector is %s, docker-compose.yml has %s", version, image)
	}
}
