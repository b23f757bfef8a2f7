// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package gracetrace has no code: this file is what the weaver reads when this
// module's own tests are instrumented, see make weave.
package gracetrace

import _ "github.com/gracetrace/gracetrace/weave"
