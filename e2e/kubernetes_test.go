// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
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

const kubernetesPage = "docs/kubernetes.md"

// yamlBlock is a fenced block that users copy.
var yamlBlock = regexp.MustCompile("(?m)^```yaml\n((?s:.*?))```$")

// page returns the first block, which is the recipe, and the others, which change
// it.
func page(t *testing.T) (recipe string, patches []string) {
	t.Helper()
	text := readText(t, filepath.Join(jaegerd.Root(t), kubernetesPage))
	for _, m := range yamlBlock.FindAllStringSubmatch(text, -1) {
		patches = append(patches, m[1])
	}
	if len(patches) < 2 {
		t.Fatalf("%s: %d yaml blocks, want the recipe and what changes it", kubernetesPage, len(patches))
	}
	return patches[0], patches[1:]
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestKubernetesRecipe: what the page has one apply is of the API's types, adds
// up, and fits together.
func TestKubernetesRecipe(t *testing.T) {
	recipe, _ := page(t)
	app, err := manifest.Decode(recipe)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range app.Problems() {
		t.Error(p)
	}
}

// TestKubernetesPatches: each of the other blocks is a strategic merge patch of
// the recipe's Deployment, and the result is as good as the recipe.
func TestKubernetesPatches(t *testing.T) {
	recipe, patches := page(t)
	for _, patch := range patches {
		app, err := manifest.Decode(recipe)
		if err != nil {
			t.Fatal(err)
		}
		change, err := manifest.Decode(patch)
		if err != nil {
			t.Errorf("%v\n%s", err, patch)
			continue
		}
		before, after := app.Deployment, merge(t, app.Deployment, patch)
		if change.Deployment.Name != before.Name || cmp.Equal(before, after) {
			t.Errorf("the patch changes nothing of the Deployment %s:\n%s", before.Name, patch)
		}
		pod, was := &after.Spec.Template.Spec, &before.Spec.Template.Spec
		if len(pod.Containers) != len(was.Containers) {
			t.Errorf("the patch is of another container:\n%s", patch)
		}
		app.Deployment = after
		for _, p := range app.Problems() {
			t.Errorf("%s\n%s", p, patch)
		}
	}
}

// merge does what kubectl patch and kustomize do.
func merge(t *testing.T, d *appsv1.Deployment, patch string) *appsv1.Deployment {
	t.Helper()
	old, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	change, err := manifest.JSON(patch)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(old, change, appsv1.Deployment{})
	if err != nil {
		t.Fatalf("%v\n%s", err, patch)
	}
	var out appsv1.Deployment
	if err := json.Unmarshal(merged, &out); err != nil {
		t.Fatal(err)
	}
	return &out
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
	for _, name := range ourVariable.FindAllString(readText(t, filepath.Join(root, kubernetesPage)), -1) {
		if !strings.Contains(code.String(), `"`+name+`"`) {
			t.Errorf("%s names %s, which nothing reads", kubernetesPage, name)
		}
	}
}

// TestKubernetesCatches: each mistake a reader may make in the recipe is found.
func TestKubernetesCatches(t *testing.T) {
	recipe, _ := page(t)
	for _, mistake := range []struct{ old, by, want string }{
		{"terminationGracePeriodSeconds:", "terminationGracePeriodSecond:", `unknown field "spec.template.spec.terminationGracePeriodSecond"`},
		{"periodSeconds:", "periodseconds:", `unknown field "spec.template.spec.containers[0].readinessProbe.periodseconds"`},
		{"replicas: 3", "replicas: three", "cannot unmarshal"},
		{"replicas: 3", "replicas: 3\n  replicas: 4", "already set"},
		{"kind: Service", "kind: Servce", "v1 Servce: not a kind"},
		{"PeriodSeconds: 30", "PeriodSeconds: 29", "29 s is less than"},
		{"value: 25s", "value: 25", "cannot unmarshal number"},
		{"value: 25s", `value: "25"`, "GRACETRACE_GRACE_PERIOD: time: missing unit"},
		{`command: ["/greeter"]`, `command: ["sh", "-c", "/greeter"]`, "a shell is process 1"},
		{`command: ["/greeter"] `, "args: [] ", "no command"},
		{"port: 8080\n            periodSeconds", "port: 8081\n            periodSeconds", "readinessProbe: port 8081"},
		{"targetPort: grpc", "targetPort: http", "targetPort http"},
		{"port: 8080\n      targetPort", "port: 80\n      targetPort", "headless"},
		{"  selector:\n    app: greeter", "  selector:\n    app: greter", "selects no pod"},
		{"matchLabels:\n      app: greeter", "matchLabels:\n      app: greter", "selects no pod"},
		{"$(POD_NAME)", "$(POD)", "$(POD) is not set before"},
		{"maxUnavailable: 0", "maxUnavailable: 1", "maxUnavailable"},
	} {
		broken := strings.Replace(recipe, mistake.old, mistake.by, 1)
		if broken == recipe {
			t.Errorf("the recipe has no %q", mistake.old)
			continue
		}
		if got := problems(broken); !strings.Contains(got, mistake.want) {
			t.Errorf("%q for %q: found %q, want %q", mistake.by, mistake.old, got, mistake.want)
		}
	}
}

func problems(recipe string) string {
	app, err := manifest.Decode(recipe)
	if err != nil {
		return err.Error()
	}
	return strings.Join(app.Problems(), "\n")
}
