// SPDX-License-Identifier: Apache-2.0

// Package manifest reads Kubernetes manifests as strictly as the API server does
// and says what is wrong with how they have a server stop.
package manifest

import (
	"errors"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	strict "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// App is what one manifest, or a part of one, describes.
type App struct {
	Deployment *appsv1.Deployment
	Services   []*corev1.Service
}

// Decode reads documents that are separated by "---". An unknown field, one whose
// case is wrong, or one that is there twice is an error, as with
// kubectl apply --validate=strict.
func Decode(manifest string) (*App, error) {
	app := &App{}
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		if err := app.add(doc); err != nil {
			return nil, err
		}
	}
	if app.Deployment == nil {
		return nil, errors.New("no Deployment")
	}
	return app, nil
}

func (a *App) add(doc string) error {
	b, err := JSON(doc)
	if err != nil {
		return err
	}
	var meta metav1.TypeMeta
	if _, err := strict.UnmarshalStrict(b, &meta, strict.DisallowDuplicateFields); err != nil {
		return err
	}
	switch kind := meta.APIVersion + " " + meta.Kind; kind {
	case "apps/v1 Deployment":
		a.Deployment = &appsv1.Deployment{}
		return decode(b, a.Deployment)
	case "v1 Service":
		a.Services = append(a.Services, &corev1.Service{})
		return decode(b, a.Services[len(a.Services)-1])
	default:
		return fmt.Errorf("%s: not a kind that is known here", kind)
	}
}

// JSON returns one document as JSON.
func JSON(doc string) ([]byte, error) { return yaml.YAMLToJSONStrict([]byte(doc)) }

func decode(b []byte, into any) error {
	wrong, err := strict.UnmarshalStrict(b, into)
	return errors.Join(append(wrong, err)...)
}
