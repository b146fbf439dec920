//go:build !crashpoints

package crash_test

const compiledIn = false
