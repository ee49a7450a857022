package main

import (
	"os/exec"
	"syscall"
)

// childOfThisProcess has the kernel end the child when this process is gone, even by SIGKILL. (Exactly: when the thread
// that started it is gone. Go ends a thread only with a goroutine that has locked it, and none here does.)
func childOfThisProcess(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
