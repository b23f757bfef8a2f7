// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/manifest"
)

// kubernetesPage is a link to docs/kubernetes.md: go test takes a result from its
// cache although a file outside of the module has changed.
const kubernetesPage = "testdata/kubernetes.md"

// yamlBlock is a fenced block that users copy.
var yamlBlock = regexp.MustCompile("(?m)^```yaml\n((?s:.*?))```$")

// TestKubernetesManifests: what the page has one apply is of the API's types, adds
// up and fits together, and so does the recipe with each change that it offers.
func TestKubernetesManifests(t *testing.T) {
	for _, p := range problems(readText(t, kubernetesPage)) {
		t.Error(p)
	}
}

// problems looks at a page. Its first block is the recipe, each other one a
// strategic merge patch of the recipe's Deployment, as for kubectl patch and
// kustomize.
func problems(page string) (all []string) {
	blocks := yamlBlock.FindAllStringSubmatch(page, -1)
	if len(blocks) < 2 {
		return []string{"want a recipe and what changes it"}
	}
	for i, block := range blocks {
		app, err := manifest.Decode(blocks[0][1])
		if err == nil && i > 0 {
			err = change(app, block[1])
		}
		if err != nil {
			all = append(all, fmt.Sprintf("%v:\n%s", err, block[1]))
			continue
		}
		for _, p := range app.Problems() {
			all = append(all, fmt.Sprintf("%s:\n%s", p, block[1]))
		}
	}
	return all
}

// change patches an app.
func change(app *manifest.App, patch string) error {
	p, err := manifest.Decode(patch)
	if err != nil {
		return err
	}
	before := app.Deployment
	if app.Deployment, err = merge(before, patch); err != nil {
		return err
	}
	pod, was := &app.Deployment.Spec.Template.Spec, &before.Spec.Template.Spec
	switch {
	case p.Deployment.Name != before.Name:
		return fmt.Errorf("not a patch of %s", before.Name)
	case len(pod.Containers) != len(was.Containers):
		return errors.New("not a patch of its container")
	case cmp.Equal(before, app.Deployment):
		return errors.New("changes nothing")
	}
	return nil
}

func merge(d *appsv1.Deployment, patch string) (*appsv1.Deployment, error) {
	old, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	change, err := manifest.JSON(patch)
	if err != nil {
		return nil, err
	}
	merged, err := strategicpatch.StrategicMergePatch(old, change, appsv1.Deployment{})
	if err != nil {
		return nil, err
	}
	var out appsv1.Deployment
	return &out, json.Unmarshal(merged, &out)
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var ourVariable = regexp.MustCompile(`\bGRACETRACE_[A-Z_]+`)

// TestKubernetesVariables: the library reads every variable that the page names.
func TestKubernetesVariables(t *testing.T) {
	root := jaegerd.Root(t)
	var code strings.Builder
	for _, pattern := range []string{"server/*.go", "tracer/*.go", "exporter/*.go"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				code.WriteString(readText(t, path))
			}
		}
	}
	for _, name := range ourVariable.FindAllString(readText(t, kubernetesPage), -1) {
		if !strings.Contains(code.String(), `"`+name+`"`) {
			t.Errorf("%s names %s, which nothing reads", kubernetesPage, name)
		}
	}
}

// TestKubernetesCatches: each mistake that a reader, or we, may make is found.
func TestKubernetesCatches(t *testing.T) {
	page := readText(t, kubernetesPage)
	const field = `unknown field "spec.template.spec.`
	for _, mistake := range []struct{ old, by, want string }{
		{"terminationGracePeriodSeconds: 30", "terminationGracePeriod: 30", field + `terminationGracePeriod"`},
		{"periodSeconds:", "periodseconds:", field + `containers[0].readinessProbe.periodseconds"`},
		{"replicas: 3", "replicas: three", "cannot unmarshal"},
		{"replicas: 3", "replicas: 3\n  replicas: 4", "already set"},
		{"kind: Service", "kind: Servce", "v1 Servce: not a kind"},
		{"PeriodSeconds: 30", "PeriodSeconds: 29", "29 s is less than"},
		{"value: 25s", "value: 25", "cannot unmarshal number"},
		{"value: 25s", `value: "25"`, "GRACETRACE_GRACE_PERIOD: time: missing unit"},
		{`command: ["/greeter"]`, `command: ["sh", "-c", "/greeter"]`, "a shell is process 1"},
		{`command: ["/greeter"] `, "args: [] ", "no command"},
		{"port: 8080\n            period", "port: 8081\n            period", "readinessProbe: port 8081"},
		{"targetPort: grpc", "targetPort: http", "targetPort http"},
		{"port: 8080\n      targetPort", "port: 80\n      targetPort", "headless"},
		{"  selector:\n    app: greeter", "  selector:\n    app: greter", "selects no pod"},
		{"matchLabels:\n      app: greeter", "matchLabels:\n      app: greter", "selects no pod"},
		{"$(POD_NAME)", "$(POD)", "$(POD) is not set before"},
		{"maxUnavailable: 0", "maxUnavailable: 1", "maxUnavailable"},
		{"PeriodSeconds: 35 # it", "PeriodSeconds: 34 # it", "34 s is less than"},
		{"seconds: 5\n```", "second: 5\n```", `preStop.sleep.second"`},
		{"PeriodSeconds: 40", "PeriodSeconds: 35", "the proxy takes 35s and has 35s"},
		{`exit-seconds: "30"`, `exit-seconds: "29"`, "takes 30s to stop, its proxy waits for 29s"},
		{"restartPolicy: Always #", "#", "collector: not a sidecar"},
		{"      volumes:\n        - name: collector", "      volumes:\n        - name: config", "no volume"},
		{"- name: greeter\n          env:", "- name: greter\n          env:", "not a patch of its container"},
	} {
		broken := strings.Replace(page, mistake.old, mistake.by, 1)
		if broken == page {
			t.Errorf("the page has no %q", mistake.old)
			continue
		}
		if got := strings.Join(problems(broken), "\n"); !strings.Contains(got, mistake.want) {
			t.Errorf("%q for %q: found %q, want %q", mistake.by, mistake.old, got, mistake.want)
		}
	}
}
