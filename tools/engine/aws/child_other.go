//go:build !linux

package main

import "os/exec"

// childOfThisProcess has no counterpart here: a plugin that is killed by SIGKILL leaves its provider behind.
func childOfThisProcess(*exec.Cmd) {}
