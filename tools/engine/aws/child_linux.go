package main

import (
	"os/exec"
	"syscall"
)

// childOfThisProcess has the kernel end the child when this process is gone, even by SIGKILL.
func childOfThisProcess(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
