// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// defaultTermination is terminationGracePeriodSeconds where it is not set.
	defaultTermination = 30 * time.Second
	// defaultGrace is package server's.
	defaultGrace = 25 * time.Second
	// margin is for what neither side controls: the signal's way, and the exit.
	margin = 5 * time.Second

	envGrace = "GRACETRACE_GRACE_PERIOD"
)

// shells do not pass signals on.
var shells = []string{"sh", "bash", "ash", "dash", "busybox"}

// reference is how one variable names another.
var reference = regexp.MustCompile(`\$\((\w+)\)`)

// Problems says why the application would not stop as it should, or would not
// run.
func (a *App) Problems() (all []string) {
	spec := &a.Deployment.Spec
	if !selects(spec.Selector.MatchLabels, spec.Template.Labels) {
		all = append(all, "the Deployment's selector selects no pod of its own")
	}
	r := spec.Strategy.RollingUpdate
	if r == nil || r.MaxUnavailable == nil || *r.MaxUnavailable != intstr.FromInt32(0) {
		all = append(all, "maxUnavailable is not 0")
	}
	pod := &spec.Template.Spec
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		if p := c.RestartPolicy; p == nil || *p != corev1.ContainerRestartPolicyAlways {
			all = append(all, c.Name+": not a sidecar")
		}
	}
	for i := range pod.Containers {
		all = append(all, stop(pod, &pod.Containers[i])...)
	}
	all = append(all, mounts(pod)...)
	for _, s := range a.Services {
		all = append(all, a.reaches(s)...)
	}
	return append(all, a.linkerd()...)
}

// mounts says which volumes are not there.
func mounts(pod *corev1.PodSpec) (all []string) {
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				all = append(all, c.Name+": no volume "+m.Name)
			}
		}
	}
	return all
}

// stop says what is wrong with one container.
func stop(pod *corev1.PodSpec, c *corev1.Container) (all []string) {
	say := func(format string, args ...any) {
		all = append(all, c.Name+": "+fmt.Sprintf(format, args...))
	}
	if len(c.Command) == 0 {
		say("no command: the image decides what process 1 is")
	} else if slices.Contains(shells, path.Base(c.Command[0])) {
		say("a shell is process 1")
	}
	need, err := needs(c)
	if err != nil {
		say("%v", err)
	} else if has := termination(pod); has < need+margin {
		say("%.0f s is less than preStop and grace period, %.0f s, and %.0f s", has.Seconds(),
			need.Seconds(), margin.Seconds())
	}
	if p := c.ReadinessProbe; p != nil && p.GRPC != nil && !listens(c, p.GRPC.Port) {
		say("readinessProbe: port %d is none of the container's", p.GRPC.Port)
	}
	known := map[string]bool{}
	for _, e := range c.Env {
		for _, m := range reference.FindAllStringSubmatch(e.Value, -1) {
			if !known[m[1]] {
				say("%s: %s is not set before", e.Name, m[0])
			}
		}
		known[e.Name] = true
	}
	return all
}

func termination(pod *corev1.PodSpec) time.Duration {
	if pod.TerminationGracePeriodSeconds == nil {
		return defaultTermination
	}
	return time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
}

// needs is what a container takes to stop, from the pod's deletion on.
func needs(c *corev1.Container) (time.Duration, error) {
	grace := defaultGrace
	for _, e := range c.Env {
		if e.Name != envGrace {
			continue
		}
		var err error
		if grace, err = time.ParseDuration(e.Value); err != nil {
			return 0, fmt.Errorf("%s: %w", envGrace, err)
		}
	}
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return grace, nil
	}
	if c.Lifecycle.PreStop.Sleep == nil {
		return 0, fmt.Errorf("preStop: how long it takes is not known")
	}
	return grace + time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second, nil
}

func listens(c *corev1.Container, port int32) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return p.ContainerPort == port
	})
}

// reaches says why a Service would not reach the pods.
func (a *App) reaches(s *corev1.Service) (all []string) {
	if !selects(s.Spec.Selector, a.Deployment.Spec.Template.Labels) {
		all = append(all, s.Name+": selects no pod")
	}
	for _, p := range s.Spec.Ports {
		port := a.port(p.TargetPort)
		switch {
		case port == 0:
			target := p.TargetPort.String()
			all = append(all, fmt.Sprintf("%s: no container has targetPort %s", s.Name, target))
		case s.Spec.ClusterIP == corev1.ClusterIPNone && port != p.Port:
			// Nobody translates it: clients dial the pod.
			all = append(all, fmt.Sprintf("%s: headless, and port %d is not %d", s.Name, p.Port, port))
		}
	}
	return all
}

// port is the number of a Service's targetPort; zero: no container has it.
func (a *App) port(target intstr.IntOrString) int32 {
	for _, c := range a.Deployment.Spec.Template.Spec.Containers {
		for _, p := range c.Ports {
			named := target.Type == intstr.String && p.Name == target.StrVal
			if named || p.ContainerPort == target.IntVal {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// selects reports whether a selector that asks for something finds these labels.
func selects(selector, labels map[string]string) bool {
	if len(selector) == 0 {
		return false
	}
	return !slices.ContainsFunc(slices.Collect(maps.Keys(selector)), func(k string) bool {
		return selector[k] != labels[k]
	})
}
