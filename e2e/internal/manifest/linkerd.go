// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"time"
)

// Annotations of Linkerd's proxy, where it is not a native sidecar.
const (
	linkerdWait  = "config.alpha.linkerd.io/proxy-wait-before-exit-seconds"
	linkerdGrace = "config.linkerd.io/shutdown-grace-period"
)

// linkerd says why a proxy that was told to wait would end before the
// application, or be killed.
func (a *App) linkerd() (all []string) {
	template := &a.Deployment.Spec.Template
	value, ok := template.Annotations[linkerdWait]
	if !ok {
		return nil
	}
	wait, err := time.ParseDuration(value + "s")
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", linkerdWait, err)}
	}
	grace, err := time.ParseDuration(template.Annotations[linkerdGrace])
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", linkerdGrace, err)}
	}
	for i := range template.Spec.Containers {
		c := &template.Spec.Containers[i]
		if need, err := needs(c); err == nil && wait < need {
			all = append(all, fmt.Sprintf("%s takes %s to stop, its proxy waits for %s", c.Name, need, wait))
		}
	}
	if has := termination(&template.Spec); has < wait+grace+margin {
		all = append(all, fmt.Sprintf("the proxy takes %s and has %s", wait+grace, has))
	}
	return all
}
