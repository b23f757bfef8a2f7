// SPDX-License-Identifier: Apache-2.0

// Package greeterv1 is the generated code of the demo service, greeter.v1. The
// demo, the stories and the end-to-end tests serve it; the library does not
// need it.
package greeterv1
