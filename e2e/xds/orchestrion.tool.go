// SPDX-License-Identifier: Apache-2.0

//go:build tools

package xds

import _ "github.com/gracetrace/gracetrace/weave"
